"""How soon the studio is there: from `tarmac` to the first frame, from Enter to the first picture and the full grid.

The real program in a pseudo-terminal of 200×60 that takes sixel pictures, warm, with the starter model: the explorer's
grid has 48 tiles there. Beside the first frame stands the same for a bare Textual application of one label, in turns in
the same run: less is not to be had.

    python -m tests.bench.startup [rounds]
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.studio import Studio, studio

COLUMNS, ROWS = 200, 60
_BARE = """
from textual.app import App
from textual.widgets import Label
class Bare(App):
    def compose(self):
        yield Label("Directory")
Bare().run()
"""


def _full(running: Studio) -> bool:
    text = running.text()
    return "to come" not in text and re.search(r"\d+ ms", text) is not None


def _bare() -> float:
    with tempfile.TemporaryDirectory() as home, studio(Path(home), COLUMNS, ROWS, code=_BARE) as running:
        running.wait_for("Directory")
        return running.arrived("Directory")


def _studio() -> tuple[float, float, float, float]:
    """Seconds to the first frame, and from Enter to the explorer, the first picture and the last."""
    with tempfile.TemporaryDirectory() as home, studio(Path(home), COLUMNS, ROWS, sixel=True) as running:
        running.wait_for("Directory")
        first = running.arrived("Directory")
        running.wait_for("starter/portraits")
        # A person reads the list before choosing; meanwhile the waiting worker imports its framework.
        running.wait(lambda: any(one.memory_info().rss > 150e6 for one in running.workers()), "a waiting worker")
        running.wait(lambda: all(one.cpu_percent(0.2) < 20 for one in running.workers()), "a worker at rest")
        running.press("/", "portraits", "enter")
        running.wait_for("▸ starter/portraits")
        pressed = time.monotonic()
        running.press("enter")
        running.wait_for(r"\b48 to come")
        opened = time.monotonic()
        running.wait(lambda: "48 to come" not in running.text(), "a picture")
        tile = time.monotonic()
        running.wait(lambda: _full(running), "the full grid")
        made = time.monotonic()
        running.wait(lambda: running.last_picture >= made, "the last picture on the wire")
        return first, opened - pressed, tile - pressed, running.last_picture - pressed


def main(arguments: list[str] | None = None) -> int:
    """Print the table; medians of the rounds, with the least and the most."""
    given = sys.argv[1:] if arguments is None else arguments
    rounds = int(given[0]) if given else 5
    _bare(), _studio()  # warm: files in the cache, bytecode written
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(_bare())
        ours.append(_studio())
    first, opened, tile, full = (list(column) for column in zip(*ours, strict=True))
    print(f"{'':44}{'median':>8}{'least':>8}{'most':>8}   seconds, {rounds} rounds, {COLUMNS}×{ROWS}")
    for name, values in (
        ("bare Textual application, first frame", bare),
        ("`tarmac` to the first frame", first),
        ("Enter to the explorer", opened),
        ("Enter to the first picture", tile),
        ("Enter to the full grid of 48 tiles", full),
    ):
        print(f"{name:44}{statistics.median(values):8.2f}{min(values):8.2f}{max(values):8.2f}")
    ratios = [mine / other for mine, other in zip(first, bare, strict=True)]
    print(f"first frame, ratio to the bare application: {statistics.median(ratios):.2f} (pair by pair)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
