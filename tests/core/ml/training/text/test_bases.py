"""Bases are loaded to be trained, or refused with the reason; nothing in them is run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import Refused
from core.ml.training.text.bases import load_base
from core.ml.training.text.tokenizer import train_tokenizer
from tests.core.ml.text_models import CONTEXT, VOCABULARY, gpt2_weights, write_gpt2, write_llama


def test_a_base_is_there_in_float32(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "gpt2")
    save_file({n: t.half() for n, t in gpt2_weights().items()}, folder / "model.safetensors", {"format": "pt"})
    base = load_base(folder)
    assert {each.dtype for each in base.model.parameters()} == {torch.float32}
    assert base.facts.parameters == sum(each.numel() for each in base.model.parameters())
    assert (base.facts.context, base.facts.vocabulary, base.tokens.vocabulary) == (CONTEXT, VOCABULARY, VOCABULARY)
    assert load_base(write_llama(tmp_path / "llama")).facts.architecture == "llama"


class Evil:
    """What a hostile pickle does."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


def test_pickled_weights_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_gpt2(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    torch.save(Evil(), folder / "pytorch_model.bin")
    with pytest.raises(Refused, match=r"its weights are a pickle.*tarmac models import"):
        load_base(folder)
    assert not (tmp_path / "ran").exists()


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "m", auto_map={"AutoModelForCausalLM": "modeling.Evil"})
    (folder / "modeling.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n")
    with pytest.raises(Refused, match="brings its own code"):
        load_base(folder)
    assert not (tmp_path / "ran").exists()


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "m")
    train_tokenizer(["something else"] * 9, 257 + 5).save(str(folder / "tokenizer.json"))
    load_base(folder)  # fewer ids than rows: some networks have rows to spare
    state = json.loads((folder / "tokenizer.json").read_text())
    state["added_tokens"] += [{**state["added_tokens"][0], "id": 262 + n, "content": f"<{n}>"} for n in range(60)]
    (folder / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(Refused, match="does not fit its weights"):
        load_base(folder)


def test_missing_and_misshapen_weights(tmp_path: Path) -> None:
    folder = write_gpt2(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    lost = {name: tensor for name, tensor in weights.items() if "h.1.mlp.c_fc.bias" not in name}
    save_file(lost, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(Refused, match=r"incomplete: there is no transformer\.h\.1\.mlp\.c_fc\.bias"):
        load_base(folder)
    weights["transformer.wte.weight"] = weights["transformer.wte.weight"][:, :16].contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(Refused, match="cannot be trained"):
        load_base(folder)
    with pytest.raises(Refused, match=r"no config\.json"):
        load_base(tmp_path)
