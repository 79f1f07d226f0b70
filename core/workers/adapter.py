"""What a worker runs: the shape every kind of model takes inside the subprocess, and how one is asked for.

Nothing here imports a framework, so the studio and the worker share these types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from core.errors import TarmacError
from core.interface import Interface


@dataclass(frozen=True)
class Request:
    """One call of a command.

    Attributes:
        inputs: Checked values by name, complete (defaults filled in).
        cancelled: True from the moment its asker gave up; ask between two tokens or two batches and stop if so.
    """

    inputs: dict[str, object]
    cancelled: Callable[[], bool]


@dataclass(frozen=True)
class Answer:
    """A part or the whole of what one request gets.

    Attributes:
        index: Which of the requests given to `run` this answers.
        outputs: Values by name. A partial answer carries the whole state so far (all the text, not the last token).
        progress: How far the request is, 0 to 1, if that is known.
        final: The last answer of its request; it must hold every output of the command.
    """

    index: int
    outputs: dict[str, object]
    progress: float | None = None
    final: bool = True


@dataclass(frozen=True)
class Failure:
    """What a request gets that came to nothing; the others are not concerned."""

    index: int
    error: TarmacError


class Flow(Protocol):
    """Requests that run side by side, each joining and leaving while the others go on."""

    @property
    def room(self) -> int:
        """How many more may join now; at least 1 while nobody is in."""
        ...

    def join(self, command: str, request: Request) -> int:
        """Take a request in; returns the index that its answers carry.

        Raises:
            TarmacError: It cannot be answered.
        """
        ...

    def step(self) -> Sequence[Answer | Failure]:
        """Do a little for everybody (write one token, say). Whoever got a final answer, failed or was cancelled is out.

        What is raised ends all requests that are in; the flow is not asked again.
        """
        ...


class Adapter(Protocol):
    """One kind of model, loaded and ready.

    An adapter may also have `batch_key(command, inputs) -> Hashable`: requests run together only if their keys are
    equal (pictures of one size, say). Without it all waiting requests of a batchable command may be joined.

    And it may have `flow(command) -> Flow | None`: where requests of that command go that need not begin or end
    together. It is the same object until it has failed, and commands may share one. It is stepped in turn with all
    other requests, which are run as batches; so are requests that were asked for together.
    """

    interface: Interface

    info: dict[str, object]
    """Plain data about what was loaded: device, dtype, parameters, memory_bytes, architecture, native settings."""

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Answer `requests` (one, unless the command is batchable) in any order, each with one final answer.

        A request that was cancelled needs no further answer. Whatever is raised is told to the asker and leaves the
        worker usable; after a failed batch its unanswered requests are run again by themselves.

        Raises:
            OutOfMemory: The device had not enough memory; a batch is then tried again in halves.
            TarmacError: Anything else the asker can understand.
        """
        ...

    def max_batch(self, command: str) -> int:
        """How many requests of `command` may run together, at least 1."""
        ...


@dataclass(frozen=True)
class Target:
    """Which model a worker is to run, and how.

    Attributes:
        adapter: Registered name of the adapter: "stylegan2", "causal-lm".
        path: Folder of the model.
        options: Set-up options, plain data.
        device: "auto", "cpu", "cuda", "cuda:1" ...
        trusted_factory: "module:factory" to call as `factory(path, options, device)` instead of the registered
            adapter. It runs code by name: only the program itself sets it, never a manifest.
        name: What the model is called in messages; the folder's name if empty.
    """

    adapter: str
    path: Path
    options: Mapping[str, object] = field(default_factory=dict)
    device: str = "auto"
    trusted_factory: str | None = None
    name: str = ""

    @property
    def title(self) -> str:
        """The model's name for messages."""
        return self.name or self.path.name or self.adapter
