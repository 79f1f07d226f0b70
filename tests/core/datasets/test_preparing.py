"""What was scanned becomes what is trained on; all of it or nothing."""

import fcntl
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import core.datasets.writing as writing
from core.datasets import adjustments
from core.datasets.adjustments import Adjustment
from core.datasets.cropping import Preparation, choose_size, cut, middle, shorter_side
from core.datasets.manifest import Manifest
from core.datasets.preparing import prepare, read_boxes
from core.datasets.preview import before_and_after
from core.datasets.scanning import scan, write_index
from core.datasets.store import PictureStore
from core.errors import InvalidInput, Refused, StorageError
from tests.core.datasets.drawings import GROUNDS, folder_of, picture, scene


def scanned(tmp_path: Path, source: Path, **options: object) -> Path:
    """A dataset's folder with its index, not prepared."""
    folder = tmp_path / "set"
    folder.mkdir()
    found = scan([source], **options)  # type: ignore[arg-type]
    write_index(folder, found.records, [source])
    Manifest("x", count=len(found.kept), about={"origin": {"sources": [str(source)]}}).write(folder)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("source") / "pictures", 54)


class TestCrops:
    def test_the_middle(self, tmp_path: Path, source: Path) -> None:
        folder = scanned(tmp_path, source)
        made = prepare(folder, Preparation(size=16))
        store = PictureStore.open(folder)
        assert (len(store), store.size, made.count, made.layout) == (54, 16, 54, "square")
        expected = picture(7).crop((4, 0, 44, 40)).resize((16, 16), Image.Resampling.LANCZOS)
        assert np.abs(store[[7]][0].astype(int) - np.asarray(expected)).max() <= 2
        assert store.names[7] == "p0007.png"
        assert store.numbers is not None
        assert store.numbers.tolist() == list(range(54))
        computed = PictureStore(folder, replace(made, fingerprint="")).fingerprint
        assert store.fingerprint == made.fingerprint == computed

    def test_padded(self, tmp_path: Path, source: Path) -> None:
        folder = scanned(tmp_path, source)
        prepare(folder, Preparation(size=32, crop="none", fill="#10a0ff"))
        made = PictureStore.open(folder)[[3]][0]
        assert made[0, 0].tolist() == [16, 160, 255]
        assert made[16, 0].tolist() != [16, 160, 255]

    def test_another_square_each_epoch(self, tmp_path: Path, source: Path) -> None:
        folder = scanned(tmp_path, source)
        assert prepare(folder, Preparation(size=32, crop="random")).layout == "ragged"
        store = PictureStore.open(folder)
        rows = np.arange(54)
        assert store.take(rows, 0).shape == (54, 32, 32, 3)
        assert not np.array_equal(store.take(rows, 0), store.take(rows, 1))
        assert np.array_equal(store.take(rows, 1), store.take(rows, 1))

    def test_the_size_that_pictures_and_base_ask_for(self, tmp_path: Path, source: Path) -> None:
        folder = scanned(tmp_path, source)
        assert prepare(folder, Preparation()).size == 32
        assert prepare(folder, Preparation(), base_size=64).size == 64
        assert choose_size([(1000, 900)] * 3) == 256
        assert choose_size([(3, 5)]) == 16
        assert choose_size([]) == 16

    def test_the_subject(self, tmp_path: Path) -> None:
        random = np.random.default_rng(5)
        (tmp_path / "scenes").mkdir()
        truth = []
        for number in range(60):
            pixels, box = scene(GROUNDS[number % len(GROUNDS)], random)
            Image.fromarray(pixels).save(tmp_path / "scenes" / f"{number:02}.png")
            truth.append(box)
        folder = scanned(tmp_path, tmp_path / "scenes")
        told = prepare(folder, Preparation(size=64, crop="auto")).about["subjects"]
        assert isinstance(told, dict)
        assert told["alignment_before"] < 0.5
        assert told["alignment_after"] > 0.7
        boxes = read_boxes(folder)
        assert len(boxes) == 60
        sheet, rows = before_and_after(folder, 9, 48)
        assert len(rows) == 9
        assert sheet.shape[2] == 3
        # a person says otherwise
        adjustments.write(
            folder, {0: Adjustment("exclude"), 1: Adjustment("box", (10, 20, 50, 60)), 2: Adjustment("accept")}
        )
        assert adjustments.read(folder)[1].box == (10, 20, 50, 60)
        made = prepare(folder, Preparation(size=64, crop="auto"))
        assert made.count == 59
        assert read_boxes(folder)[1].box == (10, 20, 50, 60)
        assert 0 not in read_boxes(folder)
        store = PictureStore.open(folder)
        assert store.numbers is not None
        assert store.numbers[0] == 1
        before_and_after(folder, 4, 48)

    def test_alpha(self, tmp_path: Path) -> None:
        for seed in range(50):
            image = picture(seed).convert("RGBA")
            image.paste((1, 2, 3, 0), (0, 0, 24, 40))
            image.save(tmp_path / f"{seed}.png")
        folder = scanned(tmp_path, tmp_path)
        assert prepare(folder, Preparation(size=16)).channels == 3
        assert PictureStore.open(folder)[[0]][0, 8, 1].tolist() == [255, 255, 255]
        assert prepare(folder, Preparation(size=16, alpha="keep")).channels == 4
        store = PictureStore.open(folder)
        assert store[[0]][0, 8, 1, 3] == 0
        assert store[[0]][0, 8, 14, 3] == 255
        assert store.sheet([0], 16).shape[2] == 3

    @pytest.mark.parametrize(
        "wrong", [{"size": 48}, {"size": 8}, {"size": 2048}, {"crop": "top"}, {"fill": "pink"}, {"filter": "x"}]
    )
    def test_what_is_not_allowed(self, wrong: dict[str, object]) -> None:
        with pytest.raises(InvalidInput, match="not allowed"):
            Preparation(**wrong).check()  # type: ignore[arg-type]

    def test_windows_beyond_the_edge(self) -> None:
        pixels = np.asarray(picture(1))
        made = cut(pixels, (-10, -10, 30, 30), 40, Preparation(filter="box"))
        assert np.array_equal(made[10:, 10:], pixels[:30, :30])
        assert np.array_equal(made[0, 10:], pixels[0, :30])
        assert np.array_equal(cut(pixels, middle(40, 48), 40, Preparation()), pixels[:, 4:44])

    @pytest.mark.parametrize(("height", "width"), [(40, 48), (16, 4000), (3000, 10), (1, 1)])
    def test_shorter_sides(self, height: int, width: int) -> None:
        made = shorter_side(np.zeros((height, width, 3), np.uint8), 16, Preparation())
        assert min(made.shape[:2]) == 16
        assert max(made.shape[:2]) <= 64


