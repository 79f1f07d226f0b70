"""An image training by itself, without a run: how a starter is made, whose state is one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from core.ml.training.image.loop import ImageTraining
from core.ml.training.state import load_state, save_state


def train(
    training: ImageTraining, *, checkpoint: Path | None = None, save_every: int = 250
) -> Iterator[tuple[int, dict[str, float]]]:
    """Run a training to its end, giving the step (from 1) and what it told after each.

    Args:
        training: Fresh; an existing checkpoint of the same recipe puts it where that was saved.
        checkpoint: Where its state is kept.
        save_every: Steps between checkpoints.

    Raises:
        Refused: The checkpoint belongs to another recipe or cannot be read.
    """
    plan = asdict(training.recipe)
    saved = load_state(checkpoint, plan) if checkpoint else None
    if saved:
        training.restore(saved)
    while training.step < training.recipe.steps:
        told = training.run()
        if checkpoint and (training.step % save_every == 0 or training.step == training.recipe.steps):
            save_state(checkpoint, plan, training.state())
        yield training.step, told
