"""The loss computed with its last product, and the quicker forms of GPT-2: the same numbers as the plain ones."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.ml.training.text import loss as text_loss
from core.ml.training.text.loss import Headed, Whole, loss_of
from core.ml.training.text.quick import NAME, attend, quicken


@pytest.fixture
def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 97, "n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 2}
    left_out = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    return GPT2LMHeadModel(GPT2Config(**sizes, **left_out, bos_token_id=0, eos_token_id=0))


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("most", [2**26, 97 * 5])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_and_its_gradients_are_the_plain_ones(
    gpt2: Any, precision: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(text_loss.MOST_LOGITS, "cpu", most)
    rows = torch.randint(97, (3, 17), generator=torch.Generator().manual_seed(1))
    plain, ours = copy.deepcopy(gpt2), gpt2
    quicken(ours)
    headed = loss_of(ours, precision)
    assert isinstance(headed, Headed)
    # Twice, as in parts of a step: gradients are added up.
    told = [sum(float(loss(rows, share)) for share in (0.75, 0.25)) for loss in (Whole(plain, precision), headed)]
    assert told[1] == pytest.approx(told[0], rel=1e-6 if precision == "float32" else 1e-3)
    left, right = gradients(plain), gradients(ours)
    assert left.keys() == right.keys()
    for name, value in left.items():
        apart = float((value - right[name]).norm() / value.norm())
        assert apart < (1e-5 if precision == "float32" else 0.03), (name, apart)


def test_what_is_frozen_gets_no_gradient(gpt2: Any) -> None:
    gpt2.transformer.wte.weight.requires_grad_(False)
    loss_of(gpt2, "float32")(torch.zeros(1, 9, dtype=torch.int64), 1.0)
    assert gpt2.transformer.wte.weight.grad is None
    assert gpt2.transformer.ln_f.weight.grad is not None


def test_logits_that_are_more_than_a_product_are_left_to_the_network(gpt2: Any) -> None:
    real = type(gpt2).forward

    class Capped(type(gpt2)):  # type: ignore[misc]
        def forward(self, *arguments: Any, **more: Any) -> Any:
            result = real(self, *arguments, **more)
            result.logits = 0.5 * torch.tanh(result.logits / 0.5)
            return result

    gpt2.__class__ = Capped
    assert isinstance(loss_of(gpt2, "float32"), Whole)
    assert isinstance(loss_of(nn.Linear(2, 2), "float32"), Whole)


def test_short_attention_is_the_attention_of_pytorch() -> None:
    source = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 16, 8, generator=source) for _ in range(3))
    expected = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)
    torch.testing.assert_close(attend(nn.Module(), query, key, value, None)[0], expected)
    # What it has no short form for goes to PyTorch: here one new token after fifteen that are remembered.
    module = nn.Module()
    module.is_causal = True  # type: ignore[assignment]
    last, _ = attend(module, query[:, :, -1:], key, value, None)
    torch.testing.assert_close(last, expected[:, -1:])


def test_a_quick_network_computes_what_it_did(gpt2: Any) -> None:
    ids = torch.arange(20)[None]
    expected = gpt2.eval()(ids).logits
    quicken(gpt2)
    assert gpt2.config._attn_implementation == NAME
    torch.testing.assert_close(gpt2(ids).logits, expected, rtol=1e-4, atol=1e-5)
    assert NAME not in gpt2.config.to_json_string()


_STEPS = """
import resource, torch
from core.ml.allocation import keep_freed_memory
kept = keep_freed_memory()
def step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first = [torch.empty(2**22).fill_(1.0) for _ in range(8)]
    second = [each * 2 for each in first]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(sum(step() for _ in range(16)) if kept else -1)
"""


def test_memory_that_is_kept_serves_again() -> None:
    # In a process of its own, as a training is: in one that has run other tests the heap is in pieces already.
    told = subprocess.run([sys.executable, "-c", _STEPS], capture_output=True, text=True, check=True)
    faults = int(told.stdout)
    if faults < 0:
        pytest.skip("another C library")
    # A step touches 65,536 pages. The first finds them; some of the next few do, until the heap has settled.
    assert faults < 3 * 65_536
