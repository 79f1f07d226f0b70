"""A deployment asked by HTTP, as a program would ask it, with the key of this user's own programs.

A text comes as it is written where OpenAI's API can be asked for it, as on the page for people; everything else, and
what that API does not know, comes whole from Runway's.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.errors import Cancelled, InvalidInput, TarmacError

if TYPE_CHECKING:
    import http.client

    from core.interface import Command

_MOST_ANSWER = 256 * 2**20
_MOST_LINE = 4 * 2**20
_LONGEST_WAIT = 24 * 3600.0
"""Seconds; the gateway has a limit of its own and says so."""


STREAMED = frozenset({"prompt", "max_tokens", "temperature", "top_p", "seed", "stop"})
"""Inputs that OpenAI's API knows; the others have to be as the model has them by default."""


@dataclass(frozen=True)
class Answer:
    """What a deployment answered to a query.

    Attributes:
        outputs: By name, checked; of a text that was streamed only those that are told there.
        seconds: From asking to the whole answer.
        first: Seconds from asking to the first text; None where it did not stream.
    """

    outputs: Mapping[str, object]
    seconds: float
    first: float | None = None


class Asking:
    """One query by HTTP, as a program would send it. `ask` belongs into a thread; `stop` may come from anywhere.

    Args:
        url: Of the deployment's API: "http://127.0.0.1:8600/gen/v1".
        command: What is asked.
        key: Gives what is sent as the token; reads the disk.
        model: The deployment's name where it speaks OpenAI's API, else empty.
    """

    def __init__(self, url: str, command: Command, key: Callable[[], str], model: str = "") -> None:
        self._url, self._command, self._key, self._model = url, command, key, model
        self._connection: http.client.HTTPConnection | None = None
        self.stopped = False

    def ask(self, inputs: Mapping[str, object], written: Callable[[str], None] | None = None) -> Answer:
        """Ask with checked inputs by name, and wait for the answer.

        Args:
            inputs: Checked values by name.
            written: Called in this thread with each piece of the text as it comes, where that can be had.

        Raises:
            InvalidInput: The deployment refused the inputs.
            Cancelled: It was stopped.
            TarmacError: It did not answer, or with an error; its own sentence.
        """
        data = {name: self._command.inputs[name].to_json(value) for name, value in inputs.items()}
        begun = time.monotonic()
        if written is not None and self.streams(inputs):
            try:
                return self._stream(data, written, begun)
            except _Unknown:
                pass  # the other API is more obliging, or says it better
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

    def streams(self, inputs: Mapping[str, object]) -> bool:
        """Whether the answer to these inputs can be had as it is written."""
        if not self._model or "completion" not in self._command.outputs:
            return False
        known = self._command.inputs
        return all(name in STREAMED or value == known[name].default_value() for name, value in inputs.items())

    def _stream(self, data: Mapping[str, object], written: Callable[[str], None], begun: float) -> Answer:
        """A completion by server-sent events.

        Raises:
            _Unknown: Not served, or not with these inputs.
        """
        body: dict[str, object] = {name: value for name, value in data.items() if name in STREAMED}
        if not body.get("stop"):
            body.pop("stop", None)
        body |= {"model": self._model, "stream": True, "stream_options": {"include_usage": True}}
        text: list[str] = []
        told: dict[str, object] = {}
        first: float | None = None
        with self._asked("/completions", body) as reply:
            if reply.status in (400, 404, 405):
                raise _Unknown
            if reply.status != 200:
                raise _refusal(reply.status, _read(reply))
            for part in _events(reply):
                for choice in part.get("choices") or ():
                    if piece := str(choice.get("text") or ""):
                        first = time.monotonic() - begun if first is None else first
                        text.append(piece)
                        written(piece)
                    told |= {"finish_reason": choice["finish_reason"]} if choice.get("finish_reason") else {}
                if isinstance(usage := part.get("usage"), dict):
                    told |= {"tokens": usage.get("completion_tokens"), "prompt_tokens": usage.get("prompt_tokens")}
        seconds = time.monotonic() - begun
        tokens = told.get("tokens")
        if isinstance(tokens, int) and tokens > 1 and first is not None and seconds > first:
            told["tokens_per_second"] = (tokens - 1) / (seconds - first)
        kinds = self._command.outputs
        outputs = {name: kinds[name].from_json(name, value) for name, value in told.items() if name in kinds}
        return Answer({"completion": "".join(text), **outputs}, seconds, first)

    def _post(self, data: object) -> dict[str, Any]:
        with self._asked("/query", data) as reply:
            found = _read(reply)
        if not isinstance(found, dict):
            raise TarmacError("the deployment's answer cannot be read", f"HTTP status {reply.status}")
        if reply.status != 200:
            raise _refusal(reply.status, found)
        return found

    @contextlib.contextmanager
    def _asked(self, path: str, data: object) -> Iterator[http.client.HTTPResponse]:
        """The reply to a request, its body still to be read.

        Raises:
            Cancelled: It was stopped, at whatever moment.
            TarmacError: The gateway does not answer, or its answer broke off.
        """
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
        answers = False
        try:
            self._connection.connect()
            if self.stopped:
                raise Cancelled("it was stopped")
            self._connection.request("POST", address.path + path, json.dumps(data).encode(), headers)
            reply = self._connection.getresponse()
            answers = True
            yield reply
        except (OSError, http.client.HTTPException) as error:
            if self.stopped:
                raise Cancelled("it was stopped") from error
            why = str(error) or type(error).__name__
            if answers:
                raise TarmacError("the answer broke off", why, "See whether the gateway still runs") from error
            raise TarmacError("the gateway does not answer", why, "Start it: tarmac gateway start") from error
        finally:
            self._connection.close()


class _Unknown(Exception):
    """What was asked for is not to be had in this way."""


def _read(reply: http.client.HTTPResponse) -> object:
    """The JSON of a whole answer; None where it is none."""
    try:
        return json.loads(reply.read(_MOST_ANSWER))
    except (ValueError, RecursionError):
        return None


def _refusal(status: int, found: object) -> TarmacError:
    """The deployment's own sentence, in the form of either API."""
    error = found.get("error") if isinstance(found, dict) else None
    sentence = error.get("message") if isinstance(error, dict) else error
    kind = InvalidInput if status == 400 else TarmacError
    return kind(sentence if isinstance(sentence, str) else f"it answered HTTP status {status}")


def _events(reply: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The data of server-sent events up to [DONE].

    Raises:
        TarmacError: One tells an error.
        OSError: It broke off.
    """
    read = 0
    while line := reply.readline(_MOST_LINE):
        read += len(line)
        text = line.strip()
        if not text.startswith(b"data:"):
            continue
        data = text[5:].strip()
        if data == b"[DONE]":
            return
        try:
            part = json.loads(data)
        except (ValueError, RecursionError):
            part = None
        if not isinstance(part, dict) or read > _MOST_ANSWER:
            raise TarmacError("the deployment's answer cannot be read")
        if "error" in part:
            raise _refusal(500, part)
        yield part
    raise ConnectionError("it ended too early")
