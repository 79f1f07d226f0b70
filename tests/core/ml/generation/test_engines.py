"""Both engines against transformers: the same logits however the tokens are handed over, in every precision."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core import library
from core.datasets.code import is_held_out
from core.errors import Refused
from core.ml.generation.completion import Engine
from core.ml.generation.linear import linear
from core.ml.generation.loading import load_engine
from core.ml.generation.precision import int8_engine, int8_product
from core.ml.metrics.perplexity import perplexity
from tests.core.ml.text_models import CONTEXT, VOCABULARY, write_gpt2, write_llama

needs_int8 = pytest.mark.skipif(int8_engine() is None, reason="this PyTorch build has no int8 products")
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


@needs_int8
@pytest.mark.parametrize("x", [3.0, -3.0])
def test_int8_does_not_overflow_where_partial_sums_have_16_bits(x: float) -> None:
    # The worst case: all inputs at one end of their range, neighbouring weights all at the end of theirs.
    weight = torch.full((64, 8), 0.5)
    weight[:, 1::2] *= -1
    row = torch.cat([torch.full((1, 63), x), torch.zeros(1, 1)], 1)
    result = linear(weight, None, "int8", torch.device("cpu"))(row)
    torch.testing.assert_close(result, row @ weight, rtol=1e-3, atol=1e-3)


@needs_int8
@pytest.mark.parametrize("signed", [True, False])
def test_int8_codes_fit_seven_bits_so_that_every_processor_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, signed: bool
) -> None:
    codes: list[Tensor] = []

    def record(x: Tensor, step: float, zero: int, packed: object) -> Tensor:
        codes.append((x / step).round() + zero)
        return int8_product(x, step, zero, packed)

    monkeypatch.setattr("core.ml.generation.linear.int8_product", record)
    random = torch.Generator().manual_seed(2)
    x = torch.randn(40, 96, generator=random) * torch.logspace(-6, 6, 40)[:, None]
    x = x if signed else x.abs()
    weight, bias = torch.randn(96, 24, generator=random), torch.randn(24, generator=random)
    for row in x[:, None]:
        result = linear(weight, bias, "int8", torch.device("cpu"))(row)
        scales = weight.abs().amax(0) / 127
        expected = (row.double() @ ((weight / scales).round() * scales).double() + bias).float()
        assert (result - expected).norm() < 1e-3 * expected.norm() + 1e-3 * float(row.abs().max())
    assert min(float(item.min()) for item in codes) >= 0
    assert max(float(item.max()) for item in codes) <= 127


@needs_int8
def test_int8_of_zeros_is_the_bias() -> None:
    bias = torch.arange(8.0)
    result = linear(torch.ones(16, 8), bias, "int8", torch.device("cpu"))(torch.zeros(2, 16))
    torch.testing.assert_close(result, bias.expand(2, 8))


@needs_int8
def test_int8_costs_less_than_a_thousandth_of_the_perplexity() -> None:
    folder = Path(library.__file__).parent / "starters" / "gpt2-python"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("this checkout has no starter")
    full, tokens = load_engine(folder, "float32")
    small, _ = load_engine(folder, "int8")
    assert is_held_out("traceback.py")
    ids = tokens.encode(Path(traceback.__file__).read_text(encoding="utf-8"))[:3072]
    assert len(ids) == 3072
    divergence = 0.0
    for start in range(0, len(ids), 512):
        piece = ids[start : start + 512]
        expected = full.read(piece, full.start(), every=True).double().log_softmax(1)
        found = small.read(piece, small.start(), every=True).double().log_softmax(1)
        divergence += float((expected.exp() * (expected - found)).sum())
    # The mean divergence is the change of log perplexity on the model's own text, free of the luck of one text.
    assert divergence / len(ids) < 0.0006
    scores = [perplexity(engine, ids, 1, stride=256).perplexity for engine in (full, small)]
    assert scores[1] / scores[0] - 1 < 0.001


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
