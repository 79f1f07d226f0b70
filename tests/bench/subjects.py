"""What a segmentation model is worth to auto-crop: boxes by contrast with the border, and by a small model.

The model is a SegFormer of a hundred thousand parameters, trained here for some seconds on drawn shapes that are not
among the pictures. The pictures are prepared as a user's are, the model in its worker process. Overlap: mean
intersection over union of the found boxes with the true ones. Alignment: what auto-crop tells of it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from core.datasets.adding import add_pictures, prepare_dataset
from core.datasets.cropping import Preparation
from core.datasets.library import Datasets
from core.datasets.preparing import read_boxes
from core.datasets.subject import SURE, Box, overlap
from core.library.importing import import_model
from core.library.models import Library
from tests.core.datasets.drawings import GROUNDS, cluttered, scene

COUNT = 120
Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, Box]]


def main(arguments: Sequence[str]) -> None:
    """Print the measurements."""
    from tests.core.ml.vision_models import saved, trained

    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        os.environ["TARMAC_HOME"] = made  # nobody's settings
        started = time.process_time()
        folder = saved(trained(), home / "shapes")
        print(f"trained for {time.process_time() - started:.0f} s of one core")
        model = asyncio.run(import_model(folder, library=Library(home)))
        print(f"{model.architecture['parameters']:,} parameters, {model.size_bytes / 1e3:,.0f} kB")
        _measure(home, "clutter", _hard)
        _measure(home, "even grounds", _even)


def _hard(random: np.random.Generator, number: int) -> tuple[np.ndarray, Box]:
    pixels, _, box = cluttered(random)
    return pixels, box


def _even(random: np.random.Generator, number: int) -> tuple[np.ndarray, Box]:
    return scene(GROUNDS[number % len(GROUNDS)], random)


def _measure(home: Path, name: str, draw: Draw) -> None:
    random, source, true = np.random.default_rng(7), home / name.replace(" ", "-"), []
    source.mkdir()
    for number in range(COUNT):
        pixels, box = draw(random, number)
        Image.fromarray(pixels).save(source / f"{number:03}.png")
        true.append(box)
    datasets = Datasets(home)
    dataset = asyncio.run(add_pictures([source], name=name, datasets=datasets))
    print(f"\n{COUNT} pictures on {name}")
    print(
        f"  {'':<10} {'overlap':>8} {'right':>7} {'sure':>7} {'sure, wrong':>12} {'alignment':>16} {'pictures/s':>11}"
    )
    for subject in ("contrast", "shapes"):
        preparation = Preparation(size=64, crop="auto", subject=subject)
        began = time.perf_counter()
        found = asyncio.run(prepare_dataset(dataset.id, preparation, datasets=datasets))
        spent = time.perf_counter() - began
        boxes = read_boxes(found.folder)
        good = np.array([overlap(boxes[number].box, box) for number, box in enumerate(true)])
        sure = np.array([boxes[number].confidence >= SURE for number in range(COUNT)])
        told = found.about["subjects"]
        assert isinstance(told, dict)
        placed = f"{told['alignment_before']:.2f} -> {told['alignment_after']:.2f}"
        print(
            f"  {subject:<10} {good.mean():8.2f} {(good > 0.5).mean():7.0%} {sure.mean():7.0%} "
            f"{(sure & (good < 0.3)).mean():12.0%} {placed:>16} {COUNT / spent:11.1f}"
        )


if __name__ == "__main__":
    main([])
