"""How long a run will take, and how much memory and disk: measured by training a few real steps and throwing them away.

`python -m core.ml.training.estimate PLAN_FOLDER` streams JSON lines, since the studio never imports torch:
{"phase": "..."} and {"share": 0.4} on the way; at the end {"estimate": {...}}, or {"error": {...}} and exit code 2.
Where the batch does not fit, the estimate says which smaller one does.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from core.errors import OutOfMemory, TarmacError
from core.ml.hardware import choose_device, device_name, out_of_memory
from core.ml.training import samples
from core.ml.training.image_setup import Setup, Sources, set_up
from core.ml.training.options import intervals, shared
from core.ml.training.ranks import Ranks
from core.paths import data_dir
from core.runs import kinds, plan_file
from core.runs.plan import RunPlan

STEPS = 20
SECONDS = 15.0
"""Whichever is reached first ends the measurement."""
_SPARE = 0.95
"""Share of the memory that may be filled."""
_PROBE = 4
"""A processor's memory is not tried out but extrapolated from a batch of this size: a machine out of memory hangs."""
_SCORED = 256
"""Pictures that a score draws on a processor; its features cost about as much as drawing them."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take on this machine, with the load that it has now.

    Attributes:
        device: Where it was measured.
        batch: Pictures a step that were measured.
        step_seconds: Mean over a whole round of the regularisers.
        per_second: Pictures a second.
        seconds: Of the whole run, samples, scores and checkpoints included.
        memory, memory_available: Bytes of the GPU, else of the machine: most that is needed, and what is there.
        disk, disk_free: Bytes that the run's folder will take, and that are free.
        measured: Steps that were timed.
        chosen: What was left open in the plan.
        offer: Options that fit, where those of the plan do not.
    """

    device: str
    batch: int
    step_seconds: float
    per_second: float
    seconds: float
    memory: int
    memory_available: int
    disk: int
    disk_free: int
    measured: int
    chosen: dict[str, object] = field(default_factory=dict)
    offer: dict[str, object] = field(default_factory=dict)


