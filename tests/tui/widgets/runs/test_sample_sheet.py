"""Sheets are cut into their pictures; what is not square or not divided is shown whole."""

from __future__ import annotations

import numpy as np
import pytest

from tui.widgets.runs.sample_sheet import Place, cut, placed


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


CELL = (8, 17)


def test_two_sheets_lie_beside_each_other_where_it_is_wide_enough() -> None:
    wide = placed([(8, 6, 64)] * 2, (128, 40), CELL)
    assert wide.beside
    assert wide.sizes[0][0] * 2 + 2 <= 128
    tall = placed([(8, 6, 64)] * 2, (80, 54), CELL)
    assert not tall.beside
    assert tall.sizes[0][1] * 2 + 2 <= 54


def test_a_whole_multiple_is_taken_where_it_fills_most_of_the_pane() -> None:
    assert placed([(8, 6, 64)], (130, 60), CELL).side == 128
    assert placed([(8, 6, 64)], (118, 60), CELL).side == 118  # once would leave half of it empty


def test_a_sheet_takes_no_more_cells_than_its_pictures() -> None:
    assert placed([(4, 2, 64)], (128, 18), CELL) == Place(True, ((77, 18),), 153)


@pytest.mark.parametrize("room", [(1, 1), (0, 0), (3, 2)])
def test_the_smallest_pane_still_has_a_place(room: tuple[int, int]) -> None:
    for count in (1, 2):
        assert all(width > 0 and height > 0 for width, height in placed([(8, 6, 64)] * count, room, CELL).sizes)
