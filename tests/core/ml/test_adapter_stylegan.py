"""The StyleGAN2 adapter: what it draws, what it refuses, and what happens when memory runs out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import InvalidInput, OutOfMemory, Refused
from core.library import models
from core.library.interfaces import image_gan_interface
from core.library.manifest import Manifest
from core.ml import adapters
from core.ml.adapters import stylegan, synthesis_choice
from core.ml.adapters.stylegan import StyleGAN
from core.ml.networks.stylegan2 import Generator
from core.workers.adapter import Request
from tests.core.ml.golden import Golden

PLAIN, CONDITIONAL, GRAY = "g_res64_z512_map2", "g_res32_z64_map2_cond3", "g_res16_gray_clamp"


def write_model(folder: Path, golden: str = GRAY, *, rename: dict[str, str] | None = None, **settings: object) -> Path:
    """A model folder with the golden network `golden`; `settings` replace [architecture] entries (None drops one)."""
    data = Golden(golden)
    architecture = {"name": "stylegan2", **data.json(), **settings}
    interface = image_gan_interface(4, 4)
    folder.mkdir()
    Manifest(
        name="Test", kind="image-gan", adapter="stylegan2", interface=interface.spec(), architecture=architecture
    ).write(folder)
    state = {(rename or {}).get(name, name): tensor.contiguous() for name, tensor in data.state().items()}
    save_file(state, folder / "weights.safetensors")
    return folder


def load(folder: Path) -> StyleGAN:
    adapter = adapters.load("stylegan2", folder, {}, "cpu")
    assert isinstance(adapter, StyleGAN)
    return adapter


def requests(golden: str, truncation: float = 0.7, cancelled: Sequence[Callable[[], bool]] = ()) -> list[Request]:
    """One request per latent of the golden file, as the worker would give them."""
    data = Golden(golden)
    labels = data.get("c")
    found = []
    for index, z in enumerate(data["z"].numpy()):
        inputs: dict[str, object] = {"z": z, "truncation": truncation}
        if labels is not None:
            inputs["label"] = str(int(labels[index].argmax()))
        found.append(Request(inputs, cancelled[index] if cancelled else lambda: False))
    return found


def expected_bytes(golden: str, name: str) -> np.ndarray:
    images = Golden(golden)[name].numpy().transpose(0, 2, 3, 1)
    return np.clip(images * 127.5 + 128, 0, 255).astype(np.uint8)


@pytest.mark.usefixtures("float32_only")
@pytest.mark.parametrize("golden", [PLAIN, CONDITIONAL, GRAY])
def test_pictures_are_the_published_ones(golden: str, tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model", golden))
    for truncation, name in ((0.7, "img_psi07_const"), (1, "img_psi1_const")):
        answers = list(adapter.run("generate", requests(golden, truncation)))
        expected = expected_bytes(golden, name)
        assert sorted(answer.index for answer in answers) == list(range(len(expected)))
        for answer in answers:
            picture: Any = answer.outputs["image"]
            assert answer.final
            assert picture.dtype == np.uint8
            assert picture.shape == expected.shape[1:]
            assert np.abs(picture.astype(int) - expected[answer.index]).max() <= 1


@pytest.mark.parametrize("golden", [PLAIN, CONDITIONAL])
def test_in_bfloat16_pictures_differ_by_less_than_one_percent(
    golden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis_choice, "fast_bfloat16", lambda device: True)
    adapter = load(write_model(tmp_path / "model", golden))
    assert adapter.info["dtype"] == "bfloat16"
    ws = adapter.generator.mapping(Golden(golden)["z"], Golden(golden).get("c"), truncation_psi=0.7)
    expected = Golden(golden)["img_psi07_const"]
    error = (adapter._synthesis(ws) - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert 0 < error < 0.01
    drawn = [answer.outputs["image"] for answer in adapter.run("generate", requests(golden))]
    # A step of 127.5 / 255 of the range -1 to 1, half of it by rounding, next to one percent.
    steps = np.stack(drawn).astype(int) - expected_bytes(golden, "img_psi07_const")
    assert np.sqrt(np.mean(steps.astype(float) ** 2)) < 1 + 0.01 * 127.5 * float(expected.square().mean().sqrt())


def test_inputs_and_outputs_fit_the_declared_interface(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model", CONDITIONAL))
    command = adapter.interface.commands["generate"]
    inputs = command.check_inputs({"z": np.zeros(64, np.float32), "label": "2"})
    (answer,) = adapter.run("generate", [Request(inputs, lambda: False)])
    image = command.outputs["image"]
    assert image.validate("image", answer.outputs["image"]) is not None
    assert command.batchable
    assert adapter.info["native"] == {
        "z_dim": 64,
        "w_dim": 64,
        "num_ws": 8,
        "resolution": 32,
        "channels": 3,
        "classes": 3,
    }
    assert adapter.info["device"] == "cpu"
    assert adapter.info["dtype"] in ("float32", "bfloat16")
    assert isinstance(adapter.info["memory_bytes"], int)
    assert isinstance(adapter.info["parameters"], int)
    assert adapter.info["memory_bytes"] >= 4 * adapter.info["parameters"] > 0


def test_a_cancelled_request_is_not_drawn_and_later_ones_are_asked_again_between_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = load(write_model(tmp_path / "model"))
    monkeypatch.setattr(adapter, "_max_batch", 2)
    given_up: set[int] = {0}
    asked = requests(GRAY, cancelled=[lambda index=index: index in given_up for index in range(4)])
    answers = adapter.run("generate", asked)
    first = next(answers)
    given_up.add(3)
    assert [first.index, *(answer.index for answer in answers)] == [1, 2]
    assert adapter.max_batch("generate") == 2


def test_no_memory_is_told_and_the_adapter_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = load(write_model(tmp_path / "model"))
    synthesis = adapter._synthesis

    def fail(ws: torch.Tensor) -> torch.Tensor:
        return torch.empty(1 << 60)  # PyTorch's own refusal

    monkeypatch.setattr(adapter, "_synthesis", fail)
    with pytest.raises(OutOfMemory, match="not enough memory for drawing 4 pictures of 16 × 16"):
        list(adapter.run("generate", requests(GRAY)))
    monkeypatch.setattr(adapter, "_synthesis", synthesis)
    assert len(list(adapter.run("generate", requests(GRAY)))) == 4


def test_other_failures_are_not_taken_for_a_lack_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = load(write_model(tmp_path / "model"))

    def fail(ws: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("a bug")

    monkeypatch.setattr(adapter, "_synthesis", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        list(adapter.run("generate", requests(GRAY)))


def test_pictures_without_a_number_come_out_as_pictures(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    adapter.generator.synthesis.b16.torgb.bias.fill_(float("nan"))
    (answer,) = adapter.run("generate", requests(GRAY)[:1])
    picture: Any = answer.outputs["image"]
    assert picture.shape == (16, 16, 1)


def run(adapter: StyleGAN, command: str, cancelled: Callable[[], bool] = lambda: False, **inputs: object) -> Any:
    """The outputs of one request, checked as a worker's are; None if it ended without a final answer."""
    declared = adapter.interface.commands[command]
    final = None
    for answer in adapter.run(command, [Request(declared.check_inputs(inputs), cancelled)]):
        outputs = declared.check_outputs(answer.outputs, partial=not answer.final)
        final = outputs if answer.final else final
    return final


