"""Layers by name, and styles in a few words."""

from __future__ import annotations

import numpy as np
import pytest

from core.latent.style import PLAIN, Mix, Style
from tui.widgets.explorer.layers import every_range, layer_count, named, ranges, told_style


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (18, ["coarse 0–3", "middle 4–7", "fine 8–17"]),
        (10, ["coarse 0–3", "middle 4–7", "fine 8–9"]),
        (9, ["coarse 0–3", "middle 4–7", "fine 8"]),
        (8, ["coarse 0–2", "middle 3–5", "fine 6–7"]),
        (4, ["coarse 0–1", "middle 2", "fine 3"]),
        (3, ["coarse 0", "middle 1", "fine 2"]),
        (2, ["coarse 0", "middle 1"]),
        (1, ["coarse 0"]),
    ],
)
def test_ranges_are_whole_and_without_gaps(count: int, told: list[str]) -> None:
    assert [found.told for found in ranges(count)] == told
    layers = [layer for found in ranges(count) if found.layers for layer in range(found.layers[0], found.layers[1] + 1)]
    assert layers == list(range(count))
    assert every_range(count)[0].told == "all"


def test_names() -> None:
    assert named(None, 10) == "all"
    assert named((4, 7), 10) == "middle"
    assert named((2, 5), 10) == "2–5"
    assert named((2, 2), 10) == "2"


def test_a_style_in_a_few_words() -> None:
    mix = Mix.of(np.zeros(4), (4, 7))
    assert told_style(PLAIN, 10) == []
    assert told_style(Style(mix=mix, edits=(0.0, -1.5)), 10) == ["mix 4–7", "edit 2 −1.5"]
    assert told_style(Style(edits=(1.0, 2.0), edit_layers=(0, 3)), 10) == ["2 edits coarse"]
    assert told_style(Style(mix=mix, edits=(1.0,)), 10, short=True) == ["mix", "edit"]
    assert told_style(Style(edit_layers=(0, 3)), 10) == []


@pytest.mark.parametrize("info", [{}, {"native": 3}, {"native": {"num_ws": "x"}}, {"native": {"num_ws": True}}])
def test_a_worker_that_tells_no_layers_has_none(info: dict[str, object]) -> None:
    assert layer_count(info) == 0
    assert layer_count({"native": {"num_ws": 18}}) == 18
