"""Every file is looked at once and judged: kept, or left out with the reason."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.advice import advise
from core.datasets.pool import in_order
from core.datasets.scanning import UNSORTED, labels_of, read_index, read_sources, scan, write_index
from core.errors import Refused
from tests.core.datasets.drawings import folder_of, picture
from tests.core.datasets.test_decoding import bomb

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of odd files


def test_a_folder_of_everything(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", 6)
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "broken.png").write_bytes(b"nothing of the kind")
    whole = (folder / "p0001.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no picture")
    picture(90, 20, 60).save(folder / "tiny.png")
    picture(2).save(folder / "sub\n\x1b[31mcopy.bmp")
    picture(3).resize((96, 80)).save(folder / "q larger.png")
    picture(91).convert("CMYK").save(folder / "r.jpg", quality=95)
    told: list[tuple[str, float | None]] = []
    found = scan([folder], progress=lambda text, share: told.append((text, share)))
    assert found.left_out() == {
        "broken": 1, "duplicate": 1, "not a picture": 1, "tiny": 1, "too large": 1, "truncated": 1
    }  # fmt: skip
    assert len(found.kept) == 8
    assert found.near() == 1
    assert found.notes() == {"CMYK": 1}
    records = {record.name: record for record in found.records}
    assert records["sub [31mcopy.bmp"].why == "the same as p0002.png"
    assert found.records[records["q larger.png"].like].name == "p0003.png"
    assert told[-1][0] == "looking for duplicates"
    assert "of 14, " in told[0][0]
    assert "MB/s" in told[0][0]
    assert told[-2][1] == 1.0
    without = scan([folder], drop_near=True)
    assert without.left_out()["near duplicate"] == 1
    assert len(without.kept) == 7


def test_the_index_says_the_same_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", 3)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n.png")).write_bytes((folder / "p0000.png").read_bytes())
    found = scan([folder])
    write_index(tmp_path, found.records, [folder, tmp_path / "a\nb"])
    assert tuple(read_index(tmp_path)) == found.records
    assert read_sources(tmp_path) == [folder, tmp_path / "a\nb"]
    (tmp_path / "scan.jsonl").write_text("{nothing\n")
    with pytest.raises(Refused, match="Add the dataset again"):
        read_index(tmp_path)


def test_several_sources_at_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", 3)
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for path in folder_of(tmp_path / "y", 3, first=2).iterdir():
            archive.write(path, f"deep/{path.name}")
    shutil.make_archive(str(tmp_path / "rest"), "gztar", folder_of(tmp_path / "z", 2, first=10))
    single = tmp_path / "single.png"
    picture(50).save(single)
    found = scan([folder, tmp_path / "more.zip", tmp_path / "rest.tar.gz", single])
    assert [record.source for record in found.kept] == [0, 0, 0, 1, 1, 2, 2, 3]
    assert found.left_out() == {"duplicate": 1}


class TestClasses:
    def test_sub_folders(self, tmp_path: Path) -> None:
        folder_of(tmp_path / "x" / "cats" / "deep", 2)
        folder_of(tmp_path / "x" / "dogs", 3, first=10)
        found = scan([tmp_path / "x"], classes=True)
        assert found.classes == ("cats", "dogs")
        assert [record.label for record in found.kept] == ["cats"] * 2 + ["dogs"] * 3
        assert scan([tmp_path / "x"]).classes == ()

    def test_sources_are_classes_and_common_folders_are_not(self) -> None:
        assert labels_of([("cats",), ("dogs",), ("dogs", "deep")]) == ["cats", "dogs", "dogs"]
        assert labels_of([("x.zip", "all", "a"), ("x.zip", "all", "b", "c")]) == ["a", "b"]
        assert labels_of([("x", "a"), ("x",), ("x", "b")]) == ["a", UNSORTED, "b"]
        assert labels_of([("x",), ("x",)]) == [UNSORTED, UNSORTED]
        assert labels_of([]) == []


def test_ten_thousand_files_of_garbage(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    content = random.integers(0, 256, 10_000 * 64, dtype=np.uint8).tobytes()
    for number in range(10_000):
        (tmp_path / f"{number}.{'png' if number % 2 else 'bin'}").write_bytes(content[64 * number : 64 * number + 64])
    found = scan([tmp_path])
    assert found.kept == []
    told = found.left_out()
    assert sum(told.values()) == 10_000
    assert told["broken"] > 4990  # a few begin like one of the formats that have no signature
    assert told["not a picture"] > 4990


def test_an_empty_folder(tmp_path: Path) -> None:
    assert scan([tmp_path]).records == ()


def test_a_folder_that_vanishes_halfway(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", 40)

    def gone(text: str, share: float | None) -> None:
        if folder.exists():
            shutil.rmtree(folder)

    found = scan([folder], progress=gone)
    assert found.kept
    assert set(found.left_out()) == {"vanished"}
    with pytest.raises(Refused, match="not there"):
        scan([folder])


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, 3)
    real = Image.open

    def locked(path: object, **options: object) -> Image.Image:
        if isinstance(path, Path) and path.name == "p0001.png":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", locked)
    assert scan([folder]).left_out() == {"unreadable": 1}


def test_results_come_in_order_and_errors_in_their_place() -> None:
    def work(item: int) -> int:
        if item == 30:
            raise ValueError("thirty")
        return item * item

    seen = []
    with pytest.raises(ValueError, match="thirty"):
        seen.extend(result for _, result in in_order(work, range(100), threads=4))
    drawn = list(in_order(lambda item: item, iter(range(50)), threads=3, weight=lambda item: 200 << 20))
    assert drawn == [(item, item) for item in range(50)]


@pytest.mark.parametrize(
    ("count", "size", "level"),
    [
        (0, 0, "refused"), (1, 0, "refused"), (49, 0, "refused"), (50, 0, "few"), (499, 0, "few"), (500, 0, "right"),
        (5000, 0, "right"), (5001, 0, "plenty"), (25_001, 0, "large"), (600, 6_000_000_000, "large"),
    ],
)  # fmt: skip
def test_advice(count: int, size: int, level: str) -> None:
    told = advise(count, size, rate=100)
    assert told.level == level
    assert f"{count:,}" in told.sentence
    if level == "large":
        assert "preparing them takes about" in told.sentence
