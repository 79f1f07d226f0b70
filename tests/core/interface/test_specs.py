"""The spec JSON is Runway's, key by key, and a spec becomes the same type again."""

from __future__ import annotations

import json

import pytest

from core.errors import InvalidInput
from core.interface import (
    Any,
    Array,
    Boolean,
    Category,
    Command,
    DataType,
    Directory,
    File,
    Image,
    ImageBoundingBox,
    ImageLandmarks,
    ImagePoint,
    Interface,
    Number,
    Segmentation,
    Text,
    Vector,
)

RUNWAY = [
    (
        "z",
        Vector(length=512, sampling_std=0.5),
        '{"name":"z","type":"vector","description":null,"length":512,"samplingMean":0,"samplingStd":0.5,"default":null}',
    ),
    (
        "truncation",
        Number(default=0.8, min=0, max=1, step=0.01),
        '{"name":"truncation","type":"number","description":null,"default":0.8,"min":0,"max":1,"step":0.01}',
    ),
    (
        "image",
        Image(),
        '{"name":"image","type":"image","description":null,"channels":3,"defaultOutputFormat":"JPEG"}',
    ),
    (
        "segmentation",
        Segmentation(label_to_id={"bg": 0, "person": 15}, label_to_color={"bg": [0, 0, 0], "person": [191, 3, 184]}),
        '{"name":"segmentation","type":"segmentation","description":null,"labels":["bg","person"],'
        '"defaultLabel":"bg","labelToId":{"bg":0,"person":15},'
        '"labelToColor":{"bg":[0,0,0],"person":[191,3,184]}}',
    ),
    (
        "array",
        Array(Text, min_length=1, max_length=3),
        '{"name":"array","type":"array","description":null,"itemType":{"name":"text_array_item","type":"text",'
        '"description":null,"default":"","minLength":0},"minLength":1,"maxLength":3}',
    ),
]


@pytest.mark.parametrize(("name", "kind", "expected"), RUNWAY, ids=[name for name, _, _ in RUNWAY])
def test_spec_is_runways(name: str, kind: DataType, expected: str) -> None:
    assert json.dumps(kind.spec(name), separators=(",", ":")) == expected


EVERY_TYPE = [
    Any("whatever"),
    Array(Array(Number(min=2, step=1), max_length=4), "lists of lists", min_length=2),
    Array(Number(min=0, step=1), "a range", max_length=2, default=[]),
    Array(Text, default=["a", "b"]),
    Boolean(default=True),
    Category(choices=["a", "b"], default="b"),
    Directory("where", default="/tmp"),
    File(extension=".txt", default="/a.txt"),
    File(),
    Image("a picture", 4, 8, 9, 100, 200),
    Image(channels=1, width=64, height=64, default_output_format="JPEG"),
    ImageBoundingBox(),
    ImageLandmarks(3, labels=["a", "b", "c"], connections=[["a", "b"]]),
    ImageLandmarks(5),
    ImagePoint("there"),
    Number(),
    Number(min=3),
    Number(default=0, min=0, max=999),
    Number(default=-1.5, max=-1, step=0.25),
    Segmentation({"sky": 3, "sea": 4}, default_label="sea", max_width=9, max_height=9),
    Text("say", "hello", 2, 8),
    Vector(default=[1, 2.5, -3]),
    Vector(7, "place", sampling_mean=1, sampling_std=0),
]


@pytest.mark.parametrize("kind", EVERY_TYPE, ids=lambda kind: kind.type_name)
def test_a_spec_becomes_the_same_type_again(kind: DataType) -> None:
    spec = json.loads(json.dumps(kind.spec("x")))
    again = DataType.from_spec(spec)
    assert type(again) is type(kind)
    assert again.spec("x") == spec
    assert again == kind
    assert hash(again) == hash(kind)
    assert again.description == kind.description


def test_a_number_has_runways_default_without_its_quirk() -> None:
    assert Number(default=0, min=0, max=999).spec("seed")["default"] == 0  # Runway's SDK declares 999
    assert Number(min=3, max=9).default_value() == 3
    assert Number().default_value() == 0
    assert Number(max=-2).default_value() == -2


def test_an_array_has_a_default_only_where_it_is_declared() -> None:
    assert Array(Number).default_value() is None
    assert "default" not in Array(Number).spec("x")
    declared = Array(Number, default=[1, 2])
    first = declared.default_value()
    assert first == [1, 2]
    assert first is not None
    first.append(3)
    assert declared.default_value() == [1, 2]
    with pytest.raises(InvalidInput, match=r"an array's default\[0\] cannot be 'a'"):
        Array(Number, default=["a"])


def test_extra_keys_of_specs() -> None:
    assert Directory().spec("d") == {"name": "d", "type": "file", "description": None, "isDirectory": True}
    assert File().spec("f") == {"name": "f", "type": "file", "description": None}
    assert Image(channels=4, min_width=2).spec("i")["defaultOutputFormat"] == "PNG"
    assert Image(channels=4, min_width=2).spec("i")["minWidth"] == 2
    assert Category(choices=["a", "b"]).spec("c") == {
        "name": "c",
        "type": "category",
        "description": None,
        "oneOf": ["a", "b"],
        "default": "a",
    }


