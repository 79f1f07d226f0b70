"""Text models in Hugging Face layout: what is copied, what is refused, and that the same words come out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.ml.checkpoints.convert import Converted, convert
from core.ml.checkpoints.problems import Unreadable

VOCABULARY = 64


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of a few thousand parameters with a byte-level tokenizer, as transformers saves it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("made") / "tiny-gpt2"
    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,"
    words = {letter: number for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = GPT2Config(vocab_size=VOCABULARY, n_positions=32, n_embd=16, n_layer=2, n_head=2)
    GPT2LMHeadModel(config).eval().save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(made, tmp_path / "tiny-gpt2"))


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    path = tmp_path / "staging"
    path.mkdir()
    return path


def logits(folder: Path) -> torch.Tensor:
    """What the network says after three tokens."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        return network(torch.tensor([[1, 2, 3]])).logits  # type: ignore[no-any-return]


def change(path: Path, **settings: Any) -> None:
    """Set values in a JSON file; None takes them out."""
    content = {**json.loads(path.read_text()), **settings}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def as_bin(model: Path, zipped: bool = True) -> None:
    """pytorch_model.bin instead of safetensors."""
    state = load_file(model / "model.safetensors")
    torch.save(state, model / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    (model / "model.safetensors").unlink()


def test_a_folder_of_safetensors(model: Path, staging: Path) -> None:
    (model / "modeling_evil.py").write_text("raise SystemExit")
    (model / "README.md").write_text("card")
    converted = convert(model, staging)

    assert isinstance(converted, Converted)
    assert (converted.name, converted.kind, converted.adapter) == ("tiny-gpt2", "text", "causal-lm")
    assert converted.architecture == {
        **{"name": "gpt2", "layers": 2, "width": 16, "heads": 2, "context": 32, "vocabulary": VOCABULARY},
        "parameters": sum(tensor.numel() for tensor in load_file(model / "model.safetensors").values()),
    }
    assert converted.interface.commands["complete"].streaming
    assert converted.origin["format"] == "Hugging Face safetensors"
    files = {path.name for path in staging.iterdir()}
    assert files <= {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    }
    assert torch.equal(logits(staging), logits(model))


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_bin_becomes_safetensors(model: Path, staging: Path, zipped: bool) -> None:
    before = logits(model)
    as_bin(model, zipped)
    converted = convert(model, staging)
    assert converted.origin["format"] == "Hugging Face PyTorch"
    assert not (staging / "pytorch_model.bin").exists()
    assert torch.equal(logits(staging), before)


def test_halves_from_an_older_torch(model: Path, staging: Path) -> None:
    """With the masks that GPT-2 files of old hold beside the weights."""
    state = {name: tensor.half() for name, tensor in load_file(model / "model.safetensors").items()}
    masks = {f"transformer.h.{n}.attn.bias": torch.ones(1, 1, 32, 32, dtype=torch.uint8) for n in range(2)}
    torch.save(state | masks, model / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    (model / "model.safetensors").unlink()
    change(model / "config.json", dtype="float16")
    convert(model, staging)
    assert torch.isfinite(logits(staging)).all()


def test_bfloat16_stays_bfloat16(model: Path, staging: Path) -> None:
    state = {name: tensor.bfloat16() for name, tensor in load_file(model / "model.safetensors").items()}
    torch.save(state, model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    convert(model, staging)
    saved = load_file(staging / "model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in state.items())


def test_shards_become_one_file(model: Path, staging: Path) -> None:
    state = load_file(model / "model.safetensors")
    before = logits(model)
    names = sorted(state)
    (model / "model.safetensors").unlink()
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: state[name] for name in part}, model / file, {"format": "pt"})
    places = {name: file for file, part in parts.items() for name in part}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    convert(model, staging)
    assert torch.equal(logits(staging), before)

    (model / "model-00002-of-00002.safetensors").unlink()
    shutil.rmtree(staging)
    staging.mkdir()
    with pytest.raises(Unreadable, match="no such file"):
        convert(model, staging)


def test_known_models_lose_their_code_and_nothing_else(model: Path, staging: Path) -> None:
    before = logits(model)
    change(
        model / "config.json",
        auto_map={"AutoModelForCausalLM": "modeling_evil.Evil"},
        attn_implementation="someone/kernel",
        _name_or_path="/home/someone",
    )
    change(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    convert(model, staging)
    for name in ("config.json", "tokenizer_config.json"):
        text = (staging / name).read_text()
        assert not any(word in text for word in ("auto_map", "evil", "someone"))
    assert torch.equal(logits(staging), before)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model_type": "own", "auto_map": {"AutoConfig": "evil.Evil"}}, "which is not run"),
        ({"model_type": "nonsense"}, "is unknown"),
        ({"model_type": ["gpt2"]}, "is unknown"),
        ({"model_type": "vit"}, "does not complete text"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"n_layer": 10**9}, "asks for 1000000000 layers"),
        ({"n_embd": 2**40}, "impossible n_embd"),
        ({"n_embd": 10**6}, "its weights hold"),
        ({"n_head": 0}, "builds no model"),
        ({"n_layer": 3}, "its weights hold|is missing"),
        ({"n_embd": 8}, "do not fit"),
        ({"vocab_size": 8}, "do not fit|more tokens"),
    ],
)
def test_settings_that_are_refused(model: Path, staging: Path, settings: dict[str, Any], sentence: str) -> None:
    change(model / "config.json", **settings)
    with pytest.raises(Unreadable, match=sentence):
        convert(model, staging)


def test_parts_that_are_missing_or_broken(model: Path, staging: Path) -> None:
    from core.ml.checkpoints.text_models import TOKENIZER_FILES

    aside = model.parent / "aside"
    for name, sentence in (("model.safetensors", "no model.safetensors"), ("tokenizer.json", "no tokenizer")):
        (model / name).rename(aside)
        with pytest.raises(Unreadable, match=sentence):
            convert(model, staging)
        aside.rename(model / name)
        for path in staging.iterdir():
            path.unlink()
    assert "tokenizer.json" in TOKENIZER_FILES
    (model / "tokenizer.json").write_text('{"model": 1}')
    with pytest.raises(Unreadable, match="tokenizer cannot be used"):
        convert(model, staging)
    for path in staging.iterdir():
        path.unlink()


def test_weights_that_are_not_finite(model: Path, staging: Path) -> None:
    state = load_file(model / "model.safetensors")
    state["transformer.ln_f.weight"] = torch.full_like(state["transformer.ln_f.weight"], float("nan"))
    save_file(state, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(Unreadable, match="not finite"):
        convert(model, staging)


def test_what_was_imported_runs(model: Path, tmp_path: Path) -> None:
    """Through the adapter that a worker would load: the interface is the promised one, and it completes."""
    from core.library.manifest import Manifest
    from core.library.models import Library
    from core.ml import adapters
    from core.workers.adapter import Request

    library = Library(tmp_path / "data")
    staging = library.staging()
    converted = convert(model, staging)
    manifest = Manifest(
        name=converted.name,
        kind=converted.kind,
        adapter=converted.adapter,
        interface=converted.interface.spec(),
        architecture=converted.architecture,
    )
    target = library.adopt(staging, manifest).target("cpu")
    adapter = adapters.load(target.adapter, target.path, target.options, target.device)

    assert adapter.interface.spec() == converted.interface.spec()
    inputs = adapter.interface.commands["complete"].check_inputs({"prompt": "abc", "max_tokens": 4, "temperature": 0})
    answers = list(adapter.run("complete", [Request(inputs, lambda: False)]))
    assert answers[-1].final
    assert answers[-1].outputs["tokens"] == 4
