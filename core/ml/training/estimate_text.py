"""What a text run will take: the tokens made, real steps, the prompts completed, some held-out text scored."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from core.errors import OutOfMemory, out_of_memory
from core.library.text_facts import TextFacts, new_facts, read_facts, training_memory
from core.ml.hardware import choose_device, device_name
from core.ml.training import measuring
from core.ml.training.corpus import open_corpus
from core.ml.training.experiment import Attempt
from core.ml.training.measuring import DISK_SPEED, SECONDS, SPARE, STEPS, Estimate, Tell
from core.ml.training.options import intervals
from core.ml.training.ranks import Ranks
from core.ml.training.text_experiment import TextExperiment
from core.ml.training.text_options import Material, resolve
from core.ml.training.text_setup import Sources
from core.runs.events import Event, Phase
from core.runs.plan import RunPlan, TextOptions

_SCORED = 8
"""Rows of held-out text that are scored, in contexts; a whole score takes as many times longer as it has more."""


def estimate_text(
    plan: RunPlan,
    *,
    dataset: Path,
    base: Path | None = None,
    folder: Path | None = None,
    device: str = "auto",
    tell: Tell = lambda told: None,
    seconds: float = SECONDS,
    available: int | None = None,
) -> Estimate:
    """See `core.ml.training.estimate.estimate`.

    Memory of a processor is not tried out but reckoned from the network's sizes: a machine out of memory hangs. On a
    GPU a batch that does not fit is halved until it does.
    """
    place = choose_device(device)
    there = available if available is not None else measuring.available(place)
    offer: dict[str, object] = {}
    tokens = 2**40  # of a corpus whose tokenizer is yet to be made
    if base is not None:
        tokens = len(open_corpus(dataset, base, lambda doing, share: tell({"phase": doing, "share": share})).train)
    asked = bool(plan.options.get("batch"))
    while True:
        options, facts = _chosen(plan, base, tokens, place)
        try:
            if place.type != "cpu" or _needed(options, facts) <= SPARE * there:
                with tempfile.TemporaryDirectory(prefix="tarmac-estimate-") as scratch:
                    attempt = Attempt(plan, _Listener(Path(scratch), plan.steps, tell), Ranks(), place)
                    experiment = TextExperiment(attempt, Sources(dataset, base))
                    return _measured(plan, experiment, place, there, folder or dataset, offer, tell, seconds)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        experiment = None  # type: ignore[assignment]  # its memory goes before the next one is made
        change = _less(options, asked, base)
        if change is None:
            do = "Choose a smaller base or a shorter context"
            raise OutOfMemory("the network does not fit", "not even one row a step does", do)
        offer |= change
        plan = replace(plan, options={**plan.options, **change})
        tell({"phase": f"it does not fit; trying {', '.join(f'{name} {value}' for name, value in change.items())}"})
        if place.type == "cuda":
            torch.cuda.empty_cache()


def _chosen(plan: RunPlan, base: Path | None, tokens: int, place: torch.device) -> tuple[TextOptions, TextFacts]:
    """The plan's settings with nothing left open, and the sizes of what they train; nothing is loaded for it."""
    if base is not None:
        facts = read_facts(base)
        material = Material(facts.context, facts.parameters, tokens)
        return resolve(plan, material, new=False, device=place), facts
    options = resolve(plan, Material(0, 0, tokens), new=True, device=place)
    return options, new_facts(options.vocabulary, options.context, options.layers, options.width)


def _less(options: TextOptions, asked: bool, base: Path | None) -> dict[str, object] | None:
    """What to try where it does not fit: a batch in more parts if it was asked for, else a smaller one; then less."""
    batch = options.batch
    if batch > options.accumulate:
        return {"accumulate": min(batch, 2 * options.accumulate)} if asked else {"batch": max(1, batch // 2)}
    if not options.checkpointing:
        return {"checkpointing": True}
    if base is not None and options.method == "full":
        return {"method": "lora", "checkpointing": False}
    return None


def _needed(options: TextOptions, facts: TextFacts) -> int:
    """Bytes, reckoned."""
    return training_memory(
        facts,
        options.method,
        rows=max(1, -(-options.batch // options.accumulate)),
        context=options.context,
        rank=options.lora_rank,
        checkpointing=options.checkpointing,
        precision=options.precision,
    )


def _measured(
    plan: RunPlan,
    experiment: TextExperiment,
    place: torch.device,
    there: int,
    folder: Path,
    offer: dict[str, object],
    tell: Tell,
    seconds: float,
) -> Estimate:
    training, options = experiment.training, experiment.options
    tell({"phase": "timing real steps"})
    began = time.monotonic()
    training.run()  # warms up
    measuring.finish(place)
    first = time.monotonic() - began
    count, spent = 0, 0.0
    while count < STEPS and time.monotonic() - began < seconds:
        start = time.monotonic()
        training.run()
        measuring.finish(place)
        spent += time.monotonic() - start
        count += 1
        tell({"share": round(min(1.0, max(count / STEPS, (time.monotonic() - began) / seconds)), 3)})
    mean = spent / count if count else first  # so slow that the first step has to do
    tell({"phase": "timing samples"})
    start = time.monotonic()
    experiment.sample()
    sampling = time.monotonic() - start
    tell({"phase": "timing scores"})
    scoring = _score_seconds(experiment)
    network = sum(tensor.numel() * tensor.element_size() for tensor in training.model.parameters())
    state = sum(tensor.numel() * tensor.element_size() for tensor in measuring.tensors(training.state()))
    state += network if options.method == "lora" else 0  # merged weights lie beside the others
    sample_every, save_every, score_every = intervals(plan)
    saves = plan.steps // save_every + 1
    total = plan.steps * mean + (plan.steps // sample_every + 1) * sampling
    total += (plan.steps // score_every + 1) * scoring + saves * state / DISK_SPEED
    disk = (min(plan.keep + 2, saves) + 1) * state + network
    return Estimate(
        device_name(place),
        options.batch,
        mean,
        options.batch * options.context / mean,
        total,
        measuring.most(place),
        there,
        int(disk),
        psutil.disk_usage(str(measuring.existing(folder))).free,
        max(1, count),
        experiment.setup.chosen(),
        offer,
    )


def _score_seconds(experiment: TextExperiment) -> float:
    """How long a score takes, from one of less text."""
    options, held = experiment.options, experiment.setup.corpus.held
    whole = min(options.held_tokens, len(held))
    some = min(whole, _SCORED * options.context)
    experiment.options = replace(options, held_tokens=some)
    try:
        start = time.monotonic()
        list(experiment.score())
        return (time.monotonic() - start) * (whole / some if some else 1.0)
    finally:
        experiment.options = options


class _Listener:
    """A recorder of a run that nobody keeps."""

    def __init__(self, folder: Path, goal: int, tell: Tell) -> None:
        self.samples, self._goal, self._tell = folder, goal, tell

    def tell(self, event: Event) -> None:
        if isinstance(event, Phase):
            self._tell({"phase": event.doing})

    def wish(self) -> str:
        return "run"

    def steps(self) -> int:
        return self._goal

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        yield self.samples

    def last(self) -> tuple[int, Path] | None:
        return None

    def checkpoints(self) -> list[tuple[int, Path]]:
        return []

    def drop(self, step: int) -> None:
        """There is none."""
