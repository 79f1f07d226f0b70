"""One of two ranks of test_ranks.py: python -m tests.core.ml.training.rank_child FOLDER RANK."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import torch.distributed as dist

from core.ml.networks.stylegan2 import Discriminator, Generator
from core.ml.training.image.augment import Augmentation
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.recipe import ImageRecipe
from core.ml.training.image.run import train_image
from core.ml.training.ranks import Ranks, joined
from core.runs.events import Metrics
from core.runs.plan import RunPlan
from tests.core.ml.training.recording import Remembered

RECIPE = ImageRecipe(
    steps=3, batch=8, noise="const", r1_interval=2, adapt=False, mirror=True, augmentation=Augmentation(), seed=5
)
OPTIONS: dict[str, object] = {"batch": 8, "channels": 64, "precision": "float32", "threads": 1}
PLAN = RunPlan("Two", "image", "dots", steps=6, options=OPTIONS, sample_every=3, save_every=2)
RESULT = "rank{rank}.json"


class Split(ImageTraining):
    """A training whose latents are those of one rank's whole batch, each rank taking its part."""

    def _latents(self, batch: int) -> torch.Tensor:
        whole = torch.randn(RECIPE.batch, 16, generator=torch.Generator().manual_seed(self.step))
        return whole[self.ranks.rank * batch : (self.ranks.rank + 1) * batch]


class Watched:
    """Pictures that remember which were taken."""

    def __init__(self) -> None:
        self.images = np.random.default_rng(0).integers(0, 255, (20, 16, 16, 3), np.uint8)
        self.rows: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> Any:
        self.rows += [int(row) for row in rows]
        return self.images[rows]


def split_training(ranks: Ranks) -> tuple[Split, Watched]:
    """A few steps of a training that does not depend on how a batch is shared."""
    torch.manual_seed(3 + ranks.rank)  # the first rank's weights are everybody's
    generator = Generator(z_dim=16, w_dim=16, img_resolution=16, mapping_layers=2, channel_base=64, channel_max=8)
    # Groups for the minibatch deviation would be others.
    discriminator = Discriminator(img_resolution=16, channel_base=64, channel_max=8, mbstd_num_channels=0)
    pictures = Watched()
    training = Split(generator, discriminator, pictures, RECIPE, ranks=ranks)
    for _ in range(RECIPE.steps):
        training.run()
    return training, pictures


def experiment(folder: Path, name: str, rank: int, store: str, stop_after: int = 0) -> dict[str, Any]:
    """A run of both ranks, told to stop after so many steps if that is not 0."""
    wish = (lambda asked: "stop" if asked > stop_after else "run") if stop_after else (lambda asked: "run")
    recorder = Remembered(folder / name, PLAN.steps, wish, leading=rank == 0)
    outcome = train_image(
        replace(PLAN, name=name),
        recorder,
        dataset=folder,
        pictures=Watched(),
        rank=rank,
        world=2,
        store=folder / store,
        device="cpu",
        tell_seconds=0.0,
        scorer=None,
    )
    metrics = [each.values for each in recorder.told(Metrics)]
    return {"outcome": asdict(outcome), "events": len(recorder.events), "metrics": metrics}


def main(folder: Path, rank: int) -> None:
    """Everything that two ranks are tested for, in one pair of processes."""
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    with joined(rank, 2, folder / "store-a") as ranks:
        training, pictures = split_training(ranks)
        result["rows"] = pictures.rows
        torch.save({**training.state(), "w_avg": training.generator.mapping.w_avg}, folder / f"state-{rank}.pt")
        here = psutil.Process().net_connections(kind="inet")
        result["listening"] = sorted({each.laddr.ip for each in here if each.status == psutil.CONN_LISTEN})
        result["told"] = ranks.told([7 + rank, rank])
        dist.barrier()
    result["whole"] = experiment(folder, "whole", rank, "store-b")
    result["stopped"] = experiment(folder, "broken", rank, "store-c", stop_after=3)
    result["resumed"] = experiment(folder, "broken", rank, "store-d")
    (folder / RESULT.format(rank=rank)).write_text(json.dumps(result, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
