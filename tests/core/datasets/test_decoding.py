"""Pictures of every kind come out upright, in eight bits; files that are none say why."""

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.decoding import REASONS, LeftOut, decode, over_white
from tests.core.datasets.drawings import picture

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's about odd files; the process that decodes ignores them


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(width: int = 40_000, height: int = 40_000) -> bytes:
    """A PNG of that size in its header; its pixels would take 4.8 GB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000))


def reason(source: bytes | Path, **options: object) -> str:
    with pytest.raises(LeftOut) as caught:
        decode(source, **options)  # type: ignore[arg-type]
    assert caught.value.reason in REASONS
    return caught.value.reason


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "TGA"])
def test_formats(kind: str) -> None:
    found = decode(encoded(picture(1), kind))
    assert found.pixels.shape == (40, 48, 3)
    assert np.abs(found.pixels.astype(int) - np.asarray(picture(1))).mean() < 12


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F"])
def test_modes(mode: str) -> None:
    grey = np.linspace(0, 255, 48 * 40).reshape(40, 48)
    if mode == "I;16":
        image = Image.fromarray((grey * 257).astype(np.uint16))
    elif mode in ("I", "F"):
        image = Image.fromarray(grey.astype(np.int32 if mode == "I" else np.float32))
    elif mode in ("LAB", "HSV"):
        image = Image.new(mode, (48, 40), (120, 128, 128))
    else:
        image = Image.fromarray(grey.astype(np.uint8)).convert("RGB").convert(mode)
    found = decode(encoded(image, "TIFF") if mode != "HSV" else encoded(image.convert("RGB"), "PNG"))
    assert found.pixels.dtype == np.uint8
    assert found.pixels.shape == (40, 48, 3)
    if mode in ("L", "I;16", "I", "F"):
        assert np.abs(found.pixels[..., 0] - grey).max() <= 1


def test_sixteen_bit_png() -> None:
    grey = (np.arange(48 * 40).reshape(40, 48) * 34).astype(np.uint16)
    found = decode(encoded(Image.fromarray(grey)))
    assert "16 bit" in found.notes
    assert np.abs(found.pixels[..., 1] - grey / 257).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white_or_stays(mode: str) -> None:
    image = Image.new("RGBA", (40, 40), (200, 30, 30, 255))
    image.paste((200, 30, 30, 0), (0, 0, 20, 40))
    content = encoded(image, "GIF") if mode == "P" else encoded(image.convert(mode))
    found = decode(content)
    assert "transparent" in found.notes
    assert found.pixels.shape == (40, 40, 4)
    white = over_white(found.pixels)
    assert white[5, 5].tolist() == [255, 255, 255]
    assert white[5, 30].max() < 255


def test_alpha_that_hides_nothing_is_dropped() -> None:
    assert decode(encoded(picture(1).convert("RGBA"))).pixels.shape == (40, 48, 3)


def test_turned_by_its_camera() -> None:
    image = picture(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(encoded(image, "PNG", exif=exif))
    assert "turned" in found.notes
    assert np.array_equal(found.pixels, np.rot90(np.asarray(image), -1))


def test_the_first_frame_of_a_film() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    found = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert "first frame" in found.notes
    assert found.pixels[0, 0].tolist() == [255, 0, 0]


def test_a_bomb_is_refused_by_its_header() -> None:
    content = bomb()
    assert len(content) < 100_000
    started = time.process_time()
    assert reason(content) == "too large"
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_half_a_picture(kind: str) -> None:
    content = encoded(picture(1, 200, 200), kind)
    assert reason(content[: len(content) // 2], name="x.png") in ("truncated", "broken")


def test_other_files(tmp_path: Path) -> None:
    assert reason(b"", name="a.png") == "broken"
    assert reason(b"", name="a.txt") == "not a picture"
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", name="a.eps") == "not a picture"
    assert reason(b"<svg xmlns='http://www.w3.org/2000/svg'/>", name="a.svg") == "not a picture"
    assert reason(tmp_path / "gone.png", name="gone.png") == "vanished"
    assert reason(encoded(picture(1, 8, 200)), least_side=16) == "tiny"
    assert reason(tmp_path) == "unreadable"


def test_any_bytes_are_judged_and_never_fatal() -> None:
    random = np.random.default_rng(0)
    whole = [encoded(picture(1), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")]
    for number in range(300):
        content = bytearray(whole[number % len(whole)])
        for place in random.integers(0, len(content), 12):
            content[place] = random.integers(256)
        try:
            verdict = str(decode(bytes(content)).pixels.dtype)
        except LeftOut as left:
            verdict = left.reason
        assert verdict in ("uint8", *REASONS)
