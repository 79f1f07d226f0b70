"""One product y = x W + b in the three forms that text generation uses: float32, bfloat16, int8.

Generating a token reads every weight once, so the form in memory decides the speed. The layouts are those that were
fastest for a single row: float32 as [in, out], bfloat16 and int8 as [out, in].
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor

from core.errors import Refused
from core.ml.generation.precision import int8_engine, quantized_engine
from core.ml.hardware import fast_bfloat16

EMULATED_ROWS = 2
"""From more rows than this on, turning an emulated bfloat16 matrix into float32 first is faster."""


class Linear(Protocol):
    """x float32 [rows, in] to float32 [rows, out]; `bytes` is what one row has to read."""

    bytes: int

    def __call__(self, x: Tensor) -> Tensor: ...


def linear(weight: Tensor, bias: Tensor | None, precision: str, device: torch.device) -> Linear:
    """The product with `weight` [in, out] and `bias` [out] in a precision of float32, bfloat16 or int8."""
    if precision == "float32":
        return _Full(weight, bias, device)
    if precision == "bfloat16":
        return _Half(weight, bias, device)
    return _Byte(weight, bias)


class _Full:
    def __init__(self, weight: Tensor, bias: Tensor | None, device: torch.device) -> None:
        self._weight = weight.to(device, torch.float32).contiguous()
        self._bias = None if bias is None else bias.to(device, torch.float32)
        self.bytes = weight.numel() * 4

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self._weight if self._bias is None else torch.addmm(self._bias, x, self._weight)


class _Half:
    """Weights in bfloat16; sums, bias and results in float32 where it costs nothing."""

    def __init__(self, weight: Tensor, bias: Tensor | None, device: torch.device) -> None:
        self._weight = weight.T.to(device, torch.bfloat16).contiguous()
        self._bias = None if bias is None else bias.to(device, torch.float32)
        self._emulated = not fast_bfloat16(device)
        self.bytes = weight.numel() * 2

    def __call__(self, x: Tensor) -> Tensor:
        if self._emulated and x.shape[0] > EMULATED_ROWS:
            return functional.linear(x, self._weight.float(), self._bias)
        y = functional.linear(x.bfloat16(), self._weight).float()
        return y if self._bias is None else y.add_(self._bias)


class _Byte:
    """Weights in int8, one scale for each output; inputs quantized row set by row set as they come (CPU only)."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        engine = int8_engine()
        if engine is None:
            raise Refused("int8 is not possible", "this PyTorch build has no int8 products", "Choose another precision")
        self._engine = engine
        matrix = weight.T.to("cpu", torch.float32)
        scales = _scales(matrix)
        with quantized_engine(engine):
            packed = torch.quantize_per_channel(
                matrix, scales, torch.zeros_like(scales, dtype=torch.int64), 0, torch.qint8
            )
            self._packed = torch.ops.quantized.linear_prepack(packed, None if bias is None else bias.float().cpu())
        self.bytes = weight.numel()

    def __call__(self, x: Tensor) -> Tensor:
        result: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed, False)
        return result


def _scales(matrix: Tensor) -> Tensor:
    """Float64 scale of each row of `matrix` [out, in] for int8, exact on processors with 16-bit partial sums.

    Without VNNI an x86 processor adds products of neighbouring pairs, an input of 0–255 times a weight of -128–127,
    in 16 bits that saturate. No pair overflows if its weights of one sign add up to at most 128 (255 · 128 < 2¹⁵).
    That costs a fifth of the weights' resolution; giving up a bit of the inputs, the usual way, costs more.
    """
    even = matrix if matrix.shape[1] % 2 == 0 else torch.nn.functional.pad(matrix, (0, 1))
    pairs = even.view(matrix.shape[0], -1, 2)
    rising, falling = pairs.clamp(min=0).sum(2).amax(1), pairs.clamp(max=0).sum(2).amin(1).neg()
    widest = torch.maximum(rising, falling).double() / 127.5
    return torch.maximum(widest, matrix.abs().amax(1).double() / 127).clamp(min=1e-12)