class TestClasses:
    def test_labels_follow_pictures(self, tmp_path: Path) -> None:
        folder_of(tmp_path / "x" / "cats", 30)
        folder_of(tmp_path / "x" / "dogs", 25, first=100)
        folder = scanned(tmp_path, tmp_path / "x", classes=True)
        assert prepare(folder, Preparation(size=16)).classes == ("cats", "dogs")
        store = PictureStore.open(folder)
        assert store.labels is not None
        assert store.labels.tolist() == [0] * 30 + [1] * 25


class TestArchives:
    @pytest.mark.parametrize("kind", ["zip", "gztar"])
    def test_the_same_as_from_a_folder(self, tmp_path: Path, source: Path, kind: str) -> None:
        archive = Path(shutil.make_archive(str(tmp_path / "packed"), kind, source))
        folder = scanned(tmp_path, archive)
        packed = prepare(folder, Preparation(size=16))
        (tmp_path / "other").mkdir()
        plain = prepare(scanned(tmp_path / "other", source), Preparation(size=16))
        rows = np.argsort(PictureStore.open(folder).names)
        assert np.array_equal(
            PictureStore.open(folder)[rows], PictureStore.open(tmp_path / "other" / "set")[np.arange(54)]
        )
        assert packed.count == plain.count


class TestAllOrNothing:
    def test_again(self, tmp_path: Path, source: Path) -> None:
        folder = scanned(tmp_path, source)
        first = prepare(folder, Preparation(size=16))
        reader = PictureStore.open(folder)
        kept = reader[[0]].copy()
        second = prepare(folder, Preparation(size=32, crop="random"))
        third = prepare(folder, Preparation(size=16))
        assert first.fingerprint == third.fingerprint != second.fingerprint
        assert np.array_equal(reader[[0]], kept)
        arrays = sorted(path.name for path in folder.glob("*.npy"))
        assert arrays == ["images-3.npy", "numbers-3.npy"]

    @pytest.mark.parametrize("when", ["space", "write", "sync"])
    def test_a_full_disk(self, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
        folder = scanned(tmp_path, source)
        first = prepare(folder, Preparation(size=16))
        before = sorted(folder.iterdir())

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        if when == "space":
            monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
        elif when == "write":
            monkeypatch.setattr(writing.PictureWriter, "_header", full)
        else:
            monkeypatch.setattr(writing.os, "fsync", full)
        with pytest.raises(StorageError, match="space"):
            prepare(folder, Preparation(size=32))
        monkeypatch.undo()
        assert sorted(folder.iterdir()) == before
        assert Manifest.read(folder) == first
        assert PictureStore.open(folder).size == 16

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
    def test_a_disk_that_is_really_full(self, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        if os.system(f"mount -t tmpfs -o size=256k none '{disk}' 2>/dev/null"):
            pytest.skip("no small disk can be mounted here")
        try:
            monkeypatch.setattr(writing, "_SPARE", -(1 << 40))
            folder = scanned(disk, source)
            before = sorted(folder.iterdir())
            with pytest.raises(StorageError, match="No space left"):
                prepare(folder, Preparation(size=64))
            assert [path for path in sorted(folder.iterdir()) if path.name != ".lock"] == before
            assert Manifest.read(folder).size == 0
        finally:
            os.system(f"umount '{disk}'")

    def test_two_at_once(self, tmp_path: Path, source: Path) -> None:
        folder = scanned(tmp_path, source)
        with (folder / ".lock").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(Refused, match="being prepared already"):
                prepare(folder, Preparation(size=16))
        prepare(folder, Preparation(size=16))

    def test_sources_that_have_gone(self, tmp_path: Path) -> None:
        source = folder_of(tmp_path / "pictures", 55)
        folder = scanned(tmp_path, source)
        prepare(folder, Preparation(size=16))
        for number in range(3):
            (source / f"p{number:04}.png").unlink()
        (source / "p0010.png").write_bytes(b"changed")
        made = prepare(folder, Preparation(size=16))
        assert made.count == 51
        assert made.about["report"]["failed_to_prepare"] == {"vanished": 3, "broken": 1}  # type: ignore[index]
        assert "p0010.png" not in PictureStore.open(folder).names
        for number in range(20, 30):
            (source / f"p{number:04}.png").unlink()
        with pytest.raises(Refused, match="at least 50"):
            prepare(folder, Preparation(size=16))
        shutil.rmtree(source)
        with pytest.raises(Refused, match=r"not there.*Bring it back"):
            prepare(folder, Preparation(size=32))
        assert len(PictureStore.open(folder)) == 51

    def test_what_a_killed_one_left_is_swept(self, tmp_path: Path, source: Path) -> None:
        folder = scanned(tmp_path, source)
        (folder / ".part-123-images.npy").write_bytes(b"half")
        prepare(folder, Preparation(size=16))
        assert not list(folder.glob(".part*"))


@pytest.mark.parametrize(
    "text", ["picture = 3", '[[picture]]\nnumber = 1\naction = "eat"', "= x", "[[picture]]\nnumber=1"]
)
def test_damaged_adjustments(tmp_path: Path, text: str) -> None:
    (tmp_path / "adjustments.toml").write_text(text)
    with pytest.raises(Refused, match="adjustments"):
        adjustments.read(tmp_path)


@pytest.mark.parametrize("box", [None, (0, 0, 0, 5), (0, 0, float("nan"), 5)])
def test_empty_boxes(box: tuple[float, float, float, float] | None) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        Adjustment("box", box)