def estimate(
    plan: RunPlan,
    *,
    dataset: Path,
    base: Path | None = None,
    folder: Path | None = None,
    device: str = "auto",
    pictures: Any = None,
    tell: Callable[[dict[str, object]], None] = lambda told: None,
    seconds: float = SECONDS,
    available: int | None = None,
) -> Estimate:
    """Measure a plan on its data and base.

    Args:
        plan: What to do.
        dataset: Folder of the prepared pictures.
        base: Folder of the model to start from; None for random weights.
        folder: Where the run's folder will be, for the free space; the dataset's by default.
        device: Where; "auto" takes the GPU or the processor.
        pictures: Instead of those in `dataset`.
        tell: Told {"phase": ...} and {"share": ...}.
        seconds: For the measurement.
        available: Bytes of memory instead of what is there, for tests.

    Raises:
        TarmacError: The plan cannot be trained.
        OutOfMemory: Not even a single picture a step fits.
    """
    place = choose_device(device)
    there = available if available is not None else _available(place)
    offer: dict[str, object] = {}
    sources = Sources(dataset, base, pictures=pictures)
    while True:
        batch = int(str(plan.options.get("batch", 0)))
        try:
            setup = set_up(plan, sources, ranks=Ranks(), device=place, tell=lambda phase: tell({"phase": phase.doing}))
            batch = setup.options.batch
            if place.type == "cpu":
                smaller = _fitting(plan, sources, place, batch, there, tell)
                if smaller != batch:
                    offer = {"batch": smaller}
                    plan = _with_batch(plan, smaller)
                    continue
            return _measured(plan, setup, place, there, folder or dataset, offer, tell, seconds)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        smaller = shared(batch // 2, 1) if batch > 1 else 0
        if not smaller:
            raise OutOfMemory("the networks do not fit", "not even one picture a step does", "Choose a smaller size")
        offer = {"batch": smaller}
        plan = _with_batch(plan, smaller)
        tell({"phase": f"a batch of {batch} does not fit; trying {smaller}"})
        if place.type == "cuda":
            torch.cuda.empty_cache()


def _measured(
    plan: RunPlan,
    setup: Setup,
    place: torch.device,
    there: int,
    folder: Path,
    offer: dict[str, object],
    tell: Callable[[dict[str, object]], None],
    seconds: float,
) -> Estimate:
    tell({"phase": "timing real steps"})
    training = setup.training
    recipe = replace(training.recipe, alone=0)
    training.recipe = recipe
    times: dict[tuple[bool, bool], list[float]] = {}
    began = time.monotonic()
    training.run()  # warms up
    _finish(place)
    first = time.monotonic() - began
    # As strong as the augmentation may become: it costs more than none at all.
    training.strength.p = recipe.adapt_cap / 2 if recipe.adapt else 0.0
    count = 0
    while count < STEPS and (time.monotonic() - began < seconds or not count):
        kind = (training.step % recipe.r1_interval == 0, training.step % recipe.path_interval == 0)
        start = time.monotonic()
        training.run()
        _finish(place)
        times.setdefault(kind, []).append(time.monotonic() - start)
        count += 1
        tell({"share": round(min(1.0, max(count / STEPS, (time.monotonic() - began) / seconds)), 3)})
    mean = _mean_step(times, first, recipe.r1_interval, recipe.path_interval)
    tell({"phase": "timing samples"})
    start = time.monotonic()
    plan_ = samples.plan_sheet(setup.options.size, training.generator.z_dim, setup.classes, plan.seed)
    pictures = samples.draw(training.average, plan_)
    sheet_seconds = time.monotonic() - start
    sheet_bytes = samples.sheet(pictures, plan_.columns).nbytes
    state = sum(v.numel() * v.element_size() for v in _tensors(training.state()))
    sample_every, save_every, score_every = intervals(plan)
    scored = sheet_seconds / len(plan_.z) * _SCORED * 2
    count_of = {"samples": plan.steps // sample_every + 1, "scores": plan.steps // score_every + 1}
    count_of["saves"] = plan.steps // save_every + 1
    total = plan.steps * mean + count_of["samples"] * sheet_seconds + count_of["scores"] * scored
    # A disk of 200 MB a second, and what PNG leaves of noise.
    total += count_of["saves"] * state / 200e6
    kept = min(plan.keep + 2, count_of["saves"])
    disk = (kept + 1) * state + count_of["samples"] * sheet_bytes * 2 // 3
    return Estimate(
        device_name(place),
        setup.options.batch,
        mean,
        setup.options.batch / mean,
        total,
        _most(place),
        there,
        int(disk),
        psutil.disk_usage(str(_existing(folder))).free,
        count,
        setup.chosen(),
        offer,
    )


def _mean_step(times: dict[tuple[bool, bool], list[float]], first: float, r1: int, path: int) -> float:
    """Mean over a round of the regularisers, from the steps of each kind that there was time for.

    Args:
        times: Seconds by (with R1, with path length).
        first: Of the first step, which had both, for a machine so slow that no other was taken.
        r1, path: Every how many steps each comes.
    """
    means = {kind: sorted(found)[len(found) // 2] for kind, found in times.items()}
    plain = means.get((False, False))
    if plain is None:
        return means.get((False, True), min([first, *means.values()]))
    with_path = means.get((False, True), plain)
    with_r1 = means.get((True, True), means.get((True, False), max(first, with_path)))
    return plain + (with_path - plain) / path + max(0.0, with_r1 - with_path) / r1


def _fitting(
    plan: RunPlan,
    sources: Sources,
    place: torch.device,
    batch: int,
    there: int,
    tell: Callable[[dict[str, object]], None],
) -> int:
    """The largest of batch, batch / 2, ... that a processor's memory holds, extrapolated from a step of a small one."""
    probe = min(_PROBE, batch)
    before = psutil.Process().memory_info().rss
    tell({"phase": "looking at memory"})
    setup = set_up(_with_batch(plan, probe), sources, ranks=Ranks(), device=place, tell=lambda phase: None)
    setup.training.run()
    grown = max(0, _most(place) - before)
    networks = sum(v.numel() * v.element_size() for v in _tensors(setup.training.state()))
    each = max(0, grown - networks) / probe
    while batch > 1 and before + networks + each * batch > _SPARE * there:
        batch = shared(batch // 2, 1)
    if before + networks + each * batch > _SPARE * there:
        raise OutOfMemory("the networks do not fit", "not even one picture a step does", "Choose a smaller size")
    return batch


def _with_batch(plan: RunPlan, batch: int) -> RunPlan:
    return replace(plan, options={**plan.options, "batch": batch})


def _tensors(state: object) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    if isinstance(state, dict):
        return [tensor for value in state.values() for tensor in _tensors(value)]
    return []


def _available(place: torch.device) -> int:
    """Bytes that training may use: free ones of the GPU, or of the machine and what this process has already."""
    if place.type == "cuda":
        return int(torch.cuda.mem_get_info(place)[0])
    return int(psutil.virtual_memory().available + psutil.Process().memory_info().rss)


def _most(place: torch.device) -> int:
    """Most bytes that were used so far."""
    if place.type == "cuda":
        return int(torch.cuda.max_memory_reserved(place))
    try:  # getrusage counts what the process was started from, too
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak if sys.platform == "darwin" else peak * 1024)


def _finish(place: torch.device) -> None:
    if place.type == "cuda":
        torch.cuda.synchronize(place)


def _existing(folder: Path) -> Path:
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))


def main(arguments: list[str]) -> int:
    """Estimate the plan of a run folder; see the module."""
    parser = argparse.ArgumentParser(prog="python -m core.ml.training.estimate")
    parser.add_argument("folder", type=Path, help="a folder with a run.toml")
    parser.add_argument("--json", action="store_true", help="JSON lines (always)")
    parser.add_argument("--dataset", type=Path, help="folder of the prepared pictures, instead of the plan's")
    parser.add_argument("--base", type=Path, help="folder of the base, instead of the plan's")
    parser.add_argument("--data", type=Path, help="folder of datasets, models and runs")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)

    def tell(told: dict[str, object]) -> None:
        print(json.dumps(told), flush=True)

    try:
        tell({"phase": "reading the plan"})
        plan = plan_file.read_plan(options.folder)
        data = options.data or data_dir()
        dataset = options.dataset or kinds.dataset_folder(plan, data)
        base = options.base or (kinds.base_folder(plan, data) if plan.base else None)
        found = estimate(plan, dataset=dataset, base=base, folder=options.folder, tell=tell, seconds=options.seconds)
    except TarmacError as error:
        tell({"error": error.to_json()})
        return 2
    tell({"estimate": asdict(found)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
