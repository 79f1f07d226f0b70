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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any as Anything

import numpy as np

from core.errors import OutOfMemory, Refused
from core.interface import (
    Any,
    Array,
    Boolean,
    Category,
    Command,
    Image,
    ImageBoundingBox,
    ImageLandmarks,
    ImagePoint,
    Interface,
    Number,
    Segmentation,
    Text,
    Vector,
)
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


def styled_picture(z: np.ndarray, truncation: float, resolution: int, style: Mapping[str, Anything]) -> np.ndarray:
    """What `Stub` draws with a style: each of the first four numbers of z belongs to a layer, colours to ranges."""
    numbers = z[:4].astype(np.float32).copy()
    for index, layer in enumerate(_LAYER_OF):
        if style["mix_layers"] and _within(layer, style["mix_layers"]):
            numbers[index] = style["mix"][index]
        if _within(layer, style["edit_layers"]):
            numbers[index] += 0.4 * sum(style["edits"][index::4])
    picked = [truncation if _within(layer, style["truncation_layers"]) else 1.0 for layer in (0, 4, 8)]
    waves = picture(numbers, 1.0, resolution).astype(np.float32) - 128
    return np.uint8(np.clip(waves * picked + 128, 0, 255))


def _within(layer: int, layers: Sequence[int]) -> bool:
    """Whether a range holds a layer; an empty one holds all."""
    return not layers or layers[0] <= layer <= layers[1]


_LAYER_OF = (0, 4, 8, 9)
_LAYERS = 10


class Stub(_Base):
    """One vector in, one picture out; batchable. Draws with styles, too, and looks for the vector of a picture.

    Options: length (16), resolution (64), delay (0 s per batch), batch (8), load (0 s before it is ready), flat (0; 1:
    one grey, which costs nothing to draw), plain (0; 1: only the picture of a vector, nothing with styles), step (0 s
    per step of a search).
    """

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        super().__init__(path, options, device)
        self.resolution = int(self.option("resolution", 64))
        length = int(self.option("length", 16))
        place = {"z": Vector(length), "truncation": Number(default=0.7, min=0, max=1, step=0.01)}
        commands = [Command("generate", place, {"image": Image()}, "A picture of waves", batchable=True)]
        if not self.options.get("plain"):
            layers = Array(Number(min=0, max=_LAYERS - 1, step=1), max_length=2)
            styles = {
                "truncation_layers": layers,
                "mix": Vector(length, default=[0.0] * length),
                "mix_layers": layers,
                "edits": Array(Number(min=-10, max=10), max_length=16),
                "edit_layers": layers,
            }
            found = {"z": Vector(length), "image": Image(), "distance": Number(min=0, max=255)}
            sought = {
                "image": Image(channels=4),
                "steps": Number(default=200, min=1, max=1000, step=1),
                "seed": Number(default=0, min=0, step=1),
                "truncation": place["truncation"],
            }
            commands += [
                Command("styled", {**place, **styles}, {"image": Image()}, batchable=True),
                Command("directions", {"layers": layers}, {"strengths": Array(Number(min=0, max=1))}),
                Command("project", sought, found, streaming=True),
            ]
        self.interface = Interface(commands={command.name: command for command in commands})
        self.info["native"] = {"z_dim": length, "resolution": self.resolution, "num_ws": _LAYERS}
        time.sleep(self.option("load", 0))

    def max_batch(self, command: str) -> int:
        return int(self.option("batch", 8))

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        if command == "project":
            yield from self._project(requests[0])
            return
        if command == "directions":
            # Other layers, other directions; shares of a whole, the largest first.
            first = (requests[0].inputs["layers"] or [0])[0]
            shares = [(0.6 - 0.02 * first) ** place for place in range(1, 17)]
            yield Answer(0, {"strengths": [share / sum(shares) for share in shares]})
            return
        time.sleep(self.option("delay", 0))
        for index, request in enumerate(requests):
            if not request.cancelled():
                z, truncation = request.inputs["z"], request.inputs["truncation"]
                if self.options.get("flat"):
                    yield Answer(index, {"image": np.full((self.resolution,) * 2 + (3,), int(z[0]) & 255, np.uint8)})
                elif command == "styled":
                    yield Answer(index, {"image": styled_picture(z, truncation, self.resolution, request.inputs)})
                else:
                    yield Answer(index, {"image": picture(z, truncation, self.resolution)})

    def _project(self, request: Request) -> Iterator[Answer]:
        """Steps at random, kept when they come nearer."""
        given, steps, truncation = (request.inputs[name] for name in ("image", "steps", "truncation"))
        random = np.random.default_rng(request.inputs["seed"])
        rows, columns = (np.arange(16) * side // 16 for side in given.shape[:2])
        wanted = given[rows][:, columns, :3].astype(float)
        length = self.interface.commands["project"].outputs["z"].length
        best, least = random.standard_normal(length).astype(np.float32), 255.0
        for step in range(1, steps + 1):
            if request.cancelled():
                return
            time.sleep(self.option("step", 0))
            tried = best + random.standard_normal(length).astype(np.float32) * (0.3 if least < 255 else 0)
            away = float(np.sqrt(np.mean((picture(tried, truncation, 16) - wanted) ** 2)))
            if away < least:
                best, least = tried, away
            if step % 10 == 0 or step == steps:
                outputs = {"z": best, "image": picture(best, truncation, self.resolution), "distance": least}
                yield Answer(0, outputs, step / steps, final=step == steps)


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


class Everything(_Base):
    """Takes every data type that may come over a network, and gives all of it back.

    Options: short (1: only what an example shows, with names and defaults made to break out of a quotation).
    """

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        super().__init__(path, options, device)
        nasty = "it's \"$HOME\" `date` $(date) \\n\\ %s </script> \u2028 \x1b[31m \U0001f600 'JSON'"
        types = {
            nasty: Text("A name to break out of quotations", default=nasty + "\nJSON\n"),
            "long": Vector(300 if options.get("short") else 12, sampling_mean=-0.5, sampling_std=2),
            "short": Vector(3),
            "photo": Image("A picture", channels=3, min_width=8, max_width=600, max_height=600),
            "labels": Segmentation({"sky": 3, "sea": 7}, width=20, height=10),
            "point": ImagePoint(),
            "box": ImageBoundingBox(),
            "marks": ImageLandmarks(2, labels=["left", "right"]),
            "vectors": Array(Vector(20), min_length=2, max_length=3),
        }
        more = {
            "name": Text("Some words", min_length=2, max_length=40, default="ab"),
            "kind": Category("One of", choices=["red", "green", "blue"], default="green"),
            "fast": Boolean("Whether it is fast"),
            "amount": Number("How much", default=0.5, min=0, max=1, step=0.1),
            "count": Number("How many", default=3, min=-5, max=20, step=1),
            "free": Number("Any number"),
            "list": Array(Text(max_length=20), max_length=4, default=["a"]),
            "mean": Vector(4, default=[0.0, 0.0, 0.0, 0.0]),
            "thing": Any(),
        }
        inputs = types if options.get("short") else {**dict(list(types.items())[1:]), **more}
        self.interface = Interface(commands={"all": Command("all", inputs, dict(inputs), "Gives it back")})

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        for index, request in enumerate(requests):
            yield Answer(index, dict(request.inputs))


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
