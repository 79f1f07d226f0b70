"""run.toml, read strictly and written whole: a plan that cannot be trusted is refused with the place where it is wrong.

Every run.toml has a `format` number, and there is a reader for each number ever written.
"""

from __future__ import annotations

import difflib
import math
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from core.errors import InvalidInput, Refused
from core.library.manifest import clean_line
from core.library.toml import dumps
from core.paths import write_atomic
from core.runs.plan import FILE_NAME, FORMAT, ImageOptions, Resources, RunPlan, ServeOptions, TextOptions, choices

T = TypeVar("T")

MAX_BYTES = 1024 * 1024
MAX_NAME = 80
OPTIONS: Mapping[str, type[Any]] = {"image": ImageOptions, "text": TextOptions, "serve": ServeOptions}
"""What settings a kind has. A kind that is not here has none that can be checked."""


def write_plan(folder: Path, plan: RunPlan) -> None:
    """Write run.toml into `folder`, whole or not at all.

    Raises:
        StorageError: The disk said no.
    """
    write_atomic(folder / FILE_NAME, to_toml(plan))


def to_toml(plan: RunPlan) -> str:
    """The file's text."""
    data: dict[str, object] = {"format": FORMAT}
    for each in fields(plan):
        value = getattr(plan, each.name)
        data[each.name] = asdict(value) if isinstance(value, Resources) else value
    return dumps(data)


