"""The published GPT-2s by name: from the library, from the hub's cache, or with the command that fetches them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import NotFound
from core.library.gpt2 import GPT2, bring_base, hub_cache, in_library, published, snapshot
from core.library.models import Library
from tests.core.ml.text_models import write_gpt2


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put(cache: Path, repository: str, commit: str = "abc") -> Path:
    """A snapshot as the hub's client lays it out: links to blobs."""
    home = cache / f"models--{repository.replace('/', '--')}"
    blobs = write_gpt2(home / "blobs")
    folder = home / "snapshots" / commit
    folder.mkdir(parents=True)
    for path in blobs.iterdir():
        (folder / path.name).symlink_to(os.path.relpath(path, folder))
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    return folder


def test_sizes_are_the_published_ones() -> None:
    assert [each.facts.parameters for each in GPT2.values()] == [124439808, 354823168, 774030080, 1557611200]
    assert GPT2["gpt2"].facts.bytes == pytest.approx(548_105_171, rel=1e-4)
    assert GPT2["gpt2-xl"].facts.bytes == pytest.approx(6_431_829_964, rel=1e-4)


def test_names_with_and_without_their_owner() -> None:
    assert published("openai-community/gpt2-xl") is published("GPT2-XL") is GPT2["gpt2-xl"]
    assert published("gpt3") is None
    assert published("somebody/gpt2") is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HF_HOME": "/b", "HF_HUB_CACHE": "/a"}, "/a"),
        ({"HOME": "/d"}, "/d/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_its_variables_say(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub_cache() == Path(expected)


def test_only_whole_snapshots_count(cache: Path) -> None:
    assert snapshot("gpt2") is None
    folder = put(cache, "openai-community/gpt2-medium")
    assert snapshot("gpt2-medium") == folder
    (folder / "config.json").unlink()
    assert snapshot("gpt2-medium") is None
    other = put(cache, "gpt2-medium", "def")
    assert snapshot("gpt2-medium") == other
    blob = (other / "model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-5])
    assert snapshot("gpt2-medium") is None


async def test_from_the_cache_into_the_library_once(cache: Path, tmp_path: Path) -> None:
    put(cache, "openai-community/gpt2")
    library = Library(tmp_path / "data")
    made = await bring_base("openai-community/gpt2", library)
    assert made.name == "gpt2"
    assert made.architecture["context"] == 32
    assert (await bring_base("gpt2", library)).id == made.id
    assert in_library("openai-community/gpt2", library) == library.get(made.id)


async def test_what_is_nowhere_says_how_to_get_it(cache: Path, tmp_path: Path) -> None:
    library = Library(tmp_path / "data")
    with pytest.raises(NotFound, match=r"gpt2-large is not on this machine: its weights \(3\.2 GB\).*hf download"):
        await bring_base("gpt2-large", library)
    with pytest.raises(NotFound, match="no model is called"):
        await bring_base("nothing-like-it", library)
