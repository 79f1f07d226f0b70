"""What stands in a canvas until its picture comes: dim squares in rows of text, one colour a cell."""

from __future__ import annotations

from tui.graphics.compose import Colour, Look, Place, Scene
from tui.graphics.layout import Geometry


def row_colours(
    scene: Scene, geometry: Geometry, cell: tuple[int, int], look: Look, y: int, width: int, cursor: bool = False
) -> list[Colour]:
    """The colour of each cell of a row.

    Args:
        scene: What is to be seen.
        geometry: How it lies.
        cell: Pixels of a cell: width, height.
        look: The colours.
        y: The row.
        width: How many cells to tell of.
        cursor: Show the cursor's tile in its colour, since no picture will.
    """
    colours: list[Colour] = [look.background] * width
    cell_width, cell_height = cell
    middle = y * cell_height + cell_height // 2
    for column in range(scene.columns):
        left, _, side, _ = geometry.tile(column, 0)
        found = geometry.at(left, middle)
        if found is None or (colour := _colour(scene, (column, found[1]), look, cursor)) is None:
            continue
        _, top, _, _ = geometry.tile(column, found[1])
        last_line = middle + cell_height >= top + side and side > 2 * cell_height
        first, last = round(left / cell_width), round((left + side) / cell_width)
        gap = 1 if last - first > 2 else 0
        if not last_line:
            colours[first : last - gap] = [colour] * (last - gap - first)
    return colours


def _colour(scene: Scene, place: Place, look: Look, cursor: bool) -> Colour | None:
    if cursor and place == scene.cursor:
        return look.accent
    if place in scene.tiles or scene.waiting is None or place in scene.waiting:
        return look.waiting
    return None
