"""Which protocol suits which terminal: decided from its answers, by name only where the answers cannot tell.

What a terminal says of itself counts; the environment does only where it says nothing, for variables are inherited by
every terminal that is started from another one. A claim is not enough where terminals are known to claim too much:
kitty before 0.28, Konsole, WezTerm and Warp accept kitty pictures but know no placeholders, and tmux 3.5 says that it
shows sixel whatever the terminal around it can do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from tui.graphics.replies import Replies
from tui.graphics.tmux import Tmux

if TYPE_CHECKING:  # brings numpy, which the first frame of the studio does not need
    from tui.graphics.blocks import Depth

Protocol = Literal["kitty", "kitty-direct", "sixel", "iterm2", "blocks", "off"]

CHOICES = ("auto", "kitty", "sixel", "iterm2", "blocks", "off")
"""What `--images`, TARMAC_IMAGES and the configuration may say."""

DEFAULT_CELL = (10, 20)
"""Pixels of a cell where the terminal does not tell."""

_XTERM_JS = (0, 276, 0)
"""Secondary device attributes of xterm.js, which has no name to say: VS Code, Tabby, Hyper, many web pages."""

_TRUECOLOUR = (
    *("kitty", "ghostty", "wezterm", "foot", "iterm2", "konsole", "xterm(", "mlterm", "contour", "rio", "vte"),
    *("vs code", "tabby", "hyper", "xterm.js", "warp", "windows terminal", "alacritty"),
)
_TRUECOLOUR_TERMS = ("xterm-kitty", "xterm-ghostty", "foot", "alacritty", "xterm-direct", "contour", "rio", "wezterm")


@dataclass(frozen=True)
class Brand:
    """A terminal, and what suits it best.

    Attributes:
        name: As its people call it.
        said: What its answer to the question for the name begins with, in small letters; empty where it gives none.
        program: What TERM_PROGRAM says, in small letters.
        prefers: "placeholders" where it answers for kitty pictures; "iterm2"; "iterm2 with sixel" where those two come
            together or not at all; empty: what it answers decides.
        advice: What to change where no pictures were found.
    """

    name: str
    said: str = ""
    program: str = ""
    prefers: Literal["placeholders", "iterm2", "iterm2 with sixel", ""] = ""
    advice: str = ""


_OTHERS = "kitty, Ghostty, WezTerm, foot, Konsole, Windows Terminal or iTerm2 would."
_IN_XTERM_JS = "switch its pictures on (in VS Code: `terminal.integrated.enableImages`)."
BRANDS = (
    Brand("kitty", "kitty(", "kitty", "placeholders"),
    Brand("Ghostty", "ghostty", "ghostty", "placeholders"),
    Brand("Rio", "rio", "rio", "placeholders"),
    Brand("iTerm2", "iterm2", "iterm.app", "iterm2"),
    Brand("WezTerm", "wezterm", "wezterm", "iterm2"),
    Brand("Warp", "warp", "warpterminal", "iterm2"),
    Brand("VS Code", "", "vscode", "iterm2 with sixel", f"VS Code shows pictures: {_IN_XTERM_JS}"),
    Brand("Tabby", "", "tabby", "iterm2 with sixel", f"Tabby shows pictures: {_IN_XTERM_JS}"),
    Brand("Hyper", "", "hyper", "iterm2 with sixel", f"Hyper shows pictures: {_IN_XTERM_JS}"),
    Brand("xterm.js", "xterm.js", "", "iterm2 with sixel", f"This terminal is xterm.js: {_IN_XTERM_JS}"),
    Brand("Konsole", "konsole"),
    Brand("foot", "foot("),
    Brand("Windows Terminal", "windows terminal", advice="Windows Terminal shows pictures from 1.22 on: update it."),
    Brand("mlterm", "mlterm", "mlterm"),
    Brand("Contour", "contour", "contour"),
    Brand("mintty", "mintty", "mintty"),
    Brand("xterm", "xterm(", advice="This xterm has sixel switched off: start it as `xterm -ti vt340`."),
    Brand("VTE", "vte(", advice=f"Terminals of GNOME and its like (VTE) seldom show pictures; {_OTHERS}"),
    Brand("Apple Terminal", "", "apple_terminal", advice=f"Apple's Terminal shows no pictures; {_OTHERS}"),
    Brand("Alacritty", "alacritty", "alacritty", advice=f"Alacritty shows no pictures; {_OTHERS}"),
    Brand("zellij", "zellij", "", advice="zellij shows pictures only in a terminal with sixel: start without it."),
)


@dataclass(frozen=True)
class TerminalInfo:
    """What was found out about the terminal, and how pictures will be shown.

    Attributes:
        brand: Name and version as the terminal says them, else what the environment says.
        protocol: How pictures are sent.
        cell_width: Pixels.
        cell_height: Pixels.
        colours: What text can show.
        round_trip: Seconds from question to answer; None when it was not asked or did not answer.
        synchronized: A frame can be held back until it is whole (mode 2026).
        tmux: tmux is in between.
        typed: What was typed during the probe, to be handed to the program.
        unfinished: The beginning of an answer whose rest had not come when the time was up.
        reasons: Sentences: why this protocol, and what to change for a better one.
        found: How pictures would be sent if nobody chose.
        choice: What was chosen, one of CHOICES.
        offers: What the terminal answered that it can do, in words.
        cell_from: Where the cell's size is from, in words.
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
    unfinished: bytes = b""
    reasons: list[str] = field(default_factory=list)
    found: Protocol = "blocks"
    choice: str = "auto"
    offers: tuple[str, ...] = ()
    cell_from: str = "assumed"


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
        environ: The environment (TERM, COLORTERM, NO_COLOR, TERM_PROGRAM, STY, ZELLIJ, the locale).
        choice: One of CHOICES; anything else counts as "auto" and is named in the reasons.
        tmux: What tmux says, None outside of it.
        window_cell: A cell's size by the window's size in pixels, used when the terminal did not tell its own.
        round_trip: Seconds that the answers took.
        reasons: What is known already about why pictures are limited.
    """
    said = list(reasons or [])
    if tmux is not None and replies.version and not replies.version.startswith("tmux"):
        tmux = None  # a terminal that was started from a shell in tmux
    brand, kind = _brand(replies, environ, tmux)
    found = _best(replies, environ, tmux, kind, brand, said)
    cell, cell_from = _cell(replies, window_cell)
    if cell_from == "assumed" and found not in ("blocks", "off"):
        said.append(f"The terminal does not tell how large a character is: {cell[0]}x{cell[1]} pixels assumed.")
    offers = [name for name, there in (("kitty", replies.kitty), ("sixel", 4 in (replies.attributes or ()))) if there]
    info = TerminalInfo(
        brand=brand,
        protocol=found,
        cell_width=cell[0],
        cell_height=cell[1],
        colours=_colours(environ, brand),
        round_trip=round_trip,
        synchronized=replies.synchronized,
        tmux=tmux is not None or brand.startswith("tmux"),
        typed=replies.typed,
        unfinished=replies.unfinished,
        reasons=said,
        found=found,
        offers=tuple(offers),
        cell_from=cell_from,
    )
    if choice not in CHOICES:
        said.append(f"Unknown choice {choice!r} for images: allowed are {', '.join(CHOICES)}.")
        return info
    return choose(info, choice)


def choose(info: TerminalInfo, choice: str) -> TerminalInfo:
    """The same terminal with pictures sent in another way.

    Args:
        choice: One of CHOICES; "auto" is what was found.
    """
    reasons = [reason for reason in info.reasons if not reason.startswith("Images are set to ")]
    protocol: Protocol = info.found
    if choice == "kitty":
        direct = info.found == "kitty-direct" or (info.brand.startswith("kitty(") and not _placeholders(info.brand))
        protocol = "kitty-direct" if direct else "kitty"
    elif choice == "sixel":
        protocol = "sixel"
    elif choice == "iterm2":
        protocol = "iterm2"
    elif choice == "blocks":
        protocol = "blocks"
    elif choice == "off":
        protocol = "off"
    if protocol != info.found:
        reasons.append(f"Images are set to {choice}; found by itself: {info.found}.")
    return replace(info, protocol=protocol, choice=choice, reasons=reasons)


def _brand(replies: Replies, environ: Mapping[str, str], tmux: Tmux | None) -> tuple[str, Brand]:
    """What to call the terminal, and what is known about its kind."""
    if tmux is not None:
        outer = tmux.outer_type or tmux.outer_name or "unknown"
        return f"tmux {tmux.version} in {outer}", Brand("tmux")
    unknown = Brand("unknown")
    if replies.version:
        said = replies.version.lower()
        return replies.version, next((brand for brand in BRANDS if brand.said and said.startswith(brand.said)), unknown)
    program = environ.get("TERM_PROGRAM", "")
    if environ.get("ZELLIJ") is not None:
        return "zellij", _named("zellij")
    if replies.secondary == _XTERM_JS:
        found = next((b for b in BRANDS if b.prefers == "iterm2 with sixel" and b.program == program.lower()), None)
        brand = found if program and found else _named("xterm.js")
        return f"{brand.name} {environ.get('TERM_PROGRAM_VERSION', '')}".strip() if found else brand.name, brand
    if environ.get("LC_TERMINAL") == "iTerm2":  # travels over SSH where TERM_PROGRAM does not
        return f"iTerm2 {environ.get('LC_TERMINAL_VERSION', '')}".strip(), _named("iTerm2")
    if environ.get("WT_SESSION"):
        return "Windows Terminal", _named("Windows Terminal")
    if program:
        known = next((brand for brand in BRANDS if brand.program == program.lower()), None)
        if known is not None:
            return f"{known.name} {environ.get('TERM_PROGRAM_VERSION', '')}".strip(), known
        return program, unknown
    if environ.get("VTE_VERSION"):
        return f"VTE {environ['VTE_VERSION']}", _named("VTE")
    term = environ.get("TERM") or "unknown"
    return term, next((brand for brand in BRANDS if brand.name.lower() == term.split("-")[0]), unknown)


def _named(name: str) -> Brand:
    return next(brand for brand in BRANDS if brand.name == name)


def _best(
    replies: Replies, environ: Mapping[str, str], tmux: Tmux | None, kind: Brand, brand: str, reasons: list[str]
) -> Protocol:
    if tmux is not None:
        return _best_in_tmux(tmux, reasons)
    if brand.startswith("tmux"):
        reasons.append(
            f"{brand} runs on another machine and cannot be asked what its terminal shows: try `--images sixel` or "
            "`--images kitty` (with `set -g allow-passthrough on` in its tmux.conf)."
        )
        return "blocks"
    if environ.get("STY") and not replies.version:
        reasons.append("GNU screen shows no pictures: use tmux 3.4 or later, or neither.")
        return "blocks"
    if environ.get("TERM") == "dumb" or not replies.complete:
        return "blocks"
    sixel = 4 in (replies.attributes or ())
    if kind.prefers == "placeholders" and replies.kitty and (kind.name != "kitty" or _placeholders(brand)):
        return "kitty"
    if kind.prefers == "iterm2" or (kind.prefers == "iterm2 with sixel" and sixel):
        return "iterm2"
    if sixel:
        return "sixel"
    if replies.kitty:
        reasons.append("This terminal knows kitty pictures but not placeholders (kitty has them from 0.28 on).")
        return "kitty-direct"
    reasons.append(kind.advice or f"{brand} offers no pictures: {_OTHERS}")
    return "blocks"


def _best_in_tmux(tmux: Tmux, reasons: list[str]) -> Protocol:
    if _placeholders(tmux.outer_type):
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


def _cell(replies: Replies, window_cell: tuple[int, int] | None) -> tuple[tuple[int, int], str]:
    """A cell's size that can be true: the terminal's own answer, else the window's size divided, else an assumption."""
    for cell, source in ((replies.cell, "the terminal's answer"), (window_cell, "the window's size")):
        # A character is about twice as high as wide; fonts with line spacing go up to three and a half.
        if cell and 3 <= cell[0] <= 100 and 5 <= cell[1] <= 200 and 1 <= cell[1] / cell[0] <= 3.5:
            return cell, source
    return DEFAULT_CELL, "assumed"


def _colours(environ: Mapping[str, str], brand: str) -> Depth:
    term = environ.get("TERM", "")
    if not _speaks_utf8(environ):
        return "ascii"
    if environ.get("NO_COLOR") or term == "dumb":
        return "mono"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "truecolor"
    # Over SSH only TERM travels: a terminal that is known to show all colours does so there too.
    if brand.lower().startswith(_TRUECOLOUR) or term in _TRUECOLOUR_TERMS:
        return "truecolor"
    return "256" if "256" in term or brand.startswith("tmux") else "16"


def _speaks_utf8(environ: Mapping[str, str]) -> bool:
    """Whether the locale does not name another encoding; one that names none says nothing about the terminal."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    encoding = locale.partition(".")[2].partition("@")[0]
    return not encoding or encoding.lower().replace("-", "") == "utf8"
