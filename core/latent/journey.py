"""Where someone has been on planes: views with a way back and a way forward, as plain data for workspace files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.errors import InvalidInput
from core.latent.plane import MAX_COORDINATE, Plane
from core.latent.style import PLAIN, Style

MAX_VIEWS = 100
"""The oldest views are forgotten; a view around a 512-dimensional vector takes 3 kB in the file."""

_MAX_ZOOM = 16


@dataclass(frozen=True)
class View:
    """What one sees: a plane, and how one looks at it.

    Attributes:
        plane: The vectors.
        cursor: Tile (x, y) that is chosen.
        truncation: 0 (the most typical picture everywhere) to 1 (as the model draws).
        zoom: Steps of tile size from the usual one; positive is larger.
        style: What is done to every picture.
    """

    plane: Plane
    cursor: tuple[int, int] = (0, 0)
    truncation: float = 0.7
    zoom: int = 0
    style: Style = PLAIN

    def to_json(self) -> dict[str, object]:
        """Plain data without nulls, for JSON and TOML alike."""
        return {
            "plane": self.plane.to_json(),
            "cursor": list(self.cursor),
            "truncation": self.truncation,
            "zoom": self.zoom,
            **({} if self.style == PLAIN else {"style": self.style.to_json()}),
        }

    @staticmethod
    def from_json(data: object) -> View:
        """The view that `to_json` described.

        Raises:
            InvalidInput: Not one; names what is wrong.
        """
        if not isinstance(data, Mapping):
            raise InvalidInput("a view cannot be read", "it is not an object")
        cursor = data.get("cursor", (0, 0))
        if not isinstance(cursor, list | tuple) or len(cursor) != 2:
            raise InvalidInput("a view cannot be read", "cursor must be two whole numbers")
        plane = Plane.from_json(data.get("plane"))
        return View(
            plane=plane,
            cursor=(_whole("cursor", cursor[0], MAX_COORDINATE), _whole("cursor", cursor[1], MAX_COORDINATE)),
            truncation=_truncation(data.get("truncation", 0.7)),
            zoom=_whole("zoom", data.get("zoom", 0), _MAX_ZOOM),
            style=Style.from_json(data["style"], plane.dim) if "style" in data else PLAIN,
        )


@dataclass(frozen=True)
class Journey:
    """A history of views; immutable.

    Attributes:
        views: At least one, the oldest first.
        index: Which one is shown.
    """

    views: tuple[View, ...]
    index: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.index < len(self.views):
            raise InvalidInput("a journey cannot be read", f"it has {len(self.views)} views and shows {self.index}")

    @property
    def now(self) -> View:
        """The view that is shown."""
        return self.views[self.index]

    @property
    def can_go_back(self) -> bool:
        """Whether there is an older view."""
        return self.index > 0

    @property
    def can_go_forward(self) -> bool:
        """Whether there is a newer view."""
        return self.index + 1 < len(self.views)

    def go(self, view: View) -> Journey:
        """On to a new view; what lay ahead is given up."""
        views = (*self.views[: self.index + 1], view)[-MAX_VIEWS:]
        return Journey(views, len(views) - 1)

    def change(self, view: View) -> Journey:
        """The shown view changed in place (a moved cursor is no step that one goes back over)."""
        return replace(self, views=(*self.views[: self.index], view, *self.views[self.index + 1 :]))

    def back(self) -> Journey:
        """One view back; the same journey at the beginning."""
        return replace(self, index=max(self.index - 1, 0))

    def forward(self) -> Journey:
        """One view forward; the same journey at the end."""
        return replace(self, index=min(self.index + 1, len(self.views) - 1))

    def to_json(self) -> dict[str, object]:
        """Plain data without nulls, for JSON and TOML alike."""
        return {"index": self.index, "views": [view.to_json() for view in self.views]}

    @staticmethod
    def from_json(data: object) -> Journey:
        """The journey that `to_json` described.

        Raises:
            InvalidInput: Not one; names what is wrong.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("views"), list | tuple):
            raise InvalidInput("a journey cannot be read", "it has no list of views")
        views = tuple(View.from_json(view) for view in data["views"][-MAX_VIEWS:])
        return Journey(views, _whole("index", data.get("index", len(views) - 1), MAX_VIEWS))


def _whole(name: str, value: object, limit: float) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > limit:
        raise InvalidInput(f"{name} is {value!r}", f"it must be a whole number within ±{limit:g}")
    return value


def _truncation(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInput(f"truncation is {value!r}", "it must be a number from 0 to 1")
    return float(value)
