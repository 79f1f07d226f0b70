"""What screens and commands call: texts are added in a process of their own, whole or not at all."""

import asyncio
from pathlib import Path

import pytest

from core.datasets.adding import prepare_dataset
from core.datasets.code import condense, is_held_out, standard_library
from core.datasets.library import Datasets
from core.datasets.texts.adding import add_text, look
from core.datasets.texts.store import TextStore
from core.errors import InvalidInput, Refused

LINE = "a line that is long enough to be a sentence of prose\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "no\ntes"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.md").write_text(f"note {number}\n" + LINE * 10)
    return folder


async def test_added_with_progress(source: Path, tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "home", drawn={})
    told: list[str] = []
    added = await add_text([source], datasets=datasets, progress=lambda text, share: told.append(text))
    assert (added.name, added.kind, added.count, added.ready) == ("no tes", "text", 50, True)
    assert told
    assert datasets.datasets() == [added]
    assert len(TextStore.open(added.folder)) == 50


async def test_a_look_before(source: Path) -> None:
    seen = await look([source])
    assert (seen.kind, seen.texts, seen.pictures, seen.complete, seen.fields) == ("text", 50, 0, True, ())
    assert seen.bytes == sum(len(f"note {number}\n" + LINE * 10) for number in range(50))
    (source / "x.jsonl").write_text('{"id": 3, "text": "some words\\nmore"}\n')
    seen = await look([source])
    assert (seen.field, [(each.name, each.sample) for each in seen.fields]) == ("text", [("text", "some words more")])
    with pytest.raises(Refused, match="is not there"):
        await look([source / "nowhere"])
    with pytest.raises(InvalidInput):
        await look([])


async def test_refusals_leave_nothing(source: Path, tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "home", drawn={})
    with pytest.raises(InvalidInput, match=r"at most 0\.5"):
        await add_text([source], held_out=0.9, datasets=datasets)
    with pytest.raises(Refused, match="10 kB"):
        await add_text([source / "1.md"], datasets=datasets)
    with pytest.raises(InvalidInput, match="no folder or file"):
        await add_text([], datasets=datasets)
    assert datasets.datasets() == []
    assert not list((tmp_path / "home").rglob(".staging*"))


async def test_a_cancel_leaves_nothing(source: Path, tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "home", drawn={})
    # From within: on a busy machine all would be done before a waiting test came to it.
    task = asyncio.create_task(add_text([source], datasets=datasets, progress=lambda text, share: task.cancel()))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "home").rglob(".staging*"))


@pytest.mark.slow
async def test_the_starter_is_the_standard_library(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "home")
    before = datasets.get("starter/python")
    assert (before.kind, before.ready, before.problem, before.size) == ("text", False, None, 0)
    drawn = await prepare_dataset("python", datasets=datasets)
    assert (drawn.id, drawn.kind, drawn.ready, drawn.source) == ("starter/python", "text", True, "starter")
    assert drawn.folder == datasets.starter_folder("python", 0)
    assert datasets.get("starter/python", 64).folder == drawn.folder  # a side means nothing for text
    store = TextStore.open(drawn.folder)
    assert 300 < len(store) == drawn.count
    assert 0.01 < store.size(held=True) / store.size() < 0.15
    held = "".join(store.texts(held=True))
    some = [source for source in standard_library() if is_held_out(source.name)][:3]
    assert all(condense(source.text) in held for source in some)
    assert await prepare_dataset("python", datasets=datasets) == drawn
    datasets.remove("starter/python")
    assert not datasets.get("starter/python").ready
