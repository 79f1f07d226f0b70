"""Adapters without a framework, for tests of everything that talks to a worker.

`target("Stub", delay=0.1)` is a target that a session can run; each class documents its options.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from core.errors import OutOfMemory, Refused
from core.interface import Any, Command, Image, Interface, Number, Text, Vector
from core.workers.adapter import Answer, Request, Target


def target(kind: str = "Stub", /, **options: object) -> Target:
    """A target that runs the adapter class `kind` of this file."""
    return Target("test", Path("/"), options, trusted_factory=f"tests.adapters:{kind}", name=kind)


def _number_command(name: str, **inputs: Number) -> Command:
    return Command(name, dict(inputs), {"value": Number()})


class _Base:
    interface = Interface()

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        self.options = options
        self.info: dict[str, object] = {"device": "cpu", "adapter": type(self).__name__, "native": dict(options)}

    def max_batch(self, command: str) -> int:
        return 1

    def option(self, name: str, default: float) -> float:
        value = self.options.get(name, default)
        assert isinstance(value, int | float)
        return value


def picture(z: np.ndarray, truncation: float, resolution: int) -> np.ndarray:
    """What `Stub` draws: uint8 [resolution, resolution, 3], smooth in z, the same for the same z."""
    y, x = np.mgrid[0:resolution, 0:resolution] / resolution
    a, b, c, d = (float(v) for v in z[:4])
    waves = [np.sin(a + x * (2 + b)), np.cos(b + y * (2 + c)), np.sin(c + (x + y) * (1 + d))]
    return np.uint8(np.clip(np.stack(waves, -1) * truncation * 127 + 128, 0, 255))


class Stub(_Base):
    """One vector in, one picture out; batchable.

    Options: length (16), resolution (64), delay (0 s per batch), batch (8), load (0 s before it is ready), flat (0; 1:
    one grey, which costs nothing to draw).
    """

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        super().__init__(path, options, device)
        self.resolution = int(self.option("resolution", 64))
        length = int(self.option("length", 16))
        self.interface = Interface(
            commands={
                "generate": Command(
                    "generate",
                    {"z": Vector(length), "truncation": Number(default=0.7, min=0, max=1, step=0.01)},
                    {"image": Image()},
                    "A picture of waves",
                    batchable=True,
                )
            }
        )
        self.info["native"] = {"z_dim": length, "resolution": self.resolution}
        time.sleep(self.option("load", 0))

    def max_batch(self, command: str) -> int:
        return int(self.option("batch", 8))

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        time.sleep(self.option("delay", 0))
        for index, request in enumerate(requests):
            if not request.cancelled():
                z, truncation = request.inputs["z"], request.inputs["truncation"]
                if self.options.get("flat"):
                    yield Answer(index, {"image": np.full((self.resolution,) * 2 + (3,), int(z[0]) & 255, np.uint8)})
                else:
                    yield Answer(index, {"image": picture(z, truncation, self.resolution)})


class Counter(_Base):
    """Tells how requests were joined: each answer is the size of its batch and the number of the batch.

    Options: batch (4), gate (a file: the first batch waits until it is there).
    """

    interface = Interface(
        commands={
            name: Command(
                name, {"x": Number(default=0)}, {"size": Number(), "batch": Number()}, batchable=name != "one"
            )
            for name in ("many", "other", "one")
        }
    )
    batches = 0

    def max_batch(self, command: str) -> int:
        return int(self.option("batch", 4))

    def batch_key(self, command: str, inputs: dict[str, object]) -> object:
        return inputs["x"] == 99

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        self.batches += 1
        gate = self.options.get("gate")
        while isinstance(gate, str) and not os.path.exists(gate):
            time.sleep(0.002)
        for index in reversed(range(len(requests))):
            yield Answer(index, {"size": len(requests), "batch": self.batches})


class Sleeper(_Base):
    """Works for `seconds` and looks every `tick` (0.01 s) whether it was cancelled; says how far it is.

    `sleep` streams; `ran` tells how many sleeps were begun; `hang` never looks and never returns; `hold` hangs inside
    C code that keeps the interpreter's lock, so that no other thread of the worker can run.
    """

    interface = Interface(
        commands={
            "sleep": Command("sleep", {"seconds": Number(default=20, min=0)}, {"slept": Number()}, streaming=True),
            "ran": Command("ran", {}, {"value": Number()}),
            "hang": Command("hang", {}, {"value": Number()}, streaming=True),
            "hold": Command("hold", {}, {"value": Number()}, streaming=True),
        }
    )
    ran = 0

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        if command == "ran":
            yield Answer(0, {"value": self.ran})
            return
        if command in ("hang", "hold"):
            yield Answer(0, {"value": 0}, final=False)
            while command == "hang":
                time.sleep(0.01)
            ctypes.PyDLL(None).pause()
        self.ran += 1
        seconds, begun = requests[0].inputs["seconds"], time.monotonic()
        while (slept := time.monotonic() - begun) < seconds:
            if requests[0].cancelled():
                return
            yield Answer(0, {"slept": slept}, slept / seconds, final=False)
            time.sleep(self.option("tick", 0.01))
        yield Answer(0, {"slept": slept})


class Talker(_Base):
    """Streams a completion word by word, each part the whole text so far.

    Options: delay (0 s per word).
    """

    interface = Interface(
        commands={
            "complete": Command(
                "complete",
                {
                    "prompt": Text(),
                    "max_tokens": Number(default=128, min=1, max=1024, step=1),
                    "temperature": Number(default=0.8, min=0, max=2),
                    "top_p": Number(default=0.95, min=0, max=1),
                    "seed": Number(default=0, min=0, max=2**31 - 1, step=1),
                },
                {"completion": Text(), "finish_reason": Text(), "tokens": Number(), "tokens_per_second": Number()},
                streaming=True,
            )
        }
    )

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        inputs, begun = requests[0].inputs, time.monotonic()
        text, count = "", inputs["max_tokens"]
        for number in range(count):
            if requests[0].cancelled():
                return
            time.sleep(self.option("delay", 0))
            text += f" wörd{(inputs['seed'] + number) % 1000}"
            yield Answer(0, {"completion": text}, (number + 1) / count, final=False)
        rate = count / max(time.monotonic() - begun, 1e-6)
        yield Answer(0, {"completion": text, "finish_reason": "length", "tokens": count, "tokens_per_second": rate})


class Crasher(_Base):
    """Ends badly in every way there is: `crash` with how = raise, exit, kill, segv, _exit, quiet; batchable.

    `raise` raises an exception, `exit` calls sys.exit, `quiet` gives no answer; the others end the process: `kill` and
    `segv` by that signal, `_exit` with code 3. Anything else gets an answer. Options: at_start (one of those, while
    loading; also "refuse": a `Refused`).
    """

    interface = Interface(
        commands={"crash": Command("crash", {"how": Text()}, {"how": Text()}, batchable=True)},
    )

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        super().__init__(path, options, device)
        self._do(str(options.get("at_start", "")))

    def max_batch(self, command: str) -> int:
        return 4

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        for index, request in enumerate(requests):
            how = str(request.inputs["how"])
            if how != "quiet":
                self._do(how)
                yield Answer(index, {"how": how})

    @staticmethod
    def _do(how: str) -> None:
        if how == "raise":
            raise ValueError("bad \x1b[31mthing\nin two lines")
        if how == "refuse":
            raise Refused("the weights are not weights", "they begin with MZ", "Import the model again")
        if how == "exit":
            sys.exit("enough")
        if how in ("kill", "segv"):
            print("the last words")
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "segv": signal.SIGSEGV}[how])
            time.sleep(60)
        if how == "_exit":
            print("giving up", file=sys.stderr)
            os._exit(3)


class Eater(_Base):
    """Has memory for `room` (2) requests at once and raises otherwise; kind = ours, torch or python says how."""

    interface = Interface(
        commands={"eat": Command("eat", {"bites": Number(default=1)}, {"together": Number()}, batchable=True)}
    )

    def max_batch(self, command: str) -> int:
        return 16

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        if sum(request.inputs["bites"] for request in requests) > self.option("room", 2):
            kind = self.options.get("kind", "ours")
            if kind == "torch":
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 80 bytes")
            raise MemoryError if kind == "python" else OutOfMemory("the device is full", "eaten")
        for index in range(len(requests)):
            yield Answer(index, {"together": len(requests)})


class Printer(_Base):
    """Prints while it is imported, loaded and run: by print, to stderr, to the file descriptor, from a subprocess."""

    interface = Interface(commands={"print": _number_command("print", lines=Number(default=3, min=0))})

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        super().__init__(path, options, device)
        print("loading \x1b[1mloud\x1b[0m", flush=True)

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        for line in range(requests[0].inputs["lines"]):
            print(f"line {line} " + "x" * 100)
            print("to stderr", file=sys.stderr)
            os.write(1, b"\x00\xff raw bytes to fd 1\n")
            sys.stdin.read()
        subprocess.run(["echo", "from a child"], check=True)
        yield Answer(0, {"value": 1})


class Echo(_Base):
    """Gives back anything that it is given."""

    interface = Interface(
        commands={"echo": Command("echo", {"value": Any()}, {"value": Any()})},
    )

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        yield Answer(0, {"value": requests[0].inputs["value"]})


class Parent(_Base):
    """Starts a process of its own that would live for ever, and tells its id."""

    interface = Interface(commands={"spawn": _number_command("spawn")})

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", code])
        yield Answer(0, {"value": process.pid})


class Stubborn(_Base):
    """Ignores SIGTERM, and every wish to stop while it works."""

    interface = Interface(commands={"work": Command("work", {}, {"value": Number()}, streaming=True)})

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        super().__init__(path, options, device)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        yield Answer(0, {"value": 0}, final=False)
        while True:
            time.sleep(0.01)


class Liar(_Base):
    """Answers what it did not declare: `lie` with how = type, name, index, nan, missing."""

    interface = Interface(commands={"lie": Command("lie", {"how": Text()}, {"image": Image(), "score": Number()})})

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        good: dict[str, object] = {"image": np.zeros((2, 2, 3), np.uint8), "score": 0.5}
        how = requests[0].inputs["how"]
        lies: dict[object, dict[str, object]] = {
            "type": {**good, "image": "no"},
            "name": {**good, "other": 1},
            "nan": {**good, "score": float("nan")},
            "missing": {"score": 1},
        }
        with contextlib.suppress(StopIteration):
            yield Answer(7 if how == "index" else 0, lies.get(how, good))
