"""An experiment with pictures: what it draws, scores, watches, writes and makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.library.manifest import Manifest
from core.ml.hardware import device_name
from core.ml.training import guards
from core.ml.training.experiment import Attempt, Experiment
from core.ml.training.image import samples
from core.ml.training.image.files import export_model, manifest_of, read_checkpoint, write_checkpoint
from core.ml.training.image.scoring import Scorer
from core.ml.training.image.setup import ImageSources, set_up
from core.runs.events import Phase, Sample, Score, Started, Warned


class ImageExperiment(Experiment):
    """See `Experiment`.

    Args:
        attempt: Its conditions.
        sources: Where its material is.
        scorer: Given the pictures, makes the scorer; None for no scores, and on other ranks than the first.
    """

    steadier = "Lower the rate or raise gamma"
    quicker = f"{Experiment.quicker}, or prepare the pictures at the size that is trained"

    def __init__(self, attempt: Attempt, sources: ImageSources, scorer: Callable[[Any], Scorer] | None) -> None:
        plan, recorder, ranks = attempt.plan, attempt.recorder, attempt.ranks
        self.sources = sources
        self.setup = set_up(plan, sources, ranks=ranks, device=attempt.device, tell=recorder.tell)
        self.options, recipe = self.setup.options, self.setup.training.recipe
        training = self.setup.training
        super().__init__(attempt, training, self.setup.kept, rate=self.options.rate, amount=recipe.batch)
        self.sheet = samples.plan_sheet(self.options.size, training.generator.z_dim, self.setup.classes, plan.seed)
        self.metric = ""
        self.watch_scores = guards.Diverging()
        self.watch_overfit = guards.Overfit(recipe.adapt_cap if recipe.adapt else 0.0)
        self.watch_pictures = guards.Collapse(_yardstick(self.setup.pictures))
        self.scorer = scorer(self.setup.pictures) if scorer is not None else None
        recorder.tell(Started(self.step, plan.steps, device_name(attempt.device), self.setup.chosen()))

    def sample(self) -> tuple[Sample, list[Warned | None]]:
        """A sheet of the averaged weights."""
        pictures = samples.draw(self.training.average, self.sheet)
        name = f"step-{self.step:07d}.png"
        samples.write_png(self.recorder.samples / name, samples.sheet(pictures, self.sheet.columns))
        warned = self.watch_pictures.see(self.step, guards.diversity(pictures))
        return Sample(self.step, name, self.sheet.columns, self.sheet.rows), [warned]

    def score(self) -> Iterator[Score]:
        """Scores of the averaged weights."""
        if self.scorer is None:
            return
        self.recorder.tell(Phase("scoring"))
        self.training.average.eval()
        yield from self.scorer(self.training.average, self.step)

    def watch(self, values: Mapping[str, float]) -> Warned | None:
        """Whether the discriminator knows the pictures by heart."""
        return self.watch_overfit.see(self.step, values["p"], values["real_sign"])

    def judge(self, score: Score) -> Warned | None:
        """Whether the score that decides, the first one, gets worse and worse."""
        self.metric = self.metric or score.metric
        if score.metric != self.metric:
            return None
        return self.watch_scores.see(score.step, score.metric, score.value, higher=score.higher)

    def write(self, folder: Path, kept: dict[str, Any]) -> int:
        """A checkpoint."""
        kept |= {"alone": self.training.recipe.alone, "threads": self.options.threads}
        return write_checkpoint(folder, self.training, self._manifest(), kept)

    def read(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """A checkpoint."""
        return read_checkpoint(folder)

    def make(self, checkpoint: Path, model: Path) -> None:
        """A model folder."""
        export_model(checkpoint, model, seed=self.plan.seed)

    def _manifest(self) -> Manifest:
        return manifest_of(
            self.setup.architecture,
            self.training,
            name=self.plan.name,
            licence=self.setup.licence,
            lineage=self.lineage(self.sources.base),
            scores=self.scores,
            about={"dataset": self.plan.dataset, "hardware": device_name(self.training.device)},
        )


def _yardstick(pictures: Any) -> float:
    """Diversity of real pictures, 0 where there is one only."""
    if len(pictures) < 2:
        return 0.0
    rows = np.unique(np.linspace(0, len(pictures) - 1, min(64, len(pictures))).astype(np.int64))
    return guards.diversity(np.asarray(pictures[rows]))
