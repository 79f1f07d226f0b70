"""Pictures between bytes and arrays. The only place in the interface that needs Pillow, loaded when first used.

A picture's header is read before anything is decoded: foreign formats and decompression bombs are refused there.
"""

from __future__ import annotations

import base64
import binascii
import io
import warnings

import numpy as np
import numpy.typing as npt

from core.errors import InvalidInput
from core.interface.base import shorten

Pixels = npt.NDArray[np.uint8]

MOST_PIXELS = 64 * 2**20
"""Pixels of the largest picture that is decoded (8192 x 8192)."""

MOST_BYTES = 128 * 2**20
"""Bytes of the largest encoded picture that is looked at."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def sniff(data: bytes) -> str | None:
    """The format that the first bytes of a picture file tell: "PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF" or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    return "BMP" if data.startswith(b"BM") else None


def decode(name: str, data: bytes, channels: int | None = 3, most_pixels: int = MOST_PIXELS) -> Pixels:
    """The picture in `data`, upright, as uint8 [height, width, channels].

    Args:
        name: What to call the picture in an error.
        data: The bytes of a PNG, JPEG, WebP, GIF (first frame), BMP or TIFF file.
        channels: 1, 3 or 4; None keeps grey as 1 channel and makes everything else 3.
        most_pixels: Larger pictures are refused from their header.

    Raises:
        InvalidInput: Not a picture, broken, or too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    kind = sniff(data)
    if kind is None or len(data) > MOST_BYTES:
        raise InvalidInput(f"{name} cannot be {shorten(data)}", f"allowed is a picture ({', '.join(_FORMATS)})")
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs and of odd metadata; our own limit decides, and a warning has no reader here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                width, height = picture.size
                if width * height > most_pixels:
                    raise InvalidInput(f"{name} has too many pixels, {width}x{height}", f"allowed are {most_pixels}")
                upright = ImageOps.exif_transpose(picture)
                if channels is None:
                    grey = upright.mode in ("1", "L", "LA", "La") or upright.mode.startswith(("I", "F"))
                    channels = 1 if grey else 3
                if upright.mode.startswith("I"):
                    pixels = _from_deep(np.asarray(upright))
                    result = np.repeat(pixels[:, :, None], 3 if channels != 1 else 1, axis=2)
                    if channels == 4:
                        result = np.dstack([result, np.full(result.shape[:2], 255, np.uint8)])
                    return np.ascontiguousarray(result)
                array = np.array(upright.convert(_MODES[channels]), np.uint8)
    except InvalidInput:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidInput(f"{name} has far too many pixels", f"allowed are {most_pixels}") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InvalidInput(f"{name} is not a readable {kind} picture", str(error)[:120]) from error
    except (EOFError, IndexError, KeyError, TypeError, OverflowError, AttributeError, MemoryError) as error:
        # What Pillow's readers let through on files made to break them.
        raise InvalidInput(f"{name} is not a readable {kind} picture", "it is damaged") from error
    return array[:, :, None] if array.ndim == 2 else array


def encode(pixels: Pixels, format: str = "PNG", quality: int = 90) -> bytes:
    """A picture file of `pixels`, uint8 [height, width, 1, 3 or 4] or [height, width].

    Raises:
        InvalidInput: JPEG was asked for a picture with alpha, or the format is unknown.
    """
    from PIL import Image

    form = {"JPG": "JPEG"}.get(format.upper(), format.upper())
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if form not in ("PNG", "JPEG") or (form == "JPEG" and pixels.ndim == 3 and pixels.shape[2] == 4):
        raise InvalidInput(f"a picture cannot be written as {shorten(format)}", "allowed is PNG, or JPEG without alpha")
    file = io.BytesIO()
    if form == "JPEG":
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    else:
        Image.fromarray(pixels).save(file, "PNG", compress_level=3)
    return file.getvalue()


def to_data_uri(pixels: Pixels, format: str = "PNG") -> str:
    """`pixels` as `data:image/<format>;base64,...`."""
    data = base64.b64encode(encode(pixels, format)).decode()
    return f"data:image/{format.lower()};base64,{data}"


def from_data_uri(name: str, text: str) -> bytes:
    """The bytes of a data URI; bare base64 is understood too.

    Raises:
        InvalidInput: Not base64, or longer than any picture that is looked at.
    """
    start = text.find(",", 0, 256) + 1
    if len(text) - start > MOST_BYTES * 4 // 3 + 4:
        raise InvalidInput(f"{name} cannot be {shorten(text)}", f"allowed are {MOST_BYTES // 2**20} MB")
    try:
        # Clients leave out the padding or break lines; anything else that is not base64 is no picture.
        packed = text[start:].translate(_SPACES).rstrip("=").encode("ascii")
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise InvalidInput(
            f"{name} cannot be {shorten(text)}", "allowed is a picture as a data URI in base64"
        ) from None


_SPACES = {ord(space): None for space in " \t\r\n"}


def _from_deep(array: npt.NDArray[np.generic]) -> Pixels:
    """A grey picture of 16 or 32 bits in 8: by its upper byte where its values need 16 bits."""
    values = np.asarray(array).astype(np.int64)
    deep = array.dtype.itemsize == 2 or (values.size > 0 and int(values.max()) > 255)
    return np.clip(values >> 8 if deep else values, 0, 255).astype(np.uint8)
