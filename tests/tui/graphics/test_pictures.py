"""The moving grid at the end of a link: a held key, a slow line, a stall. The program is real, the terminal played."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench._held_key import Run, arrivals, explorer
from tests.bench._played_terminal import Link


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    started: list[Run] = []
    yield started
    for run in started:
        run.close()


def held(runs: list[Run], kind: str, link: Link, seconds: float = 1.0) -> tuple[Run, list[float]]:
    """The explorer with a full grid, after an arrow was held."""
    run = explorer(kind, link, "waves")
    runs.append(run)
    run.until_full()
    pressed = run.hold("right", seconds)
    return run, pressed


def frames(notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [note for note in notes if "frame" in note]


def last_cursor(shown: list[dict[str, Any]]) -> object:
    """The cursor in the last frame of the grid; the very last one may be of the side pane alone."""
    return [note["cursor"] for note in shown if note["cursor"] is not None][-1]


@pytest.mark.parametrize("kind", ["kitty", "sixel", "iterm2", "blocks"])
def test_a_slow_line_gets_less_and_the_whole_picture_at_rest(runs: list[Run], kind: str) -> None:
    link = Link(0.06, 200_000)
    run, pressed = held(runs, kind, link)
    run.until_quiet(1.5)
    notes = run.end()
    shown, at = frames(notes), arrivals(run, notes)
    moving = [note for note in shown if pressed[1] <= note["t"] <= pressed[-1]]
    assert moving
    assert all(note["frame"] in at for note in shown), "every frame has arrived"
    assert shown[-1]["whole"]
    assert shown[-1]["level"] == 0
    assert last_cursor(shown) == [len(pressed), 0], "no key was lost"
    # Never more than two on the way: each was written after the last but one had been answered.
    for early, late in zip(shown, shown[2:]):
        assert late["t"] > at[early["frame"]]
    order = [at[note["frame"]] for note in shown]
    assert order == sorted(order)


def test_a_stall_freezes_no_key_and_queues_no_frame(runs: list[Run]) -> None:
    run, pressed = held(runs, "sixel", Link(0.04))
    run.terminal.stalled = True
    more = run.hold("right", 1.0)
    run.terminal.stalled = False
    run.until_quiet(1.5)
    notes = run.end()
    # A key counts as handled when the program knows of its step or a later one.
    told = [(note["t"], note["handled"][0]) for note in notes if "handled" in note]
    # Seconds would do for a machine that is busy; the stall lasts until after the last of these keys.
    for step, when in enumerate(more, len(pressed) + 1):
        assert min(t for t, there in told if there >= step) - when < 1, "handled while nothing could be shown"
    written = [note for note in frames(notes) if more[0] < note["t"] < more[-1]]
    assert len(written) <= 3
    assert frames(notes)[-1]["whole"]
    assert last_cursor(frames(notes)) == [len(pressed) + len(more), 0]


def test_pictures_do_not_pile_up_in_the_terminal(runs: list[Run]) -> None:
    run, _ = held(runs, "kitty", Link())
    run.until_quiet(1.5)
    sent = len(run.terminal.seen.questions)
    seen = run.terminal.seen
    assert sent > 8
    # Four canvases of eight bands at most.
    assert seen.most_images <= len(seen.ids) <= 32
    assert all(16 <= int(image) <= 255 for image in seen.ids)
    run.end()
    assert seen.images == set(), "all are freed at the end"
