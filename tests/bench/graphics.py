"""The moving grid over a link: frames, bytes and delays while an arrow key is held, and until it is whole again.

`python -m tests.bench.graphics [--kinds kitty,sixel,iterm2,blocks] [--round-trips 0,100] [--megabits 0,2]
[--seconds 10] [--tiles waves|flat] [--no-peer] [--memory] [--starter] [--stall]`

The real program (the explorer with a stub model, whose tiles cost nothing) runs in a pseudo-terminal that plays a
terminal at the end of a link. A key repeats 30 times a second after a first pause of 0.3 s, as keyboards do. Painted
means: all bytes of the first frame that shows the key's step have reached the terminal. The peer is the same grid made
of textual-image widgets, one a tile. Targets without delay: 9 frames a second, no stall above 50 ms; at 100 ms of
round trip 6 frames a second; at 2 Mbit/s keys are handled within 100 ms; the whole picture 0.4 s after the release,
and the time that its bytes take.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench._played_terminal import Link, PlayedTerminal

REPEAT = 1 / 30
FIRST_PAUSE = 0.3
SIZES = {"blocks": (160, 60)}
USUAL_SIZE = (160, 60)
ZOOMS = {"blocks": -4}
USUAL_ZOOM = -2
PEERS = ("kitty", "sixel", "blocks")
_ARROWS = {"right": b"\x1b[C", "left": b"\x1b[D", "down": b"\x1b[B"}

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
        _until(self.full, "the grid", seconds)
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
        times = [self.terminal.press(_ARROWS[key])]
        due = time.monotonic() + FIRST_PAUSE
        end = due + seconds
        while time.monotonic() < end if count is None else len(times) < count:
            time.sleep(max(0.0, due - time.monotonic()))
            times.append(self.terminal.press(_ARROWS[key]))
            due += REPEAT
        return times

    def end(self) -> list[dict[str, Any]]:
        """Quit the program; its notes."""
        self.terminal.stalled = False
        self.terminal.press(b"q")
        _until(lambda: self.terminal.process.poll() is not None, "the end", 30)
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


def measure(kind: str, link: Link, seconds: float, tiles: str) -> Result:
    """The explorer with a held arrow."""
    run = explorer(kind, link, tiles)
    try:
        run.until_full()
        pressed = run.hold("right", seconds)
        run.until_quiet(1.5)
        return evaluate(run, pressed, run.end(), link)
    finally:
        run.close()


def measure_peer(kind: str, link: Link, seconds: float, grid: tuple[int, int]) -> Result:
    """The same grid of widgets."""
    run = Run(kind, link, ["tests.bench._image_widgets", kind, *map(str, grid)], {}, SIZES.get(kind, USUAL_SIZE))
    try:
        _until(lambda: run.terminal.seen.questions, "the widgets", 60)
        run.until_quiet(1.0)
        before = run.terminal.seen.received
        pressed = run.hold("right", seconds)
        received = run.terminal.seen.received - before
        run.until_quiet(2.0, 30)
        result = evaluate(run, pressed, run.end(), link)
        frames = max(1.0, result.frames_a_second * seconds)
        told = {"bytes_a_frame": received / frames, "bytes_a_second": received / seconds}
        return Result(**{**vars(result), **told, "grid": "x".join(map(str, grid))})
    finally:
        run.close()


def at_share(values: list[float], share: float) -> float:
    """The value that this share of all lie below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None or seconds == float("inf") else f"{1000 * seconds:.0f}"


def told(name: str, kind: str, link: Link, result: Result) -> str:
    """One line of the table."""
    speed = "–" if not link.bandwidth else f"{link.bandwidth * 8 / 1e6:g}"
    cells = [
        *(name, kind, f"{1000 * link.round_trip:.0f}", speed, result.grid, f"{result.frames_a_second:.1f}"),
        *(f"{result.bytes_a_frame / 1024:.0f}", f"{result.bytes_a_second / 1024:.0f}"),
        *(_ms(at_share(result.handled, 0.5)), _ms(at_share(result.handled, 0.99))),
        *(_ms(at_share(result.painted, 0.5)), _ms(at_share(result.painted, 0.99))),
        *(_ms(result.worst_stall), _ms(result.own_stall), _ms(result.sharp), _ms(result.sharp_transfer)),
        *(f"{100 * result.complete:.0f}", result.levels),
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| | terminal | round trip ms | Mbit/s | grid | frames/s | KiB/frame | KiB/s | handled p50 ms | p99"
    " | painted p50 ms | p99 | worst stall ms | of it own | whole after ms | of it transfer | full % | levels |\n"
    + "|---" * 18
    + "|"
)


def table(kinds: list[str], links: list[Link], seconds: float, tiles: str, peer: bool) -> None:
    """Measure all and print as it comes."""
    print(f"{seconds:g} s each, {tiles} tiles; load of the machine {os.getloadavg()[0]:.1f}\n\n{HEAD}", flush=True)
    for kind, link in itertools.product(kinds, links):
        ours = measure(kind, link, seconds, tiles)
        print(told("tarmac", kind, link, ours), flush=True)
        if peer and kind in PEERS:
            columns, _, rows = ours.grid.partition("x")
            theirs = measure_peer(kind, link, seconds, (int(columns), int(rows)))
            print(told("textual-image", kind, link, theirs), flush=True)
            frames = ours.frames_a_second / theirs.frames_a_second if theirs.frames_a_second else float("inf")
            size = theirs.bytes_a_frame / ours.bytes_a_frame
            print(f"| ratio | {kind} | {frames:.1f} times the frames, 1/{size:.1f} of the bytes a frame |" + " |" * 15)
    print(f"\nload of the machine {os.getloadavg()[0]:.1f}")


