"""The generators that are explored alike, by the name that a manifest's [architecture] gives them."""

from __future__ import annotations

from core.ml.networks import stylegan1, stylegan2

StyleGenerator = stylegan1.Generator | stylegan2.Generator
"""A generator that maps z to one w for each of its style layers, and draws from them."""

GENERATORS: dict[str, type[stylegan1.Generator] | type[stylegan2.Generator]] = {
    "stylegan1": stylegan1.Generator,
    "stylegan2": stylegan2.Generator,
}
"""Their classes by name. The adapter of such a model has the same name."""


def name_of(generator: StyleGenerator) -> str:
    """The name of a generator's architecture."""
    return next(name for name, kind in GENERATORS.items() if isinstance(generator, kind))
