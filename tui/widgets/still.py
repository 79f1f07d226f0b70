"""A still picture in half-blocks: two pixels a cell, in any terminal with colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:  # a tenth of a second that the first frame does not need
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]


class Still(Widget):
    """A picture, uint8 [H, W, 3], as large as the width allows and never enlarged; nothing when there is none."""

    DEFAULT_CSS = """
    Still { width: 1fr; height: auto; max-height: 16; }
    """

    picture: reactive[Any] = reactive(None, layout=True, always_update=True)

    def __init__(self) -> None:
        super().__init__()
        self._strips: list[Strip] = []
        self._made_for: tuple[int, int, int] = (0, 0, 0)

    def _cells(self, width: int, height: int) -> tuple[int, int]:
        if self.picture is None or not width or not height:
            return 0, 0
        rows, columns = self.picture.shape[:2]
        scale = min(width / columns, height * 2 / rows, 1.0)
        return max(1, int(columns * scale)), max(1, int(rows * scale / 2))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Rows of text that the picture takes at this width."""
        return self._cells(width, min(16, max(4, viewport.height // 3)))[1]

    def render_line(self, y: int) -> Strip:
        """One line of half-blocks."""
        key = (id(self.picture), self.size.width, self.size.height)
        if key != self._made_for:
            self._strips = self._draw()
            self._made_for = key
        if y < len(self._strips):
            return self._strips[y].adjust_cell_length(self.size.width, self.rich_style)
        return Strip.blank(self.size.width, self.rich_style)

    def _draw(self) -> list[Strip]:
        columns, rows = self._cells(self.size.width, self.size.height)
        if self.picture is None or not rows:
            return []
        pixels = shrink(self.picture, rows * 2, columns)
        import numpy as np

        # Neighbouring colours that no eye tells apart are made equal: fewer bytes, above all over a compressed link.
        pixels = (pixels & 0xFC).astype(np.uint8)
        strips = []
        for upper, lower in zip(pixels[0::2].tolist(), pixels[1::2].tolist()):
            strips.append(
                Strip(
                    Segment("▀", Style.parse(f"rgb({a[0]},{a[1]},{a[2]}) on rgb({b[0]},{b[1]},{b[2]})"))
                    for a, b in zip(upper, lower)
                )
            )
        return strips


def shrink(pixels: Pixels, height: int, width: int) -> Pixels:
    """`pixels` [H, W, 3] averaged down to [height, width, 3]; neither may be larger than before."""
    import numpy as np

    rows = np.linspace(0, pixels.shape[0], height + 1).astype(int)[:-1]
    columns = np.linspace(0, pixels.shape[1], width + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.uint32), rows, axis=0), columns, axis=1)
    tall = np.diff(np.append(rows, pixels.shape[0]))
    wide = np.diff(np.append(columns, pixels.shape[1]))
    means: Pixels = (sums / (tall[:, None] * wide[None, :])[:, :, None]).round().astype(np.uint8)
    return means
