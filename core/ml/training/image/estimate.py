"""What an image run will take: real steps, a sheet of samples, and what a score costs."""

from __future__ import annotations

import time
from dataclasses import replace

import psutil

from core.errors import OutOfMemory, out_of_memory
from core.ml.allocation import forget
from core.ml.hardware import device_name
from core.ml.training import measuring
from core.ml.training.image import samples
from core.ml.training.image.setup import ImageSources, Setup, set_up
from core.ml.training.measuring import DISK_SPEED, SPARE, STEPS, Estimate, Question
from core.ml.training.options import intervals, shared
from core.ml.training.ranks import Ranks

_PROBE = 4
"""A processor's memory is not tried out but extrapolated from a batch of this size: a machine out of memory hangs."""
_SCORED = 256
"""Pictures that a score draws on a processor; its features cost about as much as drawing them."""


def estimate_image(question: Question) -> Estimate:
    """See `core.ml.training.estimate.estimate`."""
    place = question.place
    offer: dict[str, object] = {}
    while True:
        batch = int(str(question.plan.options.get("batch", 0)))
        try:
            setup = _set_up(question)
            batch = setup.options.batch
            if place.type == "cpu":
                smaller = _fitting(question, batch)
                if smaller != batch:
                    offer = {"batch": smaller}
                    question = question.with_options(offer)
                    continue
            return _measured(question, setup, offer)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        setup = None  # type: ignore[assignment]  # its memory goes before the next one is made
        smaller = shared(batch // 2, 1) if batch > 1 else 0
        if not smaller:
            raise _nothing_fits()
        offer = {"batch": smaller}
        question = question.with_options(offer)
        question.tell(f"a batch of {batch} does not fit; trying {smaller}", None)
        forget(place)


def _set_up(question: Question) -> Setup:
    sources = ImageSources(question.dataset, question.base, pictures=question.pictures)
    return set_up(
        question.plan,
        sources,
        ranks=Ranks(),
        device=question.place,
        tell=lambda phase: question.tell(phase.doing, None),
    )


def _measured(question: Question, setup: Setup, offer: dict[str, object]) -> Estimate:
    plan, place, tell, doing = question.plan, question.place, question.tell, "timing real steps"
    tell(doing, None)
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
    while count < STEPS and (time.monotonic() - began < question.seconds or not count):
        kind = (training.step % recipe.r1_interval == 0, training.step % recipe.path_interval == 0)
        start = time.monotonic()
        training.run()
        measuring.finish(place)
        times.setdefault(kind, []).append(time.monotonic() - start)
        count += 1
        tell(doing, question.share(count, time.monotonic() - began))
    mean = _mean_step(times, first, recipe.r1_interval, recipe.path_interval)
    tell("timing samples", None)
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
        device=device_name(place),
        batch=setup.options.batch,
        step_seconds=mean,
        per_second=setup.options.batch / mean,
        seconds=total,
        memory=measuring.most(place),
        memory_available=question.there,
        disk=int(disk),
        disk_free=question.disk_free,
        measured=count,
        chosen=setup.chosen(),
        offer=offer,
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


def _fitting(question: Question, batch: int) -> int:
    """The largest of batch, batch / 2, ... that a processor's memory holds, extrapolated from a step of a small one."""
    probe = min(_PROBE, batch)
    before = psutil.Process().memory_info().rss
    question.tell("looking at memory", None)
    setup = _set_up(replace(question.with_options({"batch": probe}), tell=lambda doing, share: None))
    setup.training.run()
    grown = max(0, measuring.most(question.place) - before)
    networks = sum(v.numel() * v.element_size() for v in measuring.tensors(setup.training.state()))
    each = max(0, grown - networks) / probe
    while batch > 1 and before + networks + each * batch > SPARE * question.there:
        batch = shared(batch // 2, 1)
    if before + networks + each * batch > SPARE * question.there:
        raise _nothing_fits()
    return batch


def _nothing_fits() -> OutOfMemory:
    return OutOfMemory("the networks do not fit", "not even one picture a step does", "Choose a smaller size")
