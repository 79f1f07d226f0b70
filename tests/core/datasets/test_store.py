"""What training reads is what was prepared, the same each time."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.datasets.manifest import Manifest
from core.datasets.store import PictureStore, sheet_of
from core.datasets.writing import PictureWriter, delete_older, write_square
from core.errors import Refused


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


def ragged(folder: Path, shapes: list[tuple[int, int]], channels: int = 3) -> tuple[PictureStore, list[np.ndarray]]:
    random = np.random.default_rng(4)
    pictures = [random.integers(0, 256, (*shape, channels), dtype=np.uint8) for shape in shapes]
    manifest = Manifest("x", size=16, channels=channels, layout="ragged", count=len(pictures))
    with PictureWriter(folder, manifest) as writer:
        for each in pictures:
            writer.add(each)
        mark = writer.finish([str(n) for n in range(len(pictures))])
    replace(manifest, fingerprint=mark).write(folder)
    return PictureStore.open(folder), pictures


class TestSquare:
    def test_rows(self, tmp_path: Path, images: np.ndarray) -> None:
        write_square(tmp_path, Manifest("x"), images)
        store = PictureStore.open(tmp_path)
        assert (len(store), store.size, store.channels, store.labels) == (6, 16, 3, None)
        assert np.array_equal(store[[4, 0, 4]], images[[4, 0, 4]])
        assert np.array_equal(store[-1], images[-1:])
        assert np.array_equal(store[1:3], images[1:3])
        assert np.array_equal(store[np.array([True, False, True, False, False, True])], images[[0, 2, 5]])
        assert np.array_equal(store.take(np.array([5, 1]), draw=7), images[[5, 1]])

    @pytest.mark.parametrize("rows", [[6], [-7], [0, 99]])
    def test_rows_that_are_not_there(self, tmp_path: Path, images: np.ndarray, rows: list[int]) -> None:
        write_square(tmp_path, Manifest("x"), images)
        with pytest.raises(IndexError, match="of 6 pictures"):
            PictureStore.open(tmp_path)[rows]

    def test_nothing_is_read_before_it_is_wanted(self, tmp_path: Path, images: np.ndarray) -> None:
        write_square(tmp_path, Manifest("x"), images)
        store = PictureStore.open(tmp_path)
        base = store._images
        while base is not None and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)

    def test_it_goes_to_another_process(self, tmp_path: Path, images: np.ndarray) -> None:
        write_square(tmp_path, Manifest("x"), images)
        sent = pickle.dumps(PictureStore.open(tmp_path))
        assert len(sent) < 2000
        assert np.array_equal(pickle.loads(sent)[[1]], images[[1]])

    def test_labels(self, tmp_path: Path, images: np.ndarray) -> None:
        labels = np.array([0, 1, 1, 0, 1, 0])
        write_square(tmp_path, Manifest("x", classes=("cat", "dog")), images, labels=labels)
        store = PictureStore.open(tmp_path)
        assert store.classes == ("cat", "dog")
        assert store.labels is not None
        assert store.labels.tolist() == labels.tolist()

    def test_the_first_sets_can_still_be_read(self, tmp_path: Path, images: np.ndarray) -> None:
        np.save(tmp_path / "images.npy", images)
        (tmp_path / "dataset.toml").write_text('format = 1\nkind = "image"\nname = "old"\ncount = 6\nsize = 16\n')
        store = PictureStore.open(tmp_path)
        write_square(tmp_path / "new", Manifest("new"), images)
        assert np.array_equal(store[[2]], images[[2]])
        assert store.fingerprint == PictureStore.open(tmp_path / "new").fingerprint
        assert list(store.names) == ["0", "1", "2", "3", "4", "5"]


class TestRagged:
    SHAPES = ((16, 16), (16, 40), (37, 16), (16, 17))

    def test_the_middle_and_any_place(self, tmp_path: Path) -> None:
        store, pictures = ragged(tmp_path, list(self.SHAPES))
        assert np.array_equal(store[[1]][0], pictures[1][:, 12:28])
        assert np.array_equal(store[[2]][0], pictures[2][10:26])
        rows = np.array([0, 1, 2, 3])
        taken = store.take(rows, draw=5)
        assert np.array_equal(taken[0], pictures[0])
        assert any(np.array_equal(taken[1], pictures[1][:, left : left + 16]) for left in range(25))
        assert any(np.array_equal(taken[2], pictures[2][top : top + 16]) for top in range(22))

    def test_a_place_depends_on_row_and_draw_alone(self, tmp_path: Path) -> None:
        store, _ = ragged(tmp_path, list(self.SHAPES))
        together = store.take(np.array([3, 2, 1]), draw=9)
        alone = [store.take(np.array([row]), draw=9)[0] for row in (3, 2, 1)]
        assert np.array_equal(together, np.stack(alone))

    def test_every_place_is_drawn_about_as_often(self, tmp_path: Path) -> None:
        store, pictures = ragged(tmp_path, [(16, 20)])
        counts = [0] * 5
        for draw in range(500):
            taken = store.take(np.array([0]), draw)[0]
            counts[next(left for left in range(5) if np.array_equal(taken, pictures[0][:, left : left + 16]))] += 1
        assert min(counts) > 60

    def test_other_content_has_another_fingerprint(self, tmp_path: Path) -> None:
        one, _ = ragged(tmp_path / "a", list(self.SHAPES))
        same, _ = ragged(tmp_path / "b", list(self.SHAPES))
        other, _ = ragged(tmp_path / "c", list(reversed(self.SHAPES)))
        assert one.fingerprint == same.fingerprint != other.fingerprint
        told = Manifest.read(tmp_path / "a")
        replace(told, fingerprint="").write(tmp_path / "a")
        assert PictureStore.open(tmp_path / "a").fingerprint == one.fingerprint


@pytest.mark.parametrize(
    "damage", ["manifest", "array", "format", "shape", "count", "labels", "pixels", "not prepared", "empty"]
)
def test_damage_is_refused(tmp_path: Path, images: np.ndarray, damage: str) -> None:
    write_square(tmp_path, Manifest("x"), images)
    manifest = Manifest.read(tmp_path)
    if damage == "manifest":
        (tmp_path / "dataset.toml").write_text("= nothing")
    elif damage == "array":
        (tmp_path / "images.npy").write_bytes(b"nothing")
    elif damage == "format":
        (tmp_path / "dataset.toml").write_text('format = 99\nkind = "image"\n')
    elif damage == "shape":
        np.save(tmp_path / "images.npy", np.zeros((2, 8), np.uint8))
    elif damage == "count":
        np.save(tmp_path / "images.npy", images[:3])
    elif damage == "labels":
        np.save(tmp_path / "labels.npy", np.full(6, 2))
        replace(manifest, classes=("a", "b")).write(tmp_path)
    elif damage == "pixels":
        np.save(tmp_path / "pixels.npy", np.zeros(100, np.uint8))
        np.save(tmp_path / "shapes.npy", np.full((6, 2), 16, np.int32))
        replace(manifest, layout="ragged").write(tmp_path)
    elif damage == "not prepared":
        replace(manifest, size=0, layout="").write(tmp_path)
    else:
        np.save(tmp_path / "images.npy", images[:0])
        replace(manifest, count=0).write(tmp_path)
    with pytest.raises(Refused):
        PictureStore.open(tmp_path)


def test_preparing_again_leaves_readers_alone(tmp_path: Path, images: np.ndarray) -> None:
    write_square(tmp_path, Manifest("x"), images)
    old = PictureStore.open(tmp_path)
    second = write_square(tmp_path, Manifest("x", generation=2), images[:, ::2, ::2])
    delete_older(tmp_path, second)
    assert np.array_equal(old[[3]], images[[3]])
    assert PictureStore.open(tmp_path).size == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.toml", "images-2.npy", "names-2.txt"]


def test_sheets_show_whole_pictures(tmp_path: Path) -> None:
    wide = np.full((8, 32, 3), 200, np.uint8)
    clear = np.zeros((16, 16, 4), np.uint8)
    sheet = sheet_of([wide, clear], 16, 2)
    assert sheet.shape == (20, 38, 3)
    assert sheet[10, 10].tolist() == [200, 200, 200]
    assert sheet[3, 3].tolist() == [24, 24, 24]
    assert sheet[10, 28].tolist() == [255, 255, 255]
