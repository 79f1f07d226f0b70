"""Settings and diagnostics: every setting with its origin, what is amiss at the top, the report as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import config
from tests.tui.stage import furnish, lines, studio, text, until
from tui.diagnostics import Section, as_text, examine, sections


@pytest.mark.parametrize("size", [(80, 80), (160, 60)])
async def test_every_setting_with_value_origin_and_explanation(
    home: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    config.save("theme", "light")
    monkeypatch.setenv("TARMAC_THREADS", "3")
    async with studio(furnish(home), start="settings", size=size) as (app, pilot, _):
        await until(pilot, lambda: "Versions" in text(app))
        for key, told in (("theme", "light  (file)"), ("threads", "3  (environment)"), ("mouse", "true  (default)")):
            assert any(key in line and told in line for line in lines(app)), key
        for entry in config.load().entries():
            assert entry.about.split(";")[0].split(":")[0] in text(app)


async def test_what_is_amiss_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARMAC_THREADS", "lots")
    async with studio(furnish(home), start="settings") as (app, pilot, _):
        await until(pilot, lambda: "threads is 'lots'" in text(app))
        assert "Problems" in text(app)
        await pilot.press("y")
        assert "threads is 'lots'" in app.clipboard


def test_the_report_is_the_same_as_text(home: Path) -> None:
    found = examine(None)
    report = as_text(sections(found))
    assert report.startswith("problems\n" if found["problems"] else "no problems found\n")
    for title in found:
        assert title in report or title == "problems"


def test_escapes_stay_out_of_the_report() -> None:
    assert "\x1b" not in as_text([Section("a\x1b[31m", [])])
