"""Style layers by the names that people use for them, and a style told in a few words.

Coarse layers (4 and 8 pixels) decide pose and shape, middle ones (16 and 32) features, fine ones colours: the grouping
of Karras et al. 2019, "A style-based generator architecture for generative adversarial networks", section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.latent.style import Layers, Style

_COARSE, _MIDDLE = 4, 4
"""Layers of each where there are more than both together."""


@dataclass(frozen=True)
class Range:
    """Layers with a name; `layers` is None for all of them."""

    name: str
    layers: Layers | None

    @property
    def told(self) -> str:
        """The name and the layers, such as "middle 4–7"."""
        return self.name if self.layers is None else f"{self.name} {told_layers(self.layers)}"


def layer_count(info: Mapping[str, object]) -> int:
    """How many style layers a model has, by what its worker told; 0 when it did not."""
    native = info.get("native")
    count = native.get("num_ws") if isinstance(native, Mapping) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def ranges(count: int) -> list[Range]:
    """Coarse, middle and fine of `count` layers; fewer where there are fewer than three."""
    coarse, middle = (_COARSE, _MIDDLE) if count > _COARSE + _MIDDLE else (-(-count // 3), -(-(count - 1) // 3))
    ends = [("coarse", 0, coarse), ("middle", coarse, coarse + middle), ("fine", coarse + middle, count)]
    return [Range(name, (first, end - 1)) for name, first, end in ends if end > first]


def every_range(count: int) -> list[Range]:
    """All layers, then coarse, middle and fine."""
    return [Range("all", None), *ranges(count)]


def told_layers(layers: Layers) -> str:
    """A range by its numbers, such as "4–7" or "8"."""
    first, last = layers
    return str(first) if first == last else f"{first}–{last}"


def named(layers: Layers | None, count: int) -> str:
    """A range by its name where it has one, else by its numbers."""
    known = {found.layers: found.name for found in every_range(count)}
    return known.get(layers) or (told_layers(layers) if layers is not None else "all")


def told_amount(amount: float) -> str:
    """Standard deviations with their sign, such as "+1.5"."""
    return f"{amount:+.1f}".replace("-", "−") if amount else "0"


def told_style(style: Style, count: int, *, short: bool = False) -> list[str]:
    """A style in a few words a part, such as "mix 4–7" and "edit 1 +1.5"; the truncation's layers are not in it.

    Args:
        style: What a view wears.
        count: Style layers of the model.
        short: Only what there is, not how much.
    """
    parts = []
    if style.mix is not None:
        parts.append("mix" if short else f"mix {told_layers(style.mix.layers)}")
    moved = [(number, amount) for number, amount in enumerate(style.edits, 1) if amount]
    if moved:
        where = "" if style.edit_layers is None else f" {named(style.edit_layers, count)}"
        told = f"edit {moved[0][0]} {told_amount(moved[0][1])}" if len(moved) == 1 else f"{len(moved)} edits"
        parts.append("edit" if short else told + where)
    return parts
