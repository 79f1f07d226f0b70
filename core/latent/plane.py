"""The plane that the explorer walks on: tiles at (x, y), near tiles near vectors, pinned tiles where they were put.

Sampling distance says how far apart in the random field (`core.latent.basis`) two neighbouring tiles lie. Pins
condition the field by Matheron's rule (Wilson et al., "Efficiently sampling functions from Gaussian process
posteriors", 2020, section 3): a sample of the prior plus a kernel-weighted correction that carries each pinned tile to
its vector. Pins are taken one after the other, which gives the same as all at once, so a new pin on what is already
there changes nothing anywhere.

A pin may hold a vector that its surroundings make very unlikely (a favourite put down beside a stranger at a small
distance). The exact posterior would then throw the tiles around it far out of N(0, 1). So the reach of a pin is
the kernel's length scale or the distance between the closest pins, whichever is less.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import InvalidInput
from core.latent.basis import LENGTH_SCALE, Floats, basis

MIN_DISTANCE, MAX_DISTANCE = 0.01, 1.0
DEFAULT_DISTANCE = 0.5
MAX_SEED = 2**63 - 1
MAX_DIM = 65_536
MAX_PINS = 256
MAX_COORDINATE = 1e12
"""Tiles; beyond, neighbouring tiles would begin to blur in float64."""

_SAME_TILE = 1e-6
_CHUNK = 1024  # tiles; bounds the memory of a huge request, the result does not depend on it


@dataclass(frozen=True, eq=False)
class Pin:
    """A vector kept at a place of the plane.

    Attributes:
        x, y: Tile coordinates.
        z: float32 [dim], read-only.
    """

    x: float
    y: float
    z: NDArray[np.float32]

    def __post_init__(self) -> None:
        z = np.array(self.z, dtype=np.float32)
        if z.ndim != 1 or not np.isfinite(z).all():
            raise InvalidInput("a pinned vector cannot be used", "it must be a list of finite numbers")
        z.setflags(write=False)
        object.__setattr__(self, "z", z)
        for name in ("x", "y"):
            object.__setattr__(self, name, _coordinate(name, getattr(self, name)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pin) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[float, float, bytes]:
        return self.x, self.y, self.z.tobytes()

    def at(self, x: float, y: float) -> bool:
        """Whether the pin sits on this tile."""
        return abs(self.x - x) < _SAME_TILE and abs(self.y - y) < _SAME_TILE

    def to_json(self) -> dict[str, object]:
        """Plain data; the vector as base64 of little-endian float32."""
        return {"x": self.x, "y": self.y, "z": encode_vector(self.z)}

    @staticmethod
    def from_json(data: object) -> Pin:
        """The pin that `to_json` described.

        Raises:
            InvalidInput: Not one.
        """
        if not isinstance(data, Mapping):
            raise InvalidInput("a pin cannot be read", "it is not an object")
        return Pin(_coordinate("x", data.get("x")), _coordinate("y", data.get("y")), decode_vector(data.get("z")))


@dataclass(frozen=True)
class Plane:
    """An endless plane of vectors; immutable, every change is a new plane.

    Args:
        dim: Length of the vectors.
        seed: 0 to 2**63 - 1; the same seed is the same plane for ever.
        distance: Sampling distance, 0.01 (neighbours are near-identical) to 1 (strangers); see `basis.correlation`.
        pins: The user's pinned tiles.
        centre: What the plane was recentred on; conditions it like a pin, but the next recentring drops it.
        hold: The tile kept by the last change of distance.
        rank: How many of the pins are older than the hold.
        anchor, home: Tile `anchor` lies at the place `home` of the field.
    """

    dim: int
    seed: int
    distance: float = DEFAULT_DISTANCE
    pins: tuple[Pin, ...] = ()
    centre: Pin | None = None
    hold: Pin | None = None
    rank: int = 0
    anchor: tuple[float, float] = (0.0, 0.0)
    home: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _whole("dim", self.dim, 1, MAX_DIM)
        _whole("seed", self.seed, 0, MAX_SEED)
        check_distance(self.distance)
        if len(self.pins) > MAX_PINS:
            raise InvalidInput(f"{len(self.pins)} pins are too many", f"a plane takes up to {MAX_PINS}")
        for pin in (*self.pins, self.centre, self.hold):
            if pin is not None and len(pin.z) != self.dim:
                raise InvalidInput("a pin cannot be used", f"its vector has {len(pin.z)} numbers, not {self.dim}")

    def vectors(self, coords: ArrayLike) -> NDArray[np.float32]:
        """The vectors of some tiles.

        Args:
            coords: [n, 2] tile coordinates (x, y), whole or not, up to 10**12 either way.

        Returns:
            float32 [n, dim]. Each row depends on its own coordinates alone, to the last bit: order, repetition and
            company make no difference.

        Raises:
            InvalidInput: Not such coordinates.
        """
        tiles = np.asarray(coords, dtype=np.float64)
        if tiles.ndim != 2 or tiles.shape[1] != 2:
            raise InvalidInput("coordinates cannot be used", f"their shape is {list(tiles.shape)}, not [n, 2]")
        if not (np.abs(tiles) <= MAX_COORDINATE).all():
            raise InvalidInput("coordinates cannot be used", f"they must be finite and within ±{MAX_COORDINATE:g}")
        result = np.empty((len(tiles), self.dim), np.float32)
        for start in range(0, len(tiles), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            result[chunk] = self._field(tiles[chunk])
        for pin in self._fixed:
            result[(np.abs(tiles - (pin.x, pin.y)) < _SAME_TILE).all(axis=1)] = pin.z
        return result

    def vector(self, x: float, y: float) -> NDArray[np.float32]:
        """The vector [dim] of one tile."""
        row: NDArray[np.float32] = self.vectors([(x, y)])[0]
        return row

    def with_distance(self, distance: float, x: float = 0.0, y: float = 0.0) -> Plane:
        """The same field at another sampling distance. Tile (x, y) and the pinned ones keep their vectors.

        Raises:
            InvalidInput: The distance is out of range.
        """
        check_distance(distance)
        hold = None
        conditioned = bool(self.pins) or self.centre is not None
        if conditioned and not any(pin.at(x, y) for pin in self._fixed if pin is not self.hold):
            hold = Pin(x, y, self.vector(x, y))
        home = self._places(np.array([[x, y]], np.float64))[0]
        anchor = (float(x), float(y))
        moved = replace(self, distance=distance, anchor=anchor, home=(float(home[0]), float(home[1])))
        return replace(moved, hold=hold, rank=len(self.pins) if hold else 0)

    def with_pin(self, x: float, y: float, z: ArrayLike | None = None) -> Plane:
        """With a pin on tile (x, y), in place of one already there. Without `z` it keeps the tile's own vector."""
        pin = Pin(x, y, self.vector(x, y) if z is None else np.asarray(z, np.float32))
        others = self.without_pin(x, y)
        return replace(others, pins=(*others.pins, pin))

    def without_pin(self, x: float, y: float) -> Plane:
        """Without the pin on tile (x, y), if there is one."""
        older = sum(not pin.at(x, y) for pin in self.pins[: self.rank])
        return replace(self, pins=tuple(pin for pin in self.pins if not pin.at(x, y)), rank=older)

    def pinned(self, x: float, y: float) -> bool:
        """Whether the user pinned tile (x, y)."""
        return any(pin.at(x, y) for pin in self.pins)

    def recentred(self, x: float, y: float, new_seed: int) -> Plane:
        """A new plane around the vector of tile (x, y), which comes to the origin.

        The neighbourhood is new. The user's pins move along, so that they stay where they were around the tile.
        """
        moved = tuple(Pin(pin.x - x, pin.y - y, pin.z) for pin in self.pins)
        return Plane(self.dim, new_seed, self.distance, moved, centre=Pin(0, 0, self.vector(x, y)))

    def to_json(self) -> dict[str, object]:
        """Plain data without nulls, for JSON and TOML alike."""
        data: dict[str, object] = {"dim": self.dim, "seed": self.seed, "distance": self.distance}
        if self.pins:
            data["pins"] = [pin.to_json() for pin in self.pins]
        if self.centre is not None:
            data["centre"] = self.centre.to_json()
        if self.hold is not None:
            data["hold"], data["rank"] = self.hold.to_json(), self.rank
        if (self.anchor, self.home) != ((0.0, 0.0), (0.0, 0.0)):
            data["anchor"], data["home"] = list(self.anchor), list(self.home)
        return data

    @staticmethod
    def from_json(data: object) -> Plane:
        """The plane that `to_json` described.

        Raises:
            InvalidInput: Not one; names what is wrong.
        """
        if not isinstance(data, Mapping):
            raise InvalidInput("a plane cannot be read", "it is not an object")
        pins = data.get("pins", [])
        if not isinstance(pins, list | tuple):
            raise InvalidInput("a plane cannot be read", "pins is not a list")
        return Plane(
            dim=_whole("dim", data.get("dim"), 1, MAX_DIM),
            seed=_whole("seed", data.get("seed"), 0, MAX_SEED),
            distance=check_distance(data.get("distance", DEFAULT_DISTANCE)),
            pins=tuple(Pin.from_json(pin) for pin in pins),
            centre=Pin.from_json(data["centre"]) if data.get("centre") is not None else None,
            hold=Pin.from_json(data["hold"]) if data.get("hold") is not None else None,
            rank=_whole("rank", data.get("rank", 0), 0, MAX_PINS),
            anchor=_pair("anchor", data.get("anchor", (0, 0))),
            home=_pair("home", data.get("home", (0, 0))),
        )

    def _places(self, tiles: Floats) -> Floats:
        """Tiles [n, 2] to places of the field [n, 2]."""
        return (tiles - self.anchor) * self.distance + self.home

    def _field(self, tiles: Floats) -> Floats:
        field = basis(self.seed, self.dim).sample(self._places(tiles))
        return self._correction.add_to(field, tiles)

    @cached_property
    def _fixed(self) -> tuple[Pin, ...]:
        """Everything that conditions the field, the oldest first: what is newer never moves what was there."""
        fixed: list[Pin] = []
        for pin in (self.centre, *self.pins[: self.rank], self.hold, *self.pins[self.rank :]):
            if pin is None:
                continue
            same = [index for index, other in enumerate(fixed) if other.at(pin.x, pin.y)]
            if not same:
                fixed.append(pin)
            elif pin is not self.hold:
                fixed[same[0]] = pin
        return tuple(fixed)

    @cached_property
    def _correction(self) -> _Correction:
        tiles = np.array([(pin.x, pin.y) for pin in self._fixed], np.float64).reshape(-1, 2)
        targets = np.array([pin.z for pin in self._fixed], np.float64).reshape(-1, self.dim)
        prior = basis(self.seed, self.dim).sample(self._places(tiles))
        return _Correction(tiles, targets - prior, LENGTH_SCALE / self.distance)


