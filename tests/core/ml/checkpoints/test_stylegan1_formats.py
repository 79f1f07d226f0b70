"""Foreign files of the first StyleGAN: the imported network draws what the programs that wrote them would have drawn.

No such file is at hand, so each program's own computation is done here once more, step by step, on its own variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from core.ml.checkpoints.check import average_w, build
from core.ml.checkpoints.convert import Converted, convert, read_generator
from core.ml.checkpoints.problems import Unreadable
from core.ml.checkpoints.stylegan1 import complete
from core.ml.networks.growth import Stage
from tests import foreign
from tests.core.ml.networks import stylegan1_reference as reference
from tests.foreign_stylegan1 import random_state, rosinality_state, tensorflow_variables, write_tensorflow

Array = reference.Array


def imported(path: Path, folder: Path) -> tuple[Converted, Any]:
    """What the import says and the network of what it wrote, in float64."""
    staging = folder / "staging"
    staging.mkdir()
    converted = convert(path, staging)
    weights = {name: tensor.float().numpy() for name, tensor in load_file(staging / "weights.safetensors").items()}
    return converted, build(converted.architecture, weights).double()


def latents(width: int) -> torch.Tensor:
    return torch.randn(2, width, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


# TensorFlow


def stamped(x: Array, kernel: Array) -> Array:
    """A transposed convolution of stride 2: each pixel lays down the kernel [y, x, in, out], spread over 2 x 2."""
    wide = np.zeros((4, 4, *kernel.shape[2:]))
    for y in (0, 1):
        for right in (0, 1):
            wide[y : y + 3, right : right + 3] += kernel
    n, _, height, width = x.shape
    out = np.zeros((n, kernel.shape[3], 2 * height + 2, 2 * width + 2))
    for y in range(4):
        for right in range(4):
            part = np.einsum("nihw,io->nohw", x, wide[y, right])
            out[:, :, y : y + 2 * height : 2, right : right + 2 * width : 2] += part
    return out[:, :, 1:-1, 1:-1]


def drawn_by_tensorflow(variables: Mapping[str, np.ndarray], z: Array, psi: float, top: int, fused: int = 128) -> Array:
    """What the TensorFlow program computes from its variables, with its stored noise."""
    v = {name: np.asarray(array, np.float64) for name, array in variables.items()}
    w = z / np.sqrt((z**2).mean(axis=1, keepdims=True) + 1e-8)
    for index in range(len([name for name in v if re.fullmatch(r"mapping/Dense\d+/weight", name)])):
        weight = v[f"mapping/Dense{index}/weight"]
        w = reference.leaky(w @ (weight * (np.sqrt(2 / len(weight)) * 0.01)) + v[f"mapping/Dense{index}/bias"] * 0.01)
    w = v["dlatent_avg"] + psi * (w - v["dlatent_avg"])
    x: Array = np.empty(0)
    size, number = 4, 0
    while size <= top:
        for layer in ("Const", "Conv") if size == 4 else ("Conv0_up", "Conv1"):
            place = f"synthesis/{size}x{size}/{layer}"
            if layer == "Const":
                x = v[f"{place}/const"].repeat(len(w), axis=0)
            else:
                kernel = v[f"{place}/weight"]
                kernel = kernel * np.sqrt(2 / (9 * kernel.shape[2]))
                if layer == "Conv0_up" and size >= fused:
                    x = reference.blurred(stamped(x, kernel))
                elif layer == "Conv0_up":
                    x = reference.blurred(reference.correlated(reference.doubled(x), kernel.transpose(3, 2, 0, 1)))
                else:
                    x = reference.correlated(x, kernel.transpose(3, 2, 0, 1))
            x = x + v[f"synthesis/noise{number}"] * v[f"{place}/Noise/weight"][:, None, None]
            x = reference.normalised(reference.leaky(x + v[f"{place}/bias"][:, None, None]), 1e-8)
            style = w @ v[f"{place}/StyleMod/weight"] / np.sqrt(w.shape[1]) + v[f"{place}/StyleMod/bias"]
            scale, shift = style.reshape(len(w), 2, -1, 1, 1).swapaxes(0, 1)
            x = x * (scale + 1) + shift
            number += 1
        size *= 2
    kernel = v["synthesis/ToRGB_lod0/weight"].transpose(3, 2, 0, 1)
    return reference.correlated(x, kernel / np.sqrt(kernel.shape[1])) + v["synthesis/ToRGB_lod0/bias"][:, None, None]


@pytest.mark.parametrize(
    ("resolution", "setting", "fused"), [(16, {}, 128), (128, {}, 128), (16, {"fused_scale": True}, 4)]
)
def test_tensorflow(resolution: int, setting: dict[str, Any], fused: int, tmp_path: Path) -> None:
    variables = tensorflow_variables(random_state(resolution, 3), fused_from=fused)
    path = write_tensorflow(tmp_path / "karras2019.pkl", variables, **setting)

    converted, generator = imported(path, tmp_path)

    z = latents(6)
    drawn = generator(z, truncation_psi=0.7, noise_mode="const").numpy()
    expected = drawn_by_tensorflow(variables, z.numpy(), 0.7, resolution, fused)
    assert np.abs(drawn - expected).max() < 1e-4 * np.abs(expected).max()  # the weights were stored as float32
    assert (converted.adapter, converted.kind) == ("stylegan1", "image-gan")
    assert converted.origin["format"] == "StyleGAN pickle (TensorFlow)"
    assert dict(converted.architecture) == {
        "name": "stylegan1",
        **{"z_dim": 6, "c_dim": 0, "w_dim": 6, "img_resolution": resolution, "img_channels": 3},
        **{"mapping_layers": 3, "channel_base": 3 * resolution, "channel_max": 3},
    }
    assert set(converted.interface.commands) == {"generate", "styled", "directions", "project"}


@pytest.mark.parametrize(("lod", "stage"), [(0.0, Stage(16)), (1.0, Stage(8)), (0.25, Stage(16, 0.75)), (2, Stage(4))])
def test_the_stage_of_a_snapshot_from_training(lod: float, stage: Stage, tmp_path: Path) -> None:
    variables = tensorflow_variables(random_state(), lod=lod)
    _, generator = imported(write_tensorflow(tmp_path / "snapshot.pkl", variables), tmp_path)
    assert generator.stage == stage


def test_without_noise(tmp_path: Path) -> None:
    variables = {name: value for name, value in tensorflow_variables(random_state()).items() if "oise" not in name}
    _, generator = imported(write_tensorflow(tmp_path / "silent.pkl", variables), tmp_path)
    z = latents(6)
    assert torch.equal(generator(z, noise_mode="const"), generator(z, noise_mode="none"))


@pytest.mark.parametrize(
    ("change", "settings", "why"),
    [
        ({"mapping/LabelConcat/weight": np.zeros((3, 6))}, {}, "conditional network"),
        ({"synthesis/8x8/Conv1/weight": None}, {}, "b8.layer1.weight is missing"),
        ({"synthesis/8x8/Conv1/Noise/weight": None}, {}, "noise_strength is missing"),
        ({"synthesis/8x8/Conv1/weight": np.zeros((3, 3, 4))}, {}, "impossible shape"),
        ({"synthesis/8x8/Conv1/StyleMod/bias": np.zeros(7)}, {}, "has the shape 7, not 8"),
        ({"synthesis/8x8/Conv/weight": np.zeros((3, 3, 4, 4))}, {}, "has a variable synthesis/8x8/Conv/weight that"),
        ({"synthesis/4x4/Const/weight": np.zeros((3, 3, 4, 4))}, {}, "layer0.weight"),
        ({"synthesis/lod": np.float32("nan")}, {}, "impossible shape or value"),
        ({"synthesis/lod": np.float32(5)}, {}, "impossible shape or value"),
        ({"dlatent_avg": np.full(6, np.inf)}, {}, "not finite"),
        ({}, {"use_pixel_norm": True}, "use pixel norm is True"),
        ({}, {"mapping_lrmul": 0.1}, "mapping lrmul"),
        ({}, {"fused_scale": "sometimes"}, "fused scale"),
    ],
)
def test_refusals(change: dict[str, Any], settings: dict[str, Any], why: str, tmp_path: Path) -> None:
    variables: dict[str, Any] = {**tensorflow_variables(random_state()), **change}
    variables = {name: value for name, value in variables.items() if value is not None}
    path = write_tensorflow(tmp_path / "broken.pkl", variables, **settings)
    with pytest.raises(Unreadable) as caught:
        convert(path, tmp_path)
    assert why in caught.value.why


# rosinality


def drawn_by_rosinality(state: Mapping[str, torch.Tensor], z: torch.Tensor, step: int, noise: list[Any]) -> Any:
    """What rosinality's program computes: every weight but the fused one has the gain √(2 / fan-in)."""
    s = {name: tensor.double() for name, tensor in state.items()}

    def equalised(name: str) -> torch.Tensor:
        weight = s[f"{name}.weight_orig"]
        return weight * (2 / (weight.shape[1] * weight[0][0].numel())) ** 0.5

    w = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for index in (1, 3, 5):
        w = F.leaky_relu(F.linear(w, equalised(f"style.{index}.linear"), s[f"style.{index}.linear.bias"]), 0.2)
    x = s["generator.progression.0.conv1.input"].repeat(len(z), 1, 1, 1)
    for level in range(step + 1):
        block = f"generator.progression.{level}"
        if f"{block}.conv1.0.weight" in s:
            weight = F.pad(s[f"{block}.conv1.0.weight"] * (2 / 45) ** 0.5, [1, 1, 1, 1])
            wide = weight[:, :, 1:, 1:] + weight[:, :, :-1, 1:] + weight[:, :, 1:, :-1] + weight[:, :, :-1, :-1]
            x = F.conv_transpose2d(x, wide / 4, s[f"{block}.conv1.0.bias"], stride=2, padding=1)
            x = F.conv2d(x, s[f"{block}.conv1.1.weight"], padding=1, groups=5)
        elif level:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.conv2d(x, equalised(f"{block}.conv1.1.conv"), s[f"{block}.conv1.1.conv.bias"], padding=1)
            x = F.conv2d(x, s[f"{block}.conv1.2.weight"], padding=1, groups=5)
        for number in (1, 2):
            if number == 2:
                x = F.conv2d(x, equalised(f"{block}.conv2.conv"), s[f"{block}.conv2.conv.bias"], padding=1)
            x = F.leaky_relu(x + equalised(f"{block}.noise{number}") * noise[level], 0.2)
            style = f"{block}.adain{number}.style.linear"
            gamma, beta = F.linear(w, equalised(style), s[f"{style}.bias"])[:, :, None, None].chunk(2, dim=1)
            x = gamma * F.instance_norm(x, eps=1e-5) + beta
    return F.conv2d(x, equalised(f"generator.to_rgb.{step}.conv"), s[f"generator.to_rgb.{step}.conv.bias"])


