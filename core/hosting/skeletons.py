"""What a command takes and gives, as JSON with a word for each value: `{"truncation": <number from 0 to 1>}`.

Runway's network panel showed its models so; a programmer reads it faster than a schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.interface import (
    Any,
    Array,
    Boolean,
    Category,
    DataType,
    File,
    Image,
    Number,
    Segmentation,
    Text,
    Vector,
)


def skeleton(types: Mapping[str, DataType], indent: int = 2) -> str:
    """The types of a command's inputs or outputs, one a line.

    Args:
        types: Types by name.
        indent: Spaces before each.
    """
    if not types:
        return "{}"
    lines = [f'{" " * indent}"{name}": {placeholder(kind)}' for name, kind in types.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def placeholder(kind: DataType) -> str:
    """What stands for a value of a type: "<number from 0 to 1>"."""
    match kind:
        case Array():
            return f"[{placeholder(kind.item)}, ...]"
        case Vector():
            return f"<{kind.length} numbers>" if kind.length else "<numbers>"
        case Number():
            return f"<{_number(kind)}>"
        case Category():
            names = [f'"{each}"' for each in kind.choices or ()]
            return f"<{' | '.join([*names[:6], '...'] if len(names) > 6 else names)}>"
        case Image() | Segmentation():
            return "<base 64 image>"
        case Boolean():
            return "<boolean>"
        case Text():
            return "<string>"
        case File():
            return "<file>"
        case Any():
            return "<any>"
    return f"<{kind.type_name}>"


def _number(kind: Number) -> str:
    low, high = (f"{each:.10g}" if each is not None else "" for each in (kind.min, kind.max))
    if low and high:
        return f"number from {low} to {high}"
    return f"number from {low}" if low else f"number up to {high}" if high else "number"
