"""One product y = x W + b in the three forms that text generation uses: float32, bfloat16, int8.

Generating a token reads every weight once, so the form in memory decides the speed. The layouts are those that were
fastest for a single row: float32 as [in, out], bfloat16 and int8 as [out, in].
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor

from core.errors import Refused
from core.ml.generation.pages import room
from core.ml.generation.precision import int8_engine, int8_product, quantized_engine
from core.ml.hardware import fast_bfloat16

EMULATED_ROWS = 2
"""From more rows than this on, turning an emulated bfloat16 matrix into float32 first is faster."""

DIGIT = 63
"""An input of int8 products is step · (a + b / DIGIT), a whole from -DIGIT to DIGIT and b whole from 0 to DIGIT.

Each row has a step of its own, so that what a row gives does not depend on the rows beside it.
"""

_DIGIT, _LEAST = torch.tensor(float(DIGIT)), torch.tensor(1e-30)
# Tensors, since a number in an operation is made one each time, which takes as long as the operation on one row.


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


def _in_order(weight: Tensor) -> Tensor:
    """The same matrix, its rows one after the other; one that is so already stays where it is."""
    if weight.is_contiguous() or weight.device.type != "cpu":
        return weight.contiguous()
    return room(weight.shape, weight.dtype).copy_(weight)


class _Full:
    def __init__(self, weight: Tensor, bias: Tensor | None, device: torch.device) -> None:
        self._weight = _in_order(weight.to(device, torch.float32))
        self._bias = None if bias is None else bias.to(device, torch.float32)
        self.bytes = weight.numel() * 4

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self._weight if self._bias is None else torch.addmm(self._bias, x, self._weight)


class _Half:
    """Weights in bfloat16; sums, bias and results in float32 where it costs nothing."""

    def __init__(self, weight: Tensor, bias: Tensor | None, device: torch.device) -> None:
        self._weight = _in_order(weight.T.to(device, torch.bfloat16))
        self._bias = None if bias is None else bias.to(device, torch.float32)
        self._emulated = not fast_bfloat16(device)
        self.bytes = weight.numel() * 2

    def __call__(self, x: Tensor) -> Tensor:
        if self._emulated and x.shape[0] > EMULATED_ROWS:
            return functional.linear(x, self._weight.float(), self._bias)
        with _plain_product(x):
            y = functional.linear(x.bfloat16(), self._weight).float()
        return y if self._bias is None else y.add_(self._bias)


@contextmanager
def _plain_product(x: Tensor) -> Iterator[None]:
    """For one row on a CPU, PyTorch's own product in place of oneDNN's, which reads a bfloat16 matrix at half the
    speed where the processor has the format (AVX512-BF16, PyTorch 2.13: 8 for 17 GB/s)."""
    backend = torch.backends.mkldnn
    before = backend.enabled
    if x.shape[0] > 1 or x.device.type != "cpu" or not before:
        yield
        return
    backend.enabled = False  # type: ignore[assignment]
    try:
        yield
    finally:
        backend.enabled = before


class _Byte:
    """Weights in int8, one scale for each output; inputs as a coarse and a fine digit of 7 bits each (CPU only).

    Inputs rounded to one digit of 8 bits cost several times the perplexity that rounding the weights does. The second
    digit is a second row, and a row costs little beside reading the weights. With 7 bits the products are also exact
    on processors without VNNI, which add neighbouring pairs in 16 bits that saturate: 2 · 127 · 127 < 2¹⁵.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        engine = int8_engine()
        if engine is None:
            raise Refused("int8 is not possible", "this PyTorch build has no int8 products", "Choose another precision")
        matrix = weight.T.to("cpu", torch.float32).contiguous()
        low, high = matrix.aminmax(dim=1)
        scales = torch.maximum(-low, high).double().div_(127).clamp_(min=1e-12)
        with quantized_engine(engine):
            packed = torch.quantize_per_channel(
                matrix, scales, torch.zeros_like(scales, dtype=torch.int64), 0, torch.qint8
            )
            self._packed = torch.ops.quantized.linear_prepack(packed, None)
        self._bias = torch.zeros(len(matrix)) if bias is None else bias.to("cpu", torch.float32)
        self.bytes = weight.numel()

    def __call__(self, x: Tensor) -> Tensor:
        step = torch.add(_LEAST, x.abs().amax(1, keepdim=True), alpha=1 / DIGIT)
        scaled = x / step
        whole = scaled.floor()  # from -DIGIT - 1: the division may round outwards
        digits = torch.cat((whole, scaled.sub_(whole).mul_(_DIGIT)))
        coarse, fine = int8_product(digits, 1.0, DIGIT + 1, self._packed).chunk(2)
        return torch.addcmul(self._bias, coarse.add_(fine, alpha=1 / DIGIT), step)