@pytest.mark.parametrize("trained", [0, 2, 3])
@pytest.mark.parametrize("wrapped", ["bare", "training"])
def test_rosinality(trained: int, wrapped: str, tmp_path: Path) -> None:
    state = rosinality_state(trained=trained)
    content: object = state
    if wrapped == "training":
        other = {f"module.{name}": tensor * 0.5 for name, tensor in state.items()}
        content = {"generator": other, "discriminator": {}, "g_running": state}
    (tmp_path / "train_step-7.model").write_bytes(foreign.saved(content, zipped=wrapped == "bare"))

    converted, generator = imported(tmp_path / "train_step-7.model", tmp_path)

    assert converted.origin["format"] == "rosinality StyleGAN checkpoint"
    assert converted.architecture["img_resolution"] == 4 << trained, "what was never trained is left out"
    z = latents(4)
    noise = [getattr(generator.synthesis, f"b{4 << level}").layer1.noise_const for level in range(trained + 1)]
    expected = drawn_by_rosinality(state, z, trained, noise)
    drawn = generator(z, noise_mode="const")
    assert float((drawn - expected).abs().max()) < 1e-4 * float(expected.abs().max())
    assert np.allclose(generator.mapping.w_avg.numpy(), average_w(generator.float()), atol=1e-5)


