"""Broken, hostile and foreign files are refused with one sentence, quickly, in bounded memory, and never run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from core.ml.checkpoints.convert import read_generator
from core.ml.checkpoints.generator import complete
from core.ml.checkpoints.problems import Unreadable
from tests import foreign, hostile

ROOT = Path(__file__).parents[4]

# Converts each file in a process with little memory: one line a file, `refused`, or what happened instead.
CONVERT_ALL = """
import re, sys, tempfile, time
from pathlib import Path
from core.ml.checkpoints.convert import convert
from core.ml.checkpoints.problems import Unreadable
for line in open(sys.argv[1], encoding="utf-8", errors="surrogateescape").read().split("\\0"):
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as staging:
        try:
            convert(Path(line), Path(staging))
            result = "IMPORTED"
        except Unreadable as error:
            result = "refused" if error.why and "\\n" not in error.why + error.do else "EMPTY"
        except BaseException as error:
            result = f"RAISED {error!r}"
    # Not ru_maxrss: it begins with the memory of the process that started this one.
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024
    print(ascii(Path(line).name), f"{time.process_time() - begin:.1f}", peak, result, sep="\\t", flush=True)
"""


def test_every_file_is_refused_in_little_time_and_memory(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    paths = [path for path in hostile.make_hostile_files(folder) if not path.name.startswith("text-")]
    names = tmp_path / "names"
    names.write_bytes(b"\0".join(os.fsencode(path) for path in paths))

    done = subprocess.run(
        [sys.executable, "-c", CONVERT_ALL, str(names)],
        cwd=ROOT,
        capture_output=True,
        timeout=900,
        check=True,
    )

    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert len(rows) == len(paths)
    assert [row for row in rows if row[3] != "refused"] == []
    assert [row for row in rows if float(row[1]) > 20] == []
    assert max(int(row[2]) for row in rows) < 500, "megabytes"
    assert not (folder / hostile.CANARY).exists()


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of every format, as it should be."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    state, config = foreign.tiny_generator()
    from safetensors.torch import save_file

    save_file({name: torch.from_numpy(array) for name, array in state.items()}, folder / "g.safetensors")
    foreign.write_nvidia(folder / "a.pkl", state, config)
    foreign.write_nvidia(folder / "b.pkl", state, config, protocol=3)
    foreign.write_tensorflow(folder / "c.pkl", state, config)
    foreign.write_rosinality(folder / "d.pt", state)
    foreign.write_rosinality(folder / "e.pt", state, zipped=False)
    foreign.write_rosinality(folder / "f.pt", state, zipped=False, training=True)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    for content in files.values():
        complete(read_generator(memoryview(content)))
    return files


FORMATS = ("a.pkl", "b.pkl", "c.pkl", "d.pt", "e.pt", "f.pt", "g.safetensors")


@pytest.mark.parametrize("name", FORMATS)
def test_truncated_anywhere(name: str, whole_files: dict[str, bytes]) -> None:
    content = memoryview(whole_files[name])
    for length in [*range(1, len(content), 97), len(content) - 1]:
        with pytest.raises(Unreadable):
            read_generator(content[:length])


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_anywhere(name: str, whole_files: dict[str, bytes]) -> None:
    """Flipped, overwritten, doubled and missing bytes: read or refused, never another error."""
    draw = random.Random(name)
    changes: list[Callable[[bytearray, int], None]] = [_flip, _overwrite, _delete, _double]
    for _ in range(400):
        content = bytearray(whole_files[name])
        for _ in range(draw.choice([1, 1, 1, 3])):
            draw.choice(changes)(content, draw.randrange(len(content)))
        with suppress(Unreadable):
            complete(read_generator(memoryview(bytes(content))))


def _flip(content: bytearray, place: int) -> None:
    content[place] ^= 1 << (place % 8)


def _overwrite(content: bytearray, place: int) -> None:
    content[place : place + 4] = b"\xff\xff\xff\xff"[: len(content) - place]


def _delete(content: bytearray, place: int) -> None:
    del content[place : place + 3]


def _double(content: bytearray, place: int) -> None:
    content[place:place] = content[place : place + 50]


def test_the_refusals_say_what_it_is(tmp_path: Path) -> None:
    files = {path.name: path for path in hostile.make_hostile_files(tmp_path) if path.is_file()}
    from core.ml.checkpoints.source import map_file

    expected = {
        "stylegan3.pkl": "StyleGAN3 network, which is not supported yet",
        "stylegan1.pkl": "progressive GAN without styles",
        "system.pkl": r"posix\.system, which weights never need",
        "page.pkl": "web page",
        "picture.pkl": "PNG picture",
        "lucid.pt": "lucidrains",
        "half.pt": "ends in the middle",
        "zip-bomb.pt": "compressed",
        "empty.pkl": "is empty",
        "huge.pkl": "larger than",
        "incomplete.pkl": "conv0.bias is missing",
        "new-keywords.pkl": "NEWOBJ_EX",
        "dotted.pkl": "__globals__",
        "laughing-modules.pkl": "without end",
        "snake.pkl": "unknown kind",
        "build-class.pkl": "that has none",
        "climbing.pt": "passwd is missing",
    }
    for name, sentence in expected.items():
        with pytest.raises(Unreadable, match=sentence):
            complete(read_generator(map_file(files[name])))
