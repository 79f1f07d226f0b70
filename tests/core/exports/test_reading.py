"""What files say about themselves, and what becomes of files that lie: one refusal, little memory, nothing executed."""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.errors import Refused
from core.exports import notes
from core.exports.containers import MOST_TEXT
from core.exports.film import ENDINGS, FilmOptions, FilmWriter
from core.exports.reading import read_notes
from core.latent.basis import seeded_vector
from core.latent.journey import View
from core.latent.plane import Plane, encode_vector
from core.latent.style import Mix, Style

HASH = "ab" * 32
STYLE = Style(mix=Mix.of(seeded_vector(3, 8), (1, 2)), edits=(0.5,))
VIEW = View(Plane(8, 7).with_pin(1, 2), (3, -1), 0.6, style=STYLE)


def facts(kind: str = "picture", **more: object) -> dict[str, Any]:
    said = notes.facts(kind, model="starter/x", model_name="Ünï", checkpoint=HASH, view=VIEW)
    return {**said, **more}


def saved(folder: Path, said: dict[str, Any]) -> Path:
    path = folder / "a.png"
    path.write_bytes(notes.png(np.zeros((4, 4, 3), np.uint8), said, "a title"))
    return path


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def png(*chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0\1\2\3"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def itxt(text: bytes, packed: bool = False) -> bytes:
    return chunk(b"iTXt", b"tarmac\0" + (b"\1\0\0\0" + zlib.compress(text) if packed else b"\0\0\0\0" + text))


def test_a_picture(tmp_path: Path) -> None:
    found = read_notes(saved(tmp_path, facts()))
    assert (found.kind, found.model, found.model_name) == ("picture", "starter/x", "Ünï")
    assert found.checkpoint == HASH
    assert found.view == VIEW
    assert found.facts["seed"] == 7


def test_a_sheet_lists_its_bookmarks(tmp_path: Path) -> None:
    z = seeded_vector(1, 8)
    marks = [{"view": VIEW.to_json(), "z": encode_vector(z)}]
    found = read_notes(saved(tmp_path, facts("sheet", bookmarks=marks)))
    (mark,) = found.marks
    assert mark.view == VIEW
    assert np.array_equal(mark.z, z)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_film(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    options = FilmOptions(Fraction(25), True, 100, "<&> title", notes.dumps(facts("film", text="<ä>&amp;\"'")))
    with FilmWriter(path, options) as film:
        for number in range(3):
            film.add(np.full((16, 16, 3), number * 40, np.uint8))
    found = read_notes(path)
    assert (found.kind, found.view) == ("film", VIEW)
    assert found.facts["text"] == "<ä>&amp;\"'"


def test_what_older_versions_saved(tmp_path: Path) -> None:
    said = {"format": 1, "program": "tarmac", "model": "m", "grid": [2, 2], "view": VIEW.to_json()}
    found = read_notes(saved(tmp_path, said))
    assert (found.kind, found.checkpoint, found.model_name) == ("grid", "", "")


@pytest.mark.parametrize("name", ["tEXt", "zTXt", "iTXt"])
def test_every_text_chunk_of_the_format(tmp_path: Path, name: str) -> None:
    info = PngInfo()
    text = notes.dumps(facts())
    if name == "iTXt":
        info.add_itxt("tarmac", text, zip=True)
    else:
        info.add_text("tarmac", text, zip=name == "zTXt")
    Image.new("RGB", (3, 3)).save(tmp_path / "a.png", pnginfo=info)
    assert read_notes(tmp_path / "a.png").view == VIEW


HUGE = b'{"program": "tarmac", "x": "' + b"a" * (MOST_TEXT + 100) + b'"}'


def bomb(picture: bool) -> bytes:
    """A few kilobytes that would unpack to gigabytes."""
    if picture:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 6, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**7))) + chunk(b"IEND", b"")
    return png(itxt(bytes(60 * 2**20), packed=True))


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


WHOLE = png(itxt(json.dumps(facts()).encode()))


