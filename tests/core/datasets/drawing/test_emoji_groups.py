"""Food and animals drawn from the font."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.datasets.drawing import emoji
from core.datasets.drawing.emoji_groups import ANIMALS, FOOD, VARIANTS, EmojiGroup
from core.errors import NotFound, TarmacError

try:
    emoji.find_font()
    FONT = True
except NotFound:
    FONT = False

needs_font = pytest.mark.skipif(not FONT, reason="the Noto Color Emoji font is not installed")
FEW = EmojiGroup(FOOD.symbols[::11])

Drawn = tuple[NDArray[np.uint8], list[str]]


@pytest.fixture(scope="module")
def few() -> Drawn:
    return FEW.draw(64)


def test_groups_are_large_enough_to_train_on_and_name_every_symbol_once() -> None:
    for group in (FOOD, ANIMALS):
        assert 600 <= group.count <= 1200
        assert len({symbol for symbol, _ in group.symbols}) == len(group.symbols)
    assert not {symbol for symbol, _ in FOOD.symbols} & {symbol for symbol, _ in ANIMALS.symbols}


@needs_font
@pytest.mark.parametrize("group", [FOOD, ANIMALS], ids=["food", "animals"])
def test_every_symbol_is_in_the_font_and_has_a_name(group: EmojiGroup) -> None:
    pen = emoji.open_font(emoji.find_font())
    assert all(pen.getmask(symbol, mode="RGBA").getbbox() for symbol, _ in group.symbols)
    ones = EmojiGroup(group.symbols[-6:])
    _, names = ones.draw(32)
    assert len(names) == ones.count
    assert all(
        name.split(", ")[1] == subgroup for name, (_, subgroup) in zip(names[::VARIANTS], ones.symbols, strict=True)
    )


@needs_font
def test_pictures_differ_and_are_drawn_again_alike(few: Drawn) -> None:
    images, names = few
    assert images.shape == (FEW.count, 64, 64, 3)
    assert len(set(names)) == len(names) == FEW.count
    assert len({image.tobytes() for image in images}) == FEW.count
    again, _ = FEW.draw(64)
    assert (again == images).all()


@needs_font
@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_symbols_stay_inside_the_frame(size: int) -> None:
    images = EmojiGroup(FEW.symbols[:3]).draw(size)[0].astype(int)
    edge = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1)
    assert np.abs(edge - edge[:, :1]).max() <= 3
    thing = np.abs(images - images[:, :1, :1]).max(-1) > 24
    assert (thing.mean((1, 2)) > 0.1).all()


@needs_font
def test_the_first_of_each_is_upright_and_the_second_is_mirrored(few: Drawn) -> None:
    images = few[0].astype(int)
    things = np.abs(images - images[:, :1, :1]).max(-1) > 24
    upright, turned = things[::VARIANTS], things[1::VARIANTS]
    alike = (upright & turned[:, :, ::-1]).sum((1, 2)) / turned.sum((1, 2))
    assert (alike > 0.6).all()
    assert alike.mean() > ((upright & turned).sum((1, 2)) / turned.sum((1, 2))).mean() + 0.02


@needs_font
def test_edges_take_no_black_from_nothing() -> None:
    # A lemon is light all over: no pixel between it and a light backdrop may be dark.
    lemon = EmojiGroup(tuple(pair for pair in FOOD.symbols if pair[0] == "\N{LEMON}"))
    images, _ = lemon.draw(128)
    upright = images[0].astype(int)
    outside = np.abs(upright - upright[0, 0]).max(-1) < 40
    assert np.asarray(Image.fromarray(images[0]).convert("L"))[outside].min() > upright[0, 0].mean() - 40


@needs_font
def test_symbols_that_the_font_lacks_are_left_out() -> None:
    images, names = EmojiGroup((("\U0001fae9\U0001fae9"[0], "future"), *FOOD.symbols[:1])).draw(32)
    if len(images) != 2 * VARIANTS:  # a font that has it draws it
        assert len(images) == len(names) == VARIANTS


@needs_font
def test_a_font_with_none_of_the_symbols() -> None:
    with pytest.raises(TarmacError, match="none of the symbols"):
        EmojiGroup((("\ue000", "private use"),)).draw(32)


def test_broken_font_file(tmp_path: Path) -> None:
    broken = tmp_path / "font.ttf"
    broken.write_bytes(b"nothing")
    with pytest.raises(TarmacError, match="font"):
        FOOD.draw(32, broken)
