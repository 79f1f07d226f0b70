"""Quicker forms of what GPT-2 computes between its matrix products, for training on a processor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SHORT = 512
"""Tokens up to which attention is quicker spelled out: PyTorch's own on processors is made for long texts."""
NAME = "tarmac_short"


def quicken(model: Any) -> None:
    """Give a GPT-2 the quicker forms, in place; another network stays as it is."""
    if getattr(model.config, "model_type", "") != "gpt2":
        return
    from transformers import AttentionInterface
    from transformers.activations import NewGELUActivation

    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                # transformers spells it out; this kernel computes the same.
                setattr(module, name, nn.GELU(approximate="tanh"))
    if next(model.parameters()).device.type == "cpu" and model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attend)
        model.config._attn_implementation = NAME


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Causal attention in the way that transformers asks for it: [batch, heads, n, size] to [batch, n, heads, size].

    Short texts without dropout are computed by three products; the rest by PyTorch's own attention.
    """
    batch, heads, count, size = query.shape
    if attention_mask is not None or dropout or count > SHORT or key.shape != query.shape:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: Tensor = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )[0]
        return found, None
    scale = size**-0.5 if scaling is None else scaling
    with torch.autocast(query.device.type, enabled=False):
        rows = (batch * heads, count, size)
        mask = _mask(count, query.dtype, query.device).expand(batch * heads, count, count)
        scores = torch.baddbmm(mask, query.reshape(rows), key.reshape(rows).transpose(1, 2), alpha=scale)
        y = torch.bmm(torch.softmax(scores, -1), value.reshape(rows))
    return y.view(batch, heads, count, size).transpose(1, 2), None


_masks: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}


def _mask(count: int, kind: torch.dtype, device: torch.device) -> Tensor:
    """0 where a token may look, minus infinity where it may not [count, count]."""
    key = (count, kind, device)
    if key not in _masks:
        _masks.clear()
        with torch.inference_mode(False):
            _masks[key] = torch.full((count, count), -torch.inf, dtype=kind, device=device).triu(1)
    return _masks[key]
