"""What a score needs to know of a dataset, computed once and kept on disk.

A file belongs to the very pictures, the very features and their count; one that is broken or of another Tarmac is
computed again, and a disk that takes no file costs time only.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import StorageError
from core.ml.metrics.features import FeatureExtractor
from core.ml.metrics.fid import Moments, MomentSum
from core.paths import write_atomic

FORMAT = 1
KEPT = 4000
"""Features that are kept for kernel distances; of a larger dataset evenly spread ones."""
_ROWS = 1024


class _Pictures(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class RealStatistics:
    """A dataset as features see it.

    Attributes:
        moments: Of all pictures.
        features: float32 [at most KEPT, D].
    """

    moments: Moments
    features: NDArray[np.float32]


def statistics_of(
    pictures: _Pictures,
    features: FeatureExtractor,
    cache: Path | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> RealStatistics:
    """The statistics of uint8 pictures [n, S, S, C], from `cache` if they lie there, else computed and put there."""
    place = None
    if cache is not None:
        named = f"{FORMAT} {fingerprint(pictures)} {features.identity} {len(pictures)}"
        place = cache / f"statistics-{hashlib.sha256(named.encode()).hexdigest()[:24]}.npz"
        found = _read(place, len(pictures), features.dims)
        if found is not None:
            return found
    found = _compute(pictures, features, progress)
    if place is not None:
        with contextlib.suppress(StorageError):
            write_atomic(place, _packed(found))
    return found


def fingerprint(pictures: _Pictures) -> str:
    """SHA-256 over shape and content of all pictures. Reads them once, a gigabyte in about a second."""
    whole = hashlib.sha256()
    for start in range(0, len(pictures), _ROWS):
        part = pictures[np.arange(start, min(start + _ROWS, len(pictures)))]
        whole.update(f"{part.shape[1:]} ".encode())
        whole.update(np.ascontiguousarray(part).data)
    return whole.hexdigest()


def _compute(pictures: _Pictures, features: FeatureExtractor, progress: Callable[[float], None]) -> RealStatistics:
    count = len(pictures)
    wanted = np.zeros(count, bool)
    wanted[np.linspace(0, count - 1, min(count, KEPT)).round().astype(np.int64)] = True
    total, kept = MomentSum(), []
    for start in range(0, count, features.batch):
        progress(start / count)
        rows = np.arange(start, min(start + features.batch, count))
        found = features(pictures[rows])
        total.add(found)
        kept.append(found[wanted[rows]])
    progress(1.0)
    return RealStatistics(total.moments(), np.concatenate(kept))


def _packed(found: RealStatistics) -> bytes:
    file = io.BytesIO()
    upper = found.moments.covariance[np.triu_indices(len(found.moments.mean))]
    np.savez(file, count=found.moments.count, mean=found.moments.mean, covariance=upper, features=found.features)
    return file.getvalue()


def _read(place: Path, count: int, dims: int) -> RealStatistics | None:
    try:
        # Opened here, because NumPy leaves a file that is no archive open.
        with place.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            mean, upper, features = file["mean"], file["covariance"], file["features"]
            counted = int(file["count"])
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None
    shapes = mean.shape, upper.shape, features.shape
    if counted != count or shapes != ((dims,), (dims * (dims + 1) // 2,), (min(count, KEPT), dims)):
        return None
    if not all(np.isfinite(part).all() for part in (mean, upper, features)):
        return None
    covariance = np.zeros((dims, dims))
    covariance[np.triu_indices(dims)] = upper
    covariance += np.triu(covariance, 1).T
    return RealStatistics(Moments(counted, mean.astype(np.float64), covariance), features.astype(np.float32))