def test_rosinality_refusals(tmp_path: Path) -> None:
    state = rosinality_state()
    early = {**state, "generator.progression.1.conv1.conv.weight_orig": torch.zeros(5, 5, 3, 3)}
    strange = {**state, "generator.progression.1.gate": torch.zeros(1)}
    fresh = {name: tensor * ("bias" not in name and "noise" not in name) for name, tensor in state.items()}
    filtered = {**state, "generator.progression.1.conv1.2.weight": torch.ones(5, 1, 3, 3)}
    shaped = {
        **state,
        "generator.progression.3.conv1.0.weight": torch.ones(3),
        "generator.to_rgb.3.conv.bias": torch.ones(3),
    }
    for content, why in (
        (early, "early version"),
        (strange, "tensor generator.progression.1.gate that"),
        (fresh, "not trained yet"),
        (filtered, "another low-pass filter"),
        (shaped, "impossible shape"),
    ):
        (tmp_path / "file.model").write_bytes(foreign.saved(content))
        with pytest.raises(Unreadable) as caught:
            convert(tmp_path / "file.model", tmp_path)
        assert why in caught.value.why


# damaged files


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of every format, as it should be."""
    folder = tmp_path_factory.mktemp("whole")
    variables = tensorflow_variables(random_state(8, 2, latent=2, layers=1))
    state = rosinality_state(levels=2, fused=1, trained=1)
    files = {
        "tensorflow": write_tensorflow(folder / "a.pkl", variables).read_bytes(),
        "rosinality": foreign.saved(state),
        "rosinality before zip": foreign.saved({"g_running": state}, zipped=False),
    }
    for content in files.values():
        complete(read_generator(memoryview(content)))
    return files


@pytest.mark.parametrize("name", ["tensorflow", "rosinality", "rosinality before zip"])
def test_truncated_or_damaged_anywhere(name: str, whole_files: dict[str, bytes]) -> None:
    content = whole_files[name]
    for length in [*range(1, len(content), 53), len(content) - 1]:
        with pytest.raises(Unreadable):
            read_generator(memoryview(content[:length]))
    draw = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        place = int(draw.integers(len(damaged) - 4))
        damaged[place : place + 4] = draw.bytes(4)
        try:
            complete(read_generator(memoryview(bytes(damaged))))
        except Unreadable:
            refused += 1  # anything else that is raised is a failure
    assert refused > 30


# our own


def test_a_state_dict_of_our_own(tmp_path: Path) -> None:
    state = {name: torch.from_numpy(array) for name, array in random_state().items()}
    state["synthesis.growth.state"] = torch.tensor([8.0, 0.5])
    save_file(state, tmp_path / "ours.safetensors")
    converted, generator = imported(tmp_path / "ours.safetensors", tmp_path)
    assert converted.adapter == "stylegan1"
    assert generator.stage == Stage(8, 0.5)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, state[name].double()), name
    for name, value in (("synthesis.growth.state", [12.0, 1.0]), ("synthesis.b8.layer0.resample_filter", [1.0])):
        broken = {**state, name: torch.tensor(value).expand_as(state[name]).contiguous()}
        save_file(broken, tmp_path / "broken.safetensors")
        with pytest.raises(Unreadable, match=r"stage of growth|low-pass filter"):
            convert(tmp_path / "broken.safetensors", tmp_path)
