"""`tarmac datasets add --kind text` on what nobody should add: refused in a line or used as far as it is good, in
little memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path
from random import Random
from typing import cast

import pytest

from core.datasets.library import Datasets
from core.datasets.manifest import Manifest
from core.datasets.sources import BOMB_BYTES, BOMB_RATIO
from core.datasets.texts.store import TextStore
from tests.e2e.test_hostile_datasets import MEASURED, zipped

MOST_MEMORY = 300 << 20
"""Bytes; a process that has seen nothing takes about 50 MB."""

WORDS = "Nobody had seen the house since it was sold, and nobody asked for it.\n"


def squeezed(line: bytes, count: int) -> bytes:
    """A gzip file of many equal lines, made without holding them."""
    squeezer = zlib.compressobj(9, wbits=31)
    block = line * (1 + (1 << 20) // len(line))
    data = b"".join(squeezer.compress(block) for _ in range(count * len(line) // len(block)))
    return data + squeezer.flush()


def add(home: Path, tmp_path: Path, *given: str | Path) -> tuple[int, str, str, int]:
    """Exit code, standard output and error, and the peak of memory in bytes."""
    peak = tmp_path / "peak"
    asked = ["-m", "tui.cli", "datasets", "add", *map(str, given)]
    child = subprocess.run([sys.executable, "-c", MEASURED, str(peak), sys.executable, *asked], capture_output=True)
    return child.returncode, child.stdout.decode(), child.stderr.decode(), int(peak.read_text()) * 1024


def _empty_file(folder: Path) -> None:
    (folder / "empty.txt").touch()


def _nothing(folder: Path) -> None:
    pass


def _binary(folder: Path) -> None:
    (folder / "program.txt").write_bytes(Path(sys.executable).read_bytes()[:1_000_000])


def _no_gzip(folder: Path) -> None:
    (folder / "x.jsonl.gz").write_bytes(b"this is no gzip" * 10_000)


def _cut_gzip(folder: Path) -> None:
    (folder / "x.jsonl.gz").write_bytes(gzip.compress(os.urandom(50_000))[:20])


def _no_field(folder: Path) -> None:
    (folder / "x.jsonl").write_text('{"number": 7}\n' * 10_000)


def _no_records(folder: Path) -> None:
    (folder / "x.jsonl").write_text("[[[[[[\n" * 10_000)


def _loops(folder: Path) -> None:
    (folder / "back").symlink_to(folder)
    (folder / "itself.txt").symlink_to(folder / "itself.txt")
    (folder / "zero.txt").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.txt")


def _outside(folder: Path) -> None:
    (folder / "x.zip").write_bytes(zipped({f"../../{n}.txt": WORDS.encode() * 50 + b"%d" % n for n in range(50)}))


def _one_long_record(folder: Path) -> None:
    (folder / "x.jsonl.gz").write_bytes(squeezed(b'{"text": "' + b"x" * 5000, 60_000))


def _zip_bomb(folder: Path) -> None:
    (folder / "x.zip").write_bytes(zipped({f"{n}.txt": bytes(50 << 20) for n in range(60)}))


def _tar_bomb(folder: Path) -> None:
    def member(name: str, size: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.size = size
        return info.tobuf()

    (folder / "x.tar.gz").write_bytes(gzip.compress(member("x.txt", 50 << 40) + b"x" * 1024))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_empty_file, "left out: empty"),
        (_nothing, "no text"),
        (_binary, "binary"),
        (_no_gzip, "it is no gz file"),
        (_cut_gzip, "no text"),
        (_no_field, "no text field: its fields are number"),
        (_no_records, "no records"),
        (_loops, "1 link"),
        (_outside, "50 unsafe name"),
        (_one_long_record, "no records"),
        (_zip_bomb, "would unpack to more than"),
        (_tar_bomb, "would unpack to more than"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_cannot_be_learned_from(home: Path, tmp_path: Path, make: object, told: str) -> None:
    folder = tmp_path / "te\nx\x1b[31mts"  # a name that would colour a terminal
    folder.mkdir()
    make(folder)  # type: ignore[operator]
    archive = next((path for path in folder.iterdir() if path.name.startswith("x.")), folder)
    code, out, errors, peak = add(home, tmp_path, archive, "--kind", "text")
    assert code == 2, errors
    assert out == ""
    assert len(errors.splitlines()) == 1, errors
    assert "\x1b" not in errors
    assert told in errors
    assert peak < MOST_MEMORY
    assert not [found for found in Datasets().datasets() if found.source == "library"]
    assert [path.name for path in (home / "data" / "datasets").glob("*") if not path.name.startswith(".")] == []


@pytest.mark.slow
def test_one_line_of_300_mb(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    spaces = bytes.maketrans(b"f", b" ")
    with path.open("wb") as file:
        for number in range(30):
            file.write(Random(number).randbytes(5_000_000).hex().encode().translate(spaces))
    assert path.stat().st_size == 300_000_000
    code, out, errors, peak = add(home, tmp_path, path)
    assert code == 0, errors
    assert "long lines cut" in errors
    assert peak < MOST_MEMORY
    store = TextStore.open(Datasets().get(out.strip()).folder)
    assert store.size() == 300_000_000
    assert int(max(store.starts[1:] - store.starts[:-1])) <= 1 << 20


def added_alone(tmp_path: Path, path: Path, before: str = "") -> tuple[dict[str, object], int]:
    """What the work alone tells of adding a text file, and its peak of memory; `before` is run before it."""
    folder = tmp_path / "added"
    job = {"job": "add-text", "folder": str(folder), "sources": [str(path)], "name": "x", "field": None}
    modules = "from core.datasets import __main__; from core.datasets.texts import files"
    work = f"import sys; {modules}; {before}sys.exit(__main__.main())"
    peak = tmp_path / "peak"
    asked = [sys.executable, "-c", MEASURED, str(peak), sys.executable, "-c", work]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({**job, "held_out": 0.05, "seed": 0}).encode() + b"\n")
        child.stdin.flush()  # and left open: it ends with whoever asked
        told = child.stdout.read()
    assert child.returncode == 0, told
    report = Manifest.read(folder).about["report"]
    assert isinstance(report, dict)
    return report, int(peak.read_text()) * 1024


def test_a_gzip_that_unpacks_to_much_more_than_memory_may_hold(tmp_path: Path) -> None:
    """With a limit of 400 MB instead of 2 GB: as many lines as reach that take minutes."""
    path = tmp_path / "x.txt.gz"
    path.write_bytes(squeezed(WORDS.encode() * 10, 620_000))  # 434 MB in 1.3 MB
    report, peak = added_alone(tmp_path, path, f"files.BOMB_BYTES = {400 << 20}; ")
    assert report["left_out"] == {"bomb": 1}  # what comes before the limit is text like any other, and mostly the same
    assert cast(int, report["duplicates"]) > 100
    assert peak < MOST_MEMORY


@pytest.mark.slow
def test_a_gzip_that_reaches_the_limit_of_every_day(tmp_path: Path) -> None:
    """Records, and then one line of more than 2 GB."""
    path = tmp_path / "x.jsonl.gz"
    good = "".join(json.dumps({"text": f"{number} {WORDS}"}) + "\n" for number in range(200))
    squeezer = zlib.compressobj(9, wbits=31)
    block = squeezer.compress(b"x" * (16 << 20)) + squeezer.flush()
    path.write_bytes(gzip.compress(good.encode()) + block * 129)  # a file of files, as `cat a.gz b.gz` makes them
    assert BOMB_RATIO * path.stat().st_size < BOMB_BYTES < 129 * (16 << 20)
    report, peak = added_alone(tmp_path, path)
    assert report["left_out"] == {"bomb": 1}
    assert report["documents"] == 200
    assert peak < MOST_MEMORY


def test_what_is_good_stays(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    lines = [json.dumps({"text": f"{n} {WORDS * 3}"}) for n in range(5000)]
    lines[1000:1001] = [
        '{"text": "broken in the mid',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "{}",
    ]
    whole = gzip.compress("\n".join(lines).encode())
    (folder / "a.jsonl.gz").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "b.txt").write_bytes(("Größe 0\n" + "Maß für Maß\n" * 50).encode("cp1252"))
    (folder / "c.txt").write_bytes(WORDS.encode("utf-16"))
    (folder / "d\n\x1b[2J.txt").write_text(WORDS + "d")
    (folder / "e.txt").write_bytes(io.BytesIO(os.urandom(10_000)).read())
    code, out, errors, _ = add(home, tmp_path, folder, "--kind", "text", "--json")
    assert code == 0, errors
    made = json.loads(out)
    store = TextStore.open(Path(made["folder"]))
    texts = {store.text(n) for n in range(len(store))}
    assert {"Größe 0\n" + "Maß für Maß\n" * 50, WORDS, WORDS + "d", f"999 {WORDS * 3}", f"1003 {WORDS * 3}"} <= texts
    assert made["report"]["left_out"] == {"truncated": 1, "binary": 1}
    assert made["report"]["bad_records"] == 2
    assert made["report"]["without_field"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        monkeypatch.setenv("TARMAC_HOME", str(small))
        source = tmp_path / "x.txt"
        source.write_text("".join(f"{n} {WORDS}" for n in range(300_000)))
        code, out, errors, _ = add(small, tmp_path, source)
        assert (code, out) == (1, "") or code == 2
        assert "Free some space" in errors
        assert not [path for path in small.rglob("*") if path.is_file()]
    finally:
        subprocess.run(["umount", str(small)], check=True)
