"""The header holds every place with what runs there, whatever the width, and a click finds the place that is seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui import themes
from tui.screens import PLACES, Place
from tui.status import Status
from tui.widgets.header import Header

STATUS = Status("somebody", "a-machine-with-a-long-name", "H200", 38 * 2**30, 139 * 2**30, 0.41)


class HeaderApp(App[None]):
    """A header alone."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(themes.VARIABLES)

    def compose(self) -> ComposeResult:
        header = Header()
        header.status, header.place = STATUS, "training"
        header.running, header.training, header.preparing, header.hosted = 2, 1, 1, 3
        yield header


@asynccontextmanager
async def shown(width: int) -> AsyncIterator[tuple[Header, Pilot[None]]]:
    async with HeaderApp().run_test(size=(width, 5)) as pilot:
        yield pilot.app.query_one(Header), pilot


@pytest.fixture
def places() -> tuple[Place, ...]:
    """The places that there are."""
    return PLACES


async def test_where_there_is_room_every_place_is_named(places: tuple[Place, ...]) -> None:
    async with shown(200) as (header, _):
        line = header.render().plain
        assert all(f"{place.key} {place.title}" in line for place in places)
        assert "[3 Training ◐1]" in line
        assert line.rstrip().endswith("38/139 GiB")


async def test_eighty_columns_hold_every_place_with_its_mark(places: tuple[Place, ...]) -> None:
    async with shown(80) as (header, _):
        line = header.render().plain
        assert len(line) == 80
        assert "[3 Training ◐1]" in line
        assert " ●2" in line
        assert " ●3" in line
        assert line.count("◐1") == 2
        assert all(f"{place.key} {place.short}" in line for place in places)


async def test_the_narrowest_line_names_only_where_one_is(places: tuple[Place, ...]) -> None:
    async with shown(52) as (header, _):
        line = header.render().plain
        assert len(line) <= 52
        assert "[3 Training ◐1]" in line
        assert all(f" {place.key} " in line for place in places if place.mode != "training")


@pytest.mark.parametrize("width", [52, 80, 200])
async def test_a_click_finds_the_place(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown(width) as (header, pilot):
        gone: list[str] = []
        monkeypatch.setattr(pilot.app, "switch_mode", gone.append)
        for place in PLACES:
            await pilot.click(header, offset=(header.render().plain.index(f"{place.key}"), 0))
        assert gone == [place.mode for place in PLACES]
