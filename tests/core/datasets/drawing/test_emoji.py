"""Portraits drawn from the font."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from core.datasets.drawing import emoji
from core.errors import NotFound, TarmacError

try:
    emoji.find_font()
    FONT = True
except NotFound:
    FONT = False

needs_font = pytest.mark.skipif(not FONT, reason="the Noto Color Emoji font is not installed")


@pytest.fixture(scope="module")
def portraits() -> emoji.Portraits:
    return emoji.draw_portraits(32)


@needs_font
def test_every_combination_is_drawn_and_no_picture_twice(portraits: emoji.Portraits) -> None:
    assert portraits.rows.shape == (len(emoji.ROLES), len(emoji.PERSONS), len(emoji.SKINS))
    assert (portraits.rows >= 0).all()
    assert len(np.unique(portraits.images.reshape(len(portraits.images), -1), axis=0)) == len(portraits.images)
    assert len(portraits.images) > 700
    assert portraits.images.shape[1:] == (32, 32, 3)


@needs_font
def test_portraits_share_one_template(portraits: emoji.Portraits) -> None:
    # The upper corners are backdrop, shoulders or hands reach the lower edge, and the middle is the person.
    corner = portraits.images[:, 0, 0].astype(int)
    assert (np.abs(portraits.images[:, 0, -1] - corner).max(1) <= 1).mean() > 0.95
    middle = portraits.images[:, 16, 16].astype(int)
    assert (np.abs(middle - corner).max(1) > 10).all()


@needs_font
def test_skins_of_one_person_differ_in_the_face(portraits: emoji.Portraits) -> None:
    office = portraits.rows[emoji.ROLES.index("office worker"), 1]
    cheeks = portraits.images[office, 19, 12].astype(int)
    assert (cheeks[1:-1].sum(1) > cheeks[2:].sum(1)).all()  # light to dark


@needs_font
def test_names_tell_what_is_shown(portraits: emoji.Portraits) -> None:
    names = portraits.names()
    assert names[portraits.rows[emoji.ROLES.index("cook"), 2, 5]] == "cook, woman, dark skin"
    assert all(names)


def test_missing_font_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emoji, "_KNOWN_PLACES", ())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NotFound, match="fonts-noto-color-emoji"):
        emoji.find_font()


def test_font_elsewhere_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    font = tmp_path / "NotoColorEmoji.ttf"
    font.write_bytes(b"")
    answer = subprocess.CompletedProcess([], 0, stdout=f"Noto Color Emoji\t{font}")
    monkeypatch.setattr(emoji, "_KNOWN_PLACES", ())
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/fc-match")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    assert emoji.find_font() == font


def test_another_font_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 0, stdout=f"DejaVu Sans\t{__file__}")
    monkeypatch.setattr(emoji, "_KNOWN_PLACES", ())
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/fc-match")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    with pytest.raises(NotFound):
        emoji.find_font()


def test_broken_font_file(tmp_path: Path) -> None:
    broken = tmp_path / "font.ttf"
    broken.write_bytes(b"nothing")
    with pytest.raises(TarmacError):
        emoji.draw_portraits(32, broken)
