"""Does the loader ever limit training, and how quickly are files looked at?

Pictures a second of batches taken from prepared data, cold (the file's pages dropped from memory first, where the
system lets us) and warm, beside the same pictures decoded from PNG files by Pillow for each batch, which is what
preparing saves. The target is what a training step on a large GPU takes in: 2,000 pictures a second at 256 pixels.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.cropping import Preparation
from core.datasets.manifest import Manifest
from core.datasets.pool import free_cores, in_order
from core.datasets.preparing import prepare
from core.datasets.scanning import scan, write_index
from core.datasets.sources import entries
from core.datasets.store import PictureStore
from core.datasets.subject import find_subject

TARGET = 2000
BATCH, BATCHES = 32, 30


def main(arguments: Sequence[str]) -> None:
    """Print the measurements."""
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        for size, count in ((64, 2000), (256, 600)):
            _loading(home / str(size), size, count)
        _looking(home)


def _loading(home: Path, size: int, count: int) -> None:
    source, random = home / "source", np.random.default_rng(0)
    _pictures(source, count, size + 8, random)
    files = sorted(source.iterdir())
    pick = [random.integers(0, count, BATCH) for _ in range(BATCHES)]
    print(f"\n{count:,} pictures of {size} × {size}, batches of {BATCH}: pictures a second")

    def decoded(rows: NDArray[np.int64]) -> None:
        np.stack([np.asarray(Image.open(files[row]).convert("RGB").crop((4, 4, size + 4, size + 4))) for row in rows])

    peer = _rate(decoded, pick)
    print(f"  {'decoding PNGs with Pillow':<34} {peer:10,.0f}")
    for crop in ("centre", "random"):
        folder = home / crop
        folder.mkdir()
        found = scan([source])
        write_index(folder, found.records, [source])
        Manifest(crop, count=len(found.kept)).write(folder)
        prepare(folder, Preparation(size=size, crop=crop))
        _forget(folder)
        store = PictureStore.open(folder)
        cold = _rate(lambda rows: store.take(rows, 1), pick)  # noqa: B023
        warm = _rate(lambda rows: store.take(rows, 2), pick)  # noqa: B023
        for name, rate in (("cold", cold), ("warm", warm)):
            verdict = "over" if rate > TARGET else "UNDER"
            told = f"{rate / peer:5.1f} x decoding, {verdict} {TARGET:,}"
            print(f"  {f'store.take, {crop} crop, {name}':<34} {rate:10,.0f}   {told}")


def _looking(home: Path) -> None:
    source, random = home / "photos", np.random.default_rng(1)
    source.mkdir()
    for number in range(120):
        _photo(random, 1200, 900).save(source / f"{number}.jpg", quality=90)
    taken = sum(path.stat().st_size for path in source.iterdir()) / 1e6
    print(f"\nlooking at 120 JPEGs of 1200 × 900 ({taken:.0f} MB): decoded, hashed, compared")
    listed = list(entries(source))

    def bare(entry: object) -> None:
        Image.open(entry.content).load()  # type: ignore[attr-defined]

    for threads in (1, 2):
        start = time.perf_counter()
        for _ in in_order(bare, listed, threads=threads):
            pass
        spent = time.perf_counter() - start
        print(f"  {f'decoding alone, {threads} threads':<34} {taken / spent:6.1f} MB/s {120 / spent:7.0f} pictures/s")
    found = scan([source])
    rate = taken / found.seconds
    print(f"  {f'scan, {free_cores()} threads':<34} {rate:6.1f} MB/s {120 / found.seconds:7.0f} pictures/s")
    pixels = [np.asarray(Image.open(path)) for path in sorted(source.iterdir())[:40]]
    start = time.process_time()
    for each in pixels:
        find_subject(each)
    print(f"  {'finding the subject':<34} {1e3 * (time.process_time() - start) / len(pixels):6.1f} ms a picture")


def _pictures(folder: Path, count: int, side: int, random: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        _photo(random, side, side).save(folder / f"{number:05}.png")


def _photo(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Soft shapes with grain, which compress about as photographs do."""
    blocks = Image.fromarray(random.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    soft = np.asarray(blocks.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = random.integers(-6, 7, (height, width, 1), dtype=np.int16)
    return Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8))


def _rate(work: Callable[[NDArray[np.int64]], object], pick: Sequence[NDArray[np.int64]]) -> float:
    start = time.perf_counter()
    for rows in pick:
        work(rows)
    return BATCH * len(pick) / (time.perf_counter() - start)


def _forget(folder: Path) -> None:
    """Drop the files' pages from memory, so that the next reading is from the disk."""
    for path in folder.glob("*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main([])
