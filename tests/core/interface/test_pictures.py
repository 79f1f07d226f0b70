"""Pictures come in and go out as data URIs; what is no picture, broken or a bomb is refused with a reason."""

from __future__ import annotations

import base64
import io
import random
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image as Pil

from core.errors import InvalidInput
from core.interface import Image, Segmentation, pictures


def file(mode: str, form: str = "PNG", size: tuple[int, int] = (5, 4), **options: object) -> bytes:
    stream = io.BytesIO()
    picture = Pil.effect_noise(size, 80).convert("RGB").convert(mode)
    picture.save(stream, form, **options)
    return stream.getvalue()


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_exact_both_ways(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, channels), np.uint8)
    kind = Image(channels=channels, default_output_format="PNG")
    sent = kind.to_json(pixels)
    assert sent.startswith("data:image/png;base64,")
    assert np.array_equal(kind.from_json("x", sent), pixels)


def test_jpeg_is_the_default_for_three_channels() -> None:
    pixels = np.full((16, 16, 3), 128, np.uint8)
    sent = Image().to_json(pixels)
    assert sent.startswith("data:image/jpeg;base64,")
    assert np.abs(Image().from_json("x", sent).astype(int) - 128).max() <= 2
    assert Image().to_json(pixels, "PNG").startswith("data:image/png;base64,")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_mode_becomes_the_channels_asked_for(mode: str, channels: int) -> None:
    if mode.startswith("I"):
        stream = io.BytesIO()
        Pil.fromarray(np.full((4, 5), 0x8000, np.uint16 if mode == "I;16" else np.int32)).save(stream, "TIFF")
        data = stream.getvalue()
    else:
        data = file(mode)
    result = Image(channels=channels).from_json("x", uri(data))
    assert result.shape == (4, 5, channels)
    assert result.dtype == np.uint8
    if mode.startswith("I"):
        assert np.unique(result[:, :, 0]).tolist() == [128]


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats(form: str) -> None:
    assert pictures.sniff(file("RGB", form)) == form
    assert Image().from_json("x", uri(file("RGB", form))).shape == (4, 5, 3)


def test_grey_conversion_is_the_usual_luma() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(
        Image(channels=1).validate("x", pixels)[:, :, 0], np.asarray(Pil.fromarray(pixels).convert("L"))
    )
    assert Image(channels=4).validate("x", pixels)[:, :, 3].min() == 255
    assert Image(channels=3).validate("x", pixels[:, :, 0]).shape == (32, 32, 3)


def test_a_photo_is_turned_upright() -> None:
    exif = Pil.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    assert Image().from_json("x", uri(file("RGB", "JPEG", exif=exif))).shape == (5, 4, 3)


def test_bare_base64_without_padding_or_with_line_breaks_is_understood() -> None:
    text = base64.b64encode(file("RGB")).decode()
    assert Image().from_json("x", text).shape == (4, 5, 3)
    assert Image().from_json("x", "data:image/png;base64," + text.rstrip("=")).shape == (4, 5, 3)
    assert Image().from_json("x", "\r\n".join(text[at : at + 60] for at in range(0, len(text), 60))).shape == (4, 5, 3)


