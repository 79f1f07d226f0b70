"""Writing films: frames go in one by one, a whole file comes out, or none.

The same frames and options give the same bytes. Memory does not grow with the length. The file appears under its name
when it is finished; what was begun and not finished leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.latent.walk import MAX_FRAMES
from core.paths import private_dir, storage_errors

Pixels = NDArray[np.uint8]

ENDINGS = (".mp4", ".webp", ".gif")
"""Each names its format: H.264, WebP, GIF."""

MOST_SIDE = 4096
MOST_PIXELS = 40_000_000_000
"""Of all frames together: 36,000 of 1024 by 1024."""

SLOWEST, FASTEST = Fraction(1, 10), Fraction(120)
FASTEST_GIF = Fraction(50)
"""Shorter delays than two hundredths of a second are not kept by the programs that show GIFs."""

BEST = 100


@dataclass(frozen=True)
class FilmOptions:
    """How a film is written.

    Attributes:
        rate: Frames a second.
        loop: Play again and again (WebP and GIF say so in the file).
        quality: 1 to 100, for MP4 and WebP. A WebP of 100 is lossless; an MP4 of 100 differs by about two steps of
            256 in places of fine colour.
        title: One line.
        notes: What the film was made of, JSON.
    """

    rate: Fraction = Fraction(25)
    loop: bool = False
    quality: int = BEST
    title: str = ""
    notes: str = ""

    def check(self, ending: str) -> None:
        """Whether a film of this ending can be written so.

        Raises:
            InvalidInput: It cannot; says why.
        """
        if ending not in ENDINGS:
            raise InvalidInput(f"a film cannot be written as {ending[:20]!r}", f"its name ends in {', '.join(ENDINGS)}")
        fastest = FASTEST_GIF if ending == ".gif" else FASTEST
        if not SLOWEST <= self.rate <= fastest:
            named = "a GIF" if ending == ".gif" else "a film"
            raise InvalidInput(
                f"{float(self.rate):g} frames a second are not possible", f"{named} has from 0.1 to {int(fastest)}"
            )
        if not 1 <= self.quality <= BEST:
            raise InvalidInput(f"the quality is {self.quality}", f"it must be from 1 to {BEST}")

    def delays(self, unit: int, number: int) -> int:
        """How long frame `number` is shown, in units of a second's `unit`-th part; rounding never adds up."""
        return round(Fraction((number + 1) * unit) / self.rate) - round(Fraction(number * unit) / self.rate)


def check_size(frames: int, width: int, height: int) -> None:
    """Whether a film of this size is written.

    Raises:
        InvalidInput: It is absurd; says what is possible.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise InvalidInput(f"the film would have {frames:,} frames", f"from 1 to {MAX_FRAMES:,} are written")
    if not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE):
        raise InvalidInput(f"the film would be {width} by {height} pixels", f"at most {MOST_SIDE:,} a side are written")
    if frames * width * height > MOST_PIXELS:
        raise InvalidInput(f"{frames:,} frames of {width} by {height} pixels are too much", "", "Make it shorter")


class Encoder(Protocol):
    """Turns frames into a file that is open for writing and reading at its beginning."""

    def add(self, pixels: Pixels) -> None:
        """One frame more, uint8 [H, W, C] with C of 3 or 4."""

    def finish(self) -> None:
        """The file is complete."""


class FilmWriter:
    """A film on its way to disk: a context; leaving it by an exception leaves no file.

    Args:
        path: Where it will be. A link keeps pointing to the file that is written.
        options: How.
        mode: The file's permissions.

    Raises:
        InvalidInput: Its ending or an option is not possible.
        StorageError: The disk said no.
    """

    def __init__(self, path: Path, options: FilmOptions, *, mode: int = 0o600) -> None:
        self.path = Path(os.path.realpath(path))
        self.options = options
        self._ending = path.suffix.lower()
        options.check(self._ending)
        self._mode = mode
        self._shape: tuple[int, ...] = ()
        self._file: BinaryIO | None = None
        self._encoder: Encoder | None = None
        self.frames = 0
        """Written so far."""

    def __enter__(self) -> FilmWriter:
        private_dir(self.path.parent)
        with storage_errors(self.path):
            handle, self._name = tempfile.mkstemp(prefix=f".{self.path.name[:40]}.", dir=self.path.parent)
            os.close(handle)
            self._file = open(self._name, "w+b")  # by its name: an encoder may ask for it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return  # it was never begun
        try:
            if kind is None:
                with storage_errors(self.path):
                    self._finish()
        finally:
            with contextlib.suppress(OSError):  # what it could not write has been told
                self._file.close()
            Path(self._name).unlink(missing_ok=True)

    def add(self, pixels: Pixels) -> None:
        """One frame more. Takes milliseconds to seconds.

        Args:
            pixels: uint8 [H, W, C] with C of 1, 3 or 4, all of one shape.

        Raises:
            InvalidInput: Its size is absurd, or not that of the first.
            StorageError: The disk said no.
        """
        if not self._shape:
            height, width = pixels.shape[:2]
            check_size(1, width, height)
            self._shape = pixels.shape
            with storage_errors(self.path):
                assert self._file is not None
                self._encoder = _encoder(self._ending)(self._file, (width, height), self.options)
        if pixels.shape != self._shape:
            raise InvalidInput("a frame has another size than the first", f"{list(pixels.shape)}, {list(self._shape)}")
        assert self._encoder is not None
        with storage_errors(self.path):
            self._encoder.add(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)
        self.frames += 1

    def _finish(self) -> None:
        if self._encoder is None:
            raise InvalidInput("a film has no frames")
        assert self._file is not None
        self._encoder.finish()
        self._file.flush()
        os.fchmod(self._file.fileno(), self._mode)
        os.fsync(self._file.fileno())
        os.replace(self._name, self.path)


def _encoder(ending: str) -> Callable[[BinaryIO, tuple[int, int], FilmOptions], Encoder]:
    # What each needs is imported when it is used.
    if ending == ".mp4":
        from core.exports.mp4 import Mp4Encoder

        return Mp4Encoder
    if ending == ".webp":
        from core.exports.webp import WebpEncoder

        return WebpEncoder
    from core.exports.gif import GifEncoder

    return GifEncoder
