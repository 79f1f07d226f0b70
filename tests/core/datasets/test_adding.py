"""Adding in a process of its own: whatever happens, a dataset is there whole or not at all."""

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.datasets.adding import Looking, add_pictures, draw_sheet, preparation_of, prepare_dataset
from core.datasets.cropping import Preparation
from core.datasets.library import Datasets
from core.datasets.process import run_job
from core.datasets.store import PictureStore
from core.errors import InvalidInput, NotFound, Refused, StorageError
from tests.core.datasets.drawings import folder_of
from tests.core.datasets.test_decoding import bomb

SMALL = Preparation(size=16)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("source") / "pictures", 54)


@pytest.fixture
def library(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "data", drawn={})


def left(library: Datasets) -> list[str]:
    return sorted(os.listdir(library.folder)) if library.folder.exists() else []


async def test_added_prepared_shown_and_prepared_again(source: Path, library: Datasets, tmp_path: Path) -> None:
    told: list[str] = []
    made = await add_pictures(
        [source], name="blocks", preparation=SMALL, datasets=library, progress=lambda text, share: told.append(text)
    )
    assert (made.name, made.count, made.size, made.ready, made.problem) == ("blocks", 54, 16, True, None)
    assert any(text.startswith("looking at") for text in told)
    assert library.datasets() == [made]
    assert made.folder.stat().st_mode & 0o077 == 0
    assert preparation_of(made) == SMALL
    report = made.about["report"]
    assert isinstance(report, dict)
    assert (report["files"], report["kept"], report["level"]) == (54, 54, "few")
    drawn = await draw_sheet(made, tmp_path / "sheet.png", count=9, tile=32, boxes=True)
    assert drawn["pictures"] == 9
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    again = await prepare_dataset("blocks", Preparation(size=32, crop="random"), datasets=library)
    assert (again.id, again.size) == (made.id, 32)
    assert PictureStore.open(again.folder).size == 32
    assert left(library) == [made.id]


async def test_added_to_be_prepared_later(source: Path, library: Datasets) -> None:
    made = await add_pictures([source], datasets=library)
    assert (made.name, made.count, made.size, made.ready) == ("pictures", 54, 0, False)
    with pytest.raises(Refused, match="not prepared"):
        await draw_sheet(made, source / "never.png")
    assert (await prepare_dataset(made.id, base_size=64, datasets=library)).size == 64


@pytest.mark.parametrize("case", ["empty", "three", "garbage", "bombs"])
async def test_too_little_to_learn_from(tmp_path: Path, library: Datasets, case: str) -> None:
    source = folder_of(tmp_path / "x", 3 if case == "three" else 0)
    content = bomb() if case == "bombs" else b"garbage"
    for number in range(60 if case in ("garbage", "bombs") else 0):
        (source / f"{number}.png").write_bytes(content)
    with pytest.raises(Refused, match="at least 50 are needed") as caught:
        await add_pictures([source], preparation=SMALL, datasets=library)
    told = {"empty": "no pictures", "three": "3 pictures", "garbage": "60 broken", "bombs": "60 too large"}
    assert told[case] in str(caught.value)
    assert left(library) == []


async def test_what_is_refused_at_once(source: Path, library: Datasets) -> None:
    for paths, options, what in (
        ([], {}, "no folder"),
        ([source], {"name": " \x1b "}, "name is empty"),
        ([source], {"preparation": Preparation(size=17)}, "power of two"),
    ):
        with pytest.raises(InvalidInput, match=what):
            await add_pictures(paths, datasets=library, **options)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="is not there"):
        await add_pictures([source / "gone"], datasets=library)
    with pytest.raises(NotFound):
        await prepare_dataset("nothing", datasets=library)
    assert left(library) == []


async def test_two_at_once(source: Path, library: Datasets) -> None:
    made = await asyncio.gather(
        *(add_pictures([source], name="same", preparation=SMALL, datasets=library) for _ in range(2))
    )
    assert len({each.id for each in made}) == 2
    assert [each.problem for each in library.datasets()] == [None, None]


async def test_cancelled(source: Path, library: Datasets) -> None:
    begun = asyncio.Event()
    children: list[psutil.Process] = []

    def progress(text: str, share: float | None) -> None:
        children[:] = psutil.Process().children()
        begun.set()

    work = asyncio.create_task(add_pictures([source], preparation=SMALL, datasets=library, progress=progress))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert left(library) == []
    assert children
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


async def test_a_killed_process_is_told(source: Path, library: Datasets) -> None:
    def progress(text: str, share: float | None) -> None:
        for child in psutil.Process().children():
            if "core.datasets" in child.cmdline():
                child.kill()

    with pytest.raises(Refused, match="killed, perhaps for want of memory"):
        await add_pictures([source], preparation=SMALL, datasets=library, progress=progress)
    assert left(library) == []


