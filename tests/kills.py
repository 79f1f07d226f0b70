"""Kills the processes of training runs, at random moments, and looks whether every run ends as if nothing had happened.

    python -m tests.kills --times 50 [--kind toy|image|text --dataset NAME --processes 2] [--seed 1]

Victims are a trainer (any rank), the supervisor, both, a client that has just been asked to let the run go on or to
show it, and a whole studio in a terminal of its own; all by SIGKILL. A lost run is found again as the studio finds it.
Every run must end finished, with exactly the weights of an undisturbed one, and with exactly one model in the library.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil

from core.datasets.adding import prepare_dataset
from core.datasets.cropping import Preparation
from core.datasets.library import Datasets
from core.datasets.manifest import Manifest as Dataset
from core.datasets.writing import write_square
from core.library.models import Library
from core.runs.folder import RunFolder
from core.runs.plan import Resources, RunPlan
from core.runs.processes import Process, process
from core.runs.store import Runs
from core.runs.view import RunView
from tests import toy_training
from tests.core.ml.training.text_datasets import write_texts
from tests.studio import studio

REPOSITORY = Path(__file__).parents[1]
VICTIMS = ("trainer", "supervisor", "both", "client", "client and supervisor", "studio", "studio and both")
PATIENCE = 240.0
"""Seconds that a run may go without a new checkpoint."""

MOST_WITHOUT_PROGRESS = 3
"""Kills in a row before the run may come to a new checkpoint in peace."""


@dataclass
class Tally:
    """What was done, and what came of it."""

    killed: Counter[str] = field(default_factory=Counter)
    """Processes that were alive and were killed, by what they were."""
    missed: int = 0
    """Kills that found nobody: the run had just ended, or was between two attempts."""
    runs: int = 0
    attempts: int = 0
    revived: int = 0

    @property
    def kills(self) -> int:
        """Processes killed in all."""
        return self.killed.total()

    def __str__(self) -> str:
        who = ", ".join(f"{count} {name}s" for name, count in sorted(self.killed.items()))
        return (
            f"{self.kills} processes killed ({who}; {self.missed} kills found nobody) in {self.runs} runs with "
            f"{self.attempts} attempts; {self.revived} times a lost run was found again; "
            "every run ended with the weights of an undisturbed one and one model"
        )


@dataclass(frozen=True)
class Experiment:
    """What is trained.

    Attributes:
        home: TARMAC_HOME.
        plan: The run.
        longest: Seconds between two kills, at most: about as long as an attempt takes.
        expected: The digest of the weights that an undisturbed run ends with.
        run: That run, if there was one.
    """

    home: Path
    plan: RunPlan
    longest: float
    expected: str
    run: RunView | None = None


def toy_experiment(home: Path) -> Experiment:
    """A training of a second. `home` becomes $TARMAC_HOME, and the kind is known to all children."""
    site = toy_training.install(home / "site")
    os.environ["TARMAC_HOME"] = str(home)
    os.environ["PYTHONPATH"] = f"{site}{os.pathsep}{REPOSITORY}"
    sys.path.insert(0, str(site))
    toy_dataset(home, "numbers")
    plan = RunPlan("toy", "toy", "numbers", steps=150, options={"pause": 0.004}, save_every=20)
    expected = hashlib.sha256(toy_training.weights_after(150).tobytes()).hexdigest()
    return Experiment(home, plan, 1.8, expected)


def toy_dataset(home: Path, name: str) -> Path:
    """A dataset that a toy training accepts: any that can be trained on at all."""
    return picture_dataset(home, name, count=4)


def digest(run: RunView) -> str:
    """Of the weights that a finished run has made: its model's, and all that its last checkpoint goes on from."""
    toy = run.folder / "model" / "state.npy"
    if toy.exists():
        return hashlib.sha256(np.load(toy).tobytes()).hexdigest()
    last = RunFolder(run.folder).complete_checkpoints()[-1][1]
    made, kept = (sorted(folder.glob("*.safetensors")) for folder in (run.folder / "model", last))
    assert made, "no weights in the model"
    assert kept, "no weights in the checkpoint"
    return hashlib.sha256(b"".join(file.read_bytes() for file in (*made, *kept))).hexdigest()


