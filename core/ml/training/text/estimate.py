"""What a text run will take: the tokens made, real steps, the prompts completed, some held-out text scored."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from core.errors import OutOfMemory, out_of_memory
from core.library.text_facts import TextFacts, new_facts, read_facts, training_memory
from core.ml.allocation import forget
from core.ml.hardware import device_name
from core.ml.training import measuring
from core.ml.training.experiment import Attempt, Sources
from core.ml.training.measuring import DISK_SPEED, SPARE, STEPS, Estimate, Question, Tell
from core.ml.training.options import intervals
from core.ml.training.ranks import Ranks
from core.ml.training.text.corpus import open_corpus
from core.ml.training.text.experiment import TextExperiment
from core.ml.training.text.options import Material, resolve
from core.runs.events import Event, Phase
from core.runs.plan import RunPlan, TextOptions

_SCORED = 8
"""Rows of held-out text that are scored, in contexts; a whole score takes as many times longer as it has more."""


def estimate_text(question: Question) -> Estimate:
    """See `core.ml.training.estimate.estimate`.

    Memory of a processor is not tried out but reckoned from the network's sizes: a machine out of memory hangs. On a
    GPU a batch that does not fit is halved until it does.
    """
    base, place = question.base, question.place
    offer: dict[str, object] = {}
    tokens = 2**40  # of a corpus whose tokenizer is yet to be made
    if base is not None:
        tokens = len(open_corpus(question.dataset, base, question.tell).train)
    asked = bool(question.plan.options.get("batch"))
    while True:
        options, facts = _chosen(question.plan, base, tokens, place)
        try:
            if place.type != "cpu" or _needed(options, facts) <= SPARE * question.there:
                with tempfile.TemporaryDirectory(prefix="tarmac-estimate-") as scratch:
                    return _measured(question, _experiment(question, Path(scratch)), offer)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        change = _less(options, asked, base)
        if change is None:
            do = "Choose a smaller base or a shorter context"
            raise OutOfMemory("the network does not fit", "not even one row a step does", do)
        offer |= change
        question = question.with_options(change)
        question.tell(f"it does not fit; trying {', '.join(f'{name} {value}' for name, value in change.items())}", None)
        forget(place)


def _experiment(question: Question, scratch: Path) -> TextExperiment:
    recorder = _Listener(scratch, question.plan.steps, question.tell)
    attempt = Attempt(question.plan, recorder, Ranks(), question.place)
    return TextExperiment(attempt, Sources(question.dataset, question.base))


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


def _measured(question: Question, experiment: TextExperiment, offer: dict[str, object]) -> Estimate:
    plan, place, tell, doing = question.plan, question.place, question.tell, "timing real steps"
    training, options = experiment.training, experiment.options
    tell(doing, None)
    began = time.monotonic()
    training.run()  # warms up
    measuring.finish(place)
    first = time.monotonic() - began
    count, spent = 0, 0.0
    while count < STEPS and time.monotonic() - began < question.seconds:
        start = time.monotonic()
        training.run()
        measuring.finish(place)
        spent += time.monotonic() - start
        count += 1
        tell(doing, question.share(count, time.monotonic() - began))
    mean = spent / count if count else first  # so slow that the first step has to do
    tell("timing samples", None)
    start = time.monotonic()
    experiment.sample()
    sampling = time.monotonic() - start
    tell("timing scores", None)
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
        device=device_name(place),
        batch=options.batch,
        step_seconds=mean,
        per_second=options.batch * options.context / mean,
        seconds=total,
        memory=measuring.most(place),
        memory_available=question.there,
        disk=int(disk),
        disk_free=question.disk_free,
        measured=max(1, count),
        chosen=experiment.setup.chosen(),
        offer=offer,
    )


def _score_seconds(experiment: TextExperiment) -> float:
    """How long a score takes, from one of less text; what does not read it takes as long in any."""
    options, held = experiment.options, experiment.setup.corpus.held
    whole = min(options.held_tokens, len(held))
    some = min(whole, _SCORED * options.context)
    experiment.options = replace(options, held_tokens=some)
    try:
        start, scores = time.monotonic(), experiment.score()
        next(scores, None)  # the perplexity
        read = time.monotonic()
        for _ in scores:
            pass
        return (read - start) * (whole / some if some else 1.0) + time.monotonic() - read
    finally:
        experiment.options = options


class _Listener:
    """A recorder of a run that nobody keeps."""

    def __init__(self, folder: Path, goal: int, tell: Tell) -> None:
        self.samples, self._goal, self._tell = folder, goal, tell

    def tell(self, event: Event) -> None:
        if isinstance(event, Phase):
            self._tell(event.doing, None)

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
