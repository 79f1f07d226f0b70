"""Films: decoded again, frame by frame; the same bytes twice; whole or not at all."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from core.errors import InvalidInput, StorageError
from core.exports.film import ENDINGS, FilmOptions, FilmWriter, check_size

REPOSITORY = Path(__file__).parents[3]
NOTES = json.dumps({"program": "tarmac", "text": "<ä & ö>" * 200}, ensure_ascii=False)


def frames(count: int, width: int = 64, height: int = 64, channels: int = 3) -> list[np.ndarray]:
    """Smooth pictures that change all over."""
    y, x = np.mgrid[0:height, 0:width] / 64
    found = []
    for number in range(count):
        waves = [np.sin(x * 3 + number / 9), np.cos(y * 4 + number / 7), np.sin(x + y + number / 5), np.cos(x)]
        found.append(np.uint8(np.stack(waves[:channels], -1) * 120 + 128))
    return found


def write(path: Path, pictures: list[np.ndarray], **options: Any) -> Path:
    with FilmWriter(path, FilmOptions(**options)) as film:
        for picture in pictures:
            film.add(picture)
    return path


def stills(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """The frames of a WebP or GIF, and how many milliseconds each is shown."""
    found, times = [], []
    with Image.open(path) as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            image.load()
            times.append(image.info["duration"])
            found.append(np.asarray(image.convert("RGBA" if image.mode == "RGBA" else "RGB")))
    return found, times


def movie(path: Path) -> tuple[list[np.ndarray], Any]:
    """The frames of an MP4 and what its container says."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        facts = {"rate": stream.average_rate, "size": (stream.width, stream.height), "metadata": container.metadata}
        facts |= {"pixels": stream.pix_fmt, "codec": stream.codec_context.name}
        decoded = list(container.decode(video=0))
        facts["times"] = [frame.time for frame in decoded]
        return [frame.to_ndarray(format="rgb24") for frame in decoded], facts


