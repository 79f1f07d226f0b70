"""Data types as JSON Schema 2020-12: what a query takes and gives, for the OpenAPI document of a deployment.

It says what is checked, as far as a schema can: the limits of the type and those of strangers (`core.hosting.guard`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.hosting.guard import MOST_ITEMS, MOST_TEXT
from core.interface import (
    Array,
    Boolean,
    Category,
    Command,
    DataType,
    Image,
    ImageBoundingBox,
    ImageLandmarks,
    ImagePoint,
    Number,
    Segmentation,
    Text,
    Vector,
)

Json = dict[str, object]

_INT64 = 2**63 - 1
_FLOAT32 = 3.4028234663852886e38
_SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}


def inputs_schema(command: Command) -> Json:
    """The schema of a query's body."""
    return {
        "type": "object",
        "properties": {name: schema(kind) for name, kind in command.inputs.items()},
        "required": [name for name, kind in command.inputs.items() if kind.default_value() is None],
        "additionalProperties": False,
    }


def outputs_schema(command: Command) -> Json:
    """The schema of a query's answer."""
    return {
        "type": "object",
        "properties": {name: schema(kind, given=True) for name, kind in command.outputs.items()},
        "required": list(command.outputs),
        "additionalProperties": False,
    }


def schema(kind: DataType, *, given: bool = False) -> Json:
    """The schema of a data type's JSON form; `given` for what a model gives, which has no defaults."""
    make = _SCHEMAS.get(kind.type_name)
    found: Json = make(kind) if make is not None else {}
    words = [kind.description or "", "" if given else f"Allowed is {kind.allowed()}."]
    text = ". ".join(filter(None, words))
    default = kind.default_value()
    if default is not None and not given:
        found["default"] = kind.to_json(default)
    return {**({"description": text} if text else {}), **found}


def _number(kind: DataType) -> Json:
    assert isinstance(kind, Number)
    low, high, step = kind.min, kind.max, kind.step
    whole = isinstance(step, int) and (low is None or float(low).is_integer())
    found: Json = {"type": "integer" if whole else "number"}
    found["minimum"] = low if low is not None else -_INT64 if whole else -float(_INT64)
    found["maximum"] = high if high is not None else _INT64 if whole else float(_INT64)
    if step is not None and step != 1 and not (low or 0) % step:
        found["multipleOf"] = step
    return found


def _text_schema(kind: DataType) -> Json:
    assert isinstance(kind, Text)
    most = MOST_TEXT if kind.max_length is None else min(kind.max_length, MOST_TEXT)
    return {"type": "string", "minLength": kind.min_length, "maxLength": most}


def _category(kind: DataType) -> Json:
    assert isinstance(kind, Category)
    return {"type": "string", "enum": list(dict.fromkeys(kind.choices or ()))}


def _vector(kind: DataType) -> Json:
    assert isinstance(kind, Vector)
    items: Json = {"type": "number", "minimum": -_FLOAT32, "maximum": _FLOAT32}
    return {"type": "array", "items": items, "minItems": kind.length, "maxItems": kind.length}


def _array(kind: DataType) -> Json:
    assert isinstance(kind, Array)
    most = MOST_ITEMS if kind.max_length is None else min(kind.max_length, MOST_ITEMS)
    return {"type": "array", "items": schema(kind.item), "minItems": kind.min_length, "maxItems": most}


def _picture(kind: DataType) -> Json:
    assert isinstance(kind, Image | Segmentation)
    words = "A data URI in base64 of a PNG, JPEG, WebP, GIF, BMP or TIFF"
    return {"type": "string", "format": "picture-data-uri", "title": words}


def _points(count: int) -> Json:
    return {"type": "array", "items": _SHARE, "minItems": count, "maxItems": count}


def _landmarks(kind: DataType) -> Json:
    assert isinstance(kind, ImageLandmarks)
    return {"type": "array", "items": _points(2), "minItems": kind.length, "maxItems": kind.length}


_SCHEMAS: Mapping[str, Callable[[DataType], Json]] = {
    Number.type_name: _number,
    Text.type_name: _text_schema,
    Boolean.type_name: lambda kind: {"type": "boolean"},
    Category.type_name: _category,
    Vector.type_name: _vector,
    Array.type_name: _array,
    Image.type_name: _picture,
    Segmentation.type_name: _picture,
    ImagePoint.type_name: lambda kind: _points(2),
    ImageBoundingBox.type_name: lambda kind: _points(4),
    ImageLandmarks.type_name: _landmarks,
}
