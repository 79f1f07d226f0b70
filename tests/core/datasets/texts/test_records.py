"""Documents out of files: whole, or a field of records that is found by itself."""

import csv
import gzip
import io
import json
import random
import re
import sys
from pathlib import Path

import pytest

from core.datasets.decoding import LeftOut
from core.datasets.texts.files import listed
from core.datasets.texts.records import Found, Limits, choose, documents

LONG = "a sentence of some length, so that it counts as text. "


def read(path: Path, wanted: str | None = None, limits: Limits | None = None) -> tuple[list[str], Found]:
    found = Found()
    return [text for file in listed(path).files for text in documents(file, wanted, found, limits)], found


def jsonl(path: Path, records: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.jsonl.gz", "x.json.gz", "x.json"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    path = jsonl(tmp_path / name, [{"id": n, "text": f"größer {n}"} for n in range(100)])
    texts, found = read(path)
    assert texts == [f"größer {n}" for n in range(100)]
    assert found.fields == {"text": 100}


def test_json_that_is_no_lines_is_plain_text(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{\n  "text": "no"\n}\n')
    assert read(tmp_path / "x.json")[0] == ['{\n  "text": "no"\n}\n']


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["x.json", "x.json.gz"])
def test_an_array_of_objects_is_records(tmp_path: Path, name: str, indent: int | None) -> None:
    texts = [f"größer {n} ]}}, {{[" + "x" * (n * 997 % 40_000) for n in range(300)]  # over several blocks
    records: list[object] = [{"id": n, "text": text} for n, text in enumerate(texts)]
    records[7] = "no object"
    data = json.dumps(records, ensure_ascii=False, indent=indent).encode()
    assert len(data) > 3 << 20
    path = tmp_path / name
    path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
    seen, found = read(path)
    assert seen == [*texts[:7], *texts[8:]]
    assert (found.fields, found.bad) == ({"text": 299}, 1)


def test_the_first_record_of_an_array_may_be_long(tmp_path: Path) -> None:
    book = "It was a dark and stormy night. " * 100_000
    (tmp_path / "x.json").write_text(json.dumps([{"title": "Night", "text": book}, {"title": "Day", "text": "."}]))
    assert read(tmp_path / "x.json")[0] == [book, "."]


def test_an_array_in_a_folder_is_records_only_with_text_in_a_field(tmp_path: Path) -> None:
    numbers, texts = [{"x": 1, "y": "a"}] * 3, [{"x": 1, "text": LONG}] * 3
    (tmp_path / "a.json").write_text(json.dumps(numbers))
    (tmp_path / "b.json").write_text(json.dumps(texts))
    assert read(tmp_path)[0] == [json.dumps(numbers), *[LONG] * 3]


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        ("", "truncated: its array has no end after 2 records"),
        (', {"text": "cut', "broken: it is no JSON after 2 records"),
        (", {'text': 'Python'}]", "broken: it is no JSON after 2 records"),
        (', {"text": "' + "x" * 3_000_000 + '"}]', "broken: record 3 is longer than 10,000 characters, or no JSON"),
    ],
)
def test_the_good_beginning_of_an_array_is_used(tmp_path: Path, ending: str, why: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps([{"text": "one"}, {"text": "two"}])[:-1] + ending)
    texts: list[str] = []
    (file,) = listed(tmp_path / "x.json").files
    with pytest.raises(LeftOut) as left:
        texts.extend(documents(file, None, Found(), Limits(record=10_000)))
    assert (texts, f"{left.value.reason}: {left.value.why}") == (["one", "two"], why)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"text": "a", "content": LONG}, "text"),
        ({"Content": "a", "title": LONG}, "Content"),
        ({"body": "a", "title": LONG}, "body"),
        ({"code": "a", "docstring": LONG}, "code"),
        ({"id": "1", "essay": LONG, "n": 7}, "essay"),
        ({"func_name": "f", "docstring": LONG, "code": "x", "text": "t"}, "code"),
        ({"id": "1", "n": 7}, None),
        ({}, None),
    ],
)
def test_the_field_is_found(record: dict[str, object], field: str | None) -> None:
    assert choose([record] * 3) == field


def test_a_field_that_is_asked_for_wins_and_may_be_inside(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [{"text": "no", "meta": {"words": "yes"}}, {"text": "no"}, {"meta": 3}])
    texts, found = read(path, "meta.words")
    assert texts == ["yes"]
    assert found.without == 2


