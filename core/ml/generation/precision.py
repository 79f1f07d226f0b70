"""Which number formats pay off for reading weights on this machine: tried and timed, never assumed."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor


@functools.cache
def streams_bfloat16() -> bool:
    """Whether one row times a bfloat16 matrix is at least a fifth faster than in float32 on this CPU (timed, 0.1 s).

    Such a product is limited by reading the matrix, so half the bytes can win even where the arithmetic is emulated.
    """
    row = torch.randn(1, 1024)
    wide = [torch.randn(1024, 4096) for _ in range(4)]
    half_row, half = row.bfloat16(), [matrix.T.contiguous().bfloat16() for matrix in wide]
    slow = _best(lambda: [row @ matrix for matrix in wide])
    return _best(lambda: [functional.linear(half_row, matrix) for matrix in half]) * 1.2 < slow


@functools.cache
def int8_engine() -> str | None:
    """Name of the quantized back end to use for int8 products, or None if this PyTorch build has none that works."""
    names = [name for name in ("fbgemm", "x86") if name in torch.backends.quantized.supported_engines]
    for name in names:
        try:
            with quantized_engine(name):
                weight = torch.quantize_per_channel(
                    torch.eye(16), torch.full((16,), 1 / 127), torch.zeros(16, dtype=torch.int64), 0, torch.qint8
                )
                packed = torch.ops.quantized.linear_prepack(weight, None)
                result = int8_product(torch.ones(1, 16), 1 / 63, 64, packed)
            if torch.allclose(result, torch.ones(1, 16), atol=0.02):
                return name
        except (RuntimeError, AttributeError, NotImplementedError):
            continue
    return None


def int8_product(x: Tensor, step: float, zero: int, packed: object) -> Tensor:
    """Float32 product of x [rows, in] with weights from `torch.ops.quantized.linear_prepack`, their bias added.

    Args:
        x: Float32; computed with as round(x / step), from -zero to 255 - zero.
        step: Distance of two neighbouring inputs.
        zero: Code of an input of 0.
        packed: The weights.
    """
    result: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default(x, step, zero, packed)
    return result


class quantized_engine:
    """Context in which quantized operations use the back end `name`; the process-wide setting comes back after."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._before = torch.backends.quantized.engine
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        # Quantized tensors are marked for removal from PyTorch, with torchao as the successor, whose eager path is
        # ten times slower on CPUs. `int8_engine` notices when they are gone.
        warnings.filterwarnings("ignore", message=".*(quantized|quantization|reduce_range).*")
        torch.backends.quantized.engine = self._name

    def __exit__(self, *exception: object) -> None:
        torch.backends.quantized.engine = self._before
        self._caught.__exit__(None, None, None)


def _best(action: Callable[[], object], tries: int = 4) -> float:
    action()
    times = []
    for _ in range(tries):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)
