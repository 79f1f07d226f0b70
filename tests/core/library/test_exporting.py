"""A model as a plain folder: other programs load it and it writes the same; nothing is ever written over."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import InvalidInput, Refused, StorageError
from core.library import exporting
from core.library.exporting import export_model
from core.library.interfaces import image_gan_interface, text_interface
from core.library.manifest import Manifest
from core.library.models import Library, Model
from core.ml.generation.loading import load_engine
from tests.core.ml.text_models import TEXT, gpt2_weights, write_gpt2, write_llama
from tests.e2e import tiny


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "data", starters=tmp_path / "none")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def add(library: Library, write: Any = write_gpt2, **changes: object) -> Model:
    folder = library.staging()
    write(folder, **changes)
    (folder / "judged.json").write_text("{}")
    manifest = Manifest("My words", "text", "causal-lm", text_interface(32).spec(), licence="MIT")
    return library.adopt(folder, manifest)


@pytest.mark.parametrize("write", [write_gpt2, write_llama])
async def test_a_hugging_face_folder_that_transformers_loads(library: Library, tmp_path: Path, write: Any) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = add(library, write)
    made = await export_model(model, tmp_path / "out" / "words")
    assert made.folder == tmp_path / "out" / "words"
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(made.files)
    assert not {"model.toml", "judged.json"} & set(made.files)
    assert made.bytes == sum(path.stat().st_size for path in made.folder.iterdir())
    assert "license: mit" in (made.folder / "README.md").read_text()
    names: dict[str, Any] = {}
    exec("\n".join(made.load), names)  # what is printed works as it stands
    assert isinstance(names["model"], torch.nn.Module)
    loaded = AutoModelForCausalLM.from_pretrained(made.folder)
    tokenizer = AutoTokenizer.from_pretrained(made.folder)
    engine, tokens = load_engine(model.folder)
    ids = tokenizer(TEXT[:40], add_special_tokens=False)["input_ids"][:30]
    assert ids == tokens.encode_many([TEXT[:40]])[0].tolist()[:30]
    with torch.inference_mode():
        logits = loaded(torch.tensor([ids])).logits[0]
    assert torch.allclose(logits, engine.read(ids, engine.start(), every=True), atol=1e-3)


async def test_nothing_is_written_over(library: Library, tmp_path: Path) -> None:
    model = add(library)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "empty", "link"):
        with pytest.raises(Refused, match="exists"):
            await export_model(model, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(InvalidInput, match="no format 'onnx'"):
        await export_model(model, tmp_path / "x", "onnx")
    assert names_in(tmp_path) == ["data", "empty", "file", "link"]


async def test_a_full_disk_and_a_cancel_leave_nothing(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = add(library)

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(exporting.shutil, "copyfile", full)
        with pytest.raises(StorageError, match="No space left"):
            await export_model(model, tmp_path / "out")
    begun = asyncio.Event()
    task = asyncio.create_task(export_model(model, tmp_path / "out", progress=lambda text, share: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_in(tmp_path) == ["data"]


async def test_an_image_model_is_its_weights_and_what_they_are(library: Library, tmp_path: Path) -> None:
    folder = library.staging()
    architecture = tiny.write_weights(folder, resolution=16)
    interface = image_gan_interface(4, 16).spec()
    model = library.adopt(folder, Manifest("gan", "image-gan", "stylegan2", interface, architecture=architecture))
    made = await export_model(model, tmp_path / "out")
    assert made.files == ("model.toml", "weights.safetensors")
    names: dict[str, Any] = {}
    exec("\n".join(made.load), names)
    assert names["weights"].keys() == load_file(model.folder / "weights.safetensors").keys()
    with pytest.raises(Refused, match="no text model"):
        await export_model(model, tmp_path / "gguf", "gguf")


async def test_gguf_has_the_same_tensors_and_tokens(library: Library, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    model = add(library)
    made = await export_model(model, tmp_path / "out", "gguf")
    assert made.files == ("my-words.gguf",)
    reader = gguf.GGUFReader(made.folder / "my-words.gguf")
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    weights = gpt2_weights()
    assert len(found) == len(weights)
    names = {
        "token_embd.weight": "wte.weight",
        "position_embd.weight": "wpe.weight",
        "output_norm.bias": "ln_f.bias",
        "blk.1.attn_norm.weight": "h.1.ln_1.weight",
        "blk.0.ffn_norm.weight": "h.0.ln_2.weight",
        "blk.1.attn_qkv.bias": "h.1.attn.c_attn.bias",
    }
    for ours, theirs in names.items():
        assert np.array_equal(found[ours], weights[f"transformer.{theirs}"].numpy())
    turned = {"attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
    for ours, theirs in turned.items():
        for layer in (0, 1):
            original = weights[f"transformer.h.{layer}.{theirs}.weight"].numpy()
            assert np.array_equal(found[f"blk.{layer}.{ours}.weight"], original.T)

    def field(name: str) -> Any:
        return reader.get_field(name).contents()

    assert field("general.architecture") == "gpt2"
    assert field("general.name") == "My words"
    expected = {"context_length": 32, "embedding_length": 32, "block_count": 2, "feed_forward_length": 128}
    for name, value in (expected | {"attention.head_count": 4}).items():
        assert field(f"gpt2.{name}") == value
    _, tokens = load_engine(model.folder)
    assert field("tokenizer.ggml.model") == "gpt2"
    assert field("tokenizer.ggml.pre") == "gpt-2"
    pieces = field("tokenizer.ggml.tokens")
    assert len(pieces) == 300
    assert all(tokens.id_of(piece) == number for number, piece in enumerate(pieces))
    assert field("tokenizer.ggml.token_type")[:2] == [3, 1]
    assert len(field("tokenizer.ggml.merges")) == 300 - 257
    assert field("tokenizer.ggml.eos_token_id") == 0
    assert field("tokenizer.ggml.add_bos_token") is True


async def test_gguf_keeps_half_precision(library: Library, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    folder = library.staging()
    write_gpt2(folder)
    halves = {name: tensor.half() for name, tensor in gpt2_weights().items()}
    save_file(halves, folder / "model.safetensors", {"format": "pt"})
    model = library.adopt(folder, Manifest("halves", "text", "causal-lm", text_interface(32).spec()))
    made = await export_model(model, tmp_path / "out", "gguf")
    found = {each.name: each for each in gguf.GGUFReader(made.folder / "halves.gguf").tensors}
    assert found["blk.0.ffn_up.weight"].data.dtype == np.float16
    assert found["blk.0.ffn_up.bias"].data.dtype == np.float32
    assert np.array_equal(found["token_embd.weight"].data, halves["transformer.wte.weight"].numpy())


async def test_gguf_is_refused_where_it_would_be_another_model(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="only GPT-2"):
        await export_model(add(library, write_llama), tmp_path / "out", "gguf")
    with pytest.raises(Refused, match="activation function is gelu,"):
        await export_model(add(library, activation_function="gelu"), tmp_path / "out", "gguf")
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else real(name))
    with pytest.raises(Refused, match=r"gguf is not installed.*tarmac\[gguf\]"):
        await export_model(add(library), tmp_path / "out", "gguf")
    assert names_in(tmp_path) == ["data"]
