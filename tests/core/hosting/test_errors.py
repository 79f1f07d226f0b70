"""The errors of hosting are one family: each can be told, and each says when to come again where that helps."""

from __future__ import annotations

import pytest

from core.errors import Cancelled, OutOfMemory, TarmacError, WorkerDied
from core.hosting import errors
from core.hosting.exchange import error_response, plain_error
from core.hosting.pool import _again

FAMILY = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TarmacError)]


def test_every_error_has_a_status_and_is_one_of_ours() -> None:
    ours = [each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__]
    assert ours
    assert all(issubclass(each, TarmacError) for each in ours)
    assert all(400 <= each.status < 600 for each in FAMILY)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.Unavailable("full", retry_after=17), "17"),
        (errors.TooMany("too many", retry_after=3), "3"),
        (WorkerDied("gone"), "5"),
        (OutOfMemory("full"), "5"),
        (errors.TimedOut("late"), None),
        (TarmacError("bad"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_work_later_says_when(error: TarmacError, seconds: str | None) -> None:
    response = error_response(error, error.status, plain_error(error, error.status))
    assert response.headers.get("retry-after") == seconds


def test_the_same_error_for_another_asker_says_the_same() -> None:
    for error in (errors.TooMany("a", "b", "c", 40), WorkerDied("a", "b"), Cancelled("a"), errors.Gone()):
        again = _again(error)
        assert again is not error
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
