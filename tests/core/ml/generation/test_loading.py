"""Broken, foreign and hostile model folders: one clear sentence each, and nothing of them is executed."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from core.errors import Refused
from core.ml.generation.loading import load_engine, read_weights
from tests.core.ml.text_models import TEXT, gpt2_weights, write_gpt2, write_llama


class _Harm:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._path),)


def _without(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def _settings(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))


def _weights(folder: Path, drop: str | None = None, **changes: torch.Tensor) -> None:
    weights = gpt2_weights() | changes
    if drop:
        weights.pop(drop)
    save_file(weights, folder / "model.safetensors")


def _more_words(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["neverseen"])
    tokenizer.save(str(folder / "tokenizer.json"))


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (lambda f: _without(f, "config.json"), "no config.json"),
    "config is no JSON": (
        lambda f: (f / "config.json").write_bytes(b"\xff{") and None,
        "config.json cannot be read",
    ),
    "config nests too deeply": (
        lambda f: (f / "config.json").write_text("[" * 100_000) and None,
        "config.json cannot be read",
    ),
    "config is a list": (lambda f: (f / "config.json").write_text("[]") and None, "names no model_type"),
    "own code": (lambda f: _settings(f, auto_map={"AutoModel": "x.Y"}), "brings its own code"),
    "counts are words": (lambda f: _settings(f, n_layer="many"), "n_layer is 'many'"),
    "counts are negative": (lambda f: _settings(f, n_embd=-3), "n_embd is -3"),
    "heads do not divide": (lambda f: _settings(f, n_head=5), "not a multiple of 5 heads"),
    "unknown architecture": (lambda f: _settings(f, model_type="fancy"), "cannot be loaded"),
    "no weights": (lambda f: _without(f, "model.safetensors"), "there are no weights"),
    "weights cut off": (
        lambda f: os.truncate(f / "model.safetensors", 5000),
        "model.safetensors cannot be read",
    ),
    "weights are empty": (lambda f: os.truncate(f / "model.safetensors", 0), "model.safetensors cannot be read"),
    "a tensor is missing": (lambda f: _weights(f, drop="transformer.h.1.mlp.c_fc.weight"), "h.1.mlp.c_fc.weight"),
    "a tensor has another shape": (
        lambda f: _weights(f, **{"transformer.wpe.weight": torch.zeros(8, 32)}),
        r"wpe.weight is \[8, 32\], not \[32, 32\]",
    ),
    "no tokenizer": (lambda f: _without(f, "tokenizer.json"), "there is no tokenizer"),
    "tokenizer is broken": (
        lambda f: (f / "tokenizer.json").write_text("{}") and None,
        "the tokenizer cannot be read",
    ),
    "tokenizer of another model": (lambda f: _more_words(f), "does not fit"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_folders_are_refused(tmp_path: Path, name: str) -> None:
    harm, sentence = BROKEN[name]
    folder = write_gpt2(tmp_path / "m")
    harm(folder)
    with pytest.raises(Refused, match=sentence):
        load_engine(folder)


@pytest.mark.parametrize("write", [write_gpt2, write_llama])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    folder = write(tmp_path / "m")
    _without(folder, "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"wte.weight": _Harm(tmp_path / "harm")}))
    with pytest.raises(Refused, match="plain tensors"):
        load_engine(folder)
    torch.save({"wte.weight": _Harm(tmp_path / "harm")}, folder / "pytorch_model.bin")
    with pytest.raises(Refused, match="plain tensors"):
        load_engine(folder)
    assert not (tmp_path / "harm").exists()


def test_a_pickle_of_tensors_and_old_names_load(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "m")
    expected = read_weights(folder)
    (folder / "model.safetensors").unlink()
    old = {name.removeprefix("transformer."): tensor for name, tensor in expected.items()}
    torch.save(old | {"h.0.attn.bias": torch.ones(1, 1, 32, 32)}, folder / "pytorch_model.bin")
    engine, _ = load_engine(folder)
    assert engine.parameters == sum(tensor.numel() for tensor in expected.values())


def test_weights_in_several_files_load_and_may_not_point_elsewhere(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "m")
    names = sorted(weights := read_weights(folder))
    (folder / "model.safetensors").unlink()
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: weights[name].clone() for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_weights(folder).keys() == weights.keys()
    index["weight_map"][names[0]] = "../elsewhere.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Refused, match="outside the folder"):
        read_weights(folder)


def test_a_vocabulary_with_merges_gives_the_same_ids(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "m")
    _, expected = load_engine(folder)
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer.json").unlink()
    _, tokens = load_engine(folder)
    assert tokens.encode(TEXT) == expected.encode(TEXT)[1:]  # these two files cannot tell how a text begins
    assert tokens.decode(tokens.encode(TEXT)) == TEXT
