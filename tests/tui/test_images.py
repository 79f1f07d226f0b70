"""Another way to draw pictures, from the palette: at once, and kept for the next start."""

from __future__ import annotations

from pathlib import Path

from core import config
from tests.tui.stage import furnish, studio, until
from tui.diagnostics import examine, sections
from tui.graphics.brands import TerminalInfo
from tui.graphics.pictures import Pictures
from tui.palette import picture_ways


async def test_chosen_in_the_palette_it_is_used_and_remembered(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await pilot.press("ctrl+p")
        await pilot.press(*"pictures off")
        await pilot.press("enter")
        await until(pilot, lambda: Pictures.of(app).info.protocol == "off")
        await until(pilot, lambda: config.load().settings.images == "off")
        app.set_images("auto")
        assert Pictures.of(app).info.protocol == "blocks"
        await until(pilot, lambda: config.load().settings.images == "auto")


async def test_where_nobody_asked_the_terminal_only_text_is_offered(home: Path) -> None:
    async with studio(furnish(home)) as (app, _, _):
        assert [way for way, _ in picture_ways(app)] == ["auto", "blocks", "off"]
        app.terminal = TerminalInfo(found="sixel")
        assert [way for way, _ in picture_ways(app)] == ["auto", "kitty", "sixel", "iterm2", "blocks", "off"]


def test_the_report_says_what_was_found_and_what_to_change(home: Path) -> None:
    info = TerminalInfo(
        brand="tmux 3.5a in kitty(0.41.1)",
        protocol="blocks",
        found="blocks",
        offers=("sixel",),
        cell_from="the terminal's answer",
        reasons=["tmux keeps pictures back: put `set -g allow-passthrough on` into tmux.conf."],
        tmux=True,
    )
    found = examine(info)
    terminal = found["terminal"]
    assert (terminal["pictures"], terminal["found_best"], terminal["choice"]) == ("blocks", "blocks", "auto")
    (section,) = [section for section in sections(found) if section.title == "terminal"]
    lines = {line.label: line.text for line in section.lines}
    assert "allow-passthrough" in lines["to know"]
    assert lines["offers"] == "sixel"
    assert lines["cells by"] == "the terminal's answer"
