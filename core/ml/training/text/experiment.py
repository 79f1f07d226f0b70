"""An experiment with texts: what it completes, scores, watches, writes and makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.library.manifest import Manifest
from core.ml.hardware import device_name
from core.ml.metrics.memorised import LENGTH, memorised
from core.ml.metrics.perplexity import perplexity
from core.ml.training import guards
from core.ml.training.experiment import Attempt, Experiment, Sources
from core.ml.training.text import live as text_live
from core.ml.training.text.files import export_model, manifest_of, read_checkpoint, write_checkpoint
from core.ml.training.text.setup import KEPT, set_up
from core.runs import text_samples
from core.runs.events import Phase, Sample, Score, Started, Warned

PERPLEXITY, MEMORISED = "perplexity", "memorised"
WRITTEN = (8, 114)
"""Texts that are looked for in the training text, and their tokens: 65 pieces of 50 in each."""


class TextExperiment(Experiment):
    """See `Experiment`.

    Args:
        attempt: Its conditions.
        sources: Where its material is.
    """

    def __init__(self, attempt: Attempt, sources: Sources) -> None:
        plan, recorder = attempt.plan, attempt.recorder
        self.sources = sources
        self.setup = set_up(attempt, sources)
        self.options, recipe, training = self.setup.options, self.setup.training.recipe, self.setup.training
        kept, corpus = self.setup.kept, self.setup.corpus
        amount = recipe.batch * recipe.context
        super().__init__(attempt, training, kept, rate=self.options.rate, amount=amount)
        self.watch_held = guards.HeldOut([(int(step), float(loss)) for step, loss in kept.get("held", [])])
        self.watch_memory = guards.Memorising()
        self.before: dict[str, Any] = dict(kept.get("before", {}))
        self.prompts = self.options.prompts
        if not self.prompts and self.ranks.first:
            known = corpus.held if len(corpus.held) else corpus.train
            self.prompts = text_live.beginnings(known, corpus.end, self.setup.tokens)
        recorder.tell(Started(self.step, plan.steps, device_name(attempt.device), self.setup.chosen()))

    def sample(self) -> tuple[Sample, list[Warned | None]]:
        """The prompts, completed."""
        engine = text_live.live_engine(self.training.model)
        found = text_live.completions(engine, self.setup.tokens, self.prompts, self.options, self.plan.seed)
        name = text_samples.file_name(self.step)
        text_samples.write_samples(self.recorder.samples / name, found)
        return Sample(self.step, name, 1, len(found)), []

    def score(self) -> Iterator[Score]:
        """Perplexity of the held-out text; and how much of what the model writes stands in its training text."""
        corpus, options = self.setup.corpus, self.options
        ids, size = corpus.some_held(options.held_tokens, self.setup.tokens)
        if len(ids) < 2:
            return
        self.recorder.tell(Phase("scoring"))
        model = self.training.model
        half = options.precision == "bfloat16"
        found = perplexity(model, ids, size, stride=options.stride, context=options.context, autocast=half)
        about = {**found.about(), "bytes": size, "precision": options.precision}
        yield Score(self.step, PERPLEXITY, found.perplexity, about)
        texts = text_live.written(model, corpus.end, options, WRITTEN, self.plan.seed)
        learned = memorised(texts, corpus.train, seed=self.plan.seed)
        if learned.sampled:
            yield Score(self.step, MEMORISED, learned.share, learned.about())

    def judge(self, score: Score) -> Warned | None:
        """Whether the held-out loss has turned, or the model repeats what it has read."""
        if score.metric == MEMORISED:
            return self.watch_memory.see(score.step, score.value, LENGTH)
        if not self.before:
            self.before = {"value": score.value, "step": score.step, **score.about}
        return self.watch_held.see(score.step, float(str(score.about["loss"])))

    def watch(self, values: Mapping[str, float]) -> Warned | None:
        """Nothing: what goes wrong with a text model shows in its scores."""
        return None

    def head_for(self, goal: int) -> None:
        """When the rate falls depends on it."""
        super().head_for(goal)
        self.training.head_for(goal)

    def write(self, folder: Path, kept: dict[str, Any]) -> int:
        """A checkpoint."""
        kept |= {name: getattr(self.options, name) for name in KEPT}
        kept |= {"held": [list(each) for each in self.watch_held.seen], "before": self.before}
        last = self.recorder.last()
        return write_checkpoint(
            folder,
            self.training,
            self._manifest(),
            kept,
            tokenizer=self.setup.tokenizer,
            before=last[1] if last is not None else None,
        )

    def read(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """A checkpoint."""
        return read_checkpoint(folder)

    def make(self, checkpoint: Path, model: Path) -> None:
        """A model folder."""
        export_model(checkpoint, model)

    def _manifest(self) -> Manifest:
        about = {"dataset": self.plan.dataset, "hardware": device_name(self.attempt.device)}
        if self.options.method == "lora":
            about |= {"method": "lora", "lora_rank": self.options.lora_rank, "lora_alpha": self.options.lora_alpha}
        return manifest_of(
            self.training,
            name=self.plan.name,
            licence=self.setup.licence,
            lineage=self.lineage(self.sources.base),
            scores=self._scores(),
            about=about,
        )

    def _scores(self) -> dict[str, object]:
        """For people: before and after, and how they were taken."""
        now: Any = self.scores.get(PERPLEXITY)
        if not now:
            return {}
        learned: Any = self.scores.get(MEMORISED)
        told: dict[str, object] = {
            "perplexity": round(now["value"], 3),
            "perplexity_before": round(self.before["value"], 3),
            "bits_per_byte": round(now["bits_per_byte"], 4),
            "bits_per_byte_before": round(self.before["bits_per_byte"], 4),
            "perplexity_protocol": f"held-out documents, {now['tokens']} tokens scored in {now['bytes']} bytes, "
            f"context {now['context']}, stride {now['stride']}, before at step {self.before['step']}, "
            f"after at step {now['step']}, {now['precision']}",
        }
        if learned:
            told["memorised"] = round(learned["value"], 4)
            told["memorised_protocol"] = (
                f"share of {learned['sampled']} pieces of {learned['length']} tokens that it wrote, at step "
                f"{learned['step']}, which occur in the training text"
            )
        return told
