"""Sheets are cut into their pictures; what is not square or not divided is shown whole."""

from __future__ import annotations

import numpy as np

from tui.widgets.sample_sheet import cut


def test_a_sheet_is_cut_row_by_row() -> None:
    sheet = np.arange(4 * 6, dtype=np.uint8).reshape(4, 6, 1).repeat(3, axis=2)
    tiles, columns, rows = cut(sheet, 3, 2)
    assert (columns, rows, len(tiles)) == (3, 2, 6)
    assert np.array_equal(tiles[4], sheet[2:4, 2:4])


def test_one_that_nobody_divided_is_one_square_picture() -> None:
    sheet = np.full((10, 20, 3), 200, np.uint8)
    tiles, columns, rows = cut(sheet, 0, 0)
    assert (columns, rows) == (1, 1)
    assert tiles[0].shape == (20, 20, 3)
    assert (tiles[0][5:15] == 200).all()
    assert not (tiles[0][:5] == 200).any()


def test_more_parts_than_pixels_is_one_picture() -> None:
    assert cut(np.zeros((2, 2, 3), np.uint8), 5, 5)[1:] == (1, 1)
