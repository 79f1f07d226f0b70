"""Both engines against transformers: the same logits however the tokens are handed over, in every precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import Refused
from core.ml.generation.completion import Engine
from core.ml.generation.linear import linear
from core.ml.generation.loading import load_engine
from core.ml.generation.precision import int8_engine
from tests.core.ml.text_models import CONTEXT, VOCABULARY, write_gpt2, write_llama

IDS = torch.randint(VOCABULARY, (CONTEXT,), generator=torch.Generator().manual_seed(1)).tolist()


def _reference(folder: Path) -> Tensor:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([IDS])).logits[0]
    return logits


def _in_pieces(engine: Engine) -> Tensor:
    """Logits after each token: a prompt, a second piece, then token by token until the context is full."""
    cache = engine.start()
    parts = [engine.read(IDS[:9], cache, every=True), engine.read(IDS[9:20], cache, every=True)]
    return torch.cat([*parts, *(engine.read([number], cache)[None] for number in IDS[20:])])


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_pytorch_tanh", "gelu"])
def test_gpt2_computes_what_transformers_computes(tmp_path: Path, activation: str) -> None:
    folder = write_gpt2(tmp_path / "m", activation_function=activation)
    engine, _ = load_engine(folder)
    torch.testing.assert_close(_in_pieces(engine), _reference(folder), rtol=1e-4, atol=1e-4)


def test_other_architectures_run_through_transformers(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "m")
    engine, _ = load_engine(folder)
    assert engine.context == CONTEXT
    torch.testing.assert_close(_in_pieces(engine), _reference(folder), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("write", [write_gpt2, write_llama])
@pytest.mark.parametrize(("precision", "error"), [("bfloat16", 0.03), ("int8", 0.05)])
def test_smaller_formats_stay_close(tmp_path: Path, write: object, precision: str, error: float) -> None:
    if precision == "int8" and int8_engine() is None:
        pytest.skip("this PyTorch build has no int8 products")
    folder = write(tmp_path / "m")  # type: ignore[operator]
    engine, _ = load_engine(folder, precision)
    assert engine.precision == precision
    expected = _reference(folder)
    assert (_in_pieces(engine) - expected).norm() / expected.norm() < error


def test_int8_does_not_overflow_where_partial_sums_have_16_bits() -> None:
    if int8_engine() is None:
        pytest.skip("this PyTorch build has no int8 products")
    # The worst case: all inputs at the top of their range, neighbouring weights all large and of one sign.
    weight = torch.full((64, 8), 0.5)
    weight[:, 1::2] *= -1
    x = torch.cat([torch.full((1, 63), 3.0), torch.zeros(1, 1)], 1)
    result = linear(weight, None, "int8", torch.device("cpu"))(x)
    torch.testing.assert_close(result, x @ weight, rtol=0.01, atol=0.01)


def test_a_full_context_is_an_error_of_the_caller_and_no_index_error(tmp_path: Path) -> None:
    engine, _ = load_engine(write_gpt2(tmp_path / "m"))
    cache = engine.start()
    engine.read(IDS, cache)
    with pytest.raises(ValueError, match="do not fit"):
        engine.read([1], cache)


@pytest.mark.parametrize(
    "changes", [{"scale_attn_by_inverse_layer_idx": True}, {"activation_function": "relu"}, {"n_inner": 128}]
)
def test_variants_are_computed_too(tmp_path: Path, changes: dict[str, object]) -> None:
    folder = write_gpt2(tmp_path / "m", **changes)
    engine, _ = load_engine(folder)
    torch.testing.assert_close(_in_pieces(engine), _reference(folder), rtol=1e-4, atol=1e-4)


def test_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="float32, bfloat16, int8"):
        load_engine(write_gpt2(tmp_path / "m"), "int3")
