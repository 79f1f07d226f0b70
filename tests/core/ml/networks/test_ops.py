"""The single operations against the golden data, and the derivatives that training takes of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.ml.networks import ops
from core.ml.networks.pointwise import modulated
from tests.core.ml.golden import Golden, assert_close

DATA = Golden("ops")
CASES: list[dict[str, Any]] = DATA.json("cases")


def cases_of(*names: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{case['op'].replace(' ', '-')}-{case['y']}")
        for case in CASES
        if case["op"].split()[0] in names
    ]


def filter_of(case: dict[str, Any]) -> torch.Tensor | None:
    return None if case["filter"] == "none" else DATA[f"filter/{case['filter']}"]


@pytest.mark.parametrize("case", cases_of("upfirdn2d"))
def test_upfirdn(case: dict[str, Any]) -> None:
    pairs = {name: value if isinstance(value := case[name], int) else tuple(value) for name in ("up", "down")}
    y = ops.upfirdn2d(
        DATA[case["x"]],
        filter_of(case),
        **pairs,
        padding=case["padding_x0x1y0y1"],
        correlate=case["flip_filter"],
        gain=case["gain"],
    )
    assert_close(y, DATA[case["y"]])


@pytest.mark.parametrize("case", cases_of("upsample2d", "downsample2d"))
def test_resampling(case: dict[str, Any]) -> None:
    taps = filter_of(case)
    assert taps is not None
    assert_close(getattr(ops, case["op"])(DATA["upfirdn/x"][:, :, :8, :10], taps), DATA[case["y"]])


def test_the_low_pass_filter_is_the_published_one() -> None:
    assert torch.equal(ops.low_pass_filter(), DATA["filter/binomial1331"])


@pytest.mark.parametrize("case", cases_of("conv2d_resample"))
def test_convolution_with_resampling(case: dict[str, Any]) -> None:
    taps = filter_of(case)
    assert taps is not None
    y = ops.conv2d_resample(
        DATA[case["x"]],
        DATA[case["w"]],
        taps,
        up=case["up"] == 2,
        down=case["down"] == 2,
        correlate=case["correlation"],
    )
    assert_close(y, DATA[case["y"]])


def layer(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    taps: torch.Tensor,
    *,
    up: bool,
    correlate: bool,
    demodulate: bool = True,
) -> torch.Tensor:
    """The modulated convolution as the generator puts it together."""
    y = ops.conv2d_resample(modulated(x, styles), weight, taps, up=up, correlate=correlate)
    return y * ops.demodulation(weight, styles)[:, :, None, None] if demodulate else y


@pytest.mark.parametrize("case", cases_of("modulated_conv2d"))
def test_modulated_convolution_and_its_gradients(case: dict[str, Any]) -> None:
    taps = filter_of(case)
    assert taps is not None
    x, weight, styles = (DATA[case[name]].requires_grad_() for name in ("x", "w", "styles"))
    y = layer(x, weight, styles, taps, up=case["up"] == 2, correlate=case["correlation"], demodulate=case["demodulate"])
    if case["noise"] is not None:
        y = y + DATA[case["noise"]]
    assert_close(y, DATA[case["y"]])
    gradients = torch.autograd.grad((y * DATA[case["cotangent"]]).sum(), [x, weight, styles])
    for gradient, name in zip(gradients, ("grad_x", "grad_w", "grad_styles"), strict=True):
        assert_close(gradient, DATA[case[name]], what=name)


@pytest.mark.parametrize("case", cases_of("bias_act"))
def test_bias_and_activation(case: dict[str, Any]) -> None:
    gain = 2**0.5 if case["gain"] == "sqrt(2)" else case["gain"]
    y = ops.bias_act(DATA[case["x"]], DATA[case["b"]], linear=case["act"] == "linear", gain=gain, clamp=case["clamp"])
    assert_close(y, DATA[case["y"]])


@pytest.mark.parametrize("case", cases_of("fully_connected"))
def test_dense_layer(case: dict[str, Any]) -> None:
    linear, multiplier = "linear" in case["op"], 0.01 if "0.01" in case["op"] else 1.0
    layer = ops.FullyConnected(7, 5, linear=linear, lr_multiplier=multiplier)
    layer.load_state_dict({"weight": DATA[case["w"]], "bias": DATA[case["b"]]})
    assert_close(layer(DATA[case["x"]]), DATA[case["y"]])


@pytest.mark.parametrize("case", cases_of("minibatch_std"))
def test_minibatch_deviation(case: dict[str, Any]) -> None:
    samples = int(case["x"].split("first ")[1].split()[0])
    y = ops.minibatch_std(DATA["mbstd/x"][:samples], case["group_size"], case["num_channels"])
    assert_close(y, DATA[case["y"]])


def test_normalisation() -> None:
    assert_close(ops.normalize_2nd_moment(DATA["norm/x"]), DATA["norm/y"])


@pytest.mark.parametrize("up", [False, True])
def test_the_modulated_convolution_can_be_differentiated_twice(up: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    def whole(x: torch.Tensor, weight: torch.Tensor, styles: torch.Tensor) -> torch.Tensor:
        return layer(x, weight, styles, ops.low_pass_filter().double(), up=up, correlate=not up)

    assert torch.autograd.gradgradcheck(whole, (draw(1, 2, 3, 3), draw(2, 2, 3, 3), draw(1, 2)))


def test_gradient_of_halving_in_bfloat16() -> None:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    way = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    found = []
    for dtype in (torch.bfloat16, torch.float32):
        seen = x.detach().to(dtype).requires_grad_()
        half = ops.downsample2d(seen, ops.low_pass_filter())
        assert half.dtype == dtype
        (half.float() * way).sum().backward()
        assert seen.grad is not None
        found.append((half.detach().float(), seen.grad.float()))
    for rough, exact in zip(*found, strict=True):
        assert (rough - exact).norm() < 0.01 * exact.norm()