def memory(kinds: list[str], frames: int = 2000) -> None:
    """Memory of the program and its helper, and the terminal's pictures, after 200, half and all of many frames."""
    print(
        f"{'':8} {'frames':>6} {'program MiB':>12} {'helper MiB':>11} {'kitty pictures now':>19} {'most':>5} {'ids':>4}"
    )
    for kind in kinds:
        run = explorer(kind, Link(), "waves", notes=False)
        try:
            run.until_full()
            for wanted in (200, frames // 2, frames):
                for key in itertools.cycle(("right", "left")):
                    if len(run.terminal.seen.questions) >= 2 * wanted:
                        break
                    run.hold(key, 0, count=40)
                run.until_quiet()
                seen = run.terminal.seen
                program, helper = _memory(run.terminal.process.pid)
                print(
                    f"{kind:8} {len(seen.questions) // 2:6} {program / 2**20:12.1f} {helper / 2**20:11.1f}"
                    f" {len(seen.images):19} {seen.most_images:5} {len(seen.ids):4}",
                    flush=True,
                )
            run.end()
            print(f"{kind:8} {'ended':>6} {'':12} {'':11} {len(run.terminal.seen.images):19}")
        finally:
            run.close()


def _memory(pid: int) -> tuple[int, int]:
    program = psutil.Process(pid)
    helpers = [child for child in program.children() if "tui.graphics.encoder" in child.cmdline()]
    return program.memory_info().rss, sum(helper.memory_info().rss for helper in helpers)


def stall(kinds: list[str], seconds: float = 5.0) -> None:
    """The link stalls while a key is held: how soon keys are handled, and what comes when it goes on."""
    for kind in kinds:
        link = Link(0.05)
        run = explorer(kind, link, "waves")
        try:
            run.until_full()
            pressed = run.hold("right", 1.0)
            run.terminal.stalled = True
            begun = time.monotonic()
            pressed += run.hold("right", seconds - FIRST_PAUSE)
            run.terminal.stalled = False
            ended = time.monotonic()
            pressed += run.hold("right", 1.0)
            run.until_quiet(1.5)
            notes = run.end()
            result = evaluate(run, pressed, notes, link)
            at = arrivals(run, notes)
            during = [note for note in notes if "frame" in note and begun < note["t"] < ended]
            order = [number for number, _ in sorted(at.items(), key=lambda each: each[1])]
            print(
                f"{kind:8} stalled {ended - begun:.1f} s: keys handled p50 {_ms(at_share(result.handled, 0.5))} ms,"
                f" worst {_ms(max(result.handled))} ms; {len(during)} frames written meanwhile"
                f" ({sum(note['size'] for note in during) / 1024:.0f} KiB); in order: {order == sorted(order)};"
                f" all frames arrived: {len(at) == sum('frame' in note for note in notes)}",
                flush=True,
            )
        finally:
            run.close()


def starter(kinds: list[str], steps: int = 30) -> None:
    """A row of new tiles with the starter model: from the key to the frame in which they all are."""
    for kind in kinds:
        run = explorer(kind, Link(), "", "starter/portraits")
        try:
            _starter(run, kind, steps)
        finally:
            run.close()


def _starter(run: Run, kind: str, steps: int) -> None:
    run.until_full(180)

    def down() -> tuple[float, int]:
        wanted = run.told()["view"]["cursor"][1] + 1
        when = run.terminal.press(_ARROWS["down"])
        _until(lambda: run.told()["view"]["cursor"][1] == wanted and run.full(), "the row", 60)
        run.until_quiet(0.4)
        return when, wanted

    for _ in range(run.told()["grid"][1]):
        down()
    begun = [down() for _ in range(steps)]
    notes = run.end()
    at = arrivals(run, notes)
    frames = [note for note in notes if note.get("full") and note["frame"] in at]
    found = [min((at[note["frame"]] for note in frames if note["cursor"][1] == y), default=None) for _, y in begun]
    times = [there - when for there, (when, _) in zip(found, begun) if there is not None]
    columns = next(note["grid"] for note in notes if note.get("grid"))[0]
    print(
        f"{kind:8} a row of {columns} new tiles, portraits: painted p50 {_ms(at_share(times, 0.5))} ms,"
        f" p90 {_ms(at_share(times, 0.9))} ms, {len(times)} of {steps} steps; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def _until(holds: Any, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.02)


def main(arguments: Sequence[str]) -> None:
    """Measure what the arguments say and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.graphics", description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default="kitty,sixel,iterm2,blocks")
    parser.add_argument("--round-trips", default="0,100", help="milliseconds")
    parser.add_argument("--megabits", default="0,2", help="bandwidths a second; 0 for no limit")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tiles", choices=("waves", "flat"), default="waves")
    parser.add_argument("--no-peer", action="store_true", help="without the grid of textual-image widgets")
    for mode in ("memory", "stall", "starter"):
        parser.add_argument(f"--{mode}", action="store_true")
    chosen = parser.parse_args(list(arguments))
    kinds = chosen.kinds.split(",")
    modes = {"memory": memory, "stall": stall, "starter": starter}
    if wanted := [mode for mode in modes if getattr(chosen, mode)]:
        for mode in wanted:
            modes[mode](kinds)
        return
    trips = [float(text) / 1000 for text in chosen.round_trips.split(",")]
    speeds = [float(text) * 1e6 / 8 for text in chosen.megabits.split(",")]
    # One at a time: no delay, then each delay, then each bandwidth.
    links = [Link()] if 0 in trips or 0 in speeds else []
    links += [Link(trip) for trip in trips if trip] + [Link(0.03, speed) for speed in speeds if speed]
    table(kinds, links, chosen.seconds, chosen.tiles, not chosen.no_peer)


if __name__ == "__main__":
    main(sys.argv[1:])
