"""The canvas that the sets drawn by code share."""

import numpy as np
import pytest

from core.datasets.drawing import brush
from core.datasets.drawing.brush import BLACK, WHITE, Canvas

GREY = (120, 130, 140)


def square(low: float, high: float) -> list[brush.Point]:
    return [(low, low), (high, low), (high, high), (low, high)]


@pytest.mark.parametrize("size", [32, 64, 128])
def test_backdrop_is_one_colour_in_every_row(size: int) -> None:
    picture = Canvas.on(size, GREY).finish()
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    assert (picture == picture[:, :1]).all()
    assert picture[0].sum() > picture[-1].sum()


def test_filled_shape_covers_its_place_at_every_size() -> None:
    for size in (32, 128):
        canvas = Canvas.on(size, GREY)
        canvas.fill(square(0.25, 0.75), WHITE)
        picture = canvas.finish()
        assert (picture[size // 2, size // 2] == 255).all()
        assert abs((picture.astype(int).min(2) > 200).mean() - 0.25) < 0.02


def test_edges_are_smooth() -> None:
    canvas = Canvas.on(64, BLACK)
    canvas.fill(brush.ellipse(0.5, 0.5, 0.3), WHITE)
    row = canvas.finish()[20, :, 0]
    assert ((row > 40) & (row < 215)).any()


def test_opacity_and_clip() -> None:
    canvas = Canvas.on(64, BLACK)
    half = canvas.mask([(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
    canvas.fill(square(0.25, 0.75), WHITE, 0.5, within=half)
    picture = canvas.finish()
    assert 120 <= picture[32, 24, 0] <= 140
    assert picture[32, 40, 0] < 20


def test_shapes_that_leave_the_canvas_are_cut() -> None:
    canvas = Canvas.on(64, BLACK)
    canvas.fill(square(-3.0, -1.0), WHITE, 0.5)
    canvas.fill(square(0.5, 4.0), WHITE, 0.9)
    canvas.line([(-1, 0.2), (2, 0.2)], 0.05, WHITE, 0.9)
    picture = canvas.finish()
    assert picture[-1, -1, 0] > 200
    assert picture[13, 5, 0] > 150
    assert picture[30, 5, 0] < 30


def test_rounded_corners_stay_within_the_hull() -> None:
    shape = brush.rounded([(0.2, 0.2, 0.5), (0.8, 0.2, 0.1), (0.8, 0.8, 0.0), (0.2, 0.8, 3.0)])
    xs, ys = np.array(shape).T
    assert xs.min() >= 0.2 - 1e-9
    assert xs.max() <= 0.8 + 1e-9
    assert ys.min() >= 0.2 - 1e-9
    assert ys.max() <= 0.8 + 1e-9
    assert (0.8, 0.8) in [(round(x, 9), round(y, 9)) for x, y in shape]
    assert (0.2, 0.2) not in [(round(x, 9), round(y, 9)) for x, y in shape]


def test_curve_goes_through_its_points() -> None:
    points = [(0.1, 0.2), (0.4, 0.9), (0.7, 0.3)]
    line = brush.curve(points, 5)
    assert [line[0], line[5], line[-1]] == [pytest.approx(point) for point in points]


def test_glow_is_strongest_in_the_middle_and_nothing_outside() -> None:
    canvas = Canvas.on(64, BLACK)
    canvas.glow(0.5, 0.5, 0.3, 0.2, WHITE, 1.0)
    picture = canvas.finish()[:, :, 0].astype(int)
    assert picture[32, 32] > picture[32, 44] > picture[32, 50]
    assert (picture[:18] == picture[:18, :1]).all()


def test_dashes_leave_gaps() -> None:
    canvas = Canvas.on(128, BLACK)
    canvas.dashes([(0.1, 0.5), (0.9, 0.5)], 0.03, WHITE, 0.1, None)
    row = canvas.finish()[64, :, 0] > 100
    assert 3 <= np.count_nonzero(row[1:] & ~row[:-1]) <= 5
    assert 0.3 < row[13:115].mean() < 0.7


def test_colours() -> None:
    assert brush.mix(BLACK, WHITE, 0.5) == (128, 128, 128)
    assert brush.light(WHITE) == pytest.approx(1)
    assert brush.apart(BLACK, WHITE) == pytest.approx(1)
    assert brush.apart(GREY, GREY) == 0
