"""What can go wrong between a client and a deployment, beyond the core's own errors: one family with them."""

from __future__ import annotations

from typing import TypeVar

from core.errors import Cancelled, InvalidInput, NotFound, TarmacError
from core.interface.base import shorten

E = TypeVar("E", bound=TarmacError)

RETRY_AFTER = 5
"""Seconds that are told where there is nothing to measure."""


class Unauthorized(TarmacError):
    """No token, or one that does not open this. Says nothing about what there is."""

    status = 401

    def __init__(self) -> None:
        super().__init__("a valid token is needed", "", "Send it as: Authorization: Bearer TOKEN")


class MethodNotAllowed(TarmacError):
    """The path is there, the method is not."""

    status = 405


class TimedOut(TarmacError):
    """A request took longer than its deployment allows."""

    status = 504


class SlowClient(TarmacError):
    """A request did not arrive in time."""

    status = 408


class TooLarge(TarmacError):
    """A body beyond the limit of its deployment."""

    status = 413


class Unavailable(TarmacError):
    """The deployment is there and cannot answer now.

    Attributes:
        retry_after: Seconds after which it is worth to ask again, measured where there is something to measure.
    """

    status = 503

    def __init__(self, what: str, why: str = "", do: str = "", retry_after: int = RETRY_AFTER) -> None:
        super().__init__(what, why, do)
        self.retry_after = retry_after


class TooMany(Unavailable):
    """One client has more requests waiting than is its share."""

    status = 429


class Gone(Cancelled):
    """The client has left: nobody is there to be answered."""

    def __init__(self) -> None:
        super().__init__("the client has left")


# -- of OpenAI's API


class Unfit(InvalidInput):
    """A field of a request that cannot be.

    Attributes:
        param: The field.
    """

    def __init__(self, param: str, what: str, why: str = "", do: str = "") -> None:
        super().__init__(what, why, do)
        self.param = param


class NoModel(NotFound):
    """A name that opens no text model; says nothing about what there is."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no model {shorten(name)} here", "", "GET /v1/models lists what this token opens")


# -- the same again


def again(error: E, what: str | None = None, why: str | None = None, do: str | None = None) -> E:
    """The same error for another asker, with all that it knows; in other words where some are given.

    An exception that is raised twice would carry the one's traceback to the other.
    """
    told = type(error).__new__(type(error))
    told.__dict__.update(error.__dict__)
    told.what, told.why, told.do = (
        old if new is None else new for old, new in ((error.what, what), (error.why, why), (error.do, do))
    )
    told.args = (told.what, told.why, told.do)
    return told
