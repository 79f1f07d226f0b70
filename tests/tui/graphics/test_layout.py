"""Geometry: tiles are square, do not overlap and stay inside; masks are covered exactly."""

from __future__ import annotations

import numpy as np
import pytest

from tui.graphics.layout import Geometry, bands, cells_of, fit, rectangles


@pytest.mark.parametrize("size", [(640, 340, 9, 5), (1, 1, 1, 1), (7, 3, 9, 5), (1360, 900, 10, 7)])
def test_tiles(size: tuple[int, int, int, int]) -> None:
    geometry = Geometry(*size)
    if geometry.width < geometry.columns:
        assert geometry.side == 1
        return
    seen = np.zeros((geometry.height, geometry.width), int)
    for row in range(geometry.rows):
        for column in range(geometry.columns):
            x, y, width, height = geometry.tile(column, row)
            assert width == height == geometry.side
            seen[y : y + height, x : x + width] += 1
            assert geometry.at(x, y) == (column, row)
            assert geometry.at(x + width - 1, y + height - 1) == (column, row)
    assert seen.max() == 1
    assert seen.sum() == geometry.side**2 * geometry.columns * geometry.rows


def test_fit_leaves_little() -> None:
    for width in range(100, 1400, 37):
        columns, rows = fit(width, 500, 64)
        side = Geometry(width, 500, columns, rows).side
        assert 0.6 * 64 <= side <= 1.4 * 64


def test_cells_of() -> None:
    assert cells_of((0, 0, 8, 17), 8, 17) == (0, 0, 1, 1)
    assert cells_of((7, 16, 2, 2), 8, 17) == (0, 0, 2, 2)


def test_rectangles_cover_exactly() -> None:
    random = np.random.default_rng(5)
    for _ in range(30):
        mask = random.random((9, 12)) < 0.6
        again = np.zeros_like(mask, int)
        for x, y, width, height in rectangles(mask):
            again[y : y + height, x : x + width] += 1
        assert np.array_equal(again, mask.astype(int))
    assert rectangles(np.ones((5, 7), bool)) == [(0, 0, 7, 5)]
    assert rectangles(np.zeros((5, 7), bool)) == []


@pytest.mark.parametrize("rows", [1, 4, 5, 9, 10, 22, 57, 200])
def test_bands_cover_all_rows(rows: int) -> None:
    found = bands(rows, 8)
    assert len(found) <= 8
    assert [top for top, _ in found] == [sum(height for _, height in found[:index]) for index in range(len(found))]
    assert sum(height for _, height in found) == rows
    assert min(height for _, height in found) >= min(rows, 5)