HOSTILE = [
    (b"", "did not save it"),
    (b"\x89PNG\r\n\x1a\n", "torn"),
    (WHOLE[: len(WHOLE) // 2], "torn"),
    (WHOLE[:-12], "torn"),
    (WHOLE.replace(b'"seed"', b'"sEEd"', 1), "torn"),
    (png(), "did not save it"),
    (jpeg(), "did not save it"),
    (b"MZ" + os.urandom(100), "did not save it"),
    (b"cos\nsystem\n(S'touch CANARY'\ntR.", "did not save it"),
    (png(itxt(b"not json")), "did not save it"),
    (png(itxt(b'{"program": "other"}')), "did not save it"),
    (png(itxt(b"[" * 100_000)), "did not save it"),
    (png(itxt(b'{"program": "tarmac", "model": ' + b"[" * 900 + b"]" * 900 + b"}")), "model"),
    (png(itxt(HUGE)), "longer"),
    (png(itxt(HUGE, packed=True)), "longer"),
    (bomb(picture=False), "longer"),
    (bomb(picture=True), "did not save it"),
    (png(struct.pack(">I", 2**31 - 1) + b"iTXt" + b"tarmac\0"), "torn"),
    (png(chunk(b"zTXt", b"tarmac\0\0garbage")), "torn"),
    (b"RIFF\xff\xff\xff\x7fWEBPVP8X", "torn"),
    (b"RIFF\x0c\0\0\0WEBPVP8X\xff\xff\xff\x7f", "torn"),
    (b"GIF89a" + bytes(20), "torn"),
    (b"GIF89a" + bytes(7) + b"\x21\xfe\xff12;", "torn"),
    (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x09moov\0", "torn"),
    (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\xff\xff\xff\xffmoov", "torn"),
    (b"\0\0\0\0ftyp" + bytes(30), "did not save it"),
]


@pytest.mark.parametrize(
    ("content", "part"), HOSTILE, ids=[f"{number} {part}" for number, (_, part) in enumerate(HOSTILE)]
)
def test_files_that_are_not_ours(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "a\x1b[31m.png"
    path.write_bytes(content)
    tracemalloc.start()
    begun = time.monotonic()
    with pytest.raises(Refused) as refused:
        read_notes(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert part in str(refused.value)
    assert str(refused.value).isprintable()
    assert peak < 3 * MOST_TEXT + 2**20
    assert time.monotonic() - begun < 5
    assert not (tmp_path / "CANARY").exists()


def test_a_long_row_of_nothing_ends(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(*[chunk(b"tEXt", b"")] * 300_000))
    with pytest.raises(Refused, match="torn"):
        read_notes(tmp_path / "a.png")


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda said: said.update(format=2), "newer"),
        (lambda said: said.pop("model"), "model"),
        (lambda said: said.update(model=["x"]), "model"),
        (lambda said: said.update(model="x" * 5000), "model"),
        (lambda said: said.pop("view"), "view"),
        (lambda said: said.update(view=7), "view"),
        (lambda said: said["view"]["plane"].update(dim=10**9), "dim"),
        (lambda said: said["view"]["plane"].update(seed=-1), "seed"),
        (lambda said: said["view"].update(cursor=[10**30, 0]), "cursor"),
        (lambda said: said["view"].update(truncation="x"), "truncation"),
        (lambda said: said["view"].update(style={"edits": [1e9]}), "edit"),
        (lambda said: said.update(bookmarks=[1]), "bookmark"),
        (lambda said: said.update(bookmarks=[{}] * 1000), "bookmarks"),
        (lambda said: said.update(bookmarks=[{"view": VIEW.to_json(), "z": "AAAA"}]), "vector"),
        (
            lambda said: said["view"]["plane"].update(
                pins=[{"x": 0, "y": 0, "z": base64.b64encode(np.full(8, np.nan, "<f4").tobytes()).decode()}]
            ),
            "finite",
        ),
    ],
)
def test_notes_that_lie(tmp_path: Path, change: Change, part: str) -> None:
    said = json.loads(json.dumps(facts()))
    change(said)
    with pytest.raises(Refused, match=part):
        read_notes(saved(tmp_path, said))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path, tmp_path / "missing.png", tmp_path / "pipe.png", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(Refused):
            read_notes(path)


def test_odd_but_harmless(tmp_path: Path) -> None:
    found = read_notes(saved(tmp_path, facts("strange", checkpoint="../../x", model_name="a\x1b[2Jb")))
    assert (found.kind, found.checkpoint, found.model_name) == ("picture", "", "a [2Jb")
