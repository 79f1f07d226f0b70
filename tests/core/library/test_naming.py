"""What people type finds what they mean: ids before names, names before beginnings, and never one of several."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.errors import NotFound, Refused
from core.library.naming import find, the_one


@dataclass(frozen=True)
class Thing:
    """As little as a name needs."""

    id: str
    name: str


NEW = Thing("20261125-170355-faces", "Faces")
OLD = Thing("20261001-090000-faces", "faces")
ODD = Thing("20260901-090000-odd", "20261001-090000-faces")
STARTER = Thing("starter/portraits", "portraits")
THINGS = [STARTER, NEW, OLD, ODD]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (OLD.id, [OLD]),  # an id, though something else is called so
        ("faces", [OLD]),  # as it was typed
        ("FACES", [NEW, OLD]),
        ("portraits", [STARTER]),
        ("starter/portraits", [STARTER]),
        ("Portraits", [STARTER]),
        ("20261125", [NEW]),
    ],
)
def test_what_is_typed(typed: str, found: list[Thing]) -> None:
    assert find(THINGS, typed, "model") == found


@pytest.mark.parametrize("typed", ["2026112", "2026", "", "starter", "face"])
def test_what_could_be_anything_is_nothing(typed: str) -> None:
    with pytest.raises(NotFound, match="no model is called"):
        find(THINGS, typed, "model")


def test_a_name_of_the_users_own_goes_before_a_starters_short_one() -> None:
    own = Thing("20261126-000000-portraits", "portraits")
    assert find([*THINGS, own], "portraits", "model") == [own]


def test_the_nearest_are_named() -> None:
    with pytest.raises(NotFound, match="Did you mean portraits"):
        find(THINGS, "portrait", "model")
    with pytest.raises(NotFound, match="See `tarmac datasets list`"):
        find([], "x\x1b[2J", "dataset")


def test_one_of_several_is_not_chosen() -> None:
    assert the_one(find(THINGS, "faces", "model"), "faces", "model") is OLD
    with pytest.raises(Refused, match=f"FACES is the name of 2 models: {NEW.id}, {OLD.id}. Give the id of one"):
        the_one(find(THINGS, "FACES", "model"), "FACES", "model")
