"""Settings: where each is from, strict checks that name file, key and the nearest, saving beside comments."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from core.config import Settings, check, config_path, load, save
from core.errors import InvalidInput, Refused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_defaults_are_allowed_and_explained() -> None:
    config = load(environ={})
    assert config.settings == Settings()
    assert not config.problems
    assert [entry.key for entry in config.entries()] == [each.name for each in fields(Settings)]
    for entry in config.entries():
        assert check(entry.key, entry.default) == entry.default
        assert entry.about
        assert entry.allowed
        assert entry.origin == "default"


def test_the_environment_overrides_the_file_overrides_the_default(path: Path) -> None:
    path.write_text('images = "sixel"\ntheme = "light"\nthreads = 3\n')
    config = load(path, {"TARMAC_IMAGES": "KITTY", "TARMAC_MOUSE": "off", "TARMAC_HOME": "/x", "OTHER": "y"})
    assert config.settings == Settings(images="kitty", theme="light", threads=3, mouse=False)
    assert config.origins == {
        "images": "environment",
        "link": "default",
        "theme": "file",
        "mouse": "environment",
        "animations": "default",
        "notify": "default",
        "device": "default",
        "threads": "file",
    }
    assert not config.problems


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ('imagse = "auto"', ["imagse", "config.toml", "Did you mean images?"]),
        ('images = "sixle"', ["images", "'sixle'", "config.toml", "Did you mean sixel?", "kitty"]),
        ("images = 3", ["images", "3"]),
        ("mouse = 1", ["mouse", "true or false"]),
        ("threads = true", ["threads", "whole number from 0 to 1024"]),
        ("threads = -1", ["threads", "-1"]),
        ("threads = 1.5", ["threads", "1.5"]),
        ('device = "gpu"', ["device", "cuda:N"]),
        ('theme = "../../x"', ["theme"]),
        ("qqqqq = 1", ["qqqqq", "There are images"]),
        ("[images]\nx = 1", ["images"]),
        ('"a\\u001b[2J" = 1', ["unknown setting"]),
    ],
)
def test_a_wrong_line_is_told_and_the_rest_holds(path: Path, line: str, parts: list[str]) -> None:
    path.write_text(f"animations = true\n{line}\n")
    config = load(path, {})
    (problem,) = config.problems
    for part in parts:
        assert part in str(problem)
    assert str(problem).isprintable()
    assert config.settings == Settings(animations=True)


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("TARMAC_IMAGE", "auto", "images"),
        ("TARMAC_THREADS", "many", "'many'"),
        ("TARMAC_MOUSE", "maybe", "true or false"),
    ],
)
def test_a_wrong_variable_is_told(path: Path, variable: str, value: str, part: str) -> None:
    (problem,) = load(path, {variable: value}).problems
    assert variable in str(problem)
    assert part in str(problem)


def test_an_empty_variable_is_none_at_all(path: Path) -> None:
    assert not load(path, {"TARMAC_THEME": ""}).problems


@pytest.mark.parametrize("content", [b"x = ", b"\xff\xfe", b"a = " + b"[" * 5000])
def test_a_file_that_is_not_toml(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    config = load(path, {})
    assert config.settings == Settings()
    assert str(path) in str(config.problems[0])
    with pytest.raises(Refused):
        save("theme", "light", path)
    assert path.read_bytes() == content


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir()
    assert "cannot be read" in str(load(path, {}).problems[0])


def test_saving_keeps_what_people_wrote(path: Path) -> None:
    path.write_text('# my colours\ntheme   =  "dark"  # at night\n\n# later\nunknown = 3')
    save("theme", "light", path)
    save("threads", 2, path)
    text = path.read_text()
    assert text.startswith('# my colours\ntheme   =  "light"  # at night\n\n# later\nunknown = 3\n')
    assert "threads = 2" in text
    assert load(path, {}).settings == Settings(theme="light", threads=2)


def test_saving_makes_the_file_and_taking_out_brings_the_default_back() -> None:
    save("images", "blocks")
    assert config_path().stat().st_mode & 0o777 == 0o600
    assert load(environ={}).origins["images"] == "file"
    save("images", None)
    assert load(environ={}).origins["images"] == "default"


def test_only_allowed_values_are_saved(path: Path) -> None:
    for key, value in (("images", "x"), ("nothing", 1), ("threads", True)):
        with pytest.raises(InvalidInput):
            save(key, value, path)
    assert not path.exists()
