"""Finding and reading the FID network's weights: a file of the right layout with random numbers goes the whole way."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.errors import NotFound, Refused, TarmacError
from core.ml.metrics import inception_weights
from core.ml.metrics.inception_weights import FILE_VARIABLE, NAMES, SHA256, fetch, find, keep, own_folder, read
from tests.core.ml.golden import Golden, assert_close
from tests.core.ml.inception_weights import random_state


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published layout with other weights, as PyTorch writes it."""
    path = tmp_path_factory.mktemp("weights") / NAMES[0]
    torch.save(random_state(), path)
    return path


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of torch and of Hugging Face that have nothing in them."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_reads_what_it_was_given(file: Path) -> None:
    weights = read(file, sha256=sha256(file)[:8])
    assert weights.path == file
    assert weights.sha256 == sha256(file)
    assert not weights.published
    golden = Golden("inception")
    with torch.inference_mode():
        found = weights.network(torch.from_numpy(golden.arrays["images_64"]))["2048"]
    assert_close(found, golden["features_2048_64"], 2e-5)


def test_reads_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(random_state(), path)
    weights = read(path, sha256=None)
    assert torch.equal(weights.network.fc_weight, random_state()["fc.weight"])


def test_counters_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({key: value for key, value in random_state().items() if "num_batches" not in key}, path)
    assert read(path, sha256=None).sha256 == sha256(path)


def test_other_weights_are_not_taken_for_the_published(file: Path) -> None:
    with pytest.raises(Refused, match=f"begins with {sha256(file)[:8]}, that of the published weights with 6726825d"):
        read(file)


@pytest.mark.parametrize("place", ["own", "torch", "hub", "variable"])
def test_is_found_where_people_have_it(
    place: str, file: Path, empty_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = {
        "own": own_folder(),
        "torch": empty_caches / "torch" / "hub" / "checkpoints",
        "hub": empty_caches / "hub" / "models--someone--weights" / "snapshots" / "0123",
        "variable": empty_caches / "elsewhere",
    }[place]
    folder.mkdir(parents=True)
    there = folder / NAMES[1]
    there.symlink_to(file)
    if place == "variable":
        monkeypatch.setenv(FILE_VARIABLE, str(there))
    assert find(sha256=sha256(file)) == there


def test_another_file_of_that_name_is_passed_over(file: Path, empty_caches: Path) -> None:
    wrong, right = own_folder() / NAMES[0], empty_caches / "torch" / "hub" / "checkpoints" / NAMES[0]
    for path, source in ((wrong, b"something else"), (right, file.read_bytes())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source)
    assert find(sha256=sha256(file)) == right
    with pytest.raises(NotFound, match="is not the published file"):
        find(sha256=SHA256)


def test_nothing_anywhere_says_what_to_do() -> None:
    with pytest.raises(NotFound) as caught:
        find()
    assert NAMES[0] in caught.value.do
    assert FILE_VARIABLE in caught.value.do


def test_a_named_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="no such file"):
        find(tmp_path / "nothing.pth")
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "nowhere.pth"))
    with pytest.raises(NotFound, match=r"nowhere\.pth"):
        find()


class Hostile:
    """What a pickle can do to who loads it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["empty", "text", "pickle", "half", "list", "layout", "shape", "whole numbers"])
def test_what_is_no_weights_is_refused(kind: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("Not Found")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"fc.weight": Hostile()}))
    elif kind == "half":
        path.write_bytes(file.read_bytes()[:1_000_000])
    elif kind == "list":
        torch.save([1, 2, 3], path)
    elif kind == "layout":
        torch.save({"fc.weight": torch.zeros(1008, 2048)}, path)
    elif kind == "shape":
        torch.save({**random_state(), "fc.weight": torch.zeros(1000, 2048)}, path)
    else:
        torch.save({**random_state(), "fc.bias": torch.zeros(1008, dtype=torch.int64)}, path)
    with pytest.raises(Refused, match="cannot be used"):
        read(path, sha256=None)
    assert not (tmp_path / "executed").exists()


def test_keeping_puts_it_where_it_is_found(file: Path) -> None:
    assert keep(file) == own_folder() / NAMES[0]
    assert find(sha256=sha256(file)) == own_folder() / NAMES[0]
    assert [path.name for path in own_folder().iterdir()] == [NAMES[0]]


def test_fetching_needs_a_repository() -> None:
    with pytest.raises(NotFound, match="no hub repository is named"):
        fetch()


def test_fetching_without_a_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(repository: str, name: str) -> str:
        raise LocalEntryNotFoundError("cannot reach the hub")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(TarmacError, match=r"cannot be fetched from someone/copy: cannot reach the hub"):
        fetch("someone/copy")


def test_what_was_fetched_is_checked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repository, name: str(file))
    monkeypatch.setenv(inception_weights.REPOSITORY_VARIABLE, "someone/copy")
    assert fetch(sha256=sha256(file)) == file
    with pytest.raises(Refused, match="another file"):
        fetch()
