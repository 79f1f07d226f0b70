"""Notifications that a terminal shows outside its window: OSC 9 (iTerm2's) and OSC 777 (rxvt's), by brand.

A terminal that does not know a sequence may print it, and Windows Terminal takes OSC 9 for something else (ConEmu's
commands): only brands whose documentation names the sequence get one. tmux passes neither on.
"""

from __future__ import annotations

from tui.graphics.brands import TerminalInfo

_OSC_9 = ("kitty", "ghostty", "iterm2", "wezterm", "warp")
_OSC_777 = ("foot", "contour")
_LONGEST = 200


def notice_for(terminal: TerminalInfo, text: str) -> str:
    """The sequence that shows `text` as a notification; empty where the terminal takes none."""
    if terminal.tmux:
        return ""
    line = "".join(each for each in text if each.isprintable())[:_LONGEST].replace(";", ",")
    brand = terminal.brand.lower()
    if brand.startswith(_OSC_9):
        return f"\x1b]9;Tarmac: {line}\x1b\\"
    if brand.startswith(_OSC_777):
        return f"\x1b]777;notify;Tarmac;{line}\x1b\\"
    return ""
