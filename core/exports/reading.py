"""Reading back what a picture or film of ours says about itself: where it was made, and with which model."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput, Refused
from core.exports.containers import TooLong, Torn, find_text
from core.exports.notes import FORMAT, HISTORY, KINDS, loads
from core.latent.journey import View
from core.latent.plane import decode_vector, encode_vector

ENDINGS = (".png", ".webp", ".gif", ".mp4")
"""What Tarmac writes and can open again."""

MOST_MARKS = 64
_HASH = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Mark:
    """A bookmark on a contact sheet.

    Attributes:
        view: Where it is.
        z: Its vector, float32 [dim].
    """

    view: View
    z: NDArray[np.float32]

    def to_json(self) -> dict[str, object]:
        """Plain data, as the sheet holds it."""
        return {"view": self.view.to_json(), "z": encode_vector(self.z)}


@dataclass(frozen=True)
class Notes:
    """What a file says.

    Attributes:
        kind: "picture", "grid", "film" or "sheet".
        model: Id of the model that drew it.
        model_name: What it was called; may be empty.
        checkpoint: SHA-256 of its weights; "" if the file does not say.
        view: Where it was made.
        marks: Of a sheet, its bookmarks by number.
        facts: All of it, as it stands in the file.
    """

    kind: str
    model: str
    model_name: str
    checkpoint: str
    view: View
    marks: tuple[Mark, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def read_notes(path: Path) -> Notes:
    """What a picture, sheet or film of ours says about itself. Reads headers only; nothing is decoded or executed.

    Raises:
        Refused: Not such a file; says why in one line.
    """
    name = path.name or str(path)

    def refuse(why: str, do: str = "") -> Refused:
        return Refused(f"{name} cannot be opened", why, do)

    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise refuse("it is not a file")
        with path.open("rb") as file:
            text = find_text(file)
    except (OSError, ValueError) as error:
        raise refuse(getattr(error, "strerror", None) or str(error)) from error
    except Torn:
        raise refuse("it is torn: a part of it is missing or damaged") from None
    except TooLong:
        raise refuse("the text in it is longer than any that Tarmac writes") from None
    said = None if text is None else loads(text)
    if said is None:
        raise refuse("Tarmac did not save it, or its notes were removed", "Open a picture saved with s, or a film")
    number = said.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise refuse("a newer Tarmac saved it", "Update Tarmac")
    if said.get("kind") == HISTORY:
        raise refuse("it is a film of a training, not of a place in one model", "See the run with `tarmac runs show`")
    try:
        return _notes(said)
    except InvalidInput as error:
        raise refuse(str(error)) from error
    except RecursionError:
        raise refuse("its notes are nested too deeply") from None


def _notes(said: dict[str, Any]) -> Notes:
    model = _line("model", said.get("model"))
    if not model:
        raise InvalidInput("its notes cannot be read", "they name no model")
    view = View.from_json(said.get("view"))
    checkpoint = _line("checkpoint", said.get("checkpoint", ""))
    listed = said.get("bookmarks", [])
    if not isinstance(listed, list) or len(listed) > MOST_MARKS:
        raise InvalidInput("its notes cannot be read", f"bookmarks is not a list of at most {MOST_MARKS}")
    kind = said.get("kind", "grid" if "grid" in said else "picture")
    return Notes(
        kind=kind if kind in KINDS else "picture",
        model=model,
        model_name=_line("model_name", said.get("model_name", "")),
        checkpoint=checkpoint if _HASH.fullmatch(checkpoint) else "",
        view=view,
        marks=tuple(_mark(mark, view.plane.dim) for mark in listed),
        facts=said,
    )


def _mark(data: object, dim: int) -> Mark:
    if not isinstance(data, dict):
        raise InvalidInput("its notes cannot be read", "a bookmark is not an object")
    view, z = View.from_json(data.get("view")), decode_vector(data.get("z"))
    if view.plane.dim != dim or z.shape != (dim,) or not np.isfinite(z).all():
        raise InvalidInput("its notes cannot be read", f"a bookmark is not a vector of {dim} finite numbers")
    return Mark(view, z)


def _line(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise InvalidInput("its notes cannot be read", f"{name} is not a short text")
    return "".join(char if char.isprintable() else " " for char in value)
