"""`tarmac datasets add` on what nobody should add: one line, exit code 2, nothing half-made listed, little memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.library import Datasets

MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
"""Runs a command and keeps the peak of its memory: a child of the tests themselves would begin with theirs."""

MOST_MEMORY = 400 << 20
"""Bytes; a process with numpy and Pillow that has seen nothing takes about 60 MB."""


def png(seed: int, side: int = 40) -> bytes:
    """A picture like no other."""
    out = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


def bomb(side: int = 40_000) -> bytes:
    """A PNG of a few megabytes at most that asks for 4.8 GB."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    squeezer = zlib.compressobj(9)
    row = b"\x00" * (1 + 3 * side)
    data = b"".join(squeezer.compress(row) for _ in range(side // 100)) + squeezer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", data) + part(b"IEND", b"")


def zipped(members: dict[str, bytes]) -> bytes:
    """An archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _empty(folder: Path) -> None:
    pass


def _garbage(folder: Path) -> None:
    for number in range(10_000):
        (folder / f"{number}.jpg").write_bytes(number.to_bytes(4, "little") * 8)


def _three(folder: Path) -> None:
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png(number))


def _bomb(folder: Path) -> None:
    (folder / "bomb.png").write_bytes(bomb())


def _loops(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "back").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "there.png").symlink_to("/dev/zero")


def _outside(folder: Path) -> None:
    members = {f"../../{number}.png": png(number) for number in range(60)}
    (folder / "pictures.zip").write_bytes(zipped(members))


def _nested(folder: Path) -> None:
    data = bytes(50 << 20)
    for _ in range(4):
        data = zipped({f"{number}.zip": data for number in range(3)})
    (folder / "pictures.zip").write_bytes(data)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_empty, "no picture"),
        (_garbage, "10,000 files looked at"),
        (_three, "3 pictures"),
        (_bomb, "1 too large"),
        (_loops, "link"),
        (_outside, "unsafe name"),
        (_nested, "not a picture"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_cannot_be_learned_from(home: Path, tmp_path: Path, make: object, told: str) -> None:
    folder = tmp_path / "pic\ntu\x1b[31mres"  # a name that would colour a terminal
    folder.mkdir()
    make(folder)  # type: ignore[operator]
    archive = folder / "pictures.zip"
    peak = tmp_path / "peak"
    asked = ["-m", "tui.cli", "datasets", "add", str(archive if archive.exists() else folder)]
    child = subprocess.run([sys.executable, "-c", MEASURED, str(peak), sys.executable, *asked], capture_output=True)
    errors = child.stderr.decode()
    assert child.returncode == 2, errors
    assert child.stdout == b""
    assert len(errors.splitlines()) == 1, errors
    assert "\x1b" not in errors
    assert told in errors
    assert int(peak.read_text()) * 1024 < MOST_MEMORY
    assert not [found for found in Datasets().datasets() if found.source == "library"]
    assert [path.name for path in (home / "data" / "datasets").glob("*") if not path.name.startswith(".")] == []
