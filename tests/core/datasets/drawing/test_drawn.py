"""The register of drawn datasets: what others rely on."""

import shutil

import numpy as np
import pytest

from core.datasets.drawing import emoji
from core.datasets.drawing.drawn import DRAWN
from core.errors import NotFound, TarmacError

FROM_FONT = ("portraits", "emoji-food", "emoji-animals")


def test_names_and_words() -> None:
    assert tuple(DRAWN) == (*FROM_FONT, "cars", "sneakers", "python")
    for name, drawn in DRAWN.items():
        assert drawn.title
        assert drawn.licence
        assert drawn.about.endswith(".")
        assert drawn.about.count(".") == 1
        assert drawn.kind == ("text" if name == "python" else "image")
        assert drawn.count >= (0 if drawn.kind == "text" else 600)


def test_sets_drawn_by_code_are_always_there_and_know_their_classes() -> None:
    for name in ("cars", "sneakers"):
        drawn = DRAWN[name]
        assert drawn.available() is None
        assert drawn.classes is not None
        assert len(drawn.classes) == drawn.count == 1000
    assert len(set(DRAWN["cars"].classes or ())) == 10
    assert len(set(DRAWN["sneakers"].classes or ())) == 3


@pytest.mark.skipif(DRAWN["portraits"].available() is not None, reason="the font is not installed, or not joined")
def test_counts_are_those_of_the_installed_font() -> None:
    for name in FROM_FONT:
        size = 32 if name == "portraits" else 16  # portraits that look alike are one
        images, names = DRAWN[name].draw(size)
        assert images.dtype == np.uint8
        assert images.shape[1:] == (size, size, 3)
        assert len(images) == len(names)
        # A font of another version may have a few symbols more or less.
        assert abs(len(images) - DRAWN[name].count) < 0.1 * DRAWN[name].count


def test_without_the_font_its_sets_say_so_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emoji, "_KNOWN_PLACES", ())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name in FROM_FONT:
        reason = DRAWN[name].available()
        assert reason is not None
        assert "Noto Color Emoji" in reason
        with pytest.raises(NotFound, match="fonts-noto-color-emoji"):
            DRAWN[name].draw(32)
    assert DRAWN["cars"].available() is None


def test_without_joining_only_portraits_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    there = DRAWN["emoji-food"].available()
    monkeypatch.setattr(emoji.features, "check", lambda name: False)
    assert "libraqm" in (DRAWN["portraits"].available() or "")
    assert DRAWN["emoji-food"].available() == there
    if there is None:
        with pytest.raises(TarmacError, match="libraqm"):
            DRAWN["portraits"].draw(32)
