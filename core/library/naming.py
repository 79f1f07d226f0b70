"""How people name what is on disk: by its id, by what they called it, or by how its id begins.

A starter has an id of two parts, "starter/portraits", and answers to the second too.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import Protocol, TypeVar

from core.errors import NotFound, Refused
from core.library.manifest import clean_line

STARTER_PREFIX = "starter/"

_SHORTEST = 8
"""Letters of an id that stand for all of it: its day."""


class Named(Protocol):
    """A model, a dataset, a run."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


Thing = TypeVar("Thing", bound=Named)


def slug(name: str, longest: int = 24, otherwise: str = "model") -> str:
    """`name` as a part of an id: a-z, 0-9 and single hyphens; `otherwise` if nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].rstrip("-") or otherwise


def find(things: Sequence[Thing], text: str, kind: str) -> list[Thing]:
    """The one with the id `text`, else all of this name, else the only one whose id begins so.

    Names are compared as they were typed, then regardless of upper and lower case. A starter's short name counts where
    nothing else is called so.

    Args:
        things: In the order in which they are preferred.
        text: As it was typed.
        kind: What they are: "model".

    Returns:
        At least one.

    Raises:
        NotFound: There is none; names the nearest.
    """
    for thing in things:
        if thing.id == text:
            return [thing]
    for same in (str, str.casefold):
        own = [each for each in things if not each.id.startswith(STARTER_PREFIX) and same(each.name) == same(text)]
        short = [each for each in things if same(each.id) == STARTER_PREFIX + same(text)]
        if own or short:
            return own or short
    begun = [each for each in things if len(text) >= _SHORTEST and each.id.startswith(text)]
    if len(begun) != 1:
        raise not_found(things, text, kind)
    return begun


def the_one(found: Sequence[Thing], text: str, kind: str) -> Thing:
    """The only one of those that `find` found.

    Raises:
        Refused: There are several; gives their ids.
    """
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise Refused(f"{clean_line(text)} is the name of {len(found)} {kind}s", ids, "Give the id of one")
    return found[0]


def not_found(things: Sequence[Named], text: str, kind: str) -> NotFound:
    """That no `kind` is called `text`; names the nearest of `things`."""
    words = {word for each in things for word in (each.name, each.id, each.id.removeprefix(STARTER_PREFIX))}
    near = difflib.get_close_matches(text, sorted(words), n=3, cutoff=0.5)
    do = f"Did you mean {' or '.join(near)}?" if near else f"See `tarmac {kind}s list`"
    return NotFound(f"no {kind} is called {clean_line(text)[:80]!r}", "", do)
