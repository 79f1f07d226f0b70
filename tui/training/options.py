"""The options of a run as the wizard's form shows them: ranges, words for "chosen by itself", and what each does.

What an option does is said once, in the docstrings of `core.runs.plan`; here it is only read from there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from core.errors import InvalidInput
from core.runs.plan import ImageOptions, RunPlan, TextOptions

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


_Limits = dict[str, tuple[str, float, float, str]]
_Choices = dict[str, tuple[str, tuple[tuple[str, str], ...]]]

_PLAN_LIMITS: _Limits = {
    "steps": ("steps", 1, 10_000_000, ""),
    "sample_every": ("sample every", 0, 1_000_000, "suitable"),
    "save_every": ("save every", 0, 1_000_000, "suitable"),
    "score_every": ("score every", 0, 1_000_000, "suitable"),
    "keep": ("checkpoints", 0, 10_000, ""),
    "seed": ("seed", 0, 2**31 - 1, ""),
}
"""Label, range, and what 0 stands for."""
PLAN_FIELDS = tuple(_PLAN_LIMITS)
"""Those that belong to the plan itself; the others are options of its kind."""

_OWN_WORDS = {
    "steps": "Batches to train; a run can be extended later, and stopped at any time.",
    "sample_every": "Steps between two samples.",
    "save_every": "Steps between two checkpoints.",
    "score_every": "Steps between two scores.",
    "lora_alpha": "Weight of the LoRA matrices is this / LoRA rank.",
    "layers": "Without a base: blocks of the new GPT-2.",
    "width": "Without a base: numbers that a token is in each block; a multiple of the heads.",
    "heads": "Without a base: attention heads of each block.",
}
"""Where the docstring speaks of several fields at once."""


@dataclass(frozen=True)
class OptionSet:
    """What can be set of a kind's runs.

    Attributes:
        shape: Its dataclass in `core.runs.plan`.
        top: What matters most runs.
        more: The rest.
        new: Of `more`, what matters most where there is no base.
        limits: Label, range, and what 0 stands for, of each number.
        choices: Label and (value, what it means), of each word.
        switches: Label of what is on or off.
        defaults: Where they are others than the plan's.
    """

    shape: type[Any]
    top: tuple[str, ...]
    more: tuple[str, ...]
    new: tuple[str, ...]
    limits: _Limits
    choices: _Choices
    switches: dict[str, str]
    defaults: dict[str, Value]

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The fields by name, in the order in which they are shown."""
        told = {**_attributes(RunPlan.__doc__ or ""), **_attributes(self.shape.__doc__ or ""), **_OWN_WORDS}
        defaults = {each.name: each.default for shape in (RunPlan, self.shape) for each in fields(shape)}
        found = {}
        for name in (*self.top, *self.more):
            default, about = self.defaults.get(name, defaults[name]), told.get(name, "")
            assert isinstance(default, bool | int | float | str)
            if name in self.choices:
                label, choices = self.choices[name]
                found[name] = Field(name, label, default, about, choices=choices)
            elif name in self.switches:
                found[name] = Field(name, self.switches[name], default, about)
            else:
                label, low, high, zero = (_PLAN_LIMITS | self.limits)[name]
                found[name] = Field(name, label, default, about, low, high, zero=zero)
        return found

    def shown(self, *, more: bool, new: bool) -> list[Field]:
        """The lines of the form.

        Args:
            more: Whether all are wanted.
            new: Whether there is no base.
        """
        first = (*self.top, *(self.new if new else ()))
        rest = [name for name in self.more if name not in self.new]
        return [self.fields[name] for name in (*first, *(rest if more else ()))]


IMAGE = OptionSet(
    shape=ImageOptions,
    top=("steps", "batch", "mirror", "augment"),
    more=(
        *("rate", "gamma", "augment_target", "augment_cap", "freeze_d", "mixing", "path_weight", "ema_kimg"),
        *("conditional", "growing", "channels", "precision", "compile", "threads"),
        *("sample_every", "save_every", "score_every", "keep", "seed"),
    ),
    new=(),
    limits={
        "batch": ("batch", 0, 4096, "what fits"),
        "rate": ("learning rate", 0, 1, "0.0025"),
        "gamma": ("R1 gamma", 0, 10_000, "by rule"),
        "augment_target": ("augment target", 0, 1, ""),
        "augment_cap": ("augment cap", 0, 1, ""),
        "freeze_d": ("freeze D", 0, 16, ""),
        "mixing": ("style mixing", 0, 1, ""),
        "path_weight": ("path weight", 0, 100, ""),
        "ema_kimg": ("average, kimg", 0, 1000, "by rule"),
        "channels": ("channels", 0, 65_536, "by size"),
        "threads": ("threads", 0, 1024, "free cores"),
    },
    choices={
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
    },
    switches={"mirror": "mirror", "conditional": "by class", "growing": "growing", "compile": "compile"},
    defaults={},
)
TEXT = OptionSet(
    shape=TextOptions,
    top=("steps", "method", "batch", "context", "rate"),
    more=(
        *("layers", "width", "heads", "vocabulary"),
        *("accumulate", "warmup", "decay", "weight_decay", "clip", "dropout", "optimizer", "lora_rank", "lora_alpha"),
        *("checkpointing", "precision", "compile", "threads", "sample_tokens", "temperature", "top_p"),
        *("stride", "held_tokens", "sample_every", "save_every", "score_every", "keep", "seed"),
    ),
    new=("layers", "width", "heads", "vocabulary"),
    limits={
        "batch": ("batch", 0, 65_536, "what fits"),
        "context": ("context", 0, 2**20, "the base's own"),
        "rate": ("learning rate", 0, 1, "by method"),
        "accumulate": ("accumulate", 1, 65_536, ""),
        "warmup": ("warm-up", 0, 1_000_000, "by steps"),
        "decay": ("decay", 0, 1, ""),
        "weight_decay": ("weight decay", 0, 10, ""),
        "clip": ("clip", 0, 1000, ""),
        "dropout": ("dropout", 0, 0.9, ""),
        "lora_rank": ("LoRA rank", 1, 4096, ""),
        "lora_alpha": ("LoRA alpha", 0, 65_536, ""),
        "threads": ("threads", 0, 1024, "free cores"),
        "sample_tokens": ("sample tokens", 1, 4096, ""),
        "temperature": ("temperature", 0, 10, "greedy"),
        "top_p": ("top-p", 0, 1, ""),
        "stride": ("stride", 0, 2**20, "half a context"),
        "held_tokens": ("held-out tokens", 0, 2**31, "by time"),
        "layers": ("layers", 1, 256, ""),
        "width": ("width", 8, 65_536, ""),
        "heads": ("heads", 1, 1024, ""),
        "vocabulary": ("vocabulary", 257, 2**20, ""),
    },
    choices={
        "method": ("method", (("full", "all weights learn"), ("lora", "a few do: less memory"))),
        "optimizer": ("optimizer", (("adamw", "the usual one"), ("muon", "for training from nothing"))),
        "precision": (
            "precision",
            (
                ("auto", "what suits the device"),
                ("float32", "exact and slowest"),
                ("bfloat16", "half the bytes, faster where the device has it"),
            ),
        ),
    },
    switches={"checkpointing": "checkpointing", "compile": "compile"},
    defaults={"steps": 1000},
)
OPTIONS: Mapping[str, OptionSet] = {"image": IMAGE, "text": TEXT}
"""By kind."""


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