def kill_until(experiment: Experiment, times: int, seed: int, say: Callable[[str], None] = lambda text: None) -> Tally:
    """Begin runs and kill their processes until `times` have been killed and the last run has ended.

    Raises:
        AssertionError: A run did not end as an undisturbed one.
    """
    draw = random.Random(seed)
    tally = Tally()
    while tally.kills < times:
        tally.runs += 1
        run = Runs().create(experiment.plan)
        run = asyncio.run(Runs().start(run))
        _disturb(run, experiment, times, draw, tally, say)
        run = Runs().get(run.id)
        tally.attempts += run.attempt
        assert run.state == "finished", (run.state, run.end, (run.folder / "log.txt").read_text()[-2000:])
        assert digest(run) == experiment.expected, f"{run.id} ended with other weights"
        models = [model for model in Library().models() if model.manifest.origin.get("run") == run.id]
        assert [model.id for model in models] == [run.model], [model.id for model in models]
        assert models[0].problem is None
    return tally


def _disturb(
    run: RunView, experiment: Experiment, times: int, draw: random.Random, tally: Tally, say: Callable[[str], None]
) -> None:
    """Kill and wait until the run has ended."""
    newest, begun, since = -1, time.monotonic(), 0
    deadline = begun + PATIENCE
    while (view := Runs().get(run.id)).state != "finished":
        assert view.state not in ("failed", "stopped"), (view.state, view.end)
        step = max((each.step for each in view.checkpoints), default=-1)
        if step > newest:
            newest, since, deadline = step, 0, time.monotonic() + PATIENCE
        assert time.monotonic() < deadline, (view.state, view.step, (run.folder / "log.txt").read_text()[-2000:])
        if view.state == "lost":
            tally.revived += 1
            asyncio.run(Runs().start(view)) if draw.random() < 0.5 else _client("resume", run.id).wait()
            continue
        _pause(run, draw.uniform(0.0, experiment.longest))
        # Now and then an attempt must live long enough to come further, as anywhere.
        if tally.kills < times and since < MOST_WITHOUT_PROGRESS:
            since += 1
            _kill(run, draw.choice(VICTIMS), draw, tally)
            say(f"{time.monotonic() - begun:6.1f} s  {tally.kills:3} killed  step {view.step}  {view.state}")


