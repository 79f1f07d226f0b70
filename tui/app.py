"""Opens the studio: asks the terminal what it can show, sets what Textual reads at import, then runs the app."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.opening import Place


def run(images: str | None = None, *, mouse: bool = True, opening: Place | None = None) -> int:
    """Open the studio and stay until the user leaves.

    Args:
        images: "auto", "kitty", "sixel", "iterm2", "blocks" or "off"; None leaves it to environment and settings.
        mouse: False leaves the mouse to the terminal (its own selection works then).
        opening: Where to go first.

    Returns:
        The exit code.
    """
    # Starting makes many objects and no garbage; collecting it would cost a tenth of the time to the first frame.
    gc.disable()
    from tui.graphics import probe

    terminal = probe(images)
    # Read by Textual when it is imported. Over SSH every animation is bytes, and calm is wanted anyway; and COLORTERM
    # is seldom passed on, so what the terminal itself answered decides about the colours.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", _COLOURS.get(terminal.colours, "auto"))
    from tui.studio import TarmacApp

    app = TarmacApp(terminal=terminal, opening=opening)
    app.run(mouse=mouse and app.services.config.settings.mouse)
    return app.return_code or 0


_COLOURS = {"truecolor": "truecolor", "256": "256", "16": "standard", "mono": "standard"}
