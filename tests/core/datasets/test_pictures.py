"""Arrays become a dataset on disk, and a sheet."""

from pathlib import Path

import numpy as np
import pytest

from core.datasets.pictures import contact_sheet, write_pictures
from core.errors import StorageError


def test_arrays_are_written(tmp_path: Path) -> None:
    images = np.arange(3 * 8 * 8 * 3, dtype=np.uint64).astype(np.uint8).reshape(3, 8, 8, 3)
    made = write_pictures(tmp_path / "set", "three", images, {"licence": "CC0-1.0"}, ["a", "b\x1b[31m\n", "c"])
    assert np.array_equal(made[np.array([2, 0])], images[[2, 0]])
    assert list(made.names) == ["a", "b [31m", "c"]
    assert np.array_equal(np.load(tmp_path / "set" / "images.npy"), images)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["dataset.toml", "images.npy", "names.txt"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.datasets.writing as writing

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_pictures(tmp_path / "set", "x", np.zeros((2, 8, 8, 3), np.uint8), {})
    assert list((tmp_path / "set").iterdir()) == []


def test_contact_sheet() -> None:
    sheet = contact_sheet([np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30)], columns=2, gap=1)
    assert sheet.shape == (11, 11, 3)
    assert sheet[1, 1, 0] == 10
    assert sheet[6, 1, 0] == 30
    assert sheet[0, 0, 0] == 24
