"""What the explorer remembers between two starts, and how it is read from a file that anyone may have edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.latent.journey import Journey, View
from core.latent.plane import Plane, decode_vector, encode_vector

MOST_BOOKMARKS = 9
"""As many as there are number keys."""


@dataclass(frozen=True, eq=False)
class Bookmark:
    """A view kept by number, and the vector of its tile, so that its picture needs no plane."""

    view: View
    z: NDArray[np.float32]

    def to_json(self) -> dict[str, object]:
        """Plain data without nulls."""
        return {"view": self.view.to_json(), "z": encode_vector(self.z)}

    @staticmethod
    def from_json(data: object, dim: int) -> Bookmark:
        """The bookmark that `to_json` described.

        Raises:
            InvalidInput: Not one, or for vectors of another length.
        """
        if not isinstance(data, Mapping):
            raise InvalidInput("a bookmark cannot be read", "it is not an object")
        view, z = View.from_json(data.get("view")), decode_vector(data.get("z"))
        if view.plane.dim != dim or z.shape != (dim,):
            raise InvalidInput("a bookmark cannot be read", f"its vector is not one of {dim} numbers")
        return Bookmark(view, z)


@dataclass(frozen=True)
class Remembered:
    """The explorer's state: where one has been, and the bookmarks."""

    journey: Journey
    bookmarks: tuple[Bookmark, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain data without nulls, for JSON and TOML alike."""
        return {
            "journey": self.journey.to_json(),
            "bookmarks": [bookmark.to_json() for bookmark in self.bookmarks],
        }


def remembered(state: Mapping[str, object] | None, dim: int, seed: int) -> tuple[Remembered, list[InvalidInput]]:
    """Read a state; what cannot be read is left out and told.

    Args:
        state: What `Remembered.to_json` gave, None or empty for a new explorer.
        dim: Length of the model's vectors.
        seed: Of the plane to begin with when there is none.
    """
    problems: list[InvalidInput] = []
    journey = Journey((View(Plane(dim, seed)),))
    state = state or {}
    if "journey" in state:
        try:
            read = Journey.from_json(state["journey"])
            if any(view.plane.dim != dim for view in read.views):
                raise InvalidInput("where you were cannot be shown", f"this model's vectors have {dim} numbers")
            journey = read
        except InvalidInput as error:
            problems.append(error)
    bookmarks: list[Bookmark] = []
    listed = state.get("bookmarks", [])
    for data in listed if isinstance(listed, list | tuple) else []:
        try:
            bookmarks.append(Bookmark.from_json(data, dim))
        except InvalidInput as error:
            problems.append(error)
    return Remembered(journey, tuple(bookmarks[:MOST_BOOKMARKS])), problems
