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
import os
import sys
import time
from collections.abc import Sequence

import psutil

from tests.bench._held_key import (
    ARROWS,
    FIRST_PAUSE,
    SIZES,
    USUAL_SIZE,
    Result,
    Run,
    arrivals,
    evaluate,
    explorer,
    until,
)
from tests.bench._played_terminal import Link

PEERS = ("kitty", "sixel", "blocks")


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
        until(lambda: run.terminal.seen.questions, "the widgets", 60)
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
        when = run.terminal.press(ARROWS["down"])
        until(lambda: run.told()["view"]["cursor"][1] == wanted and run.full(), "the row", 60)
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
