"""Values are checked against everything that was declared, and the error names the input, the value and what is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidInput, NotFound
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
    field_label,
)

NAN, INF = float("nan"), float("inf")

REFUSED: list[tuple[DataType, object, str]] = [
    (Number(min=0, max=1, step=0.01), 1.5, "x cannot be 1.5: allowed is a number from 0 to 1 in steps of 0.01"),
    (Number(min=0, max=1, step=0.01), 0.705, "x cannot be 0.705: allowed is a number from 0 to 1 in steps of 0.01"),
    (Number(min=1, max=1024, step=1), 2.5, "x cannot be 2.5: allowed is a whole number from 1 to 1024"),
    (Number(min=2), 1, "x cannot be 1: allowed is a number of at least 2"),
    (Number(max=2), 3, "x cannot be 3: allowed is a number of at most 2"),
    (Number(), NAN, "x cannot be nan: allowed is a number"),
    (Number(), -INF, "x cannot be -inf: allowed is a number"),
    (Number(), "5", "x cannot be '5': allowed is a number"),
    (Number(), True, "x cannot be true: allowed is a number"),
    (Number(), None, "x cannot be nothing: allowed is a number"),
    (Number(), 10**400, "x cannot be a number of 401 digits: allowed is a number"),
    (Number(), 2**64, "x cannot be 18446744073709551616: it does not fit into 64 bits; allowed is a number"),
    (Text(max_length=3), "long", "x cannot be 'long': it has 4 characters; allowed is a text of 0 to 3 characters"),
    (Text(min_length=2), "", "x cannot be '': it has 0 characters; allowed is a text of at least 2 characters"),
    (Text(), 5, "x cannot be 5: allowed is a text"),
    (Text(), "a\ud800", "x cannot be 'a?': it holds half of a surrogate pair; allowed is a text"),
    (Boolean(), 1, "x cannot be 1: allowed is true or false"),
    (Boolean(), "true", "x cannot be 'true': allowed is true or false"),
    (Category(choices=["cat", "dog"]), "cow", "x cannot be 'cow': allowed is one of 'cat', 'dog'"),
    (Category(choices=["cat", "dog"]), ["cat"], "x cannot be ['cat']: allowed is one of 'cat', 'dog'"),
    (Vector(2), [1, 2, 3], "x cannot be [1, 2, 3]: it has 3 elements; allowed is a vector of 2 finite numbers"),
    (Vector(2), [1, NAN], "x cannot be [1, nan]: element 1 is nan; allowed is a vector of 2 finite numbers"),
    (Vector(2), [1, 1e300], "x cannot be [1, 1e+300]: element 1 is 1e+300; allowed is a vector of 2 finite numbers"),
    (Vector(2), [1, 10**400], "allowed is a vector of 2 finite numbers"),
    (Vector(2), [1, "2"], "x cannot be [1, '2']: allowed is a vector of 2 finite numbers"),
    (Vector(2), [True, False], "x cannot be [true, false]: allowed is a vector of 2 finite numbers"),
    (Vector(2), [[1, 2]], "allowed is a vector of 2 finite numbers"),
    (Vector(2), "12", "x cannot be '12': allowed is a vector of 2 finite numbers"),
    (Vector(2), np.zeros((2, 2)), "x cannot be an array of 2x2 float64: allowed is a vector of 2 finite numbers"),
    (Vector(2), np.array(["a", "b"]), "allowed is a vector of 2 finite numbers"),
    (Vector(2), np.array([1j, 2]), "allowed is a vector of 2 finite numbers"),
    (Array(Number, max_length=1), [1, 2], "it has 2 elements; allowed is a list of 0 to 1 elements, each a number"),
    (Array(Number, min_length=1), [], "x cannot be []: it has 0 elements; allowed is a list of at least 1 elements"),
    (Array(Number(max=3)), [1, 5], "x[1] cannot be 5: allowed is a number of at most 3"),
    (Array(Number), "abc", "x cannot be 'abc': allowed is a list of elements, each a number"),
    (Any(), {1, 2}, "allowed is anything that JSON can hold"),
    (Any(), [NAN], "allowed is anything that JSON can hold"),
    (ImagePoint(), [0.5], "x cannot be [0.5]: allowed is [x, y] with numbers from 0 to 1"),
    (ImagePoint(), [0.5, 1.5], "x cannot be [0.5, 1.5]: allowed is [x, y] with numbers from 0 to 1"),
    (ImagePoint(), [0.5, NAN], "x cannot be [0.5, nan]: allowed is [x, y] with numbers from 0 to 1"),
    (ImagePoint(), "ab", "allowed is [x, y] with numbers from 0 to 1"),
    (ImageBoundingBox(), [0.5, 0, 0.5, 1], "xmin below xmax and ymin below ymax"),
    (ImageBoundingBox(), [0, 0.9, 1, 0.1], "xmin below xmax and ymin below ymax"),
    (ImageLandmarks(2), [[0, 0]], "allowed is a list of 2 points [x, y] with numbers from 0 to 1"),
    (ImageLandmarks(1), [[0, 0, 0]], "allowed is a list of 1 points [x, y] with numbers from 0 to 1"),
    (ImageLandmarks(1), 5, "allowed is a list of 1 points [x, y] with numbers from 0 to 1"),
    (Image(), "no", "x cannot be 'no': it is not an array of bytes; allowed is an RGB picture"),
    (Image(), np.zeros((2, 2, 3)), "x cannot be an array of 2x2x3 float64: it is not an array of bytes"),
    (Image(), np.zeros((2, 2, 2), np.uint8), "x cannot be an array of 2x2x2 uint8: allowed is an RGB picture"),
    (Image(), np.zeros((0, 2, 3), np.uint8), "x cannot be an array of 0x2x3 uint8: allowed is an RGB picture"),
    (
        Image(width=64, height=64),
        np.zeros((64, 32, 3), np.uint8),
        "it is 32 pixels wide and 64 high; allowed is an RGB picture of width 64 and height 64",
    ),
    (
        Image(min_width=8, max_width=16, max_height=9),
        np.zeros((10, 8, 3), np.uint8),
        "it is 8 pixels wide and 10 high; allowed is an RGB picture of width 8 to 16 and height at most 9",
    ),
    (Segmentation({"a": 1, "b": 2}), np.uint8([[1, 7]]), "it holds the id 7; allowed is a picture of the ids 1 to 2"),
    (Segmentation({"a": 1}), np.zeros((1, 1, 3), np.uint8), "it is not an array of ids"),
    (Segmentation({"a": 0}, width=2), np.zeros((1, 1), np.uint8), "it is 1 pixels wide and 1 high"),
    (File(), "/nowhere/at/all", "x cannot be '/nowhere/at/all': there is no such path; allowed is the path of a file"),
    (File(), "/", "x cannot be '/': it is something else; allowed is the path of a file"),
    (File(), "https://example.org/a.png", "addresses are not fetched"),
    (File(), "a\0b", "a path has no zero character"),
    (File(), "", "x cannot be '': allowed is the path of a file"),
    (File(), 5, "x cannot be 5: allowed is the path of a file"),
    (File(), "n" * 100_000, "(100000 characters): there is no such path"),
    (Directory(), "/dev/null", "x cannot be '/dev/null': it is something else; allowed is the path of a folder"),
]


@pytest.mark.parametrize(("kind", "value", "message"), REFUSED, ids=[kind.type_name for kind, _, _ in REFUSED])
def test_a_value_that_is_not_allowed(kind: DataType, value: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        kind.validate("x", value)
    assert message in str(caught.value)
    assert str(caught.value).startswith("x")
    assert len(str(caught.value)) < 300


ALLOWED: list[tuple[DataType, object, object]] = [
    (Number(min=0, max=1, step=0.01), 0.07, 0.07),
    (Number(min=0.1, max=1, step=0.1), 0.7, 0.7),
    (Number(min=0, max=0.95, step=0.1), 0.95, 0.95),  # the end of a slider
    (Number(default=0.25, min=0, max=1, step=0.1), 0.25, 0.25),
    (Number(min=8, max=1024, step=1), 64.0, 64),
    (Number(min=0, step=1), np.int64(3), 3),
    (Number(), np.float32(0.5), 0.5),
    (Number(min=-1e9, max=1e9, step=0.001), 123456.789, 123456.789),
    (Number(), 2**63 - 1, 2**63 - 1),
    (Text(), "ab\n\x1b", "ab\n\x1b"),
    (Text(max_length=1), "👩", "👩"),
    (Boolean(), np.True_, True),
    (Any(), {"a": [1, None]}, {"a": [1, None]}),
    (Array(Boolean), (True, False), [True, False]),
    (ImagePoint(), (0, 1), [0.0, 1.0]),
    (ImageBoundingBox(), np.array([0, 0, 0.5, 1]), [0.0, 0.0, 0.5, 1.0]),
    (ImageLandmarks(1), np.array([[0, 0.5]]), [[0.0, 0.5]]),
]


@pytest.mark.parametrize(("kind", "value", "expected"), ALLOWED, ids=[kind.type_name for kind, _, _ in ALLOWED])
def test_an_allowed_value_takes_its_one_form(kind: DataType, value: object, expected: object) -> None:
    result = kind.validate("x", value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", [[1, 2.5], (1, 2.5), np.array([1, 2.5]), np.float16([1, 2.5])], ids=repr)
def test_a_vector_becomes_float32(value: object) -> None:
    result = Vector(2).validate("z", value)
    assert result.dtype == np.float32
    assert result.tolist() == [1, 2.5]
    assert Vector(2).from_json("z", Vector(2).to_json(result)).tolist() == [1, 2.5]


def test_a_vector_is_drawn_by_its_sampling() -> None:
    kind = Vector(100_000, sampling_mean=3, sampling_std=0.5)
    drawn = kind.sample(7)
    assert drawn.dtype == np.float32
    assert np.array_equal(drawn, kind.sample(7))
    assert not np.array_equal(drawn, kind.sample(8))
    assert abs(drawn.mean() - 3) < 0.01
    assert abs(drawn.std() - 0.5) < 0.01


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.TXT"
    file.write_text("")
    assert File(extension=".txt").validate("f", file) == str(file)
    assert Directory().validate("d", str(tmp_path)) == str(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert File().validate("f", "a.TXT") == str(file)
    with pytest.raises(InvalidInput, match=r"ending in \.png"):
        File(extension=".png").validate("f", file)


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(InvalidInput) as caught:
        Number().validate("x", "a" * 10**7)
    assert len(str(caught.value)) < 150
    assert "(10000000 characters)" in str(caught.value)
    with pytest.raises(InvalidInput, match="a list of 100000"):
        Vector(512).validate("z", [0.5] * 100_000)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Number(), "5", 5),
        (Number(), "-2.5e1", -25.0),
        (Text(), "5", "5"),
        (Text(), '"quoted"', '"quoted"'),
        (Boolean(), "Yes", True),
        (Boolean(), "off", False),
        (Category(choices=["1", "2"]), "2", "2"),
        (ImagePoint(), "[0, 1]", [0.0, 1.0]),
        (Array(Text), '["a"]', ["a"]),
    ],
    ids=str,
)
def test_what_a_person_types(kind: DataType, text: str, expected: object) -> None:
    assert kind.from_text("x", text) == expected


@pytest.mark.parametrize(("kind", "text"), [(Number(), "five"), (Number(), "NaN"), (Boolean(), "maybe")], ids=str)
def test_what_a_person_mistypes(kind: DataType, text: str) -> None:
    with pytest.raises(InvalidInput):
        kind.from_text("x", text)


COMMAND = Command(
    "generate",
    {"z": Vector(2), "truncation": Number(default=0.7, min=0, max=1), "note": Text()},
    {"image": Image(), "score": Number(max=1)},
)


def test_inputs_are_complete_and_in_order() -> None:
    values = COMMAND.check_inputs({"truncation": 1, "z": [0, 1]})
    assert list(values) == ["z", "truncation", "note"]
    assert values["truncation"] == 1
    assert values["note"] == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "input z of generate is missing: allowed is a vector of 2 finite numbers"),
        ({"z": [0, 0], "truncaton": 1}, "generate has no input 'truncaton'. Did you mean truncation?"),
        ({"z": [0, 0], "truncation": 7}, "truncation cannot be 7: allowed is a number from 0 to 1"),
        ({"z": [0, 0], "q" * 5000: 7}, "(5000 characters). Known: z, truncation, note"),
    ],
    ids=["missing", "unknown", "range", "long name"],
)
def test_inputs_that_are_not_allowed(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        COMMAND.check_inputs(values)
    assert message in str(caught.value)


def test_outputs_are_checked_too() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    assert list(COMMAND.check_outputs({"score": 1}, partial=True)) == ["score"]
    with pytest.raises(InvalidInput, match="output image of generate is missing"):
        COMMAND.check_outputs({"score": 1})
    with pytest.raises(InvalidInput, match="score cannot be 2"):
        COMMAND.check_outputs({"image": image, "score": 2})
    assert COMMAND.outputs_to_json(COMMAND.check_outputs({"image": image, "score": 1}))["score"] == 1


def test_json_inputs() -> None:
    assert COMMAND.inputs_from_json({"z": [1, 2]})["z"].tolist() == [1, 2]  # type: ignore[attr-defined]


def test_an_unknown_command_is_told_with_the_nearest() -> None:
    interface = Interface(commands={"generate": COMMAND})
    with pytest.raises(NotFound, match="Did you mean generate"):
        interface.command("generat")
    with pytest.raises(NotFound):
        Interface().default  # noqa: B018 - the property raises
    assert interface.check_options({}) == {}
    with pytest.raises(InvalidInput, match="the model has no option 'x'"):
        interface.check_options({"x": 1})


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("max_tokens", "Max Tokens"),
        ("topP", "Top P"),
        ("RGBImage", "RGB Image"),
        ("z", "Z"),
        ("generated_text", "Generated Text"),
        ("__x--y ", "X Y"),
        ("semanticMapV2", "Semantic Map V2"),
        ("", ""),
    ],
)
def test_field_labels(name: str, label: str) -> None:
    assert field_label(name) == label