def test_code_search_net(tmp_path: Path) -> None:
    record = {"repo": "r", "func_name": "f", "original_string": LONG * 3, "code": "def f(): pass", "docstring": LONG}
    path = jsonl(tmp_path / "python/final/jsonl/train/python_train_0.jsonl.gz", [record])
    assert read(path)[0] == ["def f(): pass"]


def test_bad_records_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = ['{"text": "one"}', '{"text": "tw', "[1, 2]", "", "[" * 5000, '{"text": 3}', '{"text": "\\ud800 two"}']
    path.write_text("\n".join(lines))
    texts, found = read(path)
    assert len(texts) == 2
    assert (found.bad, found.without) == (3, 1)


def test_a_long_line_is_left_out_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"text": "x" * 50_000}) + "\n" + json.dumps({"text": "short"}) + "\n")
    texts, found = read(path, limits=Limits(record=10_000))
    assert texts == ["short"]
    assert found.bad == 1


@pytest.mark.parametrize(("name", "delimiter"), [("x.csv", ","), ("x.tsv", "\t"), ("y.csv", ";"), ("x.csv.gz", ",")])
def test_tables(tmp_path: Path, name: str, delimiter: str) -> None:
    path = tmp_path / name
    with io.StringIO(newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "essay"])
        writer.writerows([n, f'{LONG}"quoted",;\t\nsecond line {n}'] for n in range(60))
        data = file.getvalue().encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    texts, found = read(path)
    assert texts == [f'{LONG}"quoted",;\t\nsecond line {n}' for n in range(60)]
    assert found.fields == {"essay": 60}


def test_a_quote_that_never_ends_does_not_take_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('id,text\n1,good one\n2,"never closed\n' + "line\n" * 20_000)
    texts, found = read(path, limits=Limits(record=5_000))
    assert texts[0] == "good one"
    assert found.bad >= 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x1f\x8b\x08\x00 broken", "truncated|broken"),
        (b"this is no gzip", "broken: it is no gz file"),
        (gzip.compress(b"not json\n" * 10), "no records"),
        (gzip.compress(json.dumps({"id": 7, "n": "x"}).encode()), "no text field: its fields are id, n"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(LeftOut) as left:
        read(path)
    assert re.match(reason, f"{left.value.reason}: {left.value.why}".removesuffix(": "))


def test_of_a_truncated_file_the_beginning_is_used(tmp_path: Path) -> None:
    noise = random.Random(0)
    path = jsonl(tmp_path / "x.jsonl.gz", [{"text": f"{noise.random()}"} for _ in range(200_000)])
    path.write_bytes(path.read_bytes()[:-1000])
    texts: list[str] = []
    (file,) = listed(path).files
    with pytest.raises(LeftOut, match="truncated"):
        texts.extend(documents(file, None, Found()))
    assert len(texts) > 50_000


def test_separators_of_gpt_2(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text('one\n<|endoftext|>\ntwo\nmore<|endoftext|>three\nsay "<|endoftext|>" aloud<|endoftext|>\nfour')
    assert read(path)[0] == ["one\n", 'two\nmore<|endoftext|>three\nsay "<|endoftext|>" aloud', "four"]


def test_long_lines_of_prose_are_cut_and_of_source_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 25_000)
    texts, found = read(tmp_path / "a.txt", limits=Limits(piece=10_000))
    assert [len(text) for text in texts] == [10_000, 10_000, 5_000]
    assert (found.cut, found.pieces) == (2, 1)
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "bundle.js").write_text("var a=1;" * 5_000)
    with pytest.raises(LeftOut, match="minified"):
        read(folder)
    assert read(folder / "bundle.js")[0]  # what is named by itself is wanted


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    table = pyarrow.table({"id": [1, 2, 3], "title": ["a", "b", "c"], "text": ["one", None, "three"]})
    parquet.write_table(table, path, row_group_size=1)
    texts, found = read(path)
    assert texts == ["one", "three"]
    assert found.without == 1
    assert read(path, "title")[0] == ["a", "b", "c"]
    with pytest.raises(LeftOut, match="no text field"):
        read(path, "id")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LeftOut, match="broken"):
        read(path)


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(LeftOut, match="pip install pyarrow"):
        read(tmp_path / "x.parquet")
