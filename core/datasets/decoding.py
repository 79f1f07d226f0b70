"""One picture out of bytes that nobody vouches for: upright, eight bits, RGB or RGBA, within limits.

Only formats whose decoders are part of Pillow or of the libraries in its wheels are tried: none that runs another
program (EPS) and none that is no picture. The header is judged before anything is decoded.
"""

from __future__ import annotations

import io
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "MPO", "AVIF", "JPEG2000"),
    *("PPM", "TGA", "ICO", "PCX", "DIB", "QOI", "SGI"),
)
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".pcx", ".qoi", ".sgi"),
)
"""What files of these formats are called; a file of another name is looked into all the same."""
MAX_PIXELS = 100_000_000
"""A picture of more pixels is a mistake or an attack."""
MAX_BYTES = 1 << 30
"""A file of more bytes is no picture that anyone trains on."""
LARGE = 16_000_000
"""Pictures of more pixels are decoded one at a time, whatever the number of threads: memory."""
LEAST_SIDE = 32
"""Pictures with a shorter side are left out unless asked for."""


_ONE_LARGE = threading.Lock()
_LOADING = threading.Lock()


class LeftOut(Exception):
    """Why a file cannot be used.

    Args:
        reason: One of `REASONS`.
        why: More about it; may be empty.
    """

    def __init__(self, reason: str, why: str = "") -> None:
        super().__init__(reason, why)
        self.reason = reason
        self.why = "".join(char if char.isprintable() else " " for char in why)[:200]


REASONS = {
    "not a picture": "no picture format",
    "broken": "damaged, or no picture in spite of its name",
    "truncated": "the end of the file is missing",
    "tiny": "a side is too short",
    "too large": "more pixels or bytes than a picture has",
    "unreadable": "the system refuses to read it",
    "vanished": "it was gone when it was to be read",
    "link": "a link or a device inside an archive, or a link that leads nowhere or in circles",
    "unsafe name": "its name leads out of the archive",
    "encrypted": "it needs a password",
    "duplicate": "the same pixels as another one",
    "near duplicate": "almost the same as another one",
    "excluded": "you excluded it",
}
"""Why files are left out, and what the words mean."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: uint8 [h, w, 3], or [h, w, 4] where some of it is transparent.
        mode: Pillow's word for how it was stored: "RGB", "P", "CMYK", "I;16" ...
        notes: What was done to it: "first frame", "turned", "16 bit", "CMYK", "palette", "grey".
    """

    pixels: NDArray[np.uint8]
    mode: str
    notes: tuple[str, ...]


def decode(source: Path | bytes, *, least_side: int = 1, name: str = "") -> Picture:
    """The picture in a file or in bytes. Pillow may warn about odd ones; a process that decodes many ignores that.

    Args:
        source: A file that is there, or the content of one.
        least_side: Shortest side allowed, in pixels.
        name: What the file is called, to tell a broken picture from some other file.

    Raises:
        LeftOut: It cannot be used; says why.
    """
    try:
        opening = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(opening, formats=_known_formats()) as opened:
            _judge(opened.size, least_side)
            with _ONE_LARGE if opened.width * opened.height > LARGE else nullcontext():
                return _flat(opened)
    except LeftOut:
        raise
    except Image.DecompressionBombError as error:  # Pillow looks at the header too
        raise LeftOut("too large", str(error)) from error
    except UnidentifiedImageError:
        looks_like = name.lower().endswith(ENDINGS)
        raise LeftOut("broken" if looks_like else "not a picture", "no known picture format") from None
    except FileNotFoundError as error:
        raise LeftOut("vanished") from error
    except PermissionError as error:
        raise LeftOut("unreadable", error.strerror or "") from error
    except MemoryError as error:
        raise LeftOut("too large", "not enough memory to decode it") from error
    except Exception as error:  # decoders meet hostile bytes with every kind of error
        if isinstance(error, OSError) and error.errno is not None:
            raise LeftOut("unreadable", error.strerror or "") from error
        words = str(error) or type(error).__name__
        short = any(sign in words.lower() for sign in ("truncated", "not enough image data", "unexpected end", "eof"))
        raise LeftOut("truncated" if short else "broken", words) from error


@cache
def _known_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow was built with."""
    with _LOADING:
        Image.init()  # else it knows only the most common ones
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _judge(size: tuple[int, int], least_side: int) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise LeftOut("too large", f"{width:,} × {height:,} pixels")
    if min(width, height) < least_side:
        raise LeftOut("tiny", f"{width} × {height} pixels")


def _flat(opened: Image.Image) -> Picture:
    mode, notes = opened.mode, []
    if getattr(opened, "n_frames", 1) > 1 and opened.format not in ("MPO", "TIFF", "ICO"):
        notes.append("first frame")
        opened.seek(0)
    turned = opened.getexif().get(0x0112, 1) not in (0, 1)
    image = opened
    image.load()
    if turned:
        notes.append("turned")
        image = ImageOps.exif_transpose(image)
    if mode.startswith(("I", "F")):
        notes.append("16 bit" if mode.startswith("I;16") else "32 bit")
        image = _eight_bits(image)
    if mode == "CMYK":
        notes.append("CMYK")
    elif mode in ("P", "PA"):
        notes.append("palette")
    elif mode in ("L", "LA", "1"):
        notes.append("grey")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        if bool((pixels[..., 3] < 255).any()):
            return Picture(pixels, mode, (*notes, "transparent"))
        return Picture(np.ascontiguousarray(pixels[..., :3]), mode, tuple(notes))
    return Picture(np.asarray(image.convert("RGB")), mode, tuple(notes))


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 and 32 bit greys as 8 bits: 16 bit by their high bytes, others stretched between their ends."""
    values = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and 255 < high <= 65535:
        scaled = values / 257
    elif low >= 0 and high <= 255 and not image.mode.startswith("F"):
        scaled = values / 257 if image.mode.startswith("I;16") else values
    else:
        scaled = (values - low) * (255 / (high - low) if high > low else 0.0)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [h, w, 3] of a picture with or without alpha; what is transparent becomes white."""
    if pixels.shape[2] == 3:
        return pixels
    image = Image.fromarray(pixels)
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, image).convert("RGB"))
