"""A held arrow key at the end of a link: the program, its keys, and numbers out of what was noted on both sides.

The program is real and runs in a played terminal. A key repeats 30 times a second after a first pause of 0.3 s, as
keyboards do. Painted means: all bytes of the first frame that shows the key's step have reached the terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench._played_terminal import Link, PlayedTerminal

REPEAT = 1 / 30
FIRST_PAUSE = 0.3
SIZES = {"blocks": (160, 60)}
USUAL_SIZE = (160, 60)
ZOOMS = {"blocks": -4}
USUAL_ZOOM = -2
ARROWS = {"right": b"\x1b[C", "left": b"\x1b[D", "down": b"\x1b[B"}

_START = """
import fcntl, runpy, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Result:
    """What one run came to. Times in seconds."""

    grid: str
    frames_a_second: float
    bytes_a_frame: float
    bytes_a_second: float
    handled: list[float]
    painted: list[float]
    worst_stall: float
    own_stall: float
    """The most processor time that the program itself took in one go while the loop was late."""
    sharp: float | None
    sharp_transfer: float
    complete: float
    """The share of frames in which no tile was missing."""
    levels: str


class Run:
    """One program in one played terminal."""

    def __init__(
        self,
        kind: str,
        link: Link,
        module: Sequence[str],
        environ: dict[str, str],
        size: tuple[int, int] = USUAL_SIZE,
        notes: bool = True,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tarmac-bench-"))
        self.trace = self.folder / "trace.jsonl"
        self.report = self.folder / "report.json"
        self.last_told: dict[str, Any] = {}
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        whole = {
            **{**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"},
            **{"TARMAC_HOME": str(self.folder / "home"), "DEMO_TRACE": str(self.trace)},
            **{"DEMO_REPORT": str(self.report), "TEXTUAL_COLOR_SYSTEM": "truecolor", **environ},
        }
        if not notes:  # they take memory
            del whole["DEMO_TRACE"]
        command = [sys.executable, "-c", _START, *module]
        self.terminal = PlayedTerminal(kind, link, size, command, whole)

    def told(self) -> dict[str, Any]:
        """What the program says that should be seen."""
        try:
            told: dict[str, Any] = json.loads(self.report.read_text())
        except FileNotFoundError:
            return {}
        return told

    def until_full(self, seconds: float = 60) -> None:
        """Wait until all tiles are there, and the picture rests."""
        until(self.full, "the grid", seconds)
        self.until_quiet()

    def until_quiet(self, seconds: float = 1.0, most: float = 60) -> None:
        """Wait until nothing has come for a while."""
        end, last, since = time.monotonic() + most, -1, time.monotonic()
        while time.monotonic() - since < seconds and time.monotonic() < end:
            if self.terminal.seen.received != last:
                last, since = self.terminal.seen.received, time.monotonic()
            time.sleep(0.02)

    def hold(self, key: str, seconds: float, count: int | None = None) -> list[float]:
        """Hold an arrow key; the times of its presses."""
        times = [self.terminal.press(ARROWS[key])]
        due = time.monotonic() + FIRST_PAUSE
        end = due + seconds
        while time.monotonic() < end if count is None else len(times) < count:
            time.sleep(max(0.0, due - time.monotonic()))
            times.append(self.terminal.press(ARROWS[key]))
            due += REPEAT
        return times

    def end(self) -> list[dict[str, Any]]:
        """Quit the program; its notes."""
        self.terminal.stalled = False
        self.terminal.press(b"q")
        until(lambda: self.terminal.process.poll() is not None, "the end", 30)
        self.terminal.close()
        self.last_told = self.told()
        return [json.loads(line) for line in self.trace.read_text().splitlines()] if self.trace.exists() else []

    def close(self) -> None:
        """End the program, whatever it does, and leave nothing behind."""
        if self.terminal.process.poll() is None:
            self.terminal.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def full(self) -> bool:
        """No tile is missing."""
        told = self.told()
        return bool(told) and len(told["tiles"]) == told["grid"][0] * told["grid"][1]


def explorer(kind: str, link: Link, tiles: str, model: str = "", notes: bool = True) -> Run:
    """The explorer's demo."""
    dim = 64 if model else 16
    view = {"plane": {"dim": dim, "seed": 7, "distance": 0.5}, "zoom": ZOOMS.get(kind, USUAL_ZOOM)}
    environ = {
        "DEMO_STATE": json.dumps({"journey": {"index": 0, "views": [view]}}),
        "DEMO_OPTIONS": json.dumps({"flat": int(tiles == "flat")}),
        **({"DEMO_MODEL": model} if model else {}),
    }
    return Run(kind, link, ["tests.demo_explorer", kind], environ, SIZES.get(kind, USUAL_SIZE), notes)


def arrivals(run: Run, notes: list[dict[str, Any]]) -> dict[int, float]:
    """When the last byte of each frame reached the terminal."""
    numbers = iter(sorted(note["frame"] for note in notes if "frame" in note))
    found = {}
    ends = [(now, column) for now, column in run.terminal.seen.questions if column % 2]
    number = next(numbers, None)
    for now, column in ends:
        # A frame may have been asked about without an account (a suspended screen): its question has another number.
        while number is not None and (2 * number + 1) % 32 + 2 != column and number < (column - 3) // 2:
            number = next(numbers, None)
        if number is None:
            break
        if (2 * number + 1) % 32 + 2 == column:
            found[number] = now
            number = next(numbers, None)
    return found


def evaluate(run: Run, pressed: list[float], notes: list[dict[str, Any]], link: Link) -> Result:
    """Make numbers of a held right arrow."""
    frames = [note for note in notes if "frame" in note]
    at = arrivals(run, notes)
    start, release = pressed[1], pressed[-1]
    moving = [note for note in frames if start <= note["t"] <= release]
    seconds = release - start
    arrived = [note for note in frames if note["frame"] in at and start <= at[note["frame"]] <= release]
    handled_at = [(note["t"], note["handled"][0]) for note in notes if "handled" in note]
    handled, painted = [], []
    for step, when in enumerate(pressed, 1):
        first = next((t for t, x in handled_at if x >= step), None)
        shown = min(
            (
                at[note["frame"]]
                for note in frames
                if note["frame"] in at and note["cursor"] is not None and note["cursor"][0] >= step
            ),
            default=None,
        )
        handled.append(first - when if first is not None else float("inf"))
        painted.append(shown - when if shown is not None else float("inf"))
    whole = [note for note in frames if note["whole"] and note["t"] > release and note["frame"] in at]
    sharp = at[whole[0]["frame"]] - release if whole else None
    after = [note for note in frames if whole and release < note["t"] <= whole[0]["t"]]
    late = [note for note in notes if "late" in note and pressed[0] <= note["t"] <= release + 0.5]
    levels: dict[int, int] = {}
    for note in moving:
        levels[note["level"]] = levels.get(note["level"], 0) + 1
    told = run.last_told
    sizes = [note["size"] for note in moving]
    return Result(
        grid="x".join(map(str, told.get("grid", ["?"]))),
        frames_a_second=len(arrived) / seconds,
        bytes_a_frame=statistics.fmean(sizes) if sizes else 0.0,
        bytes_a_second=sum(sizes) / seconds,
        handled=handled,
        painted=painted,
        worst_stall=max((note["late"] for note in late), default=0.0),
        own_stall=max((note["own"] for note in late), default=0.0),
        sharp=sharp,
        sharp_transfer=sum(note["size"] for note in after) / link.bandwidth if link.bandwidth else 0.0,
        complete=sum(note["full"] for note in moving) / max(1, len(moving)),
        levels=" ".join(f"{level}:{count}" for level, count in sorted(levels.items())),
    )


def until(holds: Callable[[], object], what: str, seconds: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.02)
