"""Films of trainings: drawn from made-up sheets, written, and decoded again."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.errors import InvalidInput, Refused
from core.exports.drawing import shoot
from core.exports.film import ENDINGS, FilmOptions, FilmWriter
from core.exports.history import HistoryFilm, cut, draw_with, facts, title
from core.exports.notes import dumps
from core.exports.reading import read_notes
from core.runs.history import Sheet, history
from tests.core.exports.test_film import movie, stills
from tests.core.runs.test_history import drawn, run

RATE = Fraction(25)


def tiles(*colours: int) -> np.ndarray:
    """A sheet of 4 by 2 even tiles of 16 pixels; the colours go around."""
    found = np.zeros((32, 64, 3), np.uint8)
    for number in range(8):
        y, x = number // 4 * 16, number % 4 * 16
        found[y : y + 16, x : x + 16] = colours[number % len(colours)]
    return found


def two_runs(folder: Path) -> list[Sheet]:
    """Dark becomes grey, grey becomes bright: the middle belongs to both."""
    first = run(folder, "cars", {0: tiles(10, 30), 50: tiles(70, 90), 100: tiles(120, 140)})
    second = run(folder, "sneakers", {0: tiles(120, 140), 60: tiles(230, 250)})
    return history([first, second])


def frames(sheets: list[Sheet], **how: Any) -> list[np.ndarray]:
    film = HistoryFilm(sheets, cut(sheets, RATE, ".webp", **how))
    return [film.frame(number) for number in range(film.cut.frames)]


def test_it_goes_evenly_and_stands_still_where_runs_begin_and_end(tmp_path: Path) -> None:
    sheets = two_runs(tmp_path)
    made = cut(sheets, RATE, ".mp4", seconds=Fraction(4), hold=Fraction(1, 2))
    film = HistoryFilm(sheets, made)
    places = [film.place(number) for number in range(100)]
    assert places[:12] == [0] * 12
    assert places[-12:] == [3] * 12
    assert sum(abs(place - 2) < 1e-9 for place in places) in (11, 12)
    steps = [after - before for before, after in pairwise(places)]
    assert min(steps) >= 0
    moving = [step for step in steps if step > 1e-9]
    assert np.median(moving) == pytest.approx(3 / (99 - 3 * 11))
    assert max(moving) <= np.median(moving) + 1e-9


def test_the_frames(tmp_path: Path) -> None:
    sheets = two_runs(tmp_path)
    shown = frames(sheets, scale=1, seconds=Fraction(4), hold=Fraction(1, 2), caption=False)
    assert len(shown) == 100
    for number, colours in ((0, (10, 30)), (11, (10, 30)), (88, (230, 250)), (99, (230, 250))):
        assert (shown[number] == tiles(*colours)).all()
    assert any((frame == tiles(120, 140)).all() for frame in shown)  # where the second goes on
    # Each fades into the next: no frame leaps.
    assert max(np.abs(after.astype(int) - before).max() for before, after in pairwise(shown)) <= 6
    assert all((after >= before).all() for before, after in pairwise(shown))


def test_rows_columns_and_scale(tmp_path: Path) -> None:
    sheets = two_runs(tmp_path)
    shown = frames(sheets, columns=2, rows=1, scale=2, caption=False)
    assert shown[0].shape == (32, 64, 3)
    assert (shown[0][:, :24] == 10).all()
    assert (shown[0][:, 40:] == 30).all()
    assert cut(sheets, RATE, ".mp4").size == (1024, 512)
    assert cut(sheets, RATE, ".gif").size == (512, 256)
    assert cut(sheets, RATE, ".mp4").frames == round((3 * Fraction(2, 5) + 3) * RATE)


def test_runs_of_different_sizes_have_one_frame(tmp_path: Path) -> None:
    small = run(tmp_path, "small", {0: drawn(0, 8, 8), 1: drawn(1, 8, 8)}, columns=2, rows=2)
    large = run(tmp_path, "large", {0: drawn(2, 48, 32), 1: drawn(3, 48, 32)}, columns=3, rows=2)
    sheets = history([small, large])
    shown = frames(sheets, scale=1, caption=False)
    assert {frame.shape for frame in shown} == {(32, 32, 3)}
    assert (shown[-1] == drawn(3, 48, 32)[:, :32]).all()
    assert (shown[0] == np.asarray(Image.fromarray(drawn(0, 8, 8)).resize((32, 32), Image.Resampling.BICUBIC))).all()


def test_the_caption_is_in_its_corner_and_changes(tmp_path: Path) -> None:
    sheets = two_runs(tmp_path)
    plain, told = (frames(sheets, scale=8, caption=caption) for caption in (False, True))
    for before, after in zip(plain, told, strict=True):
        there = np.argwhere((before != after).any(axis=2))
        assert there[:, 0].min() > 220
        assert there[:, 1].max() < 200
    grey = run(tmp_path, "grey", {step: tiles(90) for step in (0, 1000, 2000)})
    shown = frames(history([grey]), scale=8, seconds=Fraction(3))
    assert [len({frame.tobytes() for frame in shown[part]}) for part in (slice(25), slice(50, None), slice(None))] == [
        1, 1, 3
    ]  # fmt: skip
    # The plate is as wide as the widest needs, and does not move.
    assert (shown[0][:200] == 90).all()
    tiny = frames(sheets, columns=1, rows=1, scale=1)  # no room for letters
    assert (tiny[0] == 10).all()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_film_is_written_and_decoded_again(tmp_path: Path, ending: str) -> None:
    sheets = two_runs(tmp_path)
    made = cut(sheets, RATE, ending, columns=3, scale=1, seconds=Fraction(1), hold=Fraction(1, 5), caption=False)
    path = tmp_path / f"film{ending}"
    options = FilmOptions(RATE, title=title(sheets), notes=dumps(facts(sheets, made, RATE)))
    told: list[int] = []
    asyncio.run(shoot(FilmWriter(path, options), made.frames, draw_with(HistoryFilm(sheets, made)), told.append))
    shown = movie(path)[0] if ending == ".mp4" else stills(path)[0]
    assert len(shown) == made.frames == told[-1] == 25
    for frame, colours in ((shown[0], (10, 30)), (shown[-1], (230, 250))):
        assert frame.shape == (32, 48, 3)
        error = np.abs(frame.astype(int) - tiles(*colours)[:, :48])
        assert error.max() <= (0 if ending == ".webp" else 12)
        assert error.mean() <= 3
    with pytest.raises(Refused, match=r"film of a training.*runs show"):
        read_notes(path)


def test_what_it_says(tmp_path: Path) -> None:
    sheets = two_runs(tmp_path)
    said = json.loads(dumps(facts(sheets, cut(sheets, RATE, ".mp4"), RATE)))
    assert said["runs"] == [
        {"id": "20261125-100000-cars", "name": "cars", "continues": False, "steps": [0, 50, 100]},
        {"id": "20261125-100000-sneakers", "name": "sneakers", "continues": True, "steps": [60]},
    ]
    assert (said["kind"], said["frames"], said["fps"]) == ("history", 105, "25")
    assert title(sheets) == "cars, sneakers: a training"


@pytest.mark.parametrize(
    ("how", "part"),
    [
        ({"columns": 5}, "columns is 5: the sample sheets have 4"),
        ({"rows": 0}, "rows is 0"),
        ({"scale": 0}, "scale is 0"),
        ({"scale": 65}, "from 1 to 64"),
        ({"hold": Fraction(-1)}, "hold is -1"),
        ({"seconds": Fraction(2)}, "too short: 3 times 1 s stand still"),
    ],
)
def test_cuts_that_are_refused(tmp_path: Path, how: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        cut(two_runs(tmp_path), RATE, ".mp4", **how)


def test_a_sheet_torn_meanwhile_leaves_no_film(tmp_path: Path) -> None:
    sheets = two_runs(tmp_path)
    film = HistoryFilm(sheets, cut(sheets, RATE, ".webp", scale=1))
    sheets[2].path.write_bytes(b"")
    with pytest.raises(Refused, match="cannot be read"):
        asyncio.run(shoot(FilmWriter(tmp_path / "a.webp", FilmOptions()), film.cut.frames, draw_with(film), print))
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