def test_labels_without_a_colour_get_distinct_ones() -> None:
    kind = Segmentation({str(number): number for number in range(256)})
    assert len({tuple(color) for color in kind.colors.values()}) == 256
    assert Segmentation({"person": 15}).colors["person"] == kind.colors["15"]
    first = [kind.colors[str(number)] for number in range(8)]
    apart = min(max(abs(a - b) for a, b in zip(x, y)) for x in first for y in first if x is not y)
    assert apart >= 64


BROKEN = [
    None,
    [],
    {},
    {"type": "checkpoint"},
    {"type": ["vector"]},
    {"type": "vector"},
    {"type": "vector", "length": 0},
    {"type": "vector", "length": 2.5},
    {"type": "vector", "length": True},
    {"type": "vector", "length": 10**12},
    {"type": "vector", "length": 3, "default": [1, 2]},
    {"type": "vector", "default": 5},
    {"type": "vector", "length": 3, "samplingStd": "1"},
    {"type": "vector", "length": 3, "samplingStd": -1},
    {"type": "number", "min": 2, "max": 1},
    {"type": "number", "step": 0},
    {"type": "number", "default": float("nan")},
    {"type": "number", "default": "1"},
    {"type": "number", "default": 2, "max": 1},
    {"type": "text", "default": 5},
    {"type": "text", "minLength": 5, "maxLength": 4},
    {"type": "text", "default": "abc", "maxLength": 2},
    {"type": "boolean", "default": 1},
    {"type": "category"},
    {"type": "category", "oneOf": []},
    {"type": "category", "oneOf": "abc"},
    {"type": "category", "oneOf": [1, 2]},
    {"type": "category", "oneOf": ["a"], "default": "b"},
    {"type": "file", "isDirectory": "yes"},
    {"type": "file", "extension": 5},
    {"type": "image", "channels": 2},
    {"type": "image", "channels": True},
    {"type": "image", "defaultOutputFormat": "EXE"},
    {"type": "image", "channels": 4, "defaultOutputFormat": "JPEG"},
    {"type": "image", "minWidth": 9, "maxWidth": 8},
    {"type": "image", "width": -1},
    {"type": "array"},
    {"type": "array", "itemType": {"type": "nope"}},
    {"type": "segmentation"},
    {"type": "segmentation", "labelToId": []},
    {"type": "segmentation", "labelToId": {"a": 256}},
    {"type": "segmentation", "labelToId": {"a": 1}, "labelToColor": {"b": [0, 0, 0]}},
    {"type": "segmentation", "labelToId": {"a": 1}, "labelToColor": {"a": [0, 0]}},
    {"type": "segmentation", "labelToId": {"a": 1}, "labelToColor": {"a": "red"}},
    {"type": "segmentation", "labelToId": {"a": 1}, "defaultLabel": "b"},
    {"type": "image_landmarks"},
    {"type": "image_landmarks", "length": 2, "labels": ["a"]},
    {"type": "image_landmarks", "length": 1, "connections": [["a", "b"]]},
    {"type": "image_landmarks", "length": 1, "labels": ["a"], "connections": 7},
]


@pytest.mark.parametrize("spec", BROKEN, ids=str)
def test_a_broken_spec_is_refused(spec: object) -> None:
    with pytest.raises(InvalidInput):
        DataType.from_spec(spec)  # type: ignore[arg-type]


def test_arrays_nest_only_so_deep() -> None:
    spec: dict[str, object] = {"type": "number"}
    for _ in range(2000):
        spec = {"type": "array", "itemType": spec}
    with pytest.raises(InvalidInput, match="nested too deeply"):
        DataType.from_spec(spec)


def test_an_interface_becomes_the_same_again() -> None:
    interface = Interface(
        {"checkpoint": File(extension=".safetensors")},
        {
            "generate": Command("generate", {"z": Vector(4)}, {"image": Image()}, "Draw", batchable=True),
            "complete": Command("complete", {"prompt": Text()}, {"completion": Text()}, streaming=True),
        },
    )
    spec = json.loads(json.dumps(interface.spec()))
    assert Interface.from_spec(spec) == interface
    assert Interface.from_spec(spec).default.name == "generate"
    assert spec["commands"][0]["inputs"][0]["length"] == 4


def test_a_command_of_runway_has_neither_flag() -> None:
    spec = Command("classify", {"image": Image()}, {"label": Text()}).spec()
    assert list(spec) == ["name", "description", "inputs", "outputs"]


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {"commands": "no"},
        {"commands": [1]},
        {"commands": [{}]},
        {"commands": [{"name": "a", "inputs": [{"type": "text"}]}]},
        {"commands": [{"name": "a", "inputs": [{"type": "text", "name": "t"}, {"type": "text", "name": "t"}]}]},
        {"options": {"a": 1}},
    ],
    ids=str,
)
def test_a_broken_interface_is_refused(spec: object) -> None:
    with pytest.raises(InvalidInput):
        Interface.from_spec(spec)  # type: ignore[arg-type]
