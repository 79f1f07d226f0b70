"""The place Training with runs that nobody trains, to look at: `python -m tests.demo_training [STATE]`.

Makes run folders (journal, log, sample sheets) below DEMO_HOME, then opens the studio on them. The sheets are portraits
of the starter, drawn once by `tarmac explore` and seen through less and less fog. STATE is "empty", "live" (the first
run goes on while one looks), "full" (the default), "text" (text runs, and images after them) or "write" (makes the
folders and ends).
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from core.runs.events import KINDS, Attempt, Event, Metrics, Started
from core.runs.view import RunView
from tests.tui.text_runs import put_texts, several_texts
from tests.tui.training_stage import FakeTraining, several
from tui.services import Services

COLUMNS, ROWS, TILE = 7, 4, 64


def portraits(cache: Path) -> Image.Image:
    """A sheet of the starter's portraits; drawn once."""
    path = cache / f"portraits-{COLUMNS}x{ROWS}.png"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tui.cli", "explore", "starter/portraits", "--seed", "7", "--distance", "1"]
        command += ["--grid", f"{COLUMNS}x{ROWS}", "--tile", str(TILE), "--out", str(path)]
        subprocess.run(command, check=True)
    return Image.open(path).convert("RGB")


def put_sheets(view: RunView, final: Image.Image) -> None:
    """Sample sheets: noise and blur that clear away with the steps."""
    folder = view.folder / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(3).normal(0, 60, (*np.array(final.size[::-1]) // 4, 3))
    for sample in view.samples:
        done = min(1.0, (sample.step / 1800) ** 0.6)
        foggy = np.asarray(final.filter(ImageFilter.GaussianBlur(7 * (1 - done))), float)
        grain = np.kron(noise, np.ones((4, 4, 1)))[: foggy.shape[0], : foggy.shape[1]]
        pixels = foggy * (0.35 + 0.65 * done) + 70 * (1 - done) + grain * (1 - done)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / sample.file)


def events_of(view: RunView) -> list[tuple[float, Event]]:
    """What a journal would have told, in order, with the times."""
    pace = (view.changed - view.started) / max(1, view.step)
    found: list[tuple[float, Event]] = [
        (view.started, Attempt(1, view.host, 4242)),
        (view.started + 8, Started(0, view.plan.steps, "cuda:0", {"batch": 32, "precision": "bfloat16"})),
    ]
    warned = [warning for warning in view.warnings if warning.step is not None]
    names = list(view.curves)
    for index, step in enumerate(view.curves[names[0]].steps if names else ()):
        values = {name: view.curves[name].values[index] for name in names}
        found.append((view.started + step * pace, Metrics(step, values, view.per_second, view.memory, view.eta)))
    for event in (*view.samples, *view.scores, *view.checkpoints, *warned):
        found.append((view.started + (event.step or 0) * pace + 0.5, event))
    if view.end is not None:
        found.append((view.changed, view.end))
    return sorted(found, key=lambda pair: pair[0])


def write_run(view: RunView, final: Image.Image) -> None:
    """The folder of a run: journal, log and sheets."""
    if view.plan.kind == "text":
        put_texts(view)
    else:
        put_sheets(view, final)
    words = {kind: word for word, kind in KINDS.items()}
    with (view.folder / "journal.jsonl").open("w", encoding="utf-8") as journal:
        for at, event in events_of(view):
            journal.write(json.dumps({"at": at, "event": words[type(event)], **dataclasses.asdict(event)}) + "\n")
    holds = "1,204 documents" if view.plan.kind == "text" else "812 pictures"
    lines = [f"reading the base {view.plan.base or '(none)'}", f"dataset {view.plan.dataset}: {holds}"]
    lines += [
        f"step {event.step:>5}  " + "  ".join(f"{name} {value:.3f}" for name, value in event.values.items())
        for _, event in events_of(view)
        if isinstance(event, Metrics)
    ]
    (view.folder / "log.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


class DemoTraining(FakeTraining):
    """Goes on by itself where it is to live."""

    live = False
    sheet: Image.Image

    def pictures(self, dataset: object, count: int, side: int) -> list[np.ndarray]:
        """Cut out of the sheet of portraits."""
        places = [(number % COLUMNS * TILE, number // COLUMNS * TILE) for number in range(count)]
        return [np.asarray(self.sheet.crop((x, y, x + TILE, y + TILE))) for x, y in places]

    def look(self) -> list[RunView]:
        if self.live:
            first = self.views[0]
            step = first.step + 7
            self.change(first.id, step=step, changed=first.changed + 5, eta=(first.plan.steps - step) * 2.7)
        return super().look()


class DemoServices(Services):
    """The real studio with the runs of the demonstration."""

    demo: DemoTraining

    @property
    def training(self) -> DemoTraining:  # type: ignore[override]
        return self.demo

    async def prepare_spare(self) -> None:
        """Nothing is opened here."""


def main(state: str) -> int:
    """Make the folders, then look."""
    import time

    from tests.tui import training_stage

    training_stage.NOW = time.time()
    home = Path(os.environ["DEMO_HOME"])
    os.environ.setdefault("TARMAC_HOME", str(home))
    views = [] if state == "empty" else several(home / "data" / "runs")
    if state in ("text", "write"):
        views = [*several_texts(home / "data" / "runs"), *views]
    for view in views:
        if not (view.folder / "log.txt").exists():
            write_run(view, portraits(home / "cache"))
    if state == "write":
        return 0
    services = DemoServices()
    services.demo = DemoTraining(views)
    services.demo.sheet = portraits(home / "cache")
    services.demo.live = state == "live"

    from tui.graphics import probe
    from tui.studio import TarmacApp

    terminal = probe()
    return TarmacApp(services, start="training", terminal=terminal).run() or 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "full"))
