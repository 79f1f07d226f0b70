"""Walks for films: a smooth way through chosen vectors, or a circle on the plane, cut into frames.

Vectors from N(0, 1) lie near a sphere whose inside holds nothing that a model has seen, so a walk keeps to the sphere:
between two keys it is Shoemake's spherical quadrangle ("Quaternion calculus and fast animation", 1987), a de Casteljau
scheme of great-circle arcs, which works on spheres of any dimension. Its tangent at a key has the direction of Catmull
and Rom's and the length of a mean step, which keeps the speed even (fastest to slowest 1.4, with their own length 2.2,
over walks through five random vectors); beside a short step it is shorter, so that the way does not swing out. The
result passes through every key, has no corner (C1), and its lengths (norms) and truncations run between those of the
keys without overshooting (Fritsch and Carlson, "Monotone piecewise cubic interpolation", 1980).

Frames are computed one by one from whole numbers, with sums in a fixed order: on one machine the same walk gives the
same bits, whichever frames are asked in which order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.latent.basis import Floats
from core.latent.plane import MAX_DIM, Plane, encode_vector

MAX_KEYS = 256
MAX_FRAMES = 36_000
"""Of one film: ten minutes at 60 frames a second."""

MAX_RADIUS = 1e6

_LONGEST_TANGENT = 1.5
"""Of a tangent, in lengths of the key's shorter step; even steps have 1."""

_WIDE = -0.5
"""Cosine of a third of a turn."""

_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Moment:
    """What one frame is drawn from.

    Attributes:
        z: float32 [dim].
        truncation: 0 to 1.
    """

    z: NDArray[np.float32]
    truncation: float = 1.0


class Way(Protocol):
    """Anything that a film can go along."""

    @property
    def closed(self) -> bool:
        """Whether the frame after the last is the first again."""

    @property
    def steps(self) -> int:
        """From key to key; a film of one second a step is calm."""

    def frame(self, number: int, count: int) -> Moment:
        """Frame `number`, from 0, of a film of `count` frames."""

    def to_json(self) -> dict[str, object]:
        """Plain data that tells what it was."""


class Walk:
    """A way through keys.

    Args:
        keys: At least two, vectors of one length.
        closed: Go on from the last key to the first.
        eased: Come to rest at every key.

    Raises:
        InvalidInput: Not such keys.
    """

    def __init__(self, keys: Sequence[Moment], *, closed: bool = False, eased: bool = False) -> None:
        if not 2 <= len(keys) <= MAX_KEYS:
            raise InvalidInput(f"a walk cannot have {len(keys)} keys", f"it takes from 2 to {MAX_KEYS}")
        dim = len(keys[0].z)
        for key in keys:
            if key.z.shape != (dim,) or not 1 <= dim <= MAX_DIM or not np.isfinite(key.z).all():
                raise InvalidInput("a walk cannot go through these vectors", "they must be finite and of one length")
        self.keys = tuple(keys)
        self._closed, self._eased = closed, eased
        vectors = [key.z.astype(np.float64) for key in keys]
        lengths = [_norm(vector) for vector in vectors]
        # A sphere needs two dimensions and a radius; without, straight lines have to do.
        self._flat = dim == 1 or min(lengths) < _TINY
        self._points = vectors if self._flat else [vector / length for vector, length in zip(vectors, lengths)]
        self._lengths = _Track(lengths, closed)
        self._truncations = _Track([key.truncation for key in keys], closed)
        self._controls = [self._controls_of(step) for step in range(self.steps)]

    @property
    def closed(self) -> bool:
        """Whether the frame after the last is the first again."""
        return self._closed

    @property
    def steps(self) -> int:
        """From key to key."""
        return len(self.keys) if self._closed else len(self.keys) - 1

    def frame(self, number: int, count: int) -> Moment:
        """Frame `number` of `count`. Keys lie on frames where their number divides the frames; they are met exactly.

        Args:
            number: From 0 to count - 1.
            count: Frames of the whole film, at least 1. A closed walk ends one frame before its beginning.
        """
        whole = count if self._closed else max(1, count - 1)
        step, rest = divmod(number * self.steps, whole)
        if not rest:
            return self.keys[step % len(self.keys)]
        t = rest / whole
        controls = self._controls[step]
        if self._eased or controls is None:
            t = t * t * (3 - 2 * t)
        point = self._between(self._points[step], self._points[(step + 1) % len(self.keys)], t)
        if controls is not None:
            point = self._between(point, self._between(*controls, t), 2 * t * (1 - t))
        if not self._flat:
            point = point * (self._lengths.at(step, t) / _norm(point))
        return Moment(point.astype(np.float32), self._truncations.at(step, t))

    def to_json(self) -> dict[str, object]:
        """Plain data that tells what it was; the vectors as base64 of float32."""
        keys = [{"z": encode_vector(key.z), "truncation": key.truncation} for key in self.keys]
        return {"kind": "walk", "closed": self._closed, "eased": self._eased, "keys": keys}

    # -- inside

    def _controls_of(self, step: int) -> tuple[Floats, Floats] | None:
        """The inner points of a step: they give it its tangents at both ends. None for one that has none there."""
        here, there = step, (step + 1) % len(self.keys)
        if self._is_wide(step):
            return None
        a, b = self._points[here], self._points[there]
        leaving = self._move(a, (self._tangent(here) - self._toward(a, b)) / 2)
        coming = self._move(b, -(self._tangent(there) + self._toward(b, a)) / 2)
        return leaving, coming

    def _tangent(self, key: int) -> Floats:
        """The velocity at a key, per step."""
        last, point = len(self.keys) - 1, self._points[key]
        ahead = self._toward(point, self._points[(key + 1) % len(self.keys)])
        behind = self._toward(point, self._points[key - 1])
        if not self._closed and key in (0, last):
            return np.zeros_like(point) if self._is_wide(min(key, last - 1)) else ahead if key == 0 else -behind
        if self._is_wide(key) or self._is_wide((key - 1) % self.steps):
            return np.zeros_like(point)
        tangent = (ahead - behind) / 2
        before, after, length = _norm(behind), _norm(ahead), _norm(tangent)
        if length < _TINY:
            return np.zeros_like(point)  # straight back: rest and turn
        even = (before + after) / 2
        return tangent * (min(even, 2 * length, _LONGEST_TANGENT * min(before, after)) / length)

    def _is_wide(self, step: int) -> bool:
        """Whether a step goes far around the sphere: it is then a great circle with a rest at both ends.

        Arcs of such a step and of its inner points may be opposite, where no way between them is the shorter one.
        Random vectors of 30 and more dimensions never lie so.
        """
        a, b = self._points[step], self._points[(step + 1) % len(self.keys)]
        return not self._flat and _dot(a, b) < _WIDE

    def _between(self, a: Floats, b: Floats, t: float) -> Floats:
        return self._move(a, self._toward(a, b) * t)

    def _toward(self, a: Floats, b: Floats) -> Floats:
        """The tangent at `a` that leads to `b`, as long as the arc between them."""
        if self._flat:
            return b - a
        cosine = _dot(a, b)
        across = b - cosine * a
        length = _norm(across)
        if length < _TINY:
            if cosine > 0:
                return np.zeros_like(a)
            # Opposite points: every great circle leads there; take the one over the axis that is farthest from both.
            across = np.zeros_like(a)
            across[np.argmin(np.abs(a))] = 1.0
            across -= _dot(across, a) * a
            length = _norm(across)
        return across * (math.atan2(length if cosine > -1 else 0.0, cosine) / length)

    def _move(self, a: Floats, tangent: Floats) -> Floats:
        """Where one comes from `a` along a tangent."""
        if self._flat:
            return a + tangent
        angle = _norm(tangent)
        return a if angle < 1e-15 else math.cos(angle) * a + (math.sin(angle) / angle) * tangent


