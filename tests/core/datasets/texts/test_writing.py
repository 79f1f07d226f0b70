"""Texts on disk: each once, whole or not at all, and always with a held-out part."""

import errno
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.datasets.manifest import Manifest
from core.datasets.texts import split as text_split
from core.datasets.texts import writing as text_writing
from core.datasets.texts.split import HELD, TRAIN, UNSAID, rank, split, told_by_name
from core.datasets.texts.store import TextStore
from core.datasets.texts.writing import Digests, TextWriter, Written
from core.errors import Refused, StorageError


def write(folder: Path, texts: list[str], share: float = 0.05, seed: int = 0, told: int = UNSAID) -> Written:
    manifest = Manifest(name="x", kind="text")
    with TextWriter(folder, manifest, seed=seed) as writer:
        for number, text in enumerate(texts):
            writer.add(text, f"{number}.txt", told)
        written = writer.finish(share)
    Manifest(name="x", kind="text", count=written.documents, fingerprint=written.fingerprint).write(folder)
    return written


def test_what_is_written_is_read_and_each_once(tmp_path: Path) -> None:
    texts = [f"document {n} größer\n" for n in range(2000)]
    written = write(tmp_path, [*texts, *texts[::-1], " \n", ""])
    store = TextStore.open(tmp_path)
    assert [store.text(n) for n in range(len(store))] == texts
    assert written.documents == 2000
    assert written.bytes == store.size() == sum(len(text.encode()) for text in texts)
    assert (written.held, written.held_bytes) == (int(store.held.sum()), store.size(held=True))
    assert 0.03 < written.held_bytes / written.bytes < 0.07
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("dataset.toml", "texts-held.npy", "texts-index.npy", "texts.bin")
    ]
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_the_held_out_part_follows_content_and_seed_alone(tmp_path: Path) -> None:
    texts = [f"document {n}" for n in range(1000)]
    held = {}
    for name, order, seed in (("a", texts, 0), ("b", texts[::-1], 0), ("c", texts, 1)):
        write(tmp_path / name, order, seed=seed)
        held[name] = set(TextStore.open(tmp_path / name).texts(held=True))
    assert held["a"] == held["b"] != held["c"]
    assert len(held["a"] & held["c"]) < 20


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 30, 100])
@pytest.mark.parametrize("length", ["equal", "one long"])
def test_there_is_always_a_part_near_the_share(tmp_path: Path, count: int, length: str) -> None:
    dice = random.Random(count)
    lines = [200 if length == "equal" or n else 4000 for n in range(count)]
    texts = ["".join(f"{dice.random()}\n" for _ in range(number)) for number in lines]
    written = write(tmp_path, texts)
    store = TextStore.open(tmp_path)
    assert 0.05 / 3 <= written.held_bytes / written.bytes <= 0.15
    assert "".join(store.text(n) for n in range(len(store))) == "".join(texts)  # a cut loses nothing
    assert all(store.text(n).endswith("\n") for n in range(len(store)))


@pytest.mark.parametrize("text", ["ü" * 20_001, "x", "xy", "a\n" * 3, "日本" * 9])
def test_a_text_without_lines_is_cut_between_characters(tmp_path: Path, text: str) -> None:
    write(tmp_path, [text])
    store = TextStore.open(tmp_path)
    assert "".join(store.text(n) for n in range(len(store))) == text
    assert len(store) == 1 + (len(text) > 1)


def test_sources_that_say_what_is_held_out_are_obeyed(tmp_path: Path) -> None:
    with TextWriter(tmp_path, Manifest(name="x", kind="text")) as writer:
        for number in range(50):
            writer.add(f"text {number}", "x", HELD if number % 2 else TRAIN)
        written = writer.finish(0.05)
    assert written.held == 25


def test_only_one_side_is_no_split() -> None:
    sizes, ranks = np.full(1000, 10, np.int64), np.arange(1000, dtype=np.uint32) * 4_294_967
    for told in (HELD, TRAIN):
        chosen = split(sizes, ranks, np.full(1000, told, np.uint8), 0.05)
        assert 40 <= chosen.held.sum() <= 60


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("go/final/jsonl/train/go_train_0.jsonl.gz", TRAIN),
        ("/data/go/final/jsonl/valid/go_valid_0.jsonl.gz", HELD),
        ("go/final/jsonl/test/x.jsonl", HELD),
        ("x/train-00000-of-00004.parquet", TRAIN),
        ("x/validation.csv", HELD),
        ("latest.jsonl", UNSAID),
        ("tests/test_x.py", UNSAID),
        ("test.txt", UNSAID),
    ],
)
def test_what_names_say(path: str, told: int) -> None:
    assert told_by_name(path) == told


def test_ranks_are_even() -> None:
    found = np.array([rank(digest, 3) for digest in range(20_000)])
    assert np.abs(np.histogram(found, 10, (0, 2**32))[0] - 2000).max() < 250
    assert text_split.rank(5, 0) != text_split.rank(5, 1)


def test_digests_remember_all() -> None:
    dice = random.Random(0)
    numbers = [dice.getrandbits(64) for _ in range(20_000)] + list(range(5000))
    digests = Digests()
    fresh = [digests.add(number) for number in numbers]
    assert sum(fresh) == len(digests) == len({number or 1 for number in numbers})
    assert not any(digests.add(number) for number in numbers)


def test_the_longest_and_some_beginnings_are_kept(tmp_path: Path) -> None:
    texts = [f"{n} " + "x" * n for n in range(1, 600)]
    written = write(tmp_path, texts)
    assert [name for name, _ in written.longest] == ["598.txt", "597.txt", "596.txt", "595.txt", "594.txt"]
    assert written.longest[0][1] == len(texts[-1])
    assert len(written.samples) == 6
    assert all(any(text.startswith(sample) for text in texts) for sample in written.samples)


def test_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused), TextWriter(tmp_path, Manifest(name="x", kind="text")) as writer:
        writer.finish(0.05)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with TextWriter(tmp_path, Manifest(name="x")) as writer:
        assert writer._file is not None
        writer._file.close()
        monkeypatch.setattr(writer, "_file", Full())
        with pytest.raises(StorageError, match="Free some space"):
            writer.add("text", "x")
    assert list(tmp_path.iterdir()) == []


def test_it_stops_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_writing, "_CHECK_EVERY", 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with TextWriter(tmp_path, Manifest(name="x")) as writer:
        writer.add("x" * 101, "x")
        with pytest.raises(StorageError, match="not enough space"):
            writer.add("text", "x")
    assert list(tmp_path.iterdir()) == []


def test_a_long_file_is_named_once_among_the_longest(tmp_path: Path) -> None:
    with TextWriter(tmp_path, Manifest(name="x", kind="text")) as writer:
        for number in range(20):
            writer.add(f"{number:03}" * 1000, "long.txt")
            writer.add(f"{number} short", f"{number}.txt")
        written = writer.finish(0.05)
    names = [name for name, _ in written.longest]
    assert names[0] == "long.txt"
    assert len(set(names)) == len(names) == 5


def test_of_many_documents_of_one_name_the_longest_counts(tmp_path: Path) -> None:
    with TextWriter(tmp_path, Manifest(name="x", kind="text")) as writer:
        for number in (101, 3000, 400):
            writer.add("x" * number, "records.jsonl")
        writer.add("y" * 500, "other.txt")
        written = writer.finish(0.05)
    assert written.longest == (("records.jsonl", 3000), ("other.txt", 500))
