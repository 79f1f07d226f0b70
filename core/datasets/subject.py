"""Where the subject of a picture is: a box around what differs from the background, and how sure that is.

The background is what the border shows. A place belongs to it if it looks like some part of the border in colour,
texture and (weakly) position, or if it lies on the smooth gradient that continues the border inwards; both explain a
plain wall, the second a vignette, the first grass below sky. What neither explains is the subject. No learned model is
involved; one that gives a better map can be passed in as a `Segmenter`, and the contrast is asked only where that one
sees nothing at all.

All work happens on a copy of at most 64 pixels, so that a picture costs milliseconds whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.decoding import over_white

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture, right and bottom exclusive."""

Floats = NDArray[np.floating[Any]]

WORKING_SIDE = 64
SURE = 0.35
"""A box of less confidence is not used unless a person accepts it."""

_LEAST_CONTRAST = 9.0  # levels of 255; less is noise
_LEAST_BELIEF = 50.0  # of 100: a segmenter that believes nowhere more than this sees no subject
_POSITION = 30.0  # levels that the whole width of the picture counts as, when places are compared
_SAMPLES = 240  # places of the border that stand for it
_SIDEKICK = 0.2  # a second part belongs to the subject if it has this share of the first one's contrast


class Segmenter(Protocol):
    """A better way to see the subject, from a model in the library, say."""

    def __call__(self, pixels: NDArray[np.uint8], /) -> Floats:
        """How much each place of an RGB picture uint8 [h, w, 3] belongs to the subject, 0 to 1, any resolution."""


@dataclass(frozen=True)
class Subject:
    """What was found.

    Attributes:
        box: Around the subject, in pixels of the picture.
        confidence: 0 to 1: how clearly it stands out, times how much of all that stands out is in the box.
        by: What told it from the background: "contrast", "alpha", "model", or "hand" where a person did.
    """

    box: Box
    confidence: float
    by: str = "contrast"


def find_subject(pixels: NDArray[np.uint8], segmenter: Segmenter | None = None) -> Subject:
    """Find the subject of a picture uint8 [h, w, 3 or 4]. A picture without one gives the whole, confidence 0.

    Args:
        pixels: The picture. Where it has transparent parts, what is opaque is the subject.
        segmenter: Asked instead of the contrast with the border, which decides only where it sees nothing.
    """
    height, width = pixels.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    across, down = max(8, round(width * scale)), max(8, round(height * scale))
    noise, by = 0.0, "contrast"
    energy: Floats | None = None
    if pixels.shape[2] == 4 and float((pixels[..., 3] < 128).mean()) > 0.02:
        energy, by = _shrunk(pixels[..., 3], across, down) * (100.0 / 255.0), "alpha"
    elif segmenter is not None:
        belief = np.clip(segmenter(over_white(pixels)), 0, 1)
        seen = _shrunk((belief * 255).astype(np.uint8), across, down) * (100.0 / 255.0)
        if (seen > _LEAST_BELIEF).any():
            energy, by = seen, "model"
    if energy is None:
        energy, noise = _contrast(_shrunk(over_white(pixels), across, down))
    cells, confidence = _extent(energy, noise)
    box = (
        cells[0] * width / across,
        cells[1] * height / down,
        cells[2] * width / across,
        cells[3] * height / down,
    )
    return Subject(box, confidence, by)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / (_area(one) + _area(other) - both)