class _Correction:
    """What Matheron's rule adds to a sample of the prior.

    Args:
        tiles: [m, 2], where the field is pinned.
        residuals: [m, dim], what is missing there.
        reach: The kernel's length scale in tiles.
    """

    def __init__(self, tiles: Floats, residuals: Floats, reach: float) -> None:
        self._tiles = tiles
        self._rows: list[tuple[float, Floats]] = []  # reach, and the weights [j + 1] of the kernels at pins 0 .. j
        self._steps: list[Floats] = []  # what is missing at pin j once pins 0 .. j-1 are met, [dim]
        for last in range(len(tiles)):
            known, new = tiles[:last], tiles[last : last + 1]
            if last:
                reach = min(reach, float(np.sqrt(_squares(new, known).min())))
            coefficients = np.ones(1)
            if last:
                across = _kernel(known, new, reach)[:, 0]
                solved = np.linalg.solve(_kernel(known, known, reach), across)
                coefficients = np.append(-solved, 1.0) / (1.0 - across @ solved)
            step = residuals[last : last + 1].copy()
            self.subtract_from(step, new)
            self._rows.append((reach, coefficients))
            self._steps.append(step[0])

    def add_to(self, field: Floats, tiles: Floats) -> Floats:
        """`field` [n, dim], changed in place to meet the pins; returns it."""
        for weight, step in self._terms(tiles):
            field += weight[:, None] * step
        return field

    def subtract_from(self, field: Floats, tiles: Floats) -> None:
        """The opposite of `add_to`."""
        for weight, step in self._terms(tiles):
            field -= weight[:, None] * step

    def _terms(self, tiles: Floats) -> Sequence[tuple[Floats, Floats]]:
        terms: list[tuple[Floats, Floats]] = []
        reach, kernels = math.nan, np.empty((len(tiles), 0))
        for (own, coefficients), step in zip(self._rows, self._steps):
            if own != reach:
                reach, kernels = own, _kernel(tiles, self._tiles, own)
            weight = np.zeros(len(tiles))
            for column, coefficient in enumerate(coefficients):  # one by one: a matrix product has no fixed order
                weight += kernels[:, column] * coefficient
            terms.append((weight, step))
        return terms


