"""How well a picture is sent: from all there is to a few coarse colours, one ladder for each protocol.

The first rung is the picture at rest. The others are for pictures that move: each costs fewer bytes and less time than
the one above it. What a rung costs is said here roughly, for photographs; `pace` learns the rest from what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quality:
    """One way to encode.

    Attributes:
        scale: One pixel is sent for a square of this many. kitty and iTerm2 let the terminal enlarge it; a sixel
            picture cannot be enlarged, but is drawn in squares that make long runs (there it divides 6).
        colours: Size of the palette of kitty and sixel pictures, 16 to 255.
        jpeg: Quality of iTerm2's pictures, 1 to 95.
        step: Distance of the colours of half-blocks, 8 to 64.
        bytes: Bytes for each pixel of the full picture, roughly (half-blocks have two pixels a cell).
        nanoseconds: To encode each pixel of the full picture, roughly.
    """

    scale: int = 1
    colours: int = 255
    jpeg: int = 85
    step: int = 8
    bytes: float = field(default=1.0, compare=False)
    nanoseconds: float = field(default=100.0, compare=False)


FULL = Quality()
"""The picture at rest."""

_KITTY = (
    Quality(bytes=0.43, nanoseconds=40),
    Quality(scale=2, bytes=0.16, nanoseconds=20),
    Quality(scale=2, colours=64, bytes=0.10, nanoseconds=20),
    Quality(scale=3, colours=64, bytes=0.056, nanoseconds=15),
    Quality(scale=4, colours=64, bytes=0.036, nanoseconds=13),
    Quality(scale=4, colours=32, bytes=0.029, nanoseconds=13),
    Quality(scale=6, colours=32, bytes=0.016, nanoseconds=12),
    Quality(scale=8, colours=16, bytes=0.009, nanoseconds=12),
)
_SIXEL = (
    Quality(bytes=0.89, nanoseconds=120),
    Quality(colours=64, bytes=0.49, nanoseconds=100),
    Quality(scale=2, colours=64, bytes=0.34, nanoseconds=45),
    Quality(scale=2, colours=32, bytes=0.24, nanoseconds=40),
    Quality(scale=3, colours=32, bytes=0.19, nanoseconds=25),
    Quality(scale=3, colours=16, bytes=0.15, nanoseconds=20),
    Quality(scale=6, colours=16, bytes=0.083, nanoseconds=15),
)
_ITERM2 = (
    Quality(bytes=0.35, nanoseconds=20),
    Quality(jpeg=60, bytes=0.21, nanoseconds=18),
    Quality(scale=2, jpeg=60, bytes=0.084, nanoseconds=13),
    Quality(scale=3, jpeg=50, bytes=0.042, nanoseconds=12),
    Quality(scale=4, jpeg=40, bytes=0.025, nanoseconds=11),
    Quality(scale=6, jpeg=35, bytes=0.012, nanoseconds=11),
)
_BLOCKS = (
    Quality(bytes=12.4, nanoseconds=900),
    Quality(step=16, bytes=11.3, nanoseconds=800),
    Quality(step=32, bytes=9.7, nanoseconds=700),
    Quality(step=32, scale=2, bytes=4.1, nanoseconds=500),
    Quality(step=64, scale=2, bytes=3.4, nanoseconds=400),
)
_LADDERS = {"kitty": _KITTY, "kitty-direct": _KITTY, "sixel": _SIXEL, "iterm2": _ITERM2, "blocks": _BLOCKS}


def ladder(protocol: str) -> tuple[Quality, ...]:
    """The qualities of a protocol, best first; the full one alone for a protocol that sends nothing."""
    return _LADDERS.get(protocol, (FULL,))
