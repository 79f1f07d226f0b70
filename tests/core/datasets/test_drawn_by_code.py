"""Cars and sneakers: the same everywhere, all different, whole, and inside their frame."""

import hashlib
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from core.datasets.drawing import cars, sneakers

BOTH = pytest.mark.parametrize("module", [cars, sneakers], ids=["cars", "sneakers"])
SOME = range(0, 1000, 37)  # 37 has no divisor in common with the number of kinds: all kinds are among them


def drawn(module: ModuleType, size: int, numbers: range = SOME) -> NDArray[np.uint8]:
    return np.stack([module.draw(module.plan(number), size) for number in numbers])


@BOTH
@pytest.mark.parametrize(("size", "numbers"), [(32, SOME), (64, SOME), (128, range(8)), (256, range(3))])
def test_pictures_are_whole_and_their_border_is_backdrop(module: ModuleType, size: int, numbers: range) -> None:
    pictures = drawn(module, size, numbers).astype(int)
    assert pictures.shape == (len(numbers), size, size, 3)
    # Backdrops are of one colour in every row. At 32 pixels the filter reaches the margin.
    reach = 10 if size == 32 else 1
    assert np.abs(pictures[:, :, 0] - pictures[:, :, -1]).max() <= reach
    assert (pictures[:, 0] == pictures[:, 0, :1]).all()
    assert (pictures[:, -1] == pictures[:, -1, :1]).all()
    # The thing itself fills a good part, around the middle.
    thing = np.abs(pictures - pictures[:, :, :1]).max(-1) > 24
    assert (thing.mean((1, 2)) > 0.14).all()
    assert (thing.mean((1, 2)) < 0.5).all()
    for picture in thing:
        rows, columns = (np.flatnonzero(picture.any(axis)) / size for axis in (1, 0))
        assert abs((columns[0] + columns[-1]) / 2 - 0.5) < 0.04
        assert 0.4 < (rows[0] + rows[-1]) / 2 < 0.64


@BOTH
def test_things_stand_on_one_line(module: ModuleType) -> None:
    pictures = drawn(module, 64).astype(int)
    # The line is at 46 of 64 rows; below it there is no more than a soft shadow, then nothing.
    assert (np.abs(pictures[:, 44] - pictures[:, 44, :1]).max((1, 2)) > 24).all()
    below = pictures[:, 50:]
    assert np.abs(below - below[:, :, :1]).max() <= 2


@BOTH
def test_all_plans_and_pictures_differ(module: ModuleType) -> None:
    plans = [module.plan(number) for number in range(module.COUNT)]
    assert module.COUNT == 1000
    assert len({repr(plan).partition("seed=")[0] for plan in plans}) == module.COUNT
    pictures = drawn(module, 64)
    assert len({picture.tobytes() for picture in pictures}) == len(SOME)


@BOTH
def test_drawing_again_gives_the_same_bytes(module: ModuleType) -> None:
    program = (
        f"import hashlib; from {module.__name__} import draw, plan;"
        "print(hashlib.sha256(b''.join(draw(plan(n), 64).tobytes() for n in (3, 500))).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    here = hashlib.sha256(b"".join(module.draw(module.plan(n), 64).tobytes() for n in (3, 500))).hexdigest()
    assert there.stdout.strip() == here


@BOTH
def test_the_set_is_the_pictures_of_its_numbers_with_names(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNT", 4)
    pictures, names = (module.draw_cars if module is cars else module.draw_sneakers)(32)
    assert (pictures == drawn(module, 32, range(4))).all()
    assert [name.split(",")[0] for name in names] == [module.kind(number) for number in range(4)]


def test_every_kind_comes_and_is_told_apart() -> None:
    assert len({cars.kind(number) for number in range(10)}) == 10
    assert [sneakers.kind(number) for number in range(4)] == [
        "low sneaker",
        "mid sneaker",
        "low sneaker",
        "high sneaker",
    ]
    heights = {}
    for name, number in (("low", 0), ("mid", 1), ("high", 3)):
        picture = sneakers.draw(sneakers.plan(number), 64).astype(int)
        heights[name] = int((np.abs(picture - picture[:, :1]).max((1, 2)) > 24).sum())
    assert heights["low"] < heights["mid"] < heights["high"]