def _kernel(a: Floats, b: Floats, reach: float) -> Floats:
    return np.exp(_squares(a, b) * (-0.5 / reach**2))


def _squares(a: Floats, b: Floats) -> Floats:
    steps = a[:, None, :] - b[None, :, :]
    return steps[..., 0] ** 2 + steps[..., 1] ** 2


def check_distance(distance: object) -> float:
    """`distance` as a number.

    Raises:
        InvalidInput: Not a number from 0.01 to 1.
    """
    number = _number("distance", distance)
    if not MIN_DISTANCE <= number <= MAX_DISTANCE:
        raise InvalidInput(f"distance is {number:g}", f"it must be from {MIN_DISTANCE:g} to {MAX_DISTANCE:g}")
    return number


def encode_vector(z: NDArray[np.float32]) -> str:
    """Base64 of little-endian float32: exact, and 5.4 characters a number."""
    return base64.b64encode(np.ascontiguousarray(z, "<f4").tobytes()).decode()


def decode_vector(data: object) -> NDArray[np.float32]:
    """The vector in `data`: what `encode_vector` made, or a list of numbers.

    Raises:
        InvalidInput: Neither.
    """
    try:
        if isinstance(data, str):
            return np.frombuffer(base64.b64decode(data, validate=True), "<f4").astype(np.float32)
        if isinstance(data, list | tuple):
            return np.array([float(number) for number in data], np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput("a vector cannot be read", str(error)) from error
    raise InvalidInput("a vector cannot be read", "it is neither base64 nor a list of numbers")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InvalidInput(f"{name} is {value!r}", "it must be a number")
    if not math.isfinite(value):
        raise InvalidInput(f"{name} is {value}", "it must be finite")
    return float(value)


def _coordinate(name: str, value: object) -> float:
    number = _number(name, value)
    if abs(number) > MAX_COORDINATE:
        raise InvalidInput(f"{name} is {number:g}", f"it must be within ±{MAX_COORDINATE:g}")
    return number


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidInput(f"{name} is {value!r}", "it must be a whole number")
    if not low <= value <= high:
        raise InvalidInput(f"{name} is {value}", f"it must be from {low} to {high}")
    return int(value)


def _pair(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InvalidInput(f"{name} cannot be read", "it must be two numbers")
    return _number(name, value[0]), _number(name, value[1])