def _pause(run: RunView, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and Runs().get(run.id).state not in ("finished", "lost"):
        time.sleep(0.05)


def _kill(run: RunView, victim: str, draw: random.Random, tally: Tally) -> None:
    folder = RunFolder(run.folder)
    found = {"trainer": folder.owner(folder.newest_attempt()), "supervisor": folder.supervisor()}
    others = _other_ranks(found["supervisor"])
    if others and draw.random() < 0.5:
        found["trainer"] = draw.choice(others)
    names = {
        "both": ["trainer", "supervisor"],
        "client and supervisor": ["supervisor"],
        "client": [],
        "studio": [],
        "studio and both": ["trainer", "supervisor"],
    }.get(victim, [victim])
    draw.shuffle(names)
    if victim.startswith("client"):
        client = _client(draw.choice(("attach", "resume")), run.id)
        time.sleep(draw.uniform(0.0, 0.6))
        if client.poll() is None:
            client.kill()
            tally.killed["client"] += 1
        client.wait()
    if victim.startswith("studio"):
        _kill_a_studio(draw, tally)
    for name in names:
        found_now: Process | None = found[name]
        if found_now is not None and found_now.signal(signal.SIGKILL):
            tally.killed[name] += 1
        else:
            tally.missed += 1


def _other_ranks(supervisor: Process | None) -> list[Process]:
    """Trainers that train together with the first."""
    if supervisor is None or supervisor.gone:
        return []
    with contextlib.suppress(psutil.Error):
        children = [(each.pid, each.cmdline()) for each in psutil.Process(supervisor.pid).children()]
        return [
            process(pid) for pid, words in children if "--rank" in words and words[words.index("--rank") + 1] != "0"
        ]
    return []


def _kill_a_studio(draw: random.Random, tally: Tally) -> None:
    """One that looks at the runs, or has not come so far; as it opens it lets lost runs go on."""
    home = Path(os.environ["TARMAC_HOME"])
    with studio(home, environment={"PYTHONPATH": os.environ.get("PYTHONPATH", "")}) as opened:
        opened.press("3")
        time.sleep(draw.uniform(0.0, 3.0))
        if opened.process.poll() is None:
            opened.kill()
            tally.killed["studio"] += 1


def _client(verb: str, run_id: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "runs", verb, run_id, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
    )


def picture_dataset(home: Path, name: str, size: int = 16, classes: tuple[str, ...] = (), count: int = 64) -> Path:
    """Pictures of grey slopes, prepared: a dataset that the real loop accepts."""
    slopes = (
        np.linspace(0, 255, size * size).reshape(1, size, size, 1) * np.linspace(0.2, 1, count)[:, None, None, None]
    )
    images = np.repeat(slopes, 3, axis=3).astype(np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(classes) if classes else None
    folder = home / "data" / "datasets" / name
    manifest = Dataset(name, count=count, size=size, layout="square", classes=classes)
    write_square(folder, manifest, images, [f"{number}.png" for number in range(count)], labels)
    return folder


def image_experiment(home: Path, dataset: str = "", processes: int = 0) -> Experiment:
    """The real loop on a dataset of `home`'s library, by default one of slopes; an undisturbed run tells what to
    expect. A starter that was not drawn yet is drawn."""
    os.environ["TARMAC_HOME"] = str(home)
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    if not dataset:
        dataset = picture_dataset(home, "slopes").name
    elif not Datasets().get(dataset, 16).ready:
        asyncio.run(prepare_dataset(dataset, Preparation(size=16)))
    options = {"batch": 4, "size": 16, "channels": 256, "threads": 1, "precision": "float32"}
    plan = RunPlan(
        "image",
        "image",
        dataset,
        steps=20,
        options=options,
        save_every=4,
        sample_every=10,
        score_every=20,
        resources=Resources(processes=processes),
    )
    return _undisturbed(home, plan)


def text_dataset(home: Path, name: str) -> Path:
    """Sentences, prepared: a dataset that the real loop accepts."""
    texts = [f"Line {n} is about {word}, {n * n} of them.\n" * 3 for n in range(60) for word in ("wolves", "bread")]
    return write_texts(home / "data" / "datasets" / name, texts, held=range(0, 120, 12))


def text_experiment(home: Path, dataset: str = "", processes: int = 0) -> Experiment:
    """As `image_experiment`, with texts: a tiny GPT-2 from nothing becomes the base of the run that is killed."""
    os.environ["TARMAC_HOME"] = str(home)
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    dataset = dataset or text_dataset(home, "lines").name
    sizes = {"layers": 2, "width": 32, "heads": 2, "vocabulary": 400, "context": 32}
    options: dict[str, object] = {"batch": 4, "threads": 1, "precision": "float32", "rate": 3e-3, "sample_tokens": 8}
    plan = RunPlan("text", "text", dataset, steps=60, options=options | sizes, resources=Resources(processes=processes))
    first = _undisturbed(home, replace(plan, steps=20)).run
    base = first.model if first is not None else ""
    options |= {"dropout": 0.1, "accumulate": 2}
    every = {"save_every": 10, "sample_every": 20, "score_every": 20}
    return _undisturbed(home, replace(plan, base=base, options=options, **every))


def _undisturbed(home: Path, plan: RunPlan) -> Experiment:
    """The experiment of a plan, by a run of it in peace."""
    begun = time.monotonic()
    run = asyncio.run(Runs().start(Runs().create(plan)))
    while (run := Runs().get(run.id)).active:
        time.sleep(0.2)
    assert run.state == "finished", (run.end, (run.folder / "log.txt").read_text()[-2000:])
    return Experiment(home, plan, time.monotonic() - begun, digest(run), run)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--kind", choices=("toy", "image", "text"), default="toy")
    parser.add_argument("--dataset", default="", help="of --home's library (default: one that is made there)")
    parser.add_argument("--processes", type=int, default=0, help="ranks that train together (image and text)")
    parser.add_argument("--home", type=Path, help="TARMAC_HOME to use (default: a new one)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="tarmac-kills-"))
    if options.kind == "toy":
        experiment = toy_experiment(home)
    else:
        make = image_experiment if options.kind == "image" else text_experiment
        experiment = make(home, options.dataset, options.processes)
    print(kill_until(experiment, options.times, options.seed, lambda text: print(text, flush=True)))


if __name__ == "__main__":
    main()