def read_plan(folder: Path) -> RunPlan:
    """The plan of a run folder.

    Raises:
        Refused: There is none, or it is not one; the sentence says where it goes wrong.
    """
    path = folder / FILE_NAME
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _unusable(f"it is larger than {MAX_BYTES:,} bytes")
        return parse_plan(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"{FILE_NAME} is missing", "", "Delete the run") from None
    except OSError as error:
        raise Refused(f"{FILE_NAME} cannot be read", error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _unusable("it is not UTF-8 text") from error


def parse_plan(text: str) -> RunPlan:
    """The plan in `text`.

    Raises:
        Refused: Not TOML, an unknown format number, a field missing, unknown or of the wrong type.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unusable(f"not TOML ({str(error) or 'nested too deeply'})") from error
    number = data.pop("format", None)
    if isinstance(number, bool) or not isinstance(number, int):
        raise _unusable("it has no format number")
    reader = _READERS.get(number)
    if reader is None:
        raise Refused(
            f"{FILE_NAME} cannot be used", f"it has format {number}, this Tarmac reads up to {FORMAT}", "Update Tarmac"
        )
    try:
        return reader(data)
    except InvalidInput as error:
        raise _unusable(str(error)) from error


def check_plan(plan: RunPlan) -> RunPlan:
    """`plan` with clean names, if a run can be made of it.

    Raises:
        InvalidInput: A value that no run can have; names the field, the value and what is allowed.
    """
    data = {each.name: getattr(plan, each.name) for each in fields(plan)}
    data["resources"] = asdict(plan.resources)
    return _read_1(data)


def check_options(kind: str, options: Mapping[str, object]) -> dict[str, object]:
    """`options` in the types of its kind's settings; only those that were given.

    Raises:
        InvalidInput: There is no such option (names the nearest), or it may not have this value.
    """
    shape = OPTIONS.get(kind)
    if shape is None:
        return dict(options)
    types_ = typing.get_type_hints(shape)
    checked: dict[str, object] = {}
    for name, value in options.items():
        if name not in types_:
            near = difflib.get_close_matches(str(name), types_, n=1, cutoff=0.5)
            do = f"Did you mean {near[0]}?" if near else f"There are {', '.join(types_)}"
            raise InvalidInput(f"unknown option {clean_line(str(name))[:60]}", "", do)
        checked[name] = _typed(name, value, types_[name])
        _within(name, checked[name], kind)
    return checked


def options_of(plan: RunPlan) -> Any:
    """The settings of the plan's kind, as their dataclass; those that were not given have their defaults.

    Raises:
        InvalidInput: The kind has no such settings, or a value may not be.
    """
    shape = OPTIONS.get(plan.kind)
    if shape is None:
        raise InvalidInput(f"there is no training of the kind {plan.kind!r}", "", f"There is {', '.join(OPTIONS)}")
    return shape(**check_options(plan.kind, plan.options))


_RANGES: Mapping[str, tuple[float, float]] = {
    "augment_target": (0, 1),
    "augment_cap": (0, 1),
    "mixing": (0, 1),
    "size": (0, 4096),
    "batch": (0, 65536),
    "rate": (0, 1),
    "freeze_d": (0, 16),
    "accumulate": (1, 65536),
    "context": (0, 2**20),
    "decay": (0, 1),
    "dropout": (0, 0.9),
    "vocabulary": (257, 2**20),
    "layers": (1, 256),
    "width": (8, 2**16),
    "heads": (1, 1024),
    "lora_rank": (1, 4096),
    "sample_tokens": (1, 4096),
    "temperature": (0, 10),
    "top_p": (0, 1),
    "weight_decay": (0, 10),
    "threads": (0, 1024),
    "steps": (1, 10**9),
    "nodes": (1, 4096),
    "processes": (0, 4096),
    "gpus": (0, 64),
    "port": (0, 65535),
    "seed": (0, 2**63 - 1),
}


def _within(name: str, value: object, kind: str = "") -> None:
    allowed = choices(name, kind)
    if allowed and value not in allowed:
        near = difflib.get_close_matches(str(value), allowed, n=1)
        do = f"Did you mean {near[0]}?" if near else ""
        raise InvalidInput(f"{name} is {value!r:.60}", f"it must be one of {', '.join(allowed)}", do)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = _RANGES.get(name, (0, math.inf))
        if not low <= value <= high or not math.isfinite(value):
            upper = f" to {high:,.0f}" if high < math.inf else " or more"
            raise InvalidInput(f"{name} is {value:g}", f"it must be {low:g}{upper}")


def _typed(name: str, value: object, kind: Any) -> object:
    """`value` as `kind` (a type of a plan's field), without guessing: only a whole number may stand for a float."""
    origin = typing.get_origin(kind)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is tuple:
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise InvalidInput(f"{name} is not a list of texts")
    if origin is not None and isinstance(value, Mapping):
        return dict(value)
    if kind is datetime and isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if type(value) is kind:
        return clean_line(value) if isinstance(value, str) else value
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false", datetime: "a time"}
    raise InvalidInput(f"{name} is {value!r:.60}", f"it must be {words.get(kind, 'a table')}")


def _dataclass(shape: type[T], data: Mapping[str, object], place: str) -> T:
    """`data` as `shape`, every field checked; unknown ones are refused."""
    types_ = typing.get_type_hints(shape)
    known = {each.name: each for each in fields(shape)}  # type: ignore[arg-type]
    for name in data:
        if name not in known:
            raise InvalidInput(f"{place}{clean_line(str(name))[:60]} is not known")
    values: dict[str, object] = {}
    for name, each in known.items():
        if name in data:
            values[name] = _typed(place + name, data[name], types_[name])
            _within(name, values[name])
        elif each.default is MISSING and each.default_factory is MISSING:
            raise InvalidInput(f"{place}{name} is missing")
    return shape(**values)


def _read_1(data: Mapping[str, object]) -> RunPlan:
    resources = data.get("resources", {})
    if not isinstance(resources, Mapping):
        raise InvalidInput("resources is not a table")
    plain = {name: value for name, value in data.items() if name != "resources"}
    plan = _dataclass(RunPlan, plain | {"created": plain.get("created", _EPOCH)}, "")
    values = {each.name: getattr(plan, each.name) for each in fields(plan)}
    values["name"] = plan.name[:MAX_NAME]
    if not values["name"]:
        raise InvalidInput("name is empty")
    values["options"] = check_options(plan.kind, plan.options)
    values["resources"] = _dataclass(Resources, resources, "resources.")
    return RunPlan(**values)


def _unusable(why: str) -> Refused:
    return Refused(f"{FILE_NAME} cannot be used", why)


_EPOCH = datetime.fromtimestamp(0, UTC)
_READERS: dict[int, Callable[[Mapping[str, object]], RunPlan]] = {1: _read_1}