def alignment(boxes: list[Box]) -> float:
    """How alike subjects are placed, 0 to 1: the mean overlap of the boxes with their median box.

    The boxes must be in the same frame. 1 means that every subject has the same place and size; strangers come to 0.3
    to 0.5.
    """
    if not boxes:
        return 0.0
    middle = np.median(np.asarray(boxes), axis=0)
    common: Box = (float(middle[0]), float(middle[1]), float(middle[2]), float(middle[3]))
    return float(np.mean([overlap(box, common) for box in boxes]))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _shrunk(pixels: NDArray[np.uint8], across: int, down: int) -> Floats:
    image = Image.fromarray(pixels).resize((across, down), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(image, np.float32)


def _contrast(colours: Floats) -> tuple[Floats, float]:
    """How far each place is from everything that the border explains, in levels, float32 [h, w]; and how far the
    border's own places are from their gradient."""
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    light = (red + green + blue) / 3
    plain = np.stack([light, red - green, (red + green) / 2 - blue], axis=-1)
    soft = _mean(plain, 1)
    texture = np.sqrt(np.maximum(_mean(light * light, 2) - _mean(light, 2) ** 2, 0.0))
    down, across = light.shape
    y, x = np.mgrid[0:down, 0:across].astype(np.float32)
    x, y = x / max(1, across - 1), y / max(1, down - 1)
    ring = np.zeros((down, across), np.bool_)
    ring[:3] = ring[-3:] = True
    ring[:, :3] = ring[:, -3:] = True
    features = np.concatenate(
        [soft, texture[..., None], _POSITION * x[..., None], _POSITION * y[..., None]], axis=-1
    ).reshape(-1, 6)
    samples = features[ring.ravel()]
    samples = samples[:: max(1, len(samples) // _SAMPLES)]
    alike = np.sqrt(_squares(features, _typical(samples)).min(axis=1))
    smooth, noise = _off_gradient(soft, x, y, ring)
    far = np.minimum(alike.reshape(down, across), smooth)
    return _mean(far, 1), noise


def _typical(samples: Floats) -> Floats:
    """The samples of the border without parts of a subject that touches it: few others resemble those, and none on the
    opposite side. (A horizon is a rare sight too, but on both sides.)"""
    near = _squares(samples[:, :4], samples[:, :4]) < 28.0**2
    companions = near.mean(axis=1)
    x, y = samples[:, 4] / _POSITION, samples[:, 5] / _POSITION
    sides = [(near & edge[None]).any(axis=1) for edge in (x < 0.06, x > 0.94, y < 0.06, y > 0.94)]
    kept = samples[(companions >= 0.15) | (sides[0] & sides[1]) | (sides[2] & sides[3])]
    return kept if len(kept) else samples


def _squares(one: Floats, other: Floats) -> Floats:
    lengths: Floats = (one * one).sum(axis=1)[:, None] + (other * other).sum(axis=1)[None, :]
    lengths -= 2 * (one @ other.T)
    return np.maximum(lengths, 0.0, out=lengths)


def _off_gradient(colours: Floats, x: Floats, y: Floats, ring: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Distance from the quadratic surface through the border's colours, beyond the border's own scatter; and that."""
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    known, values = basis[ring], colours[ring]
    weights = np.ones(len(known), np.float32)
    surface = np.zeros((6, 3), np.float32)
    for _ in range(4):  # reweighted, so that what touches the border does not bend the surface
        weighted = known * weights[:, None]
        surface = np.linalg.solve(weighted.T @ known + 1e-3 * np.eye(6, dtype=np.float32), weighted.T @ values)
        off = np.sqrt(((known @ surface - values) ** 2).sum(axis=1))
        weights = 1.0 / (1.0 + (off / max(2.0, float(np.median(off)))) ** 2)
    scatter = float(np.quantile(off, 0.6))
    away = np.sqrt(((basis @ surface - colours) ** 2).sum(axis=-1))
    beyond: Floats = np.maximum(away - 2.0 * scatter, 0.0).astype(np.float32)
    return beyond, scatter


def _extent(energy: Floats, noise: float) -> tuple[Box, float]:
    """The box around what stands out, in cells, and how sure that is in a picture whose background is that noisy."""
    down, across = energy.shape
    whole: Box = (0.0, 0.0, float(across), float(down))
    threshold = max(_otsu(energy), _LEAST_CONTRAST)
    mask = energy > threshold
    opened = _dilate(_erode(mask, 1), 1)
    if not mask.any():
        return whole, 0.0
    # Specks do not survive the opening and weigh nothing; the thin ends of what does survive still belong to it.
    parts = _components(_erode(_dilate(mask, 1), 1) | mask)
    weights = np.bincount(parts.ravel(), weights=(energy * (opened if opened.any() else mask)).ravel())
    weights[0] = 0.0
    chosen = np.isin(parts, np.flatnonzero(weights >= _SIDEKICK * weights.max())) & (parts > 0) & mask
    # Smoothing has spread the subject by a cell; its edge is where half of its contrast is left.
    chosen &= energy > 0.5 * float(np.median(energy[chosen]))
    mass = np.where(chosen, energy, 0.0)
    left, right = _ends(mass.sum(axis=0))
    top, bottom = _ends(mass.sum(axis=1))
    box: Box = (left, top, right, bottom)
    area = _area(box) / (across * down)
    inside, outside = float(energy[chosen].mean()), float(energy[~mask].mean()) if not mask.all() else 0.0
    clear = min(1.0, max(0.0, (inside - outside) / (inside + outside + 12.0 + 1.5 * min(noise, 20.0))) * 1.25)
    gathered = float(mass.sum() / max(1e-6, (energy * mask).sum()))
    shape = min(1.0, area / 0.01) * min(1.0, max(0.0, (1.02 - area) / 0.12))
    return box, float(clear * gathered * shape)


def _ends(profile: Floats) -> tuple[float, float]:
    """Where nearly all of a profile lies, from and to, in cells: single stray cells do not stretch it."""
    total = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    places = np.arange(len(total), dtype=np.float64)
    used = np.flatnonzero(profile > 0)
    low, high = np.interp([0.001 * total[-1], 0.999 * total[-1]], total, places)
    return float(max(np.floor(low), used[0])), float(min(np.ceil(high), used[-1] + 1))


def _otsu(energy: Floats) -> float:
    """The threshold that parts the values into the two most uniform groups (Otsu 1979)."""
    top = float(energy.max())
    if top <= 0:
        return 0.0
    counts, edges = np.histogram(energy, bins=96, range=(0.0, top))
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.argmax(np.nan_to_num(between)))])


def _mean(values: Floats, radius: int) -> Floats:
    """Mean over a square of 2 radius + 1 cells, edges repeated; over the first two axes."""
    size = 2 * radius + 1
    padding = [(radius, radius), (radius, radius)] + [(0, 0)] * (values.ndim - 2)
    padded = np.pad(values, padding, mode="edge")
    rows, found = padded[: values.shape[0]].copy(), np.zeros_like(values)
    for start in range(1, size):
        rows += padded[start : start + values.shape[0]]
    for start in range(size):
        found += rows[:, start : start + values.shape[1]]
    return found / np.float32(size * size)


def _dilate(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    padded = np.pad(mask, radius)
    down, across = mask.shape
    found = np.zeros_like(mask)
    for row in range(2 * radius + 1):
        for column in range(2 * radius + 1):
            found |= padded[row : row + down, column : column + across]
    return found


def _erode(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    padded = np.pad(mask, radius, constant_values=True)
    down, across = mask.shape
    found = np.ones_like(mask)
    for row in range(2 * radius + 1):
        for column in range(2 * radius + 1):
            found &= padded[row : row + down, column : column + across]
    return found


def _components(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the connected parts of a mask from 1 (four neighbours); 0 is outside."""
    down, across = mask.shape
    cells = mask.ravel().tolist()
    parts = [0] * len(cells)
    number = 0
    for start, inside in enumerate(cells):
        if not inside or parts[start]:
            continue
        number += 1
        parts[start] = number
        waiting = [start]
        while waiting:
            cell = waiting.pop()
            column = cell % across
            for next_cell, there in (
                (cell - 1, column > 0),
                (cell + 1, column < across - 1),
                (cell - across, cell >= across),
                (cell + across, cell < across * (down - 1)),
            ):
                if there and cells[next_cell] and not parts[next_cell]:
                    parts[next_cell] = number
                    waiting.append(next_cell)
    return np.asarray(parts, np.int64).reshape(mask.shape)
