"""NAME=VALUE and NAME=FILE: every data type, every kind of file, and files made to break them."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from core.errors import InvalidInput, StorageError
from core.interface import Array, Boolean, Category, DataType, Image, Number, Segmentation, Text, Vector
from core.latent.basis import seeded_vector
from tui.commands import values


def picture(mode: str = "RGB", form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Pillow.new(mode, (3, 2), 200).save(buffer, form)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class TestReading:
    @pytest.mark.parametrize(
        ("kind", "text", "expected"),
        [
            (Text(), "def f():", "def f():"),
            (Text(), "12", "12"),
            (Text(), "", ""),
            (Text(), "a=b", "a=b"),
            (Text(), "@@home", "@home"),
            (Number(), "1.5", 1.5),
            (Boolean(), "true", True),
            (Category(choices=["a", "b"]), "b", "b"),
            (Array(item_type=Number()), "[1, 2]", [1, 2]),
        ],
    )
    def test_plain(self, kind: DataType, text: str, expected: object) -> None:
        assert values.read_value("x", kind, text) == expected

    @pytest.mark.parametrize(
        ("kind", "name", "content", "expected"),
        [
            (Text(), "a.txt", b"two\nlines\n", "two\nlines\n"),
            (Text(), "a.py", b"import os", "import os"),
            (Text(), "a.json", b'"quoted"', "quoted"),
            (Number(), "a.txt", b"3\n", 3),
            (Number(), "a.json", b"3", 3),
            (Array(item_type=Number()), "a.npy", npy(np.arange(3)), [0, 1, 2]),
        ],
    )
    def test_from_files(self, tmp_path: Path, kind: DataType, name: str, content: bytes, expected: object) -> None:
        (tmp_path / name).write_bytes(content)
        assert values.read_value("x", kind, f"@{tmp_path / name}") == expected

    @pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8", "u1"])
    def test_vectors(self, tmp_path: Path, dtype: str) -> None:
        (tmp_path / "z.npy").write_bytes(npy(np.array([0, 1, 2], dtype)))
        (tmp_path / "z.json").write_text("[0, 1, 2]")
        for name in ("z.npy", "z.json"):
            value = values.read_value("z", Vector(length=3), f"@{tmp_path / name}")
            assert isinstance(value, np.ndarray)
            assert value.dtype == np.float32
            assert value.tolist() == [0, 1, 2]

    def test_seeded_vectors_follow_the_declaration(self) -> None:
        drawn = values.read_value("z", Vector(length=4, sampling_mean=1, sampling_std=0.5), "seed:7")
        assert np.allclose(drawn, seeded_vector(7, 4) * 0.5 + 1)  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["a.png", "a.JPG", "picture"])
    def test_pictures(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(picture(form="JPEG" if name.endswith("JPG") else "PNG"))
        value = values.read_value("image", Image(channels=3), f"@{tmp_path / name}")
        assert isinstance(value, np.ndarray)
        assert value.shape == (2, 3, 3)

    @pytest.mark.parametrize(
        ("kind", "name", "content", "part"),
        [
            (Text(), "a.txt", b"\xff", "UTF-8"),
            (Text(), "a.png", picture(), "picture"),
            (Number(), "a.json", b"{", "not JSON"),
            (Number(), "a.json", b"[" * 100_000, "not JSON"),
            (Image(), "a.png", b"not a picture", "picture"),
            (Vector(length=3), "z.npy", npy(np.zeros(4)), "vector of 3"),
            (Vector(length=3), "z.npy", npy(np.array([1, np.nan, 2])), "finite"),
            (Vector(length=3), "z.npy", b"", "npy"),
            (Vector(length=3), "z.npy", npy(np.zeros(3))[:-1], "npy"),
            (Vector(length=3), "z.npy", npy(np.zeros(0))[:6] + b"\x09\x00" + bytes(90), "npy"),
        ],
    )
    def test_files_that_are_refused(self, tmp_path: Path, kind: DataType, name: str, content: bytes, part: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput, match=part):
            values.read_value("x", kind, f"@{tmp_path / name}")

    def test_objects_and_huge_shapes_in_npy(self, tmp_path: Path) -> None:
        np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 9999999999)}"
        bomb = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n"
        (tmp_path / "bomb.npy").write_bytes(bomb)
        for name in ("objects", "bomb"):
            with pytest.raises(InvalidInput, match="npy"):
                values.read_value("z", Vector(length=3), f"@{tmp_path / name}.npy")

    @pytest.mark.parametrize("path", ["missing.txt", "", ".", "a\0b"])
    def test_files_that_cannot_be_read(self, path: str) -> None:
        with pytest.raises(InvalidInput, match="cannot be read"):
            values.read_value("x", Text(), f"@{path}")

    def test_pairs(self) -> None:
        assert values.pairs(["a=1", "b==", "c="], "--input") == {"a": "1", "b": "=", "c": ""}
        for items in (["a"], ["=1"], ["a=1", "a=2"]):
            with pytest.raises(InvalidInput, match="--input"):
                values.pairs(items, "--input")


class TestWriting:
    PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_pictures_keep_their_pixels_and_notes(self, channels: int) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (2, 3, channels), np.uint8)
        data = values.encode_output(Image(channels=channels), pixels, ".png", {"tarmac": "ünï"})
        with Pillow.open(io.BytesIO(data)) as image:
            assert (np.asarray(image).reshape(pixels.shape) == pixels).all()
            assert image.text == {"tarmac": "ünï"}  # type: ignore[attr-defined]

    def test_other_forms(self) -> None:
        assert values.encode_output(Image(), self.PIXELS, ".jpg")[:2] == b"\xff\xd8"
        assert (np.load(io.BytesIO(values.encode_output(Image(), self.PIXELS, ".npy"))) == self.PIXELS).all()
        assert json.loads(values.encode_output(Image(), self.PIXELS, ".json")).startswith("data:image/")
        assert values.encode_output(Text(), "ünï\n", ".txt").decode() == "ünï\n"
        assert json.loads(values.encode_output(Text(), "ünï", ".json")) == "ünï"
        assert values.encode_output(Number(), 1.5, ".txt") == b"1.5"
        labels = Segmentation(label_to_id={"a": 0, "b": 1})
        data = values.encode_output(labels, np.array([[0, 1]], np.uint8), ".png")
        with Pillow.open(io.BytesIO(data)) as image:
            assert image.size == (2, 1)

    @pytest.mark.parametrize(
        ("kind", "file"),
        [
            (Image(), "a.gif"),
            (Image(channels=4), "a.jpg"),
            (Text(), "a.png"),
            (Vector(length=2), "a.txt"),
            (Text(), "a"),
        ],
    )
    def test_forms_that_cannot_be(self, kind: DataType, file: str) -> None:
        with pytest.raises(InvalidInput, match="must end in"):
            values.check_outputs({"x": kind}, {"x": file})

    def test_a_file_is_replaced_whole_with_usual_permissions(self, tmp_path: Path) -> None:
        path, link = tmp_path / "a.txt", tmp_path / "link"
        path.write_text("old")
        link.symlink_to(path)
        mask = os.umask(0o027)
        try:
            values.write(link, b"new")
        finally:
            os.umask(mask)
        assert path.read_bytes() == b"new"
        assert link.is_symlink()
        assert path.stat().st_mode & 0o777 == 0o640
        values.write(Path("/dev/null"), b"gone")
        assert Path("/dev/null").is_char_device()

    def test_places_that_cannot_be(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="is a folder"):
            values.check_folder(tmp_path)
        with pytest.raises(StorageError, match="no folder"):
            values.check_folder(tmp_path / "nowhere" / "a.png")
