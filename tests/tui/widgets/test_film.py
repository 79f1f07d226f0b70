"""Films in the explorer, by key: what plays, what is told, what is written; contact sheets; going to a place."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from core.exports.reading import read_notes
from core.latent.basis import seeded_vector
from core.latent.journey import View
from core.latent.plane import Plane
from core.latent.style import Mix, Style
from core.latent.walk import Walk
from core.workers.session import Session, Target
from tests.adapters import picture
from tests.demo_explorer import ExplorerApp
from tests.tui.walk import SEVEN, walk
from tests.tui.walk import Walk as Walking
from tui.graphics.canvas import GridCanvas
from tui.screens.chooser import Chooser
from tui.widgets.explorer.state import Bookmark
from tui.widgets.film.player import FilmPlayer


def pinned(count: int = 2) -> dict[str, object]:
    """A state whose plane has pins."""
    plane = Plane(16, 7)
    for number in range(count):
        plane = plane.with_pin(number, 0, seeded_vector(number, 16))
    return {"journey": {"index": 0, "views": [View(plane).to_json()]}}


async def playing(on: Walking) -> FilmPlayer:
    """Start the film and wait for its first frame."""
    await on.full()
    await on.press("w")
    film = on.app.query_one(FilmPlayer)
    await on.until(lambda: film.shown is not None, "a frame")
    return film


def drawn(film: FilmPlayer, number: int) -> np.ndarray:
    """What the stub draws of a frame's vector."""
    moment = film.way.frame(number, film.count)
    return picture(moment.z, moment.truncation, 64)


def told(on: Walking) -> str:
    """The film's two lines."""
    return "\n".join(str(on.app.query_one(f"#film-{name}").render()) for name in ("title", "bar"))


async def test_without_keys_it_says_what_to_do() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("w")
        assert not on.app.query(FilmPlayer)
        (toast,) = on.app._notifications
        assert "two pins or two bookmarks" in toast.message


async def test_it_plays_every_frame_exactly() -> None:
    async with walk(state=pinned()) as on:
        film = await playing(on)
        assert film.has_focus
        assert not on.canvas.region
        reel = film.reel
        assert reel is not None
        await on.until(lambda: len(reel.made) == film.count, "all frames")
        assert film.count == 100
        for number in (0, 13, 50, 99):
            key = reel.key(number)
            assert key is not None
            assert np.array_equal(reel.by_key[key], drawn(film, number))
        assert np.array_equal(film.way.frame(50, 100).z, seeded_vector(1, 16))
        canvas = film.query_one(GridCanvas)
        first = canvas.scene.tiles[0, 0]
        await on.until(lambda: canvas.scene.tiles[0, 0] != first, "the next frame")
        assert "Film through 2 pins" in told(on)
        assert "of 100" in told(on)
        await on.press("escape")
        await on.full()
        assert on.explorer.has_focus
        assert not on.app.query(FilmPlayer)


async def test_time_stays_true_when_the_model_is_slow() -> None:
    async with walk(state=pinned(), delay=0.3, batch=1) as on:
        await on.until(lambda: on.app.session.state == "ready", "the model")
        await on.press("w")
        film = on.app.query_one(FilmPlayer)
        await on.until(lambda: film.reel is not None and len(film.reel.made) >= 6, "some frames")
        assert film.reel is not None
        assert len(film.reel.made) < 40
        # The film went on meanwhile: what is seen is the last frame before it, and those ahead are strided.
        shown = film.shown
        assert shown is not None
        assert shown <= film.number or film.number < min(film.reel.made)
        assert sum(number % 8 == 0 for number in film.reel.made) >= 6


