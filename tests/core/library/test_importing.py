"""Importing end to end: a process of its own, a library that is either richer by a whole model or unchanged."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.errors import Refused, StorageError, TarmacError
from core.library import importing
from core.library.importing import import_model
from core.library.models import Library
from tests import foreign, hostile


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "data", starters=tmp_path / "no starters")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    state, config = foreign.tiny_generator()
    return foreign.write_nvidia(tmp_path / "network-snapshot-000100.pkl", state, config)


def children() -> list[psutil.Process]:
    """Conversion processes of this test process."""
    found = []
    for child in psutil.Process().children():
        try:
            if "core.ml.checkpoints" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


async def until_there_is_a_child() -> psutil.Process:
    while not (found := children()):  # noqa: ASYNC110  nobody tells us of a process's start
        await asyncio.sleep(0)
    return found[0]


def leftovers(library: Library) -> list[Path]:
    return sorted(library.folder.glob(".*")) if library.folder.exists() else []


async def test_a_file_becomes_a_model(library: Library, weights: Path) -> None:
    told: list[str] = []
    model = await import_model(weights, library=library, progress=lambda text, share: told.append(text))

    assert model.name == "network-snapshot-000100"
    assert (model.kind, model.adapter, model.problem) == ("image-gan", "stylegan2", None)
    assert model.architecture["img_resolution"] == 8
    assert model.manifest.origin["file"] == weights.name
    assert set(model.interface.commands["generate"].inputs) == {"z", "truncation"}
    assert library.get(model.name).folder == model.folder
    assert {"reading", "checking", "writing"} <= set(told)
    assert leftovers(library) == []


async def test_the_name_is_the_givers(library: Library, weights: Path) -> None:
    model = await import_model(weights, name="Grey\x1b[31m cats\n", library=library)
    assert model.name == "Grey [31m cats"
    with pytest.raises(Refused, match="name is empty"):
        await import_model(weights, name=" \x07 ", library=library)


async def test_a_model_folder_keeps_its_card(library: Library, weights: Path, tmp_path: Path) -> None:
    first = await import_model(weights, name="First", library=library)
    again = await import_model(first.folder, library=library)
    assert (again.name, again.architecture) == ("First", first.architecture)
    assert again.id != first.id


async def test_paths_that_look_like_options(library: Library, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weights.parent)
    (weights.parent / "core").mkdir()
    (weights.parent / "core" / "__init__.py").write_text("raise SystemExit('the working directory was imported')")
    weights.rename("--help")  # noqa: ASYNC240
    model = await import_model(Path("--help"), library=library)
    assert model.name == "--help"


async def test_names_that_are_no_text(library: Library, weights: Path) -> None:
    odd = weights.with_name(os.fsdecode(b"caf\xff\x1b[31m.pkl"))
    os.rename(weights, odd)
    model = await import_model(odd, library=library)
    assert model.name == "caf [31m"
    assert model.manifest.origin["file"] == "caf??[31m.pkl"


async def test_hostile_files_change_nothing(library: Library, tmp_path: Path, weights: Path) -> None:
    folder = tmp_path / "hostile"
    await import_model(weights, library=library)
    paths = hostile.make_hostile_files(folder)
    before = hostile.snapshot(library.folder)
    gate = asyncio.Semaphore(2)

    async def told(path: Path) -> TarmacError | None:
        async with gate:
            try:
                await import_model(path, library=library)
            except TarmacError as error:
                return error
            return None

    # One of each kind here; all of them are tried in one process beside the readers.
    chosen = [path for number, path in enumerate(paths) if number % 9 == 0 or not path.is_file()]
    errors = await asyncio.gather(*map(told, chosen))

    for path, error in zip(chosen, errors, strict=True):
        assert type(error) is Refused, path
        assert str(error).isprintable(), path
        assert error.why, path
    assert hostile.snapshot(library.folder) == before
    assert not (folder / hostile.CANARY).exists()


async def test_two_at_once(library: Library, weights: Path) -> None:
    models = await asyncio.gather(*(import_model(weights, library=library) for _ in range(2)))
    assert len({model.id for model in models}) == 2
    assert len(library.models()) == 2


async def test_cancel_ends_the_process_and_leaves_nothing(library: Library, weights: Path) -> None:
    importing_task = asyncio.create_task(import_model(weights, library=library))
    child = await until_there_is_a_child()
    importing_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing_task
    assert not child.is_running()
    assert leftovers(library) == []
    assert library.models() == []


async def test_a_process_that_is_killed(library: Library, weights: Path) -> None:
    task = asyncio.create_task(import_model(weights, library=library))
    child = await until_there_is_a_child()
    child.kill()
    with pytest.raises(Refused, match="killed, perhaps for want of memory"):
        await task
    assert leftovers(library) == []


async def test_a_process_that_is_stuck(library: Library, weights: Path) -> None:
    task = asyncio.create_task(import_model(weights, library=library, silence=0.5))
    child = await until_there_is_a_child()
    child.send_signal(signal.SIGSTOP)
    with pytest.raises(Refused, match="nothing happened"):
        await task
    assert not child.is_running()
    assert leftovers(library) == []


async def test_the_process_ends_with_its_parent(tmp_path: Path, weights: Path) -> None:
    """The child watches its standard input: when the parent is gone, it goes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "core.ml.checkpoints", str(weights), str(tmp_path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(importing.__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert b'"reading"' in await process.stdout.readline()
    process.stdin.close()
    code = await asyncio.wait_for(process.wait(), 30)
    assert code in (0, 3)  # 0 where it was faster than the word could travel
    await process.stdout.read()


async def test_a_disk_that_says_no(library: Library, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise StorageError("cannot write models", "No space left on device")

    monkeypatch.setattr(library, "adopt", no_space)
    with pytest.raises(StorageError, match="No space"):
        await import_model(weights, library=library)
    assert leftovers(library) == []


async def test_the_loop_goes_on_while_a_large_file_is_read(library: Library, tmp_path: Path) -> None:
    """A file of a gigabyte with a network of a few kilobytes in it: the event loop never waits for it."""
    state, config = foreign.tiny_generator()
    path = foreign.write_nvidia(tmp_path / "large.pkl", state, config)
    os.truncate(path, 2**30)  # zeros behind the pickle; the checksum reads all of them
    gaps: list[float] = []
    done = asyncio.Event()

    async def tick() -> None:
        while not done.is_set():
            begin = time.thread_time()
            await asyncio.sleep(0.005)
            gaps.append(time.thread_time() - begin)

    ticking = asyncio.create_task(tick())
    try:
        model = await import_model(path, library=library)
    finally:
        done.set()
        await ticking
    assert model.architecture["img_resolution"] == 8
    assert max(gaps) < 0.05, "seconds of work on the event loop at a stretch"
