"""What an image run will take: real steps, a sheet of samples, and what a score costs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from core.errors import OutOfMemory, out_of_memory
from core.ml.hardware import choose_device, device_name
from core.ml.training import measuring, samples
from core.ml.training.image_setup import Setup, Sources, set_up
from core.ml.training.measuring import DISK_SPEED, SECONDS, SPARE, STEPS, Estimate, Tell
from core.ml.training.options import intervals, shared
from core.ml.training.ranks import Ranks
from core.runs.plan import RunPlan

_PROBE = 4
"""A processor's memory is not tried out but extrapolated from a batch of this size: a machine out of memory hangs."""
_SCORED = 256
"""Pictures that a score draws on a processor; its features cost about as much as drawing them."""


def estimate_image(
    plan: RunPlan,
    *,
    dataset: Path,
    base: Path | None = None,
    folder: Path | None = None,
    device: str = "auto",
    pictures: Any = None,
    tell: Tell = lambda told: None,
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
    there = available if available is not None else measuring.available(place)
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
                    plan = measuring.with_batch(plan, smaller)
                    continue
            return _measured(plan, setup, place, there, folder or dataset, offer, tell, seconds)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        smaller = shared(batch // 2, 1) if batch > 1 else 0
        if not smaller:
            raise OutOfMemory("the networks do not fit", "not even one picture a step does", "Choose a smaller size")
        offer = {"batch": smaller}
        plan = measuring.with_batch(plan, smaller)
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
    tell: Tell,
    seconds: float,
) -> Estimate:
    tell({"phase": "timing real steps"})
    training = setup.training
    recipe = replace(training.recipe, alone=0)
    training.recipe = recipe
    times: dict[tuple[bool, bool], list[float]] = {}
    began = time.monotonic()
    training.run()  # warms up
    measuring.finish(place)
    first = time.monotonic() - began
    # As strong as the augmentation may become: it costs more than none at all.
    training.strength.p = recipe.adapt_cap / 2 if recipe.adapt else 0.0
    count = 0
    while count < STEPS and (time.monotonic() - began < seconds or not count):
        kind = (training.step % recipe.r1_interval == 0, training.step % recipe.path_interval == 0)
        start = time.monotonic()
        training.run()
        measuring.finish(place)
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
    state = sum(v.numel() * v.element_size() for v in measuring.tensors(training.state()))
    sample_every, save_every, score_every = intervals(plan)
    scored = sheet_seconds / len(plan_.z) * _SCORED * 2
    count_of = {"samples": plan.steps // sample_every + 1, "scores": plan.steps // score_every + 1}
    count_of["saves"] = plan.steps // save_every + 1
    total = plan.steps * mean + count_of["samples"] * sheet_seconds + count_of["scores"] * scored
    # A disk of 200 MB a second, and what PNG leaves of noise.
    total += count_of["saves"] * state / DISK_SPEED
    kept = min(plan.keep + 2, count_of["saves"])
    disk = (kept + 1) * state + count_of["samples"] * sheet_bytes * 2 // 3
    return Estimate(
        device_name(place),
        setup.options.batch,
        mean,
        setup.options.batch / mean,
        total,
        measuring.most(place),
        there,
        int(disk),
        psutil.disk_usage(str(measuring.existing(folder))).free,
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
    tell: Tell,
) -> int:
    """The largest of batch, batch / 2, ... that a processor's memory holds, extrapolated from a step of a small one."""
    probe = min(_PROBE, batch)
    before = psutil.Process().memory_info().rss
    tell({"phase": "looking at memory"})
    setup = set_up(measuring.with_batch(plan, probe), sources, ranks=Ranks(), device=place, tell=lambda phase: None)
    setup.training.run()
    grown = max(0, measuring.most(place) - before)
    networks = sum(v.numel() * v.element_size() for v in measuring.tensors(setup.training.state()))
    each = max(0, grown - networks) / probe
    while batch > 1 and before + networks + each * batch > SPARE * there:
        batch = shared(batch // 2, 1)
    if before + networks + each * batch > SPARE * there:
        raise OutOfMemory("the networks do not fit", "not even one picture a step does", "Choose a smaller size")
    return batch
