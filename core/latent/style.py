"""How a view's pictures are drawn beyond their vectors: styles mixed in, edits, and the layers that each concerns.

A style belongs to a whole view, so that every tile of the plane wears it and one can walk on. It applies to models that
have the command `styled` (StyleGAN); an empty one asks nothing of a model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import InvalidInput
from core.latent.plane import decode_vector, encode_vector

COMMAND = "styled"
"""The command of a model that can draw with a style; its inputs are `Style.inputs`."""

MAX_AMOUNT = 10.0
"""Standard deviations that an edit may move along its direction."""

MAX_EDITS = 64
_MAX_LAYER = 63

Layers = tuple[int, int]
"""First and last style layer, both included; layer 0 is the coarsest."""


@dataclass(frozen=True)
class Mix:
    """The styles of one vector, to be taken in some layers.

    Attributes:
        data: The vector, float32 little-endian: bytes, so that a mix can be compared and hashed.
        layers: Where it applies.
    """

    data: bytes
    layers: Layers

    @staticmethod
    def of(z: ArrayLike, layers: Layers) -> Mix:
        """The styles of `z`, float32 [dim]."""
        return Mix(np.ascontiguousarray(z, "<f4").tobytes(), layers)

    @property
    def z(self) -> NDArray[np.float32]:
        """The vector, float32 [dim], read-only."""
        return np.frombuffer(self.data, "<f4")


@dataclass(frozen=True)
class Style:
    """What is done to every picture of a view; empty by default.

    Attributes:
        truncation_layers: Layers that the truncation applies to; None for all.
        mix: Styles taken from another vector.
        edits: Amounts along the model's principal directions, the strongest direction first, in standard deviations;
            without zeros at the end.
        edit_layers: Layers that the edits move; None for all.
    """

    truncation_layers: Layers | None = None
    mix: Mix | None = None
    edits: tuple[float, ...] = ()
    edit_layers: Layers | None = None

    @property
    def empty(self) -> bool:
        """Whether pictures are drawn as without a style."""
        return self.truncation_layers is None and self.mix is None and not any(self.edits)

    def amount(self, direction: int) -> float:
        """How far pictures are moved along a direction."""
        return self.edits[direction] if direction < len(self.edits) else 0.0

    def moved(self, direction: int, amount: float) -> tuple[float, ...]:
        """`edits` with another amount along one direction, kept within ±MAX_AMOUNT."""
        amounts = [*self.edits, *[0.0] * (direction + 1 - len(self.edits))]
        amounts[direction] = max(-MAX_AMOUNT, min(MAX_AMOUNT, amount))
        while amounts and not amounts[-1]:
            amounts.pop()
        return tuple(amounts)

    def inputs(self) -> dict[str, object]:
        """Inputs of the command `styled` beside the vector, the truncation and the label."""
        found: dict[str, object] = {
            "truncation_layers": list(self.truncation_layers or ()),
            "mix_layers": list(self.mix.layers) if self.mix else [],
            "edits": list(self.edits),
            "edit_layers": list(self.edit_layers or ()),
        }
        if self.mix is not None:
            found["mix"] = self.mix.z
        return found

    def to_json(self) -> dict[str, object]:
        """Plain data without nulls, for JSON and TOML alike."""
        data: dict[str, object] = {}
        if self.truncation_layers is not None:
            data["truncation_layers"] = list(self.truncation_layers)
        if self.mix is not None:
            data["mix"] = {"z": encode_vector(self.mix.z), "layers": list(self.mix.layers)}
        if self.edits:
            data["edits"] = list(self.edits)
        if self.edit_layers is not None:
            data["edit_layers"] = list(self.edit_layers)
        return data

    @staticmethod
    def from_json(data: object, dim: int) -> Style:
        """The style that `to_json` described, for vectors of `dim` numbers.

        Raises:
            InvalidInput: Not one; names what is wrong.
        """
        if not isinstance(data, Mapping):
            raise InvalidInput("a style cannot be read", "it is not an object")
        mix = None
        if "mix" in data:
            said = data["mix"]
            if not isinstance(said, Mapping):
                raise InvalidInput("a style cannot be read", "mix is not an object")
            z = decode_vector(said.get("z"))
            if z.shape != (dim,) or not np.isfinite(z).all():
                raise InvalidInput("a style cannot be read", f"mix is not a vector of {dim} finite numbers")
            mix = Mix.of(z, _layers("mix", said.get("layers")))
        edits = data.get("edits", ())
        if not isinstance(edits, list | tuple) or len(edits) > MAX_EDITS:
            raise InvalidInput("a style cannot be read", f"edits is not a list of at most {MAX_EDITS} numbers")
        return Style(
            truncation_layers=_layers("truncation_layers", data["truncation_layers"])
            if "truncation_layers" in data
            else None,
            mix=mix,
            edits=tuple(_amount(edit) for edit in edits),
            edit_layers=_layers("edit_layers", data["edit_layers"]) if "edit_layers" in data else None,
        )


PLAIN = Style()
"""Pictures as the model draws them."""


def _layers(name: str, value: object) -> Layers:
    if isinstance(value, list | tuple) and len(value) == 2:
        first, last = value
        whole = all(isinstance(layer, int) and not isinstance(layer, bool) for layer in value)
        if whole and 0 <= first <= last <= _MAX_LAYER:
            return first, last
    raise InvalidInput("a style cannot be read", f"{name} is {value!r:.60}, not a first and a last layer")


def _amount(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput("a style cannot be read", f"an edit is {value!r:.60}, not a number")
    if not math.isfinite(value) or abs(value) > MAX_AMOUNT:
        raise InvalidInput("a style cannot be read", f"an edit is {value}, not within ±{MAX_AMOUNT:g}")
    return float(value)
