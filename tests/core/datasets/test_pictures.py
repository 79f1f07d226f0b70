"""Picture folders become one array that is mapped from disk."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.pictures import PictureSet, contact_sheet, prepare_folder, read_square, write_pictures
from core.errors import InvalidInput, Refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    Image.new("RGB", (40, 20), (255, 0, 0)).save(source / "b.png")
    Image.new("L", (16, 16), 128).save(source / "deep" / "a.jpg")
    Image.new("RGBA", (16, 16), (0, 0, 255, 0)).save(source / "c.webp")
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (source / "notes.txt").write_text("no picture")
    return source


def test_folder_is_prepared(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made, left_out = prepare_folder(
        folder, tmp_path / "set", name="mine", size=16, progress=lambda done, of: seen.append((done, of))
    )
    assert len(made) == 3
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(left_out) == 1
    assert "broken.png" in left_out[0]
    assert made.images[0, 8, 8].tolist() == [255, 0, 0]
    assert made.images[1, 8, 8].tolist() == [255, 255, 255]  # transparent parts are white
    assert isinstance(made.images, np.memmap)
    assert [path.name for path in sorted((tmp_path / "set").iterdir())] == ["dataset.toml", "images.npy"]


def test_rows_are_taken(tmp_path: Path) -> None:
    images = np.arange(3 * 8 * 8 * 3, dtype=np.uint64).astype(np.uint8).reshape(3, 8, 8, 3)
    made = write_pictures(tmp_path / "set", "three", images, {"licence": "CC0-1.0"})
    assert np.array_equal(made[np.array([2, 0])], images[[2, 0]])
    assert made.about["licence"] == "CC0-1.0"
    assert made.about["count"] == 3


def test_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="no picture"):
        prepare_folder(tmp_path / "empty", tmp_path / "set", name="x", size=16)
    assert not list((tmp_path / "set").iterdir())


@pytest.mark.parametrize("size", [0, 4, 48, 2048])
def test_sizes_that_do_not_go(folder: Path, tmp_path: Path, size: int) -> None:
    with pytest.raises(InvalidInput, match="power of two"):
        prepare_folder(folder, tmp_path / "set", name="x", size=size)


def test_huge_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.datasets.pictures.MAX_PIXELS", 100)
    Image.new("RGB", (11, 10)).save(tmp_path / "big.png")
    with pytest.raises(Refused, match="too large"):
        read_square(tmp_path / "big.png", 8)


@pytest.mark.parametrize("damage", ["manifest", "array", "format", "shape"])
def test_damaged_dataset_is_refused(tmp_path: Path, damage: str) -> None:
    write_pictures(tmp_path / "set", "x", np.zeros((2, 8, 8, 3), np.uint8), {})
    if damage == "manifest":
        (tmp_path / "set" / "dataset.toml").write_text("= nothing")
    elif damage == "array":
        (tmp_path / "set" / "images.npy").write_bytes(b"nothing")
    elif damage == "format":
        (tmp_path / "set" / "dataset.toml").write_text('format = 99\nkind = "image"\n')
    else:
        np.save(tmp_path / "set" / "images.npy", np.zeros((2, 8), np.uint8))
    with pytest.raises(Refused):
        PictureSet.open(tmp_path / "set")


def test_contact_sheet() -> None:
    sheet = contact_sheet([np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30)], columns=2, gap=1)
    assert sheet.shape == (11, 11, 3)
    assert sheet[1, 1, 0] == 10
    assert sheet[6, 1, 0] == 30
    assert sheet[0, 0, 0] == 24
