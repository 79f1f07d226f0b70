"""Back to the place of a saved picture: by the command's way in, by O, by the import prompt; and what is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import Refused
from core.exports import notes
from core.latent.journey import View
from core.latent.plane import Plane
from core.library.fingerprint import checkpoint
from core.library.models import Library
from tests.tui.stage import furnish, put_model, studio, until
from tui.opening import find
from tui.screens.ask_path import AskPath
from tui.widgets.explorer.grid import Explorer
from tui.widgets.path_prompt import PathPrompt

VIEW = View(Plane(16, 77, 0.2), (5, -3), 0.4)
SNEAKERS = "20200102-030405-sneakers"


def save(path: Path, model: str = "starter/portraits", name: str = "portraits", weights: str = "") -> Path:
    said = notes.facts("picture", model=model, model_name=name, checkpoint=weights, view=VIEW)
    path.write_bytes(notes.png(np.zeros((8, 8, 3), np.uint8), said, "x"))
    return path


def explorer(app: object) -> Explorer:
    found: Explorer = app.screen.query_one(Explorer)  # type: ignore[attr-defined]
    return found


@pytest.fixture
def library(home: Path) -> Library:
    return furnish(home).library


def test_by_id(home: Path, library: Library) -> None:
    weights = checkpoint(library.get("starter/portraits").folder)
    place = find(save(home / "a.png", weights=weights), library)
    assert place.model is not None
    assert (place.model.id, place.told) == ("starter/portraits", ())
    assert place.state == {"view": VIEW.to_json()}


def test_other_weights_are_told(home: Path, library: Library) -> None:
    place = find(save(home / "a.png", weights="ab" * 32), library)
    assert place.model is not None
    assert "other weights" in place.told[0]


def test_the_same_weights_under_another_id(home: Path, library: Library) -> None:
    weights = checkpoint(library.get(SNEAKERS).folder)
    place = find(save(home / "a.png", model="20190101-000000-shoes", name="shoes", weights=weights), library)
    assert place.model is not None
    assert (place.model.id, place.told) == (SNEAKERS, ())


def test_the_same_name_is_the_next_best(home: Path, library: Library) -> None:
    place = find(save(home / "a.png", model="20190101-000000-x", name="sneakers", weights="ab" * 32), library)
    assert place.model is not None
    assert place.model.id == SNEAKERS
    assert "is not here" in place.told[0]


def test_no_model(home: Path, library: Library) -> None:
    place = find(save(home / "a.png", model="20190101-000000-x", name="cats"), library)
    assert place.model is None
    assert "cats, which is not in your library" in place.told[0]
    # A text model of that name cannot show it, and one of other vectors neither.
    assert find(save(home / "b.png", model="starter/gpt2-python", name="gpt2-python"), library).model is None


def test_a_model_of_other_vectors(home: Path, library: Library) -> None:
    said = notes.facts(
        "picture", model=SNEAKERS, model_name="sneakers", checkpoint="", view=View(Plane(8, 1), (0, 0), 0.5)
    )
    (home / "a.png").write_bytes(notes.png(np.zeros((8, 8, 3), np.uint8), said, "x"))
    place = find(home / "a.png", library)
    assert place.model is None
    assert "vectors of 8 numbers" in place.told[0]


def test_what_is_no_picture(home: Path, library: Library) -> None:
    with pytest.raises(Refused):
        find(home / "missing.png", library)


async def test_opening_by_key(home: Path) -> None:
    path = save(home / "a.png")
    async with studio(furnish(home)) as (app, pilot, _):
        await pilot.press("O")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        app.screen.query_one(PathPrompt).input.value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "workspace" and app.screen.query(Explorer), 60)
        await until(pilot, lambda: explorer(app).view == VIEW)
        assert app.focused is explorer(app)
        # Once more, with the explorer there already; and the way back is open.
        await pilot.press("right", "O")
        app.screen.query_one(PathPrompt).input.value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: explorer(app).view == VIEW)
        await pilot.press("backspace")
        assert explorer(app).view.cursor == (6, -3)


async def test_opening_by_the_import_prompt(home: Path) -> None:
    path = save(home / "a.png")
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query("Table"))
        await pilot.press("i")
        await until(pilot, lambda: app.screen.query(PathPrompt))
        app.screen.query_one(PathPrompt).input.value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "workspace" and app.screen.query(Explorer), 60)
        await until(pilot, lambda: explorer(app).view == VIEW)


async def test_the_command_opens_the_studio_there(home: Path) -> None:
    services = furnish(home)
    place = find(save(home / "a.png", weights="ab" * 32), services.library)
    async with studio(services, opening=place) as (app, pilot, _):
        await until(pilot, lambda: app.current_mode == "workspace" and app.screen.query(Explorer), 60)
        await until(pilot, lambda: explorer(app).view == VIEW)
        assert any("other weights" in toast.message for toast in app._notifications)


async def test_what_cannot_be_opened_is_told_and_nothing_moves(home: Path) -> None:
    (home / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nxxxx")
    missing = save(home / "cats.png", model="20190101-000000-x", name="cats")
    async with studio(furnish(home)) as (app, pilot, _):
        for path, part in ((home / "bad.png", "torn"), (missing, "not in your library")):
            await pilot.press("O")
            app.screen.query_one(PathPrompt).input.value = str(path)
            await pilot.press("enter")
            await until(pilot, lambda part=part: any(part in toast.message for toast in app._notifications))  # type: ignore[misc]
            assert app.current_mode == "directory"
        await pilot.press("O", "escape")
        assert not isinstance(app.screen, AskPath)


async def test_a_model_that_went_meanwhile(home: Path) -> None:
    services = furnish(home)
    put_model(home / "data" / "models" / "20200102-030407-gone", "gone", "image-gan")
    place = find(save(home / "a.png", model="20200102-030407-gone", name="gone"), services.library)
    shutil.rmtree(home / "data" / "models" / "20200102-030407-gone")
    async with studio(services, opening=place) as (app, pilot, _):
        await until(pilot, lambda: any("gone" in toast.message for toast in app._notifications))
