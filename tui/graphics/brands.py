"""Which protocol suits which terminal: decided from its answers, never from its name alone.

The order of preference is what was seen to work: kitty placeholders (they are text, so nothing can be left behind),
sixel, kitty placement, iTerm2, half-blocks. A claim is not enough where terminals are known to claim too much:
kitty before 0.28, Konsole, WezTerm and Warp accept kitty pictures but know no placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from tui.graphics.replies import Replies
from tui.graphics.tmux import Tmux

if TYPE_CHECKING:  # brings numpy, which the first frame of the studio does not need
    from tui.graphics.blocks import Depth

Protocol = Literal["kitty", "kitty-direct", "sixel", "iterm2", "blocks", "off"]

CHOICES = ("auto", "kitty", "sixel", "iterm2", "blocks", "off")
"""What `--images`, TARMAC_IMAGES and the configuration may say."""

DEFAULT_CELL = (10, 20)
"""Pixels of a cell where the terminal does not tell."""

_TRUECOLOUR = ("kitty", "ghostty", "WezTerm", "foot", "iTerm2", "Konsole", "XTerm", "mlterm", "contour", "rio")


@dataclass(frozen=True)
class TerminalInfo:
    """What was found out about the terminal, and how pictures will be shown.

    Attributes:
        brand: Name and version as the terminal says them, else TERM.
        protocol: How pictures are sent.
        cell_width: Pixels.
        cell_height: Pixels.
        colours: What text can show.
        round_trip: Seconds from question to answer; None when it was not asked or did not answer.
        synchronized: A frame can be held back until it is whole (mode 2026).
        tmux: tmux is in between.
        typed: What was typed during the probe, to be handed to the program.
        reasons: Sentences: why this protocol, and what to change for a better one.
    """

    brand: str = "unknown"
    protocol: Protocol = "blocks"
    cell_width: int = DEFAULT_CELL[0]
    cell_height: int = DEFAULT_CELL[1]
    colours: Depth = "truecolor"
    round_trip: float | None = None
    synchronized: bool = False
    tmux: bool = False
    typed: str = ""
    reasons: list[str] = field(default_factory=list)


def decide(
    replies: Replies,
    environ: Mapping[str, str],
    *,
    choice: str = "auto",
    tmux: Tmux | None = None,
    window_cell: tuple[int, int] | None = None,
    round_trip: float | None = None,
    reasons: list[str] | None = None,
) -> TerminalInfo:
    """Put the findings together.

    Args:
        replies: The terminal's answers.
        environ: The environment (TERM, COLORTERM, NO_COLOR, TERM_PROGRAM, STY).
        choice: One of CHOICES; anything else counts as "auto" and is named in the reasons.
        tmux: What tmux says, None outside of it.
        window_cell: A cell's size by the window's size in pixels, used when the terminal did not tell its own.
        round_trip: Seconds that the answers took.
        reasons: What is known already about why pictures are limited.
    """
    said = list(reasons or [])
    brand = _brand(replies, environ, tmux)
    protocol = _best(replies, environ, tmux, brand, said)
    if choice not in CHOICES:
        said.append(f"Unknown choice {choice!r} for images: allowed are {', '.join(CHOICES)}.")
    elif choice != "auto":
        chosen = _chosen(choice, protocol, brand)
        if chosen != protocol:
            said.append(f"Images are set to {choice}; found by itself: {protocol}.")
        protocol = chosen
    cell = replies.cell or window_cell
    if cell is None or not (3 <= cell[0] <= 100 and 5 <= cell[1] <= 200):
        cell = DEFAULT_CELL
        if protocol not in ("blocks", "off"):
            said.append(f"The terminal does not tell how large a character is: {cell[0]}x{cell[1]} pixels assumed.")
    return TerminalInfo(
        brand=brand,
        protocol=protocol,
        cell_width=cell[0],
        cell_height=cell[1],
        colours=_colours(environ, brand),
        round_trip=round_trip,
        synchronized=replies.synchronized,
        tmux=tmux is not None,
        typed=replies.typed,
        reasons=said,
    )


def _brand(replies: Replies, environ: Mapping[str, str], tmux: Tmux | None) -> str:
    if tmux is not None:
        outer = tmux.outer_type or tmux.outer_name or "unknown"
        return f"tmux {tmux.version} in {outer}"
    return replies.version or environ.get("TERM_PROGRAM") or environ.get("TERM") or "unknown"


def _best(replies: Replies, environ: Mapping[str, str], tmux: Tmux | None, brand: str, reasons: list[str]) -> Protocol:
    if environ.get("STY"):
        reasons.append("GNU screen shows no pictures: use tmux 3.4 or later, or neither.")
        return "blocks"
    if tmux is not None:
        return _best_in_tmux(tmux, reasons)
    if environ.get("TERM") == "dumb" or replies == Replies():
        return "blocks"
    sixel = 4 in (replies.attributes or ())
    if replies.kitty and _placeholders(brand):
        return "kitty"
    if sixel:
        return "sixel"
    if replies.kitty:
        reasons.append("This terminal knows kitty pictures but not placeholders (kitty has them from 0.28 on).")
        return "kitty-direct"
    if brand.startswith(("iTerm2", "iTerm.app")) or environ.get("TERM_PROGRAM") in ("iTerm.app", "WarpTerminal"):
        return "iterm2"
    if brand.startswith("XTerm"):
        reasons.append("This xterm has sixel switched off: start it as `xterm -ti vt340` for real pictures.")
    else:
        reasons.append(f"{brand} offers no pictures: kitty, Ghostty, WezTerm, foot, Konsole or iTerm2 would.")
    return "blocks"


def _best_in_tmux(tmux: Tmux, reasons: list[str]) -> Protocol:
    if _placeholders(tmux.outer_type) and ("kitty" in tmux.outer_type or "ghostty" in tmux.outer_type):
        if tmux.passthrough:
            return "kitty"
        reasons.append("tmux keeps pictures back: put `set -g allow-passthrough on` into tmux.conf.")
        return "blocks"
    if tmux.sixel:
        return "sixel"
    reasons.append(
        f"tmux {tmux.version} shows no pictures here: tmux 3.4 or later does in a sixel terminal, with "
        "`set -as terminal-features ',*:sixel'` in tmux.conf; any tmux from 3.3 on does in kitty 0.28 or Ghostty, "
        "with `set -g allow-passthrough on`."
    )
    return "blocks"


def _placeholders(brand: str) -> bool:
    if match := re.match(r"kitty\((\d+)\.(\d+)", brand):
        return (int(match[1]), int(match[2])) >= (0, 28)
    return brand.lower().startswith(("ghostty", "rio"))


def _chosen(choice: str, found: Protocol, brand: str) -> Protocol:
    if choice == "kitty":
        old = re.match(r"kitty\(", brand) is not None and not _placeholders(brand)
        return "kitty-direct" if found == "kitty-direct" or old else "kitty"
    return next(protocol for protocol in get_args(Protocol) if protocol == choice)


def _colours(environ: Mapping[str, str], brand: str) -> Depth:
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term == "dumb":
        return "mono"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "truecolor"
    # Over SSH only TERM travels: a terminal that is known to show all colours does so there too.
    if brand.startswith(_TRUECOLOUR) or term in ("xterm-kitty", "xterm-ghostty", "foot", "alacritty", "xterm-direct"):
        return "truecolor"
    return "256" if "256" in term or brand.startswith("tmux") else "16"
