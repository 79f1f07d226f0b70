"""Which cells of a widget can be drawn on past Textual: those that nothing clips, covers or keeps free."""

from __future__ import annotations

import numpy as np
from textual.geometry import Region
from textual.widget import Widget

from tui.graphics.surface import Mask


def visible_cells(widget: Widget, columns: int, rows: int, kept: int) -> Mask:
    """bool [rows, columns], counted from the widget's corner, as its screen was last laid out.

    Args:
        widget: On a screen.
        columns, rows: Of its picture.
        kept: Rows at the screen's foot that nothing may be drawn on.
    """
    mask = np.zeros((rows, columns), bool)
    compositor = widget.screen._compositor
    found = compositor.visible_widgets.get(widget)
    if found is None:
        return mask
    region, clip = found
    seen = region.intersection(clip).intersection(widget.screen.size.region.shrink((0, 0, kept, 0)))
    _fill(mask, region, seen, True)
    for other, geometry in compositor.layers:
        if other is widget:
            break
        if other in compositor.visible_widgets:
            _fill(mask, region, geometry.visible_region, False)
    return mask


def _fill(mask: Mask, whole: Region, part: Region, value: bool) -> None:
    part = part.intersection(whole).translate(-whole.offset)
    mask[part.y : part.bottom, part.x : part.right] = value
