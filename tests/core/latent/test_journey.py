"""The way back and forward, and views as plain data."""

from __future__ import annotations

import json
import tomllib

import pytest
import tomlkit

from core.errors import InvalidInput
from core.latent.basis import seeded_vector
from core.latent.journey import MAX_VIEWS, Journey, View
from core.latent.plane import Plane
from core.latent.style import Mix, Style


def view(seed: int) -> View:
    return View(Plane(8, seed), cursor=(seed, -seed), truncation=0.5, zoom=-1)


def test_back_and_forward() -> None:
    journey = Journey((view(1),)).go(view(2)).go(view(3))
    assert (journey.can_go_back, journey.can_go_forward) == (True, False)
    assert journey.back().now == view(2)
    assert journey.back().back().now == view(1)
    assert journey.back().back().back().now == view(1)
    assert journey.back().forward().now == view(3)
    assert journey.forward() == journey


def test_a_new_view_gives_up_what_lay_ahead() -> None:
    journey = Journey((view(1),)).go(view(2)).go(view(3)).back().back().go(view(4))
    assert [each.plane.seed for each in journey.views] == [1, 4]


def test_a_change_in_place_is_no_step() -> None:
    journey = Journey((view(1),)).go(view(2)).back().change(view(9))
    assert [each.plane.seed for each in journey.views] == [9, 2]
    assert journey.can_go_forward


def test_the_oldest_views_are_forgotten() -> None:
    journey = Journey((view(0),))
    for seed in range(1, MAX_VIEWS + 5):
        journey = journey.go(view(seed))
    assert len(journey.views) == MAX_VIEWS
    assert journey.now == view(MAX_VIEWS + 4)


def test_round_trip_through_json_and_toml() -> None:
    style = Style((0, 3), Mix.of(seeded_vector(1, 8), (2, 5)), (0.0, -1.5), (0, 1))
    plane = Plane(8, 3).with_pin(1, 2, seeded_vector(4, 8)).recentred(1, 1, 5).with_distance(0.2, 3, 0)
    journey = Journey((view(1),)).go(View(plane, (2, -7), style=style)).back()
    assert Journey.from_json(json.loads(json.dumps(journey.to_json()))) == journey
    assert Journey.from_json(tomllib.loads(tomlkit.dumps(journey.to_json()))) == journey


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (None, "journey"),
        ({"views": "x"}, "journey"),
        ({"views": []}, "0 views"),
        ({"views": [view(1).to_json()], "index": 1}, "shows 1"),
        ({"views": [view(1).to_json()], "index": "0"}, "index"),
        ({"views": [3]}, "view"),
        ({"views": [view(1).to_json() | {"truncation": 2}]}, "truncation"),
        ({"views": [view(1).to_json() | {"cursor": [1]}]}, "cursor"),
        ({"views": [view(1).to_json() | {"cursor": [0.5, 1]}]}, "cursor"),
        ({"views": [view(1).to_json() | {"zoom": 99}]}, "zoom"),
        ({"views": [view(1).to_json() | {"style": 1}]}, "style"),
        ({"views": [view(1).to_json() | {"plane": {"dim": 8}}]}, "seed"),
    ],
)
def test_bad_data_is_told_by_name(data: object, names: str) -> None:
    with pytest.raises(InvalidInput, match=names):
        Journey.from_json(data)