async def test_keys() -> None:
    async with walk(state=pinned(3)) as on:
        film = await playing(on)
        await on.press("space")
        here = film.number
        assert not film.playing
        await on.press("right", "right", "left", "l")
        assert film.number == here + 2
        await on.until(lambda: film.shown == here + 2, "the frame")
        assert "‖" in told(on)
        await on.press("shift+right")
        assert film.number % 50 == 0
        await on.press("shift+left", "H")
        assert film.number % 50 == 0
        film._go(149)
        await on.press("right")
        assert film.number == 0
        await on.press("left")
        assert film.number == 149
        await on.press("plus")
        assert film.speed == 1.5
        await on.press("minus", "minus", "minus", "minus", "minus")
        assert film.speed == 0.25
        assert "0.25 ×" in told(on)
        assert "/ 0:24.0" in told(on)
        await on.press("space")
        assert film.playing
        await on.press("w")
        assert not on.app.query(FilmPlayer)


async def test_the_explorers_keys_rest_while_it_plays() -> None:
    async with walk(state=pinned()) as on:
        await playing(on)
        before = on.explorer.state()
        await on.press("r", "enter", "b", "p", "comma", "g", "down", "S", "f")
        assert on.explorer.state() == before
        assert on.app.query(FilmPlayer)


async def test_pins_or_bookmarks_is_asked() -> None:
    async with walk(state=pinned()) as on:
        await on.full()
        await on.press("b", "down", "down", "b", "w")
        assert isinstance(on.app.screen, Chooser)
        await on.press("down", "enter")
        film = on.app.query_one(FilmPlayer)
        assert isinstance(film.way, Walk)
        marks = on.explorer._bookmarks
        assert [key.z.tobytes() for key in film.way.keys] == [mark.z.tobytes() for mark in marks]
        await on.press("escape", "w", "down", "down", "enter")
        assert "around a tile" in told(on)


@pytest.mark.parametrize("ending", [".mp4", ".webp", ".gif"])
async def test_it_is_written_with_every_frame(home: Path, ending: str) -> None:
    async with walk(state=pinned()) as on:
        film = await playing(on)
        await on.press("plus", "plus", "x")  # twice as fast: fifty frames
        assert isinstance(on.app.screen, Chooser)
        await on.press(*["down"] * [".mp4", ".webp", ".gif"].index(ending), "enter")
        exports = home / "data" / "exports"
        await on.until(lambda: list(exports.glob(f"*{ending}")), "a file")
        await on.until(lambda: film.written is None, "the end")
        (path,) = exports.iterdir()
        notes = read_notes(path)
        assert (notes.kind, notes.model, notes.facts["frames"]) == ("film", "test/stub", 50)
        expected = [film.way.frame(number, 50) for number in range(50)]
        if ending == ".mp4":
            with av.open(str(path)) as container:
                frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        else:
            with Image.open(path) as image:
                frames = []
                for number in range(image.n_frames):  # type: ignore[attr-defined]
                    image.seek(number)
                    frames.append(np.asarray(image.convert("RGB")))
        assert len(frames) == 50
        allowed = {".mp4": 6.0, ".webp": 0.0, ".gif": 6.0}[ending]
        for moment, frame in zip(expected, frames, strict=True):
            assert np.abs(frame.astype(int) - picture(moment.z, moment.truncation, 64)).mean() <= allowed
        assert not on.app.failures


async def test_writing_can_be_stopped(home: Path) -> None:
    async with walk(state=pinned(), delay=0.2, batch=1) as on:
        await on.until(lambda: on.app.session.state == "ready", "the model")
        await on.press("w")
        film = on.app.query_one(FilmPlayer)
        await on.until(lambda: film.shown is not None, "a frame")
        await on.press("x", "enter")
        await on.until(lambda: film.written is not None, "the writing")
        await on.until(lambda: "0% · esc stops" in told(on), "its line")
        await on.press("escape")
        await on.until(lambda: film.written is None, "the end")
        assert on.app.query(FilmPlayer)
        exports = home / "data" / "exports"
        assert not exports.exists() or not list(exports.iterdir())
        await on.press("escape")
        assert not on.app.query(FilmPlayer)


async def test_leaving_while_it_is_written_leaves_nothing(home: Path) -> None:
    async with walk(state=pinned(), delay=0.2, batch=1) as on:
        await on.until(lambda: on.app.session.state == "ready", "the model")
        await on.press("w")
        film = on.app.query_one(FilmPlayer)
        await on.until(lambda: film.shown is not None, "a frame")
        await on.press("x", "enter")
        await on.until(lambda: film.written is not None, "the writing")
    exports = home / "data" / "exports"
    assert not exports.exists() or not list(exports.iterdir())


