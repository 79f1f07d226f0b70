"""The options of a run as the wizard's form shows them: ranges, words for "chosen by itself", and what each does.

What an option does is said once, in the docstrings of `core.runs.plan`; here it is only read from there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache

from core.errors import InvalidInput
from core.runs.plan import ImageOptions, RunPlan

Value = bool | int | float | str


@dataclass(frozen=True)
class Field:
    """One line of a form.

    Attributes:
        name: Of the option.
        label: For people.
        default: What holds when nobody changes it; its type is the field's.
        about: What it does.
        low, high: Of a number.
        choices: Of a text, (value, what it means).
        zero: What a number's 0 means, where that is "chosen by itself".
    """

    name: str
    label: str
    default: Value
    about: str = ""
    low: float = 0
    high: float = 0
    choices: tuple[tuple[str, str], ...] = ()
    zero: str = ""

    def shown(self, value: Value) -> str:
        """A value for people."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return value
        if not value and self.zero:
            return self.zero
        return f"{value:,}" if isinstance(value, int) and self.name != "seed" else f"{value:g}"

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if isinstance(self.default, bool):
            return "yes or no"
        if self.choices:
            return ", ".join(value for value, _ in self.choices)
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.low:g} to {self.high:,.12g}" + (f"; 0: {self.zero}" if self.zero else "")

    def read(self, text: str) -> Value:
        """The value that was typed.

        Raises:
            InvalidInput: It is none; says what is allowed.
        """
        value: float | None = None
        plain = text.strip().replace(",", "").replace("_", "")
        if re.fullmatch(r"-?\d{1,10}", plain):
            value = int(plain)
        elif isinstance(self.default, float) and re.fullmatch(
            r"-?\d{0,9}\.?\d{0,9}(e-?\d{1,2})?", plain, re.IGNORECASE
        ):
            try:
                value = float(plain)
            except ValueError:
                value = None
        if value is None or not self.low <= value <= self.high:
            raise InvalidInput(f"{self.label} is {text[:20]!r}", f"it must be {self.allowed}")
        return float(value) if isinstance(self.default, float) else int(value)


_LIMITS: dict[str, tuple[str, float, float, str]] = {
    "steps": ("steps", 1, 10_000_000, ""),
    "batch": ("batch", 0, 4096, "what fits"),
    "rate": ("learning rate", 0, 1, "0.0025"),
    "gamma": ("R1 gamma", 0, 10_000, "by rule"),
    "augment_target": ("augment target", -1, 1, ""),
    "augment_cap": ("augment cap", 0, 1, ""),
    "freeze_d": ("freeze D", 0, 20, ""),
    "mixing": ("style mixing", 0, 1, ""),
    "path_weight": ("path weight", 0, 100, ""),
    "ema_kimg": ("average, kimg", 0, 1000, "by rule"),
    "channels": ("channels", 0, 65_536, "by size"),
    "threads": ("threads", 0, 1024, "free cores"),
    "sample_every": ("sample every", 0, 1_000_000, "suitable"),
    "save_every": ("save every", 0, 1_000_000, "suitable"),
    "score_every": ("score every", 0, 1_000_000, "suitable"),
    "keep": ("checkpoints", 0, 10_000, ""),
    "seed": ("seed", 0, 2**31 - 1, ""),
}
"""Label, range, and what 0 stands for."""
_CHOICES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "augment": (
        "augmentation",
        (
            ("full", "moved, turned, scaled and coloured"),
            ("geometry", "moved, turned and scaled"),
            ("off", "as they are; for many thousand pictures"),
        ),
    ),
    "precision": (
        "precision",
        (
            ("auto", "what suits the device"),
            ("float32", "exact and slowest"),
            ("bfloat16", "for newer GPUs"),
            ("float16", "for older GPUs"),
        ),
    ),
}
_SWITCHES = {"mirror": "mirror", "conditional": "by class", "growing": "growing", "compile": "compile"}

TOP = ("steps", "batch", "mirror", "augment")
"""What matters most runs."""
MORE = (
    *("rate", "gamma", "augment_target", "augment_cap", "freeze_d", "mixing", "path_weight", "ema_kimg"),
    *("conditional", "growing", "channels", "precision", "compile", "threads"),
    *("sample_every", "save_every", "score_every", "keep", "seed"),
)
PLAN_FIELDS = ("steps", "sample_every", "save_every", "score_every", "keep", "seed")
"""Those that belong to the plan itself; the others are options of its kind."""

_OWN_WORDS = {
    "steps": "Batches to train; a run can be extended later, and stopped at any time.",
    "sample_every": "Steps between two sample sheets.",
    "save_every": "Steps between two checkpoints.",
    "score_every": "Steps between two scores.",
}
"""Where the docstring speaks of several fields at once."""


@cache
def image_fields() -> dict[str, Field]:
    """The fields of an image run by name, in the order in which they are shown."""
    told = {**_attributes(RunPlan.__doc__ or ""), **_attributes(ImageOptions.__doc__ or ""), **_OWN_WORDS}
    defaults = {each.name: each.default for kind in (RunPlan, ImageOptions) for each in fields(kind)}
    found = {}
    for name in (*TOP, *MORE):
        default = defaults[name]
        assert isinstance(default, bool | int | float | str)
        about = told.get(name, "")
        if name in _CHOICES:
            label, choices = _CHOICES[name]
            found[name] = Field(name, label, default, about, choices=choices)
        elif name in _SWITCHES:
            found[name] = Field(name, _SWITCHES[name], default, about)
        else:
            label, low, high, zero = _LIMITS[name]
            found[name] = Field(name, label, default, about, low, high, zero=zero)
    return found


def _attributes(docstring: str) -> dict[str, str]:
    """The explanations under "Attributes:" by name; of several names before one colon, each has it."""
    found: dict[str, str] = {}
    _, _, listed = docstring.partition("Attributes:\n")
    for entry in re.split(r"\n(?= {8}\w)", "\n" + listed.rstrip()):
        names, colon, text = entry.strip().partition(":")
        if colon:
            for name in names.split(","):
                found[name.strip()] = " ".join(text.split())
    return found
