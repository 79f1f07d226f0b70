"""A text dataset from what is really found on disks."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from core.datasets.library import Datasets
from core.datasets.manifest import Manifest
from core.datasets.scanning import read_index, read_sources
from core.datasets.texts.gathering import gather
from core.datasets.texts.look import look
from core.datasets.texts.records import Limits
from core.datasets.texts.store import TextStore
from core.errors import InvalidInput, Refused

PROSE = "Er sagte: größer, schöner, weiter; und niemand widersprach ihm an diesem Abend.\n"


def prose(number: int, lines: int = 20) -> str:
    return f"Kapitel {number}\n" + PROSE * lines


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def code_search_net(root: Path) -> Path:
    for part, count in (("train", 300), ("valid", 20), ("test", 10)):
        folder = root / "go" / "final" / "jsonl" / part
        folder.mkdir(parents=True)
        first = 0 if part == "train" else 290  # some of the held-out ones are in the training files too
        records = [
            {"func_name": f"f{n}", "code": f"func f{n}() {{ return {n} }}\n" * 3, "docstring": PROSE * 5}
            for n in range(first, first + count)
        ]
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        (folder / f"go_{part}_0.jsonl.gz").write_bytes(gzip.compress(data))
    return root


def test_a_folder_of_mixed_encodings(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in",
        {
            "a.txt": prose(1),
            "b.txt": prose(2).encode("utf-16"),
            "c.md": prose(3).encode("cp1252"),
            "d.txt": prose(4).replace("\n", "\r\n").encode("utf-8-sig"),
            "e.txt": prose(1),
            "f.txt": bytes(range(256)) * 100,
            "g.txt": "",
            "h.txt": prose(6).encode() + b"caf\xe9\n",
            "i\n\x1b[31m.txt": prose(7),
            **{f"more/{n}": prose(n) for n in range(10, 40)},
        },
    )
    manifest = gather([source], tmp_path / "out", "mixed")
    store = TextStore.open(tmp_path / "out")
    texts = {store.text(n) for n in range(len(store))}
    assert {prose(n) for n in (1, 2, 3, 4, 7, *range(10, 40))} <= texts
    report = manifest.about["report"]
    assert isinstance(report, dict)
    assert report["documents"] == manifest.count == len(texts) == 36
    assert report["duplicates"] == 1
    assert report["left_out"] == {"duplicate": 1, "binary": 1, "empty": 1}
    assert report["broken_lines"] == 1
    assert report["encodings"] == {"utf-8": 35, "utf-16-le": 1, "cp1252": 1}
    assert "little" in report["advice"]
    left = {record.name: record.reason for record in read_index(tmp_path / "out")}
    assert left == {"e.txt": "duplicate", "f.txt": "binary", "g.txt": "empty"}
    assert read_sources(tmp_path / "out") == [source]
    assert "\x1b" not in (tmp_path / "out" / "dataset.toml").read_text()


def test_code_search_net_keeps_its_split(tmp_path: Path) -> None:
    manifest = gather([code_search_net(tmp_path / "in")], tmp_path / "out", "go")
    store = TextStore.open(tmp_path / "out")
    held = set(store.texts(held=True))
    assert held == {f"func f{n}() {{ return {n} }}\n" * 3 for n in range(290, 310)}
    assert len(set(store.texts(held=False))) == 290  # what is held out is in no training text
    assert manifest.about["origin"]["fields"] == ["code"]  # type: ignore[index]
    report = manifest.about["report"]
    assert isinstance(report, dict)
    assert report["duplicates"] == 20


def test_one_long_file_has_its_end_held_out(tmp_path: Path) -> None:
    text = "".join(f"line {n} of a long story\n" for n in range(20_000))
    source = write(tmp_path / "in", {"story.txt": text}) / "story.txt"
    gather([source], tmp_path / "out", "story")
    store = TextStore.open(tmp_path / "out")
    assert len(store) == 2
    assert store.held.tolist() == [False, True]
    assert store.text(0) + store.text(1) == text
    assert 0.04 < store.size(held=True) / store.size() < 0.06


def test_one_line_without_an_end_is_cut_with_a_word(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"line.txt": "".join(f"{n:07} " for n in range(100_000))}) / "line.txt"
    manifest = gather([source], tmp_path / "out", "line", limits=Limits(piece=50_001))
    report = manifest.about["report"]
    assert isinstance(report, dict)
    assert report["cut_lines"] == 15
    assert TextStore.open(tmp_path / "out").size() == 800_000


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.txt": ""}, r"no text: at least 10 kB are needed.*\(1 file looked at; left out: empty\)"),
        ({}, "no text"),
        ({"a.txt": "short"}, "5 B in 1 document"),
        ({"a.txt": bytes(range(256)) * 400}, "left out: binary: zero bytes"),
        ({"a.jsonl": '{"id": 1}\n' * 5000}, "no text field: its fields are id"),
        ({"a.jsonl": "{no json}\n" * 5000}, "no records"),
        ({"a.jsonl.gz": b"\x1f\x8b\x08\x00garbage"}, "truncated|broken"),
        ({"a.jsonl.gz": b"plain"}, "broken: it is no gz file"),
        ({"a.gz": b"\x1f\x8b\x08\x00garbage", "b.png": b"", "c.txt": b"x"}, "2 binary"),
    ],
    ids=str,
)
def test_what_is_refused(tmp_path: Path, files: dict[str, str | bytes], told: str) -> None:
    source = write(tmp_path / "in", files)
    source.mkdir(exist_ok=True)
    with pytest.raises(Refused, match=told):
        gather([source], tmp_path / "out", "x")
    assert not (tmp_path / "out" / "dataset.toml").exists()
    assert not list((tmp_path / "out").glob("*.bin"))


def test_a_field_that_is_nowhere_names_those_that_are(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"a.jsonl": json.dumps({"words": PROSE, "id": 1}) + "\n"})
    with pytest.raises(Refused, match=r"no record has text in the field text\. Their fields are words, id"):
        gather([source], tmp_path / "out", "x", wanted="text")


@pytest.mark.parametrize("share", [0.0, -1.0, 0.6, float("nan")])
def test_a_share_that_is_none(tmp_path: Path, share: float) -> None:
    with pytest.raises(InvalidInput):
        gather([tmp_path], tmp_path / "out", "x", share=share)


def test_a_folder_that_goes_away_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {f"{n}.txt": prose(n) for n in range(100)})

    def gone(text: str, share: float | None) -> None:
        if text.startswith("file 50 "):
            shutil.rmtree(source)

    with pytest.raises(Refused, match="is not there"):
        gather([source], tmp_path / "out", "x", progress=gone)
    assert not (tmp_path / "out" / "dataset.toml").exists()


def test_of_a_file_that_goes_away_the_others_stay(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {f"{n:03}.txt": prose(n) for n in range(100)})

    def gone(text: str, share: float | None) -> None:
        if text.startswith("file 1 "):
            (source / "099.txt").unlink()

    manifest = gather([source], tmp_path / "out", "x", progress=gone)
    assert manifest.count == 99
    assert manifest.about["report"]["left_out"] == {"vanished": 1}  # type: ignore[index]


def test_progress_says_how_far_it_is(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"a.jsonl": "".join(json.dumps({"text": prose(n, 2)}) + "\n" for n in range(9000))})
    told: list[tuple[str, float | None]] = []
    gather([source / "a.jsonl"], tmp_path / "out", "x", progress=lambda *each: told.append(each))
    shares = [share for _, share in told if share is not None]
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert "MB/s" in told[5][0]


def test_a_text_dataset_without_its_texts_is_not_ready(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path, drawn={})
    staging = datasets.staging()
    gather([write(tmp_path / "in", {"a.txt": prose(1, 500)})], staging, "story")
    added = datasets.adopt(staging)
    assert (added.kind, added.ready, added.count, added.size, added.problem) == ("text", True, 2, 0, None)
    assert datasets.get("story").id == added.id
    (added.folder / "texts.bin").unlink()
    broken = datasets.get("story")
    assert not broken.ready
    assert broken.problem == "texts.bin is missing. Add it again"
    assert datasets.remove("story").id == added.id
    assert datasets.datasets() == []


def test_a_look_guesses_kind_and_field(tmp_path: Path) -> None:
    source = write(tmp_path / "code", {f"{n}.py": "x = 1\n" for n in range(5)} | {"icon.png": b"\x89PNG", "b": b"\0"})
    seen = look([source])
    assert (seen["kind"], seen["texts"], seen["pictures"], seen["left_out"]) == ("text", 5, 1, 1)
    pictures = write(tmp_path / "pics", {"a.jpg": b"x", "b": b"\x89PNG\r\n", "a.txt": "a caption"})
    assert (look([pictures])["kind"], look([pictures])["pictures"]) == ("image", 2)
    seen = look([code_search_net(tmp_path / "csn")])
    assert (seen["kind"], seen["field"], seen["splits"]) == ("text", "code", True)
    assert [each["name"] for each in seen["fields"]] == ["func_name", "code", "docstring"]  # type: ignore[attr-defined]
    odd = write(
        tmp_path / "odd", {"a.jsonl": '{"id": 7, "x\\u001b[31m": "\\u001b[2J"}\n', "b.jsonl.gz": b"\x1f\x8b\x08"}
    )
    seen = look([odd])
    assert seen["field"] == ""
    assert "\x1b" not in json.dumps(seen, ensure_ascii=False)
    assert not look([source], seconds=-1)["complete"]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9\xff")
    write(source, {os.fsdecode(b"%d\xe9.txt" % n): prose(n) for n in range(20)} | {os.fsdecode(b"\xff.txt"): "\0"})
    manifest = gather([source], tmp_path / "out", "x")
    assert manifest.count >= 20
    assert [record.name for record in read_index(tmp_path / "out")] == ["?.txt"]
    assert read_sources(tmp_path / "out") == [source]
    assert Manifest.read(tmp_path / "out").count == manifest.count


def test_fingerprints_tell_texts_and_splits_apart(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {f"{n}.txt": prose(n) for n in range(40)})
    found = {gather([source], tmp_path / str(seed), "x", seed=seed).fingerprint for seed in (0, 1)}
    again = gather([source], tmp_path / "again", "y").fingerprint
    assert len(found) == 2
    assert again in found
