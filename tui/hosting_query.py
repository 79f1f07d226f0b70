"""A deployment asked by HTTP, as a program would ask it, with the key of this user's own programs."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.errors import Cancelled, InvalidInput, TarmacError

if TYPE_CHECKING:
    import http.client

    from core.interface import Command

_MOST_ANSWER = 256 * 2**20
_LONGEST_WAIT = 24 * 3600.0
"""Seconds; the gateway has a limit of its own and says so."""


@dataclass(frozen=True)
class Answer:
    """What a deployment answered to a query: its outputs by name, checked; seconds from asking to the answer."""

    outputs: Mapping[str, object]
    seconds: float


class Asking:
    """One query by HTTP, as a program would send it. `ask` belongs into a thread; `stop` may come from anywhere.

    Args:
        url: Of the query.
        command: What is asked.
        key: Gives what is sent as the token; reads the disk.
    """

    def __init__(self, url: str, command: Command, key: Callable[[], str]) -> None:
        self._url, self._command, self._key = url, command, key
        self._connection: http.client.HTTPConnection | None = None
        self.stopped = False

    def ask(self, inputs: Mapping[str, object]) -> Answer:
        """Ask with checked inputs by name, and wait for the answer.

        Raises:
            InvalidInput: The deployment refused the inputs.
            Cancelled: It was stopped.
            TarmacError: It did not answer, or with an error; its own sentence.
        """
        data = {name: self._command.inputs[name].to_json(value) for name, value in inputs.items()}
        begun = time.monotonic()
        found = self._post(data)
        seconds = time.monotonic() - begun
        return Answer(
            {name: kind.from_json(name, found.get(name)) for name, kind in self._command.outputs.items()}, seconds
        )

    def stop(self) -> None:
        """Hang up: the deployment takes it as given up."""
        self.stopped = True
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _post(self, data: object) -> dict[str, Any]:
        import http.client
        import ssl

        address = urlsplit(self._url)
        host, port = address.hostname or "", address.port
        if address.scheme == "https":
            # This very machine, whose certificate is for the name that others reach it by.
            trust = ssl.create_default_context()
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
            self._connection = http.client.HTTPSConnection(host, port, timeout=_LONGEST_WAIT, context=trust)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=_LONGEST_WAIT)
        headers = {"Authorization": f"Bearer {self._key()}", "Content-Type": "application/json"}
        try:
            self._connection.connect()
            if self.stopped:
                raise Cancelled("it was stopped")
            self._connection.request("POST", address.path, json.dumps(data).encode(), headers)
            reply = self._connection.getresponse()
            body = reply.read(_MOST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            if self.stopped:
                raise Cancelled("it was stopped") from error
            raise TarmacError(
                "the gateway does not answer", str(error) or type(error).__name__, "Start it: tarmac gateway start"
            ) from error
        finally:
            self._connection.close()
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise TarmacError("the deployment's answer cannot be read", f"HTTP status {reply.status}")
        if reply.status != 200:
            sentence = found.get("error")
            kind = InvalidInput if reply.status == 400 else TarmacError
            raise kind(str(sentence) if isinstance(sentence, str) else f"it answered HTTP status {reply.status}")
        return found
