"""What a terminal answered to the probe: answers picked out of whatever arrived, in any order, garbage and all."""

from __future__ import annotations

import re
from dataclasses import dataclass

KITTY_QUERY = b"\x1b_Gi=4211,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Is a kitty picture of one pixel acceptable? Not for tmux and screen, which would take it for a window's title."""

QUERY = (
    b"\x1b[>q"  # name and version
    b"\x1b[16t"  # a cell's size in pixels
    b"\x1b[?2026$p"  # synchronized output
    b"\x1b[>c"  # secondary device attributes: how xterm.js is known, which has no name
    b"\x1b[c"  # device attributes: every terminal answers this, and in order, so it closes the batch
)

CLOSING = b"\x1b[c"
"""The last question alone, for consoles that take the others for something else."""

_KITTY = re.compile(rb"\x1b_G([^\x1b]*)\x1b\\")
_VERSION = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
_CELL = re.compile(rb"\x1b\[6;(\d{1,5});(\d{1,5})t")
_SYNC = re.compile(rb"\x1b\[\?2026;(\d)\$y")
_SECONDARY = re.compile(rb"\x1b\[>([\d;]{0,60})c")
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]{0,60})c")
_UNFINISHED = re.compile(rb"\x1b(?:[_P][^\x1b\x07]*\x1b?|\[[0-?]*[ -/]*)?$")
_ESCAPE = re.compile(rb"\x1b[_P\]X^][^\x1b\x07]*(?:\x1b\\|\x07|$)|\x1b\[[0-?]*[ -/]*(?:[@-~]|$)|\x1b.?")


@dataclass(frozen=True)
class Replies:
    """The answers, None or False where none came.

    Attributes:
        attributes: Numbers of the primary device attributes; 4 means sixel. None: the batch is not complete.
        kitty: The terminal takes kitty graphics.
        version: Name and version as the terminal says them.
        cell: Width and height of a cell in pixels.
        synchronized: Mode 2026 is known.
        secondary: Numbers of the secondary device attributes.
        typed: What the user typed meanwhile (printable characters and enter).
        unfinished: The beginning of an answer at the end of what came.
    """

    attributes: tuple[int, ...] | None = None
    kitty: bool = False
    version: str = ""
    cell: tuple[int, int] | None = None
    synchronized: bool = False
    secondary: tuple[int, ...] = ()
    typed: str = ""
    unfinished: bytes = b""

    @property
    def complete(self) -> bool:
        """The closing answer has come, so no other one is on its way."""
        return self.attributes is not None


def parse(received: bytes) -> Replies:
    """Read everything that has come so far; never raises, whatever the bytes are."""
    attributes = _ATTRIBUTES.search(received)
    version = _VERSION.search(received)
    cell = _CELL.search(received)
    sync = _SYNC.search(received)
    kitty = any(b"i=4211" in answer and answer.endswith(b";OK") for answer in _KITTY.findall(received))
    size = (int(cell[2]), int(cell[1])) if cell else None
    name = version[1].decode("utf-8", "replace") if version else ""
    secondary = _SECONDARY.search(received)
    unfinished = _UNFINISHED.search(received)
    typed = _ESCAPE.sub(b"", received).decode("utf-8", "ignore")
    return Replies(
        attributes=_numbers(attributes[1]) if attributes else None,
        kitty=kitty,
        version="".join(char for char in name if char.isprintable())[:60],
        cell=size if size and min(size) > 0 else None,
        # 0: not known, 4: can never be set; all else can be used.
        synchronized=bool(sync) and sync[1] not in (b"0", b"4") if sync else False,
        secondary=_numbers(secondary[1]) if secondary else (),
        typed="".join(char for char in typed if char.isprintable() or char in "\r\n"),
        unfinished=unfinished[0] if unfinished else b"",
    )


def _numbers(parts: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in parts.split(b";") if part)