def png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "x cannot be 0 bytes: allowed is a picture"),
        ("data:image/png;base64,", "x cannot be 0 bytes: allowed is a picture"),
        ("data:image/png;base64,!!!!", "a data URI in base64"),
        ("data:image/png;base64,ä", "a data URI in base64"),
        (uri(b"MZ" + bytes(100)), "x cannot be 102 bytes: allowed is a picture (PNG,"),
        (uri(b"\x80\x04\x95cos\nsystem\n."), "allowed is a picture"),
        (uri(b"%!PS-Adobe-3.0 EPSF"), "allowed is a picture"),
        (uri(b"\x89PNG\r\n\x1a\n"), "x is not a readable PNG picture"),
        (uri(file("RGB", size=(64, 64))[:2000]), "x is not a readable PNG picture"),
        (uri(png(10_000, 10_000)), "x has too many pixels, 10000x10000: allowed are 67108864"),
        (uri(png(60_000, 60_000)), "x has far too many pixels: allowed are 67108864"),
        (5, "x cannot be 5: a picture travels as a data URI; allowed is an RGB picture"),
        (None, "x cannot be nothing: a picture travels as a data URI"),
    ],
    ids=range(13),
)
def test_what_is_no_picture_is_refused(data: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Image().from_json("x", data)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = png(12_000, 12_000, bytes(10_000_000))
    assert len(bomb) < 20_000
    code = (
        "import re, sys; from core.interface import pictures; from core.errors import InvalidInput\n"
        "import PIL.Image\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])  # kB\n"
        "used = peak()\n"
        "try: pictures.decode('x', sys.stdin.buffer.read())\n"
        "except InvalidInput as error: print(error)\n"
        "assert peak() - used < 50_000\n"
    )
    result = subprocess.run([sys.executable, "-c", code], input=bomb, capture_output=True, check=True)
    assert b"12000x12000" in result.stdout


def test_damaged_files_never_raise_anything_else() -> None:
    chance = random.Random(7)
    good = [file(mode, form) for mode, form in [("RGB", "PNG"), ("P", "GIF"), ("RGB", "JPEG"), ("L", "TIFF")]]
    good += [file("RGB", "BMP"), file("RGB", "WEBP"), file("P", "PNG")]
    refused = 0
    for _ in range(250):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        try:
            Image().from_json("x", uri(bytes(data)))
        except InvalidInput:
            refused += 1
    assert refused > 40


LABELS = Segmentation({"sky": 3, "sea": 200}, label_to_color={"sky": [0, 0, 250], "sea": [0, 250, 0]})


def test_a_segmentation_travels_as_colours() -> None:
    ids = np.random.default_rng(2).choice(np.uint8([3, 200]), (6, 5))
    sent = LABELS.to_json(ids)
    assert sent.startswith("data:image/png;base64,")
    colors = np.asarray(Pil.open(io.BytesIO(base64.b64decode(sent.split(",")[1]))))
    assert colors.shape == (6, 5, 3)
    assert set(map(tuple, colors.reshape(-1, 3).tolist())) == {(0, 0, 250), (0, 250, 0)}
    assert np.array_equal(LABELS.from_json("s", sent), ids)


def test_grey_means_ids_and_colour_the_nearest_label() -> None:
    ids = np.full((2, 2), 200, np.uint8)
    assert np.array_equal(LABELS.from_json("s", pictures.to_data_uri(ids)), ids)
    color = np.full((2, 2, 3), (30, 20, 180), np.uint8)
    assert np.unique(LABELS.from_json("s", pictures.to_data_uri(color))).tolist() == [3]
    with pytest.raises(InvalidInput, match="it holds the id 9"):
        LABELS.from_json("s", pictures.to_data_uri(np.full((2, 2), 9, np.uint8)))
    with pytest.raises(InvalidInput, match="a picture travels as a data URI"):
        LABELS.from_json("s", [1])


def test_nearest_colours_of_many_shades() -> None:
    kind = Segmentation({str(number): number for number in range(64)})
    pixels = np.random.default_rng(3).integers(0, 256, (128, 128, 3), np.uint8)
    result = kind.nearest_ids(pixels)
    palette = np.array(list(kind.colors.values()), int)
    for y, x in [(0, 0), (5, 77), (127, 127)]:
        assert result[y, x] == ((palette - pixels[y, x]) ** 2).sum(1).argmin()


def test_pillow_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, core.workers.session; assert not {'PIL', 'torch', 'textual'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(InvalidInput, match="JPEG without alpha"):
        pictures.encode(np.zeros((2, 2, 4), np.uint8), "JPEG")
    with pytest.raises(InvalidInput, match="'exe'"):
        Image().to_json(np.zeros((2, 2, 3), np.uint8), "exe")
    assert pictures.encode(np.zeros((2, 2, 1), np.uint8), "jpg").startswith(b"\xff\xd8")