class Circle:
    """Once around a place of the plane: neighbours change into one another, the end is the beginning.

    Args:
        plane: The vectors.
        centre: Tile (x, y).
        radius: In tiles, above 0.
        truncation: Of every frame.

    Raises:
        InvalidInput: Not such a radius.
    """

    closed = True

    def __init__(self, plane: Plane, centre: tuple[float, float], radius: float, truncation: float = 1.0) -> None:
        if not 0 < radius <= MAX_RADIUS:
            raise InvalidInput(f"the radius is {radius:g}", f"it must be above 0 and at most {MAX_RADIUS:,.0f} tiles")
        self.plane, self.centre, self.radius, self.truncation = plane, centre, radius, truncation

    @property
    def steps(self) -> int:
        """About one for each unit of the field that is passed."""
        return max(4, min(MAX_KEYS, round(2 * math.pi * self.radius * self.plane.distance)))

    def frame(self, number: int, count: int) -> Moment:
        """Frame `number` of `count`."""
        angle = 2 * math.pi * number / count
        x, y = self.centre[0] + self.radius * math.cos(angle), self.centre[1] + self.radius * math.sin(angle)
        return Moment(self.plane.vector(x, y), self.truncation)

    def to_json(self) -> dict[str, object]:
        """Plain data that tells what it was; the plane is told elsewhere."""
        return {"kind": "circle", "centre": list(self.centre), "radius": self.radius, "truncation": self.truncation}


class _Track:
    """A number between keys: cubic, without a corner, never beyond its neighbours."""

    def __init__(self, values: Sequence[float], closed: bool) -> None:
        self._values = [float(value) for value in values]
        count = len(self._values)
        rises = [self._values[(index + 1) % count] - self._values[index] for index in range(count)]
        self._slopes = []
        for index in range(count):
            before, after = rises[index - 1], rises[index]
            if not closed and index in (0, count - 1):
                before = after = rises[0] if index == 0 else rises[count - 2]
            self._slopes.append(2 * before * after / (before + after) if before * after > 0 else 0.0)

    def at(self, step: int, t: float) -> float:
        """The value at `t` from 0 to 1 of a step."""
        following = (step + 1) % len(self._values)
        a, b, m, n = self._values[step], self._values[following], self._slopes[step], self._slopes[following]
        if a == b and not (m or n):
            return a
        value = a + t * (m + t * ((3 * (b - a) - 2 * m - n) + t * (2 * (a - b) + m + n)))
        return min(max(value, min(a, b)), max(a, b))


def _dot(a: Floats, b: Floats) -> float:
    # Not a matrix product: that may be shared out among threads, and the order of its sums with them.
    return float(np.add.reduce(a * b))


def _norm(a: Floats) -> float:
    return math.sqrt(_dot(a, a))
