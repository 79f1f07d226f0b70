"""Themes from files: ours are whole and readable, a bad one of the user's is named and the others still load."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color

from core.errors import InvalidInput
from tests.tui.stage import furnish, studio, until
from tui import themes

GOOD = (Path(themes.shipped.__file__).parent / "dark.toml").read_text(encoding="utf-8")


def test_the_shipped_themes_all_load() -> None:
    found, problems = themes.load()
    assert problems == []
    assert {entry.name for entry in found} == {"dark", "light", "terminal", "high-contrast"}
    assert all(entry.about for entry in found)


@pytest.mark.parametrize(("name", "least"), [("dark", 4.5), ("light", 4.5), ("high-contrast", 7.0)])
def test_every_text_stands_out_from_its_ground(name: str, least: float) -> None:
    import tomllib

    colors = tomllib.loads((Path(themes.shipped.__file__).parent / f"{name}.toml").read_text())["colors"]
    for ground in ("background", "raised"):
        for ink in ("text", "muted", "accent", "good", "busy", "bad"):
            assert _contrast(colors[ink], colors[ground]) >= least, f"{ink} on {ground}"


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1."""

    def luminance(text: str) -> float:
        parts = [value / 255 for value in Color.parse(text).rgb]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "not TOML"),
        (GOOD.replace("accent", "acent"), "unknown colour 'acent' (did you mean 'accent'?)"),
        (GOOD.replace("about", "abuot"), "unknown key 'abuot' (did you mean 'about'?)"),
        (GOOD.replace('"#7cb0f5"', '"blurple"'), "accent = 'blurple' is not a colour"),
        (GOOD.replace('"#7cb0f5"', "7"), "accent = 7 is not a colour"),
        (GOOD.replace('bad = "#ee8079"', ""), "no colour 'bad'"),
        (GOOD.replace("dark = true", "dark = 1"), "dark and ansi are true or false"),
        ("#" * 70_000, "larger than 64 KiB"),
        ("colors = 3", "[colors] is not a table"),
    ],
)
def test_a_bad_theme_is_told_by_its_fault(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        themes.read(path)
    assert told in caught.value.why


async def test_bad_themes_are_told_once_and_the_rest_works(home: Path) -> None:
    folder = home / "config" / "themes"
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("name = ", encoding="utf-8")
    (folder / "worse.toml").write_bytes(b"\xff\xfe")
    (folder / "mine.toml").write_text(GOOD.replace('"dark"', '"mine"'), encoding="utf-8")
    (home / "config" / "config.toml").write_text('theme = "mine"\n', encoding="utf-8")
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app._notifications)
        assert app.theme == "mine"
        (toast,) = app._notifications
        assert "bad.toml" in toast.message
        assert "worse.toml" in toast.message


async def test_an_unknown_theme_falls_back_and_is_told(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text('theme = "gone"\n', encoding="utf-8")
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app._notifications)
        assert app.theme == "dark"
        assert "'gone'" in next(iter(app._notifications)).message


async def test_a_theme_chosen_is_kept(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        app.set_theme("light")
        config = home / "config" / "config.toml"
        await until(pilot, lambda: config.exists() and "light" in config.read_text())
        assert app.theme == "light"