async def test_nonsense_is_no_job() -> None:
    with pytest.raises(InvalidInput, match="unknown job"):
        await run_job({"job": "sing"}, "it cannot be done")


def test_a_killed_parent_takes_its_child_along(source: Path, library: Datasets, tmp_path: Path) -> None:
    """kill -9 in the middle: nothing is listed, and nobody goes on working."""
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from core.datasets.adding import add_pictures\nfrom core.datasets.library import Datasets\n"
        "def progress(text, share):\n print('begun', flush=True)\n sys.stdin.read()\n"
        f"datasets = Datasets(Path({str(library.data_dir)!r}), drawn={{}})\n"
        f"asyncio.run(add_pictures([Path({str(source)!r})], datasets=datasets, progress=progress))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"begun\n"
    children = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert parent.stdin is not None
    parent.stdin.close()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert library.datasets() == []
    assert all(name.startswith(".staging-") for name in left(library))


async def test_a_folder_that_vanishes_halfway(tmp_path: Path, library: Datasets) -> None:
    source = folder_of(tmp_path / "x", 400)

    def progress(text: str, share: float | None) -> None:
        shutil.rmtree(source, ignore_errors=True)

    try:
        made = await add_pictures([source], preparation=SMALL, datasets=library, progress=progress)
    except Refused as error:
        assert "x cannot be" in str(error) or "not there" in str(error)  # noqa: PT017 - either end is right
        assert left(library) == []
    else:
        assert made.count >= 50


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_library_that_cannot_be_written(source: Path, library: Datasets) -> None:
    library.folder.mkdir(parents=True)
    library.folder.chmod(0o500)
    with pytest.raises(StorageError):
        await add_pictures([source], datasets=library)
    library.folder.chmod(0o700)


async def test_a_read_only_disk(source: Path, library: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match="The disk is read-only"):
        await add_pictures([source], datasets=library)


async def test_a_library_that_is_a_file(source: Path, library: Datasets) -> None:
    library.data_dir.mkdir()
    library.folder.write_text("in the way")
    with pytest.raises(StorageError):
        await add_pictures([source], datasets=library)


async def test_classes_and_judging(tmp_path: Path, library: Datasets) -> None:
    folder_of(tmp_path / "x" / "cats", 30)
    folder_of(tmp_path / "x" / "dogs", 30, first=40)
    folder_of(tmp_path / "x" / "small", 5, first=90, width=33, height=33)
    looking = Looking(least_side=40, classes=True)
    made = await add_pictures([tmp_path / "x"], looking=looking, preparation=SMALL, datasets=library)
    assert made.classes == ("cats", "dogs")
    report = made.about["report"]
    assert isinstance(report, dict)
    assert report["left_out"] == {"tiny": 5}


class TestStarters:
    DRAWN = """
import numpy as np
class Stars:
    about, licence = "Stars.", "CC0-1.0"
    def available(self): return None
    def draw(self, size):
        random = np.random.default_rng(0)
        return random.integers(0, 256, (60, size, size, 3), dtype=np.uint8), [f"star {n}" for n in range(60)]
DRAWN = {"stars": Stars()}
"""

    async def test_drawn_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A registry of the test's own, for the child too: it takes the place of the one that ships."""
        site = tmp_path / "site"
        site.mkdir()
        (site / "stars.py").write_text(self.DRAWN)
        (site / "sitecustomize.py").write_text(
            "import sys, stars\nsys.modules['core.datasets.drawing.drawn'] = stars\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(site))
        monkeypatch.syspath_prepend(str(site))
        import stars  # type: ignore[import-not-found]

        library = Datasets(tmp_path / "data", drawn=stars.DRAWN)
        made = await prepare_dataset("stars", Preparation(size=32), datasets=library)
        assert (made.id, made.count, made.size, made.ready) == ("starter/stars", 60, 32, True)
        assert made.folder.name == "starter-stars-32"
        assert PictureStore.open(made.folder).names[3] == "star 3"
        stamp = (made.folder / "images.npy").stat().st_mtime_ns
        again = await prepare_dataset("starter/stars", Preparation(size=32), datasets=library)
        assert (again.folder / "images.npy").stat().st_mtime_ns == stamp
        assert (await prepare_dataset("stars", datasets=library)).size == 64
        assert left(library) == ["starter-stars-32", "starter-stars-64"]
        with pytest.raises(InvalidInput):
            await prepare_dataset("stars", Preparation(size=33), datasets=library)
