"""Data types of a model's interface as lines of a form: what a line of choices or a number can hold."""

from __future__ import annotations

from core.interface import Boolean, Category, DataType, Number
from tui.training.options import Field

_FAR = 1e9
"""Where a number has no limit of its own."""


def option_field(name: str, label: str, kind: DataType) -> Field | None:
    """The line of a form for a value of this type; None where it takes more than a line of choices or numbers."""
    default = kind.default_value()
    about = kind.description or ""
    if isinstance(kind, Category) and kind.choices and isinstance(default, str):
        return Field(name, label, default, about, choices=tuple((each, "") for each in kind.choices))
    if isinstance(kind, Boolean) and isinstance(default, bool):
        return Field(name, label, default, about)
    if isinstance(kind, Number) and isinstance(default, int | float):
        whole = isinstance(kind.step, int) and float(default).is_integer()
        low = kind.min if kind.min is not None else -_FAR
        high = kind.max if kind.max is not None else _FAR
        return Field(name, label, int(default) if whole else float(default), about, low, high)
    return None
