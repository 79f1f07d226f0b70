"""The seams to the core: a checkpoint that becomes a model, an estimate that another process makes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.datasets.manifest import Manifest as DatasetManifest
from core.datasets.texts.store import HELD, INDEX, TEXTS
from core.errors import OutOfMemory, Refused, TarmacError
from core.library.interfaces import text_interface
from core.library.manifest import Manifest
from core.library.models import Library
from core.runs.events import Checkpoint
from core.runs.plan import RunPlan
from tests.e2e.tiny import CONTEXT, write_text_model
from tests.tui.stage import put_model
from tests.tui.training_stage import FakeDataset, run
from tui.training import services as training_services
from tui.training.services import Estimate, TrainingServices
from tui.wizard import texts as wizard_texts

PLAN = RunPlan("Experiment", "image", "dots")
FOUND = {
    "device": "cpu", "batch": 8, "seconds": 61.5, "memory": 5, "memory_available": 9, "disk": 3, "disk_free": 7,
    "measured": 20, "offer": {"batch": 4}, "per_second": 5192.0, "chosen": {"context": 256},
}  # fmt: skip


@pytest.fixture
def measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a process that measures in another way: its code, before which `say` tells a line."""

    def make(code: str) -> Path:
        lines = f"import json, os, sys\ndef say(line): print(json.dumps(line), flush=True)\n{code}\n"
        (tmp_path / "measuring.py").write_text(lines)
        return tmp_path

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(training_services, "ESTIMATE", "measuring")
    return make


async def test_an_estimate_is_what_its_process_finds(measuring: Callable[[str], Path], home: Path) -> None:
    measuring(f"say({{'progress': 'reading the base', 'share': None}}); say({{'result': {FOUND!r}}})")
    told: list[tuple[str, float | None]] = []
    services = TrainingServices(home / "data")
    found = await services.estimate(PLAN, lambda what, share: told.append((what, share)))
    assert found == Estimate(61.5, 5, 9, 3, 7, "20 steps of 8 timed on cpu", {"batch": 4}, 5192.0, {"context": 256})
    assert told == [("reading the base", None)]


async def test_what_went_wrong_there_is_raised_here(measuring: Callable[[str], Path], home: Path) -> None:
    services = TrainingServices(home / "data")
    measuring(f"say({{'error': {OutOfMemory('the networks do not fit').to_json()!r}}})")
    with pytest.raises(OutOfMemory, match="do not fit"):
        await services.estimate(PLAN, lambda what, share: None)
    measuring("sys.exit('a library is missing')")
    with pytest.raises(TarmacError, match=r"the measurement failed \(a library is missing\)"):
        await services.estimate(PLAN, lambda what, share: None)


def test_a_checkpoint_becomes_a_model_without_what_training_needs(home: Path) -> None:
    view = run(home / "data" / "runs", checkpoints=(Checkpoint(600, "000600"),))
    folder = view.folder / "checkpoints" / "000600"
    put_model(folder, "in training", "image-gan", size=1000)
    (folder / "training.pt").write_bytes(b"optimizer")
    library = Library(home / "data")
    model = library.get(TrainingServices(home / "data").adopt_checkpoint(library, view, 600))
    assert model.name == "Training experiment 5 at 600"
    assert model.problem is None
    assert sorted(path.name for path in model.folder.iterdir()) == ["model.toml", "weights.safetensors"]


def test_a_checkpoint_that_is_not_whole_adds_nothing(home: Path) -> None:
    view = run(home / "data" / "runs", checkpoints=(Checkpoint(600, "000600"),))
    folder = view.folder / "checkpoints" / "000600"
    put_model(folder, "in training", "image-gan")
    (folder / "weights.safetensors").unlink()
    library = Library(home / "data", starters=home / "none")
    with pytest.raises(Refused):
        TrainingServices(home / "data").adopt_checkpoint(library, view, 600)
    assert library.models() == []


def test_where_nobody_trains_nothing_is_imported_for_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr("tui.training.services._core", imported.append)
    assert TrainingServices(home / "data").look() == []
    assert not imported


async def test_lost_runs_go_on_off_the_loop_of_the_studio(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[object] = []
    view = run(home / "data" / "runs")

    class Store:
        @staticmethod
        async def revive(data_dir: Path) -> list[object]:
            await asyncio.sleep(0)
            threads.append(threading.current_thread())
            return [view] if data_dir == home / "data" else []

    monkeypatch.setattr("tui.training.services._core", lambda name: Store)
    assert await TrainingServices(home / "data").revive() == [view]
    assert threads != [threading.current_thread()]


def test_one_account_of_the_runs_is_kept(home: Path) -> None:
    (home / "data" / "runs" / "20261125-150000-sneakers").mkdir(parents=True)
    services = TrainingServices(home / "data")
    first, second = services.look(), services.look()
    assert first[0] is second[0]  # nothing was read anew


def test_what_text_can_begin_from_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "none"))
    write_text_model(home / "starters" / "mine")
    put = Manifest("mine", "text", "causal-lm", text_interface(CONTEXT).spec(), licence="MIT")
    put.write(home / "starters" / "mine")
    library = Library(home / "data", starters=home / "starters")
    found = {each.name: each for each in TrainingServices(home / "data").text_bases(library)}
    assert next(iter(found)) == "mine"
    assert {"gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"} <= set(found)
    assert (found["mine"].on_disk, found["mine"].context, found["mine"].licence) == (True, CONTEXT, "MIT")
    assert (found["gpt2-xl"].on_disk, found["gpt2-xl"].id) == (False, "gpt2-xl")
    assert found["gpt2-xl"].full_memory > found["gpt2-xl"].lora_memory > found["gpt2"].lora_memory > 0
    (nothing,) = [each for each in found.values() if not each.id]
    assert nothing.parameters > 0
    for each in found.values():  # what the pages ask of them
        assert wizard_texts.verdict(each)[0]
        assert wizard_texts.refusal(each) or each.on_disk


def test_texts_are_read_from_all_over_a_dataset(home: Path) -> None:
    folder = home / "essays"
    folder.mkdir()
    texts = [f"document {number} ".encode() * 9 for number in range(10)]
    manifest = DatasetManifest("essays", "text", count=10)
    (folder / manifest.file(TEXTS, "bin")).write_bytes(b"".join(texts))
    np.save(folder / manifest.file(INDEX), np.cumsum([0, *map(len, texts)], dtype=np.int64))
    np.save(folder / manifest.file(HELD), np.arange(10) == 3)
    manifest.write(folder)
    dataset = FakeDataset("essays", "essays", "text", folder, count=10, ready=True)
    pieces = TrainingServices(home).texts(dataset, 3, 12)
    assert [(each.number, each.text, each.bytes) for each in pieces] == [
        (0, "document 0 d", 99), (3, "document 3 d", 99), (6, "document 6 d", 99)
    ]  # fmt: skip
    assert len(TrainingServices(home).texts(dataset, 100, 12)) == 10
    (folder / manifest.file(HELD)).unlink()
    with pytest.raises(Refused, match="cannot be used"):
        TrainingServices(home).texts(dataset, 3, 12)