async def test_a_disk_that_says_no_is_told(home: Path) -> None:
    async with walk(state=pinned()) as on:
        await playing(on)
        (home / "data").write_text("in the way")
        await on.press("x", "enter")
        await on.until(lambda: on.app.failures, "an error")
        assert "cannot write" in str(on.app.failures[0])


async def test_a_dead_worker_leaves_the_frames() -> None:
    async with walk(state=pinned(), delay=0.1, batch=1) as on:
        await on.until(lambda: on.app.session.state == "ready", "the model")
        await on.press("w")
        film = on.app.query_one(FilmPlayer)
        await on.until(lambda: film.reel is not None and len(film.reel.made) > 3, "frames")
        assert film.reel is not None
        assert on.app.session.pid is not None
        os.kill(on.app.session.pid, signal.SIGKILL)
        await on.until(lambda: on.app.session.state == "dead", "the death")
        there = len(film.reel.made)
        assert film.shown is not None
        await on.press("x")
        assert not isinstance(on.app.screen, Chooser)
        await on.app.session.start()
        await on.until(lambda: film.reel is not None and len(film.reel.made) > there, "more frames")
        assert not on.app.failures


async def test_a_film_wears_the_views_style() -> None:
    mixed = seeded_vector(9, 16)
    view = View(Plane(16, 7).with_pin(0, 0).with_pin(1, 0), style=Style(mix=Mix.of(mixed, (0, 1))))
    app = ExplorerApp(state={"journey": {"index": 0, "views": [view.to_json()]}})
    app.session = Session(Target("test", Path("/"), {}, trusted_factory="tests.tui.styled:Styled", name="styled"))
    async with app.run_test(size=(80, 24)) as pilot:
        on = Walking(app, pilot)
        await on.until(lambda: app.session.state == "ready", "the model")
        await on.press("w")
        film = app.query_one(FilmPlayer)
        await on.until(lambda: film.shown is not None, "a frame")
        assert film.reel is not None
        (pixels, *_) = film.reel.by_key.values()
        assert np.array_equal(pixels, picture(mixed, 0.7, 64))


async def test_a_contact_sheet(home: Path) -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("S")
        assert "b bookmarks this tile" in next(iter(on.app._notifications)).message
        await on.press("b", "right", "b", "down", "b", "S")
        exports = home / "data" / "exports"
        await on.until(lambda: exports.is_dir() and list(exports.glob("*.png")), "a file")
        (path,) = exports.iterdir()
        notes = read_notes(path)
        assert [mark.view.cursor for mark in notes.marks] == [(0, 0), (1, 0), (1, 1)]
        marks = on.explorer._bookmarks
        assert all(np.array_equal(mark.z, kept.z) for mark, kept in zip(notes.marks, marks, strict=True))


async def test_visiting_a_place() -> None:
    plane = Plane(16, 21, 0.2)
    view = View(plane, (4, -2), 0.4)
    marks = [Bookmark(View(plane, (x, 0)), plane.vector(x, 0)).to_json() for x in range(12)]
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("b")
        on.explorer.visit({"view": view.to_json(), "bookmarks": marks})
        await on.full()
        assert on.explorer.view == view
        assert len(on.explorer._bookmarks) == 9
        await on.press("backspace")
        assert on.explorer.view.plane.seed == 7
        bad: list[dict[str, Any]] = [{}, {"view": 3}, {"view": View(Plane(8, 1)).to_json()}]
        for place in bad:
            on.explorer.visit(place)
        await on.until(lambda: len(on.app.failures) == 3, "refusals")
        assert on.explorer.view.plane.seed == 7


async def test_visiting_ends_a_film() -> None:
    async with walk(state=pinned()) as on:
        await playing(on)
        on.explorer.visit({"view": View(Plane(16, 5)).to_json()})
        await on.full()
        assert on.explorer.view.plane.seed == 5
        assert not on.app.query(FilmPlayer)
