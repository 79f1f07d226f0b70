"""The user's own keys, checked strictly; every action has an id, a description and a tooltip of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.stage import furnish, studio, until
from tui import keymap
from tui.keymap import check, key_name
from tui.palette import all_binding_ids, binding_owners

IDS = {"directory.import", "directory.open", "app.help"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"directory.imprt": "x"}, "no action 'directory.imprt', did you mean 'directory.import'?"),
        ({"zzz": "x"}, "no action 'zzz'"),
        ({"directory.import": 5}, "directory.import: the keys are a text"),
        ({"directory.import": ""}, "directory.import: the keys are a text"),
        ({"directory.import": "i,Control-x"}, "directory.import: 'Control-x' is not a key"),
        ({"directory.import": {"key": "i"}}, "directory.import: the keys are a text"),
    ],
)
def test_a_bad_entry_is_told_and_left_out(data: dict[str, object], told: str) -> None:
    good, problems = check({**data, "app.help": "f1,ctrl+h"}, IDS)
    assert good == {"app.help": "f1,ctrl+h"}
    (problem,) = problems
    assert problem.startswith(told)


def test_a_file_that_is_no_toml_is_told(home: Path) -> None:
    (home / "config").mkdir()
    keymap.keymap_path().write_text("a = ", encoding="utf-8")
    good, problems = keymap.load(IDS)
    assert good == {}
    assert "not TOML" in problems[0]


def test_no_file_is_no_trouble() -> None:
    assert keymap.load(IDS) == ({}, [])


def test_every_binding_has_an_id_a_description_and_what_it_does() -> None:
    for owner in binding_owners():
        for binding in keymap.bindings_of(owner):
            assert binding.id, f"{owner.__name__}: {binding.key}"
            assert binding.description, binding.id
    ids = [b.id for owner in binding_owners() for b in keymap.bindings_of(owner)]
    assert len(ids) == len(set(ids))
    assert set(ids) == all_binding_ids()


def test_nothing_vital_is_only_on_a_key_that_terminals_take() -> None:
    taken = {f"ctrl+{letter}" for letter in "basqzojl"} | {"alt+enter", "shift+enter"}
    for owner in binding_owners():
        for binding in keymap.bindings_of(owner):
            assert not {key.strip() for key in binding.key.split(",")} <= taken, binding.id


@pytest.mark.parametrize(
    ("key", "name"),
    [("ctrl+p", "^p"), ("enter", "⏎"), ("question_mark", "?"), ("shift+left", "⇧←"), ("R", "R"), ("alt+1", "alt+1")],
)
def test_keys_are_named_as_people_write_them(key: str, name: str) -> None:
    assert key_name(key) == name


async def test_own_keys_work_and_are_shown(home: Path) -> None:
    (home / "config").mkdir()
    keymap.keymap_path().write_text('"directory.sort" = "z"\n"directory.srt" = "y"\n', encoding="utf-8")
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app._notifications)
        assert "did you mean 'directory.sort'?" in next(iter(app._notifications)).message
        before = app.screen.order  # type: ignore[attr-defined]
        await pilot.press("s")
        assert app.screen.order == before  # type: ignore[attr-defined]
        await pilot.press("z")
        assert app.screen.order != before  # type: ignore[attr-defined]
