"""Styles as inputs of a command and as plain data."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
import tomlkit

from core.errors import InvalidInput
from core.latent.basis import seeded_vector
from core.latent.style import MAX_AMOUNT, PLAIN, Mix, Style

Z = seeded_vector(3, 8)


def test_an_empty_style_asks_nothing() -> None:
    assert PLAIN.empty
    assert PLAIN.inputs() == {"truncation_layers": [], "mix_layers": [], "edits": [], "edit_layers": []}
    assert PLAIN.to_json() == {}
    assert Style(edits=(0.0, 0.0)).empty
    assert Style(edit_layers=(0, 1)).empty
    assert not Style(truncation_layers=(0, 1)).empty


def test_inputs_name_what_is_done() -> None:
    inputs = Style((0, 2), Mix.of(Z, (1, 3)), (0.5,), (2, 2)).inputs()
    assert np.array_equal(inputs.pop("mix"), Z)
    assert inputs == {"truncation_layers": [0, 2], "mix_layers": [1, 3], "edits": [0.5], "edit_layers": [2, 2]}


def test_amounts_are_kept_in_range_and_without_zeros_at_the_end() -> None:
    style = Style(edits=(1.0,))
    assert style.moved(2, -3) == (1.0, 0.0, -3.0)
    assert Style(edits=(1.0, 0.0, -3.0)).moved(2, 0) == (1.0,)
    assert style.moved(0, 99) == (MAX_AMOUNT,)
    assert style.amount(0) == 1.0
    assert style.amount(5) == 0.0


def test_equal_styles_are_one_key() -> None:
    assert len({Style(mix=Mix.of(Z, (0, 1))), Style(mix=Mix.of(Z.copy(), (0, 1)))}) == 1


@pytest.mark.parametrize("style", [PLAIN, Style((0, 63), Mix.of(Z, (4, 4)), (-10.0, 0.0, 2.5), (0, 0))])
def test_round_trip(style: Style) -> None:
    data = style.to_json()
    assert Style.from_json(json.loads(json.dumps(data)), 8) == style
    assert Style.from_json(tomllib.loads(tomlkit.dumps(data)), 8) == style


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ([], "not an object"),
        ({"mix": 1}, "mix"),
        ({"mix": {"z": [1.0], "layers": [0, 1]}}, "vector of 8"),
        ({"mix": {"z": [float("nan")] * 8, "layers": [0, 1]}}, "finite"),
        ({"mix": {"z": [0.0] * 8, "layers": [1, 0]}}, "layer"),
        ({"mix": {"z": [0.0] * 8}}, "layer"),
        ({"truncation_layers": [0, 64]}, "truncation_layers"),
        ({"truncation_layers": [True, 1]}, "truncation_layers"),
        ({"edit_layers": "01"}, "edit_layers"),
        ({"edits": [0.0] * 65}, "edits"),
        ({"edits": "x"}, "edits"),
        ({"edits": [float("inf")]}, "edit"),
        ({"edits": [11]}, "edit"),
        ({"edits": [None]}, "edit"),
    ],
)
def test_bad_data_is_told_by_name(data: object, names: str) -> None:
    with pytest.raises(InvalidInput, match=names):
        Style.from_json(data, 8)
