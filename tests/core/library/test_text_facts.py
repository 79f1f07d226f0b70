"""A text model's sizes are read from headers, and equal those of the network itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from core.errors import Refused
from core.library.text_facts import new_facts, positions, read_facts, tokenizer_size, training_memory
from tests.core.ml.text_models import CONTEXT, VOCABULARY, write_gpt2, write_llama


def test_sizes_are_those_of_the_network(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    for write in (write_gpt2, write_llama):
        folder = write(tmp_path / write.__name__)
        network = AutoModelForCausalLM.from_pretrained(folder)
        facts = read_facts(folder)
        assert facts.parameters == sum(each.numel() for each in network.parameters())
        assert (facts.context, facts.vocabulary, facts.layers, facts.width) == (CONTEXT, VOCABULARY, 2, 32)
        assert facts.bytes == (folder / "model.safetensors").stat().st_size
        assert tokenizer_size(folder) == VOCABULARY
    assert new_facts(VOCABULARY, CONTEXT, 2, 32).parameters == read_facts(tmp_path / "write_gpt2").parameters


def test_how_much_is_seen_at_once_is_told_in_many_ways() -> None:
    assert positions({"n_positions": 64, "n_ctx": 32}) == 64
    assert positions({"n_positions": None, "max_position_embeddings": 128}) == 128
    assert positions({"text_config": {"seq_length": 256}}) == 256
    assert positions({"n_positions": True, "n_ctx": 0}) == 2048


def test_a_pickle_is_counted_by_its_sizes(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "m")
    expected = read_facts(folder).parameters
    (folder / "model.safetensors").unlink()
    torch.save({"x": torch.zeros(3)}, folder / "pytorch_model.bin")
    assert read_facts(folder).parameters == pytest.approx(expected, rel=0.01)


def test_shards_are_one_model(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_gpt2(tmp_path / "m")
    expected = read_facts(folder)
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    places = {}
    for number, part in enumerate((names[:9], names[9:])):
        file = f"model-{number}.safetensors"
        save_file({name: weights[name] for name in part}, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert read_facts(folder).parameters == expected.parameters
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(Refused, match="no weights"):
        read_facts(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"auto_map": {"AutoModel": "x.Y"}}, "brings its own code.*auto_map"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"vocab_size": None}, "no vocab_size"),
        ({"model_type": 5}, "no model_type"),
    ],
)
def test_what_cannot_be_trained_says_why(tmp_path: Path, damage: dict[str, object], words: str) -> None:
    with pytest.raises(Refused, match=words):
        read_facts(write_gpt2(tmp_path / "m", **damage))


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]", b"\x08\0\0\0\0\0\0\0not json"])
def test_damaged_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    folder = write_gpt2(tmp_path / "m")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1])
    with pytest.raises(Refused, match="cut off"):
        read_facts(folder)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(Refused, match=r"model\.safetensors cannot be read"):
        read_facts(folder)


def test_memory_grows_with_what_it_is_for() -> None:
    facts = new_facts(50_257, 1024, 12, 768)
    assert facts.parameters == 124_439_808
    base = training_memory(facts, "full", rows=1, context=256)
    assert base > 16 * facts.parameters
    assert training_memory(facts, "lora", rows=1, context=256) < base / 2
    for precision in ("float32", "bfloat16"):
        assert training_memory(facts, "full", rows=1, context=256, precision=precision) <= base
    assert training_memory(facts, "full", rows=4, context=256) > base
    assert training_memory(facts, "full", rows=4, context=256) == training_memory(facts, "full", rows=1, context=1024)
    kept = training_memory(facts, "full", rows=8, context=1024)
    assert training_memory(facts, "full", rows=8, context=1024, checkpointing=True) < kept