def latent(adapter: StyleGAN, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(adapter.generator.z_dim, np.float32)


@pytest.mark.parametrize("golden", [PLAIN, CONDITIONAL, GRAY])
def test_without_extras_styled_is_generate_bit_for_bit(golden: str, tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model", golden))
    asked = requests(golden)
    styled = adapter.interface.commands["styled"]
    for other in (asked, asked[:1]):
        plain = [answer.outputs["image"] for answer in adapter.run("generate", other)]
        same = [Request(styled.check_inputs(request.inputs), request.cancelled) for request in other]
        for picture, answer in zip(plain, adapter.run("styled", same), strict=True):
            assert np.array_equal(picture, answer.outputs["image"])  # type: ignore[arg-type]


def test_mixing_and_editing_are_what_the_generator_draws_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = load(write_model(tmp_path / "model", CONDITIONAL))
    exact = adapter.generator.synthesis
    monkeypatch.setattr(adapter, "_synthesis", lambda ws: exact(ws, noise_mode="const"))  # float32 on every processor
    z, mix = latent(adapter, 1), latent(adapter, 2)
    made = run(adapter, "styled", z=z, mix=mix, mix_layers=[2, 4], label="1", edits=[0, 2], edit_layers=[4, 5])
    generator, c = adapter.generator, torch.eye(3)[1:2]
    with torch.inference_mode():
        ws, others = (generator.mapping(torch.from_numpy(one)[None], c, truncation_psi=0.7).clone() for one in (z, mix))
        ws[:, 2:5] = others[:, 2:5]
        found = adapter._directions.of(slice(4, 6))
        ws[:, 4:6] += 2 * found.deviations[1] * found.vectors[1]
        images = generator.synthesis(ws, noise_mode="const")
    expected = (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).numpy()
    assert np.abs(made["image"].astype(int) - expected).max() <= 1
    plain = run(adapter, "generate", z=z, label="1")["image"]
    assert np.abs(plain.astype(int) - expected).mean() > 5


def test_a_range_of_layers_that_is_none_harms_nobody_else(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    with pytest.raises(InvalidInput, match=r"edit_layers cannot be \[4, 1\]"):
        run(adapter, "styled", z=latent(adapter, 1), edit_layers=[4, 1])
    with pytest.raises(InvalidInput, match=r"layers cannot be \[3\]"):
        run(adapter, "directions", layers=[3])
    with pytest.raises(InvalidInput, match=r"mix_layers\[1\] cannot be 6: allowed is a whole number from 0 to 5"):
        run(adapter, "styled", z=latent(adapter, 1), mix_layers=[0, 6])
    assert run(adapter, "styled", z=latent(adapter, 1)) is not None


def test_directions_tell_their_strengths(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    strengths = run(adapter, "directions")["strengths"]
    assert len(strengths) == 16
    assert strengths == sorted(strengths, reverse=True)
    assert run(adapter, "directions", layers=[0, 1])["strengths"] != strengths


@pytest.mark.parametrize(("golden", "channels"), [(GRAY, 1), (CONDITIONAL, 3)])
def test_a_projected_picture_is_the_one_that_its_z_draws(golden: str, channels: int, tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model", golden))
    label = {"label": "2"} if adapter.generator.c_dim else {}
    target = run(adapter, "generate", z=latent(adapter, 1), truncation=0.5, **label)["image"]
    found = run(adapter, "project", image=target, truncation=0.5, steps=30, **label)
    again = run(adapter, "generate", z=found["z"], truncation=0.5, **label)["image"]
    assert np.array_equal(found["image"], again)
    assert found["image"].shape[2] == channels
    assert found["distance"] == pytest.approx(np.sqrt(np.square(again.astype(float) - target).mean()), abs=1e-3)
    stranger = run(adapter, "generate", z=latent(adapter, 2), truncation=0.5, **label)["image"]
    assert found["distance"] < 0.5 * np.sqrt(np.square(stranger.astype(float) - target).mean())


@pytest.mark.parametrize("shape", [(5, 40, 3), (90, 31, 1), (64, 64, 4), (1, 1, 3)])
def test_any_picture_can_be_projected(shape: tuple[int, int, int], tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = run(adapter, "project", image=picture, steps=1)
    assert 0 <= found["distance"] <= 255
    assert found["image"].shape == (16, 16, 1)


def test_a_projection_tells_how_far_it_is_and_stops_when_given_up(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    target = run(adapter, "generate", z=latent(adapter, 1))["image"]
    given_up: list[int] = []
    inputs = adapter.interface.commands["project"].check_inputs({"image": target, "steps": 60})
    answers = list(adapter.run("project", [Request(inputs, lambda: False)]))
    assert [answer.final for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert len(answers) > 60 // stylegan.PART_STEPS
    progress = [answer.progress for answer in answers[:-1]]
    assert progress == sorted(progress)  # type: ignore[type-var]
    assert all(answer.outputs.keys() == {"z", "image", "distance"} for answer in answers)
    stopped = []
    for answer in adapter.run("project", [Request(inputs, lambda: bool(given_up))]):
        stopped.append(answer)
        given_up.append(1)
    assert [answer.final for answer in stopped] == [False]


def test_no_memory_for_a_projection_is_told_and_the_adapter_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = load(write_model(tmp_path / "model"))
    target = run(adapter, "generate", z=latent(adapter, 1))["image"]
    with monkeypatch.context() as patch:
        patch.setattr(adapter, "_synthesis", lambda ws: torch.empty(1 << 60))
        with pytest.raises(OutOfMemory, match="not enough memory for projecting a picture to 16 × 16"):
            run(adapter, "project", image=target, steps=2)
    assert run(adapter, "project", image=target, steps=2) is not None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "stylegan3"}, "is of 'stylegan3', not stylegan2"),
        ({"z_dim": None}, "lacks z_dim"),
        ({"w_dim": "48"}, "has w_dim = '48', not a whole number from 1 to 8192"),
        ({"img_resolution": 24}, "has img_resolution = 24, not a power of two"),
        ({"channel_base": 8}, "leaves no feature maps at 16 pixels"),
        ({"mapping_layers": 10**9}, "has mapping_layers = 1000000000, not a whole number from 1 to 64"),
        ({"conv_clamp": -1}, "has conv_clamp = -1, not a number above 0"),
        ({"colour": "red"}, "has the unknown setting 'colour'"),
        ({"channel_max": 16}, "has the shape"),
        ({"img_channels": 3}, "has the shape"),
        ({"mapping_layers": 4}, "it lacks mapping.fc3.weight"),
        ({"mapping_layers": 2}, "it holds 'mapping.fc2.bias', which the network does not have"),
    ],
)
def test_an_architecture_that_does_not_fit(settings: dict[str, object], sentence: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", **settings)
    with pytest.raises(Refused) as caught:
        load(folder)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_foreign_or_cut_short(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", rename={"mapping.w_avg": "mapping.w_mean"})
    weights = folder / "weights.safetensors"
    with pytest.raises(Refused, match=r"lacks mapping\.w_avg"):
        load(folder)
    whole = weights.read_bytes()
    for content in (b"", b"PK\x03\x04", whole[: len(whole) // 2]):
        weights.write_bytes(content)
        with pytest.raises(Refused, match="not a whole safetensors file"):
            load(folder)
    weights.unlink()
    with pytest.raises(Refused, match="it is missing"):
        load(folder)


def test_what_the_registry_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="adapter 'os'"):
        adapters.load("os", tmp_path, {})
    with pytest.raises(Refused, match="device 'toaster' cannot be used"):
        adapters.load("stylegan2", tmp_path, {}, "toaster")
    with pytest.raises(Refused, match="no option 'speed'"):
        adapters.load("stylegan2", tmp_path, {"speed": 1}, "cpu")


def test_batches_are_smaller_where_pictures_take_longer() -> None:
    def batch(resolution: int, device: str = "cpu", **settings: int) -> int:
        with torch.device("meta"):
            generator = Generator(img_resolution=resolution, **settings)
        return stylegan._batch_for(generator, torch.device(device))

    assert batch(64, channel_base=4096, channel_max=128) == 8
    assert 1 <= batch(1024, channel_base=32768) <= batch(256) <= batch(64) <= 8
    assert batch(64, "cuda") == 64
    assert batch(1024, "cuda", channel_base=32768) >= 16


def test_the_manifest_of_another_format_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("format = 1", "format = 99"))
    with pytest.raises(Refused, match="format 99"):
        load(folder)


def test_loading_imports_no_compiler() -> None:
    """A model is loaded in a fraction of the time that torch's compiler takes to import."""
    starter = Path(models.__file__).parent / "starters" / "portraits"
    program = (
        "import sys; from pathlib import Path; from core.ml.adapters import load\n"
        f"load('stylegan2', Path({str(starter)!r}), {{}}, 'cpu')\n"
        "print([name for name in ('torch._dynamo', 'torch._inductor') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
