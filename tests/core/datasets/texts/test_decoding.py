"""Bytes of any encoding become text, in blocks of any size, and what is no text is told."""

import gzip
import io
import random
from collections.abc import Iterator

import pytest

from core.datasets.decoding import LeftOut
from core.datasets.texts import decoding as text_decoding
from core.datasets.texts.decoding import TextReader, lines, pieces

TEXT = "Ça commence\nun été à la mer, größer als früher – naïve œuvre\n" * 20
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 20
POLISH = "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw; są obdarzeni rozumem.\n" * 20
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n" * 20


def read(data: bytes) -> tuple[str, TextReader]:
    reader = TextReader(io.BytesIO(data))
    return "".join(reader.blocks()), reader


@pytest.fixture(params=[7, 64, 1 << 20], ids=lambda size: f"blocks of {size}")
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_decoding, "BLOCK", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [TEXT, JAPANESE], ids=["latin", "japanese"])
def test_marks_and_utf_8(encoding: str, text: str) -> None:
    found, reader = read(text.encode(encoding))
    assert found == text
    assert reader.broken == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(encoding: str) -> None:
    found, reader = read(TEXT.encode(encoding))
    assert (found, reader.encoding) == (TEXT, encoding)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", TEXT),
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
        ("cp1251", RUSSIAN),
        ("cp1250", POLISH),
        ("koi8_r", RUSSIAN),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)
def test_others_are_guessed(encoding: str, text: str) -> None:
    assert read(text.encode(encoding))[0] == text


def test_what_follows_long_ascii_is_guessed_where_it_comes() -> None:
    data = b"plain words\n" * 200_000 + TEXT.encode("cp1252")
    assert read(data)[0].endswith(TEXT)


@pytest.mark.usefixtures("_blocks")
def test_broken_lines_are_counted_and_the_others_are_whole() -> None:
    good = [f"Zeile {n} größer".encode() for n in range(200)]
    bad = {17: b"caf\xe9 here", 120: b"\xff\xfe\xfd"}
    data = b"\n".join(bad.get(n, line) for n, line in enumerate(good))
    text, reader = read(data)
    found = text.split("\n")
    assert len(found) == 200
    assert reader.encoding == "utf-8"
    assert reader.broken == 2
    assert all(found[n] == good[n].decode() for n in range(200) if n not in bad)
    assert "\ufffd" in found[17]


@pytest.mark.usefixtures("_blocks")
def test_line_ends() -> None:
    assert read(b"a\r\nb\rc\nd\r\n\r\ne\r")[0] == "a\nb\nc\nd\n\ne\n"


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 300,
        random.Random(0).randbytes(100_000),
        b"\x7fELF" + bytes(60),
        b"\0",
        b"\0\0\0\0a",
        b"text first\n" * 200_000 + b"\0\0\0",
        bytes(byte for byte in random.Random(1).randbytes(5000) if byte),
    ],
    ids=["all bytes", "noise", "program", "a zero", "few zeros", "zeros at last", "noise without zeros"],
)
def test_binary(data: bytes) -> None:
    with pytest.raises(LeftOut, match="binary"):
        read(data)


def test_no_more_than_the_limit() -> None:
    reader = TextReader(io.BytesIO(b"a" * (5 << 20)), limit=2 << 20)
    with pytest.raises(LeftOut, match="bomb"):
        list(reader.blocks())
    assert reader.read <= 3 << 20


def _in_blocks(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines(size: int) -> None:
    text = "one\n\n" + "x" * 50 + "\ntwo\n" + "y" * 11
    assert list(lines(_in_blocks(text, size), 10)) == ["one", "", None, "two", None]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_pieces_are_the_text_and_cut_at_line_ends(size: int) -> None:
    text = "".join(f"line {n}\n" + ("\n" if n % 5 == 0 else "") for n in range(100)) + "z" * 170 + "\nend"
    found = list(pieces(_in_blocks(text, size), 60))
    assert "".join(piece for piece, _ in found) == text
    assert max(len(piece) for piece, _ in found) <= 60
    assert all(piece.endswith("\n") for piece, hard in found[:-1] if not hard)
    assert sum(hard for _, hard in found) == 2


def test_what_comes_before_a_break_is_given_first() -> None:
    whole = gzip.compress(b"".join(b"line %d\n" % n for n in range(20_000)))
    found: list[str] = []
    with gzip.open(io.BytesIO(whole[: len(whole) // 2])) as file:
        reader = TextReader(file)
        with pytest.raises(LeftOut, match="truncated"):
            found.extend(piece for piece, _ in pieces(reader.blocks(), 1000))
    assert "".join(found).startswith("line 0\nline 1\n")
    assert len("".join(found)) > 50_000