@pytest.mark.parametrize("size", [(64, 64), (16, 16), (65, 33), (200, 120)])
def test_mp4(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = frames(30, *size)
    path = write(tmp_path / "a.mp4", pictures, rate=Fraction(30000, 1001), notes=NOTES, title="A walk")
    shown, facts = movie(path)
    assert len(shown) == 30
    assert facts["rate"] == Fraction(30000, 1001)
    assert facts["size"] == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert (facts["pixels"], facts["codec"]) == ("yuv420p", "h264")
    assert facts["times"] == pytest.approx([number * 1001 / 30000 for number in range(30)], abs=1e-4)
    assert facts["metadata"]["comment"] == NOTES
    assert facts["metadata"]["title"] == "A walk"
    for picture, frame in zip(pictures, shown, strict=True):
        error = np.abs(frame[: size[1], : size[0]].astype(int) - picture)
        # Colour has half the resolution: waves of this size lose a few steps at their steepest.
        assert error.mean() < 3
        assert np.percentile(error, 99) < 14
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_flat_colours_come_back(tmp_path: Path) -> None:
    """The matrix and the range that the file names are those that were used."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]
    pictures = [np.full((32, 32, 3), colour, np.uint8) for colour in colours]
    with av.open(str(write(tmp_path / "a.mp4", pictures))) as container:
        shown = [frame.to_ndarray(format="rgb24").mean((0, 1)) for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.colorspace == 1
    assert np.abs(np.array(shown) - colours).max() < 4


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_webp_is_exact(tmp_path: Path, channels: int) -> None:
    pictures = frames(12, 40, 24, channels)
    pictures[5] = pictures[4]  # equal frames stay two
    path = write(tmp_path / "a.webp", pictures, rate=Fraction(24), loop=True, notes=NOTES)
    shown, times = stills(path)
    assert len(shown) == 12
    for picture, frame in zip(pictures, shown, strict=True):
        assert np.array_equal(frame, np.repeat(picture, 3, 2) if channels == 1 else picture)
    assert sum(times) == 500
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert "urn:tarmac" in image.info["xmp"].decode()
        assert "&lt;ä &amp; ö&gt;" in image.info["xmp"].decode()


def test_webp_of_less_quality_is_smaller(tmp_path: Path) -> None:
    pictures = frames(6)
    rng = np.random.default_rng(0)
    pictures = [np.uint8(np.clip(p.astype(int) + rng.integers(-20, 20, p.shape), 0, 255)) for p in pictures]
    best = write(tmp_path / "a.webp", pictures)
    less = write(tmp_path / "b.webp", pictures, quality=60)
    assert less.stat().st_size < best.stat().st_size / 3
    shown, _ = stills(less)
    assert 0 < np.abs(shown[3].astype(int) - pictures[3]).mean() < 15
    with Image.open(best) as image:
        assert image.info["loop"] == 1  # once


def test_gif(tmp_path: Path) -> None:
    pictures = frames(12, 50, 30)
    pictures[7] = pictures[6]
    path = write(tmp_path / "a.gif", pictures, rate=Fraction(24), loop=True, notes=NOTES)
    shown, times = stills(path)
    assert len(shown) == 12
    assert shown[0].shape == (30, 50, 3)
    assert sum(times) == 500
    for picture, frame in zip(pictures, shown, strict=True):
        error = np.abs(frame.astype(int) - picture)
        assert error.mean() < 5
        assert np.abs(frame.mean((0, 1)) - picture.mean((0, 1))).max() < 2
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert image.info["comment"].decode() == NOTES
    once, _ = stills(write(tmp_path / "b.gif", [np.zeros((1, 1, 3), np.uint8)] * 2))
    assert len(once) == 2


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("side", [32, 64, 130])
def test_the_same_film_twice_is_the_same_file(tmp_path: Path, ending: str, side: int) -> None:
    pictures = frames(24, side, side)
    first, *others = (write(tmp_path / f"{number}{ending}", pictures, notes=NOTES) for number in range(2))
    hashes = {hashlib.sha256(path.read_bytes()).digest() for path in (first, *others)}
    assert len(hashes) == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_film_is_whole_or_not_there(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"

    def interrupted() -> None:
        with FilmWriter(path, FilmOptions()) as film:
            for picture in frames(5):
                film.add(picture)
            assert not path.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    with pytest.raises(InvalidInput, match="no frames"):
        write(path, [])
    with pytest.raises(InvalidInput, match="another size"):
        write(path, [*frames(1), *frames(1, 32)])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write(path, frames(2))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() != b"old"


def test_a_link_goes_on_pointing(tmp_path: Path) -> None:
    (tmp_path / "link.webp").symlink_to(tmp_path / "real.webp")
    write(tmp_path / "link.webp", frames(1))
    assert (tmp_path / "link.webp").is_symlink()
    assert len(stills(tmp_path / "real.webp")[0]) == 1


def test_a_disk_that_says_no(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write(tmp_path / "file" / "a.webp", frames(1))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk(tmp_path: Path, ending: str) -> None:
    """A file may not grow beyond some bytes here: the same way out as from a full disk."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from core.errors import StorageError\n"
        "from tests.core.exports.test_film import frames, write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try: write(Path(sys.argv[1]), frames(400))\n"
        "except StorageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / f"a{ending}")], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert "cannot write" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ending", "options", "part"),
    [
        (".avi", {}, ".mp4, .webp, .gif"),
        (".mp4", {"rate": Fraction(0)}, "0.1 to 120"),
        (".webp", {"rate": Fraction(500)}, "0.1 to 120"),
        (".gif", {"rate": Fraction(60)}, "0.1 to 50"),
        (".mp4", {"quality": 0}, "1 to 100"),
        (".mp4", {"quality": 101}, "1 to 100"),
    ],
)
def test_options_that_are_not_possible(tmp_path: Path, ending: str, options: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        FilmWriter(tmp_path / f"a{ending}", FilmOptions(**options))


@pytest.mark.parametrize("size", [(0, 64, 64), (10**6, 64, 64), (10, 5000, 64), (36_000, 4096, 4096), (1, 0, 1)])
def test_absurd_sizes(size: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInput, match=r"frames|pixels"):
        check_size(*size)
