"""Pictures in terminals: asking the terminal, encoding for it, and writing at the pace that it can take.

A program asks once (`probe`), starts its app with `tui.graphics.driver.PictureDriver` and shows grids of pictures with
`tui.graphics.canvas.GridCanvas`. Nothing here imports Textual until one of those two modules is imported.
"""

from tui.graphics.brands import CHOICES, Protocol, TerminalInfo
from tui.graphics.probe import probe

__all__ = ["CHOICES", "Protocol", "TerminalInfo", "probe"]
