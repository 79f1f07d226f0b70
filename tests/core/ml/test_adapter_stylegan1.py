"""The first StyleGAN behind the same adapter: drawing, mixing, edits, projection, stages of growth, and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import Cancelled, Refused
from core.interface import Interface
from core.library.interfaces import image_gan_interface, interface_of
from core.library.manifest import Manifest
from core.ml import adapters
from core.ml.adapters.stylegan import StyleGAN, _batch_for
from core.ml.checkpoints.convert import convert
from core.ml.latent.directions import StyleDirections, style_affines
from core.ml.networks.growth import Stage
from core.ml.networks.stylegan1 import Generator
from core.workers.adapter import Target
from core.workers.session import Session
from tests.core.ml.test_adapter_stylegan import latent, run
from tests.foreign_stylegan1 import random_state

SIZES = {"z_dim": 6, "w_dim": 6, "img_resolution": 16, "mapping_layers": 3, "channel_base": 64, "channel_max": 4}


def write_model(folder: Path, weights: Mapping[str, np.ndarray] | None = None, **settings: object) -> Path:
    """A model folder; `weights` replace tensors, `settings` entries of [architecture] (None drops one)."""
    architecture = {"name": "stylegan1", **SIZES, **settings}
    architecture = {name: value for name, value in architecture.items() if value is not None}
    folder.mkdir()
    interface = image_gan_interface(6, 16, w_dim=6)
    Manifest(
        name="Old", kind="image-gan", adapter="stylegan1", interface=interface.spec(), architecture=architecture
    ).write(folder)
    state = {**random_state(), **(weights or {})}
    save_file({name: torch.tensor(array) for name, array in state.items()}, folder / "weights.safetensors")
    return folder


def load(folder: Path) -> Any:
    adapter = adapters.load("stylegan1", folder, {}, "cpu")
    assert isinstance(adapter, StyleGAN)
    return adapter


def pixels(images: torch.Tensor) -> np.ndarray:
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).numpy()


@pytest.mark.usefixtures("float32_only")
def test_it_draws_what_its_network_draws(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    z = latent(adapter, 1)
    network = Generator(**SIZES)
    network.load_state_dict({name: torch.tensor(array) for name, array in random_state().items()})
    with torch.inference_mode():
        expected = pixels(network(torch.from_numpy(z)[None], truncation_psi=0.7, noise_mode="const"))
    picture = run(adapter, "generate", z=z)["image"]
    assert np.abs(picture.astype(int) - expected).max() <= 1
    assert float(picture.std()) > 5
    assert adapter.info["architecture"] == "stylegan1"
    assert adapter.info["dtype"] == "float32"
    assert adapter.info["native"]["num_ws"] == 6


@pytest.mark.usefixtures("float32_only")
def test_mixing_and_editing_are_what_the_generator_draws_by_hand(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    z, mix = latent(adapter, 1), latent(adapter, 2)
    made = run(adapter, "styled", z=z, mix=mix, mix_layers=[0, 1], edits=[1.5], edit_layers=[4, 5])["image"]
    generator = adapter.generator
    with torch.inference_mode():
        ws, others = (generator.mapping(torch.from_numpy(one)[None], truncation_psi=0.7).clone() for one in (z, mix))
        ws[:, :2] = others[:, :2]
        found = StyleDirections(generator).of(slice(4, 6))
        ws[:, 4:6] += 1.5 * found.deviations[0] * found.vectors[0]
        expected = pixels(generator.synthesis(ws, noise_mode="const"))
    assert np.abs(made.astype(int) - expected).max() <= 1
    assert not np.array_equal(made, run(adapter, "generate", z=z)["image"])
    strengths = run(adapter, "directions")["strengths"]
    assert len(strengths) == 6
    assert sum(strengths) == pytest.approx(1)


def test_the_first_direction_changes_the_styles_most() -> None:
    """The affine step of each instance normalisation is looked at, scales and shifts alike, in the layers' order."""
    torch.manual_seed(1)
    generator = Generator(**SIZES).requires_grad_(False)
    affines = style_affines(generator)
    assert [affine.weight.shape[0] for affine in affines] == [8] * 6
    seen: list[int] = []
    for index, affine in enumerate(affines):
        affine.register_forward_hook(lambda *_, index=index: seen.append(index))  # type: ignore[misc]
    generator(torch.randn(1, 6))
    assert seen == [0, 1, 2, 3, 4, 5]
    found = StyleDirections(generator).of(slice(2, 4))
    rows = torch.cat([affine.weight / affine.weight.norm(dim=1, keepdim=True) for affine in affines[2:4]])
    shares = (rows @ found.vectors.t()).square().sum(dim=0) / rows.square().sum()
    assert torch.allclose(shares, torch.tensor(found.strengths), atol=1e-5)
    others = torch.nn.functional.normalize(torch.randn(2000, 6), dim=1)
    assert ((rows @ others.t()).square().sum(dim=0) / rows.square().sum()).max() <= shares[0] + 1e-5


def test_a_projected_picture_is_the_one_that_its_z_draws(tmp_path: Path) -> None:
    adapter = load(write_model(tmp_path / "model"))
    target = run(adapter, "generate", z=latent(adapter, 1))["image"]
    found = run(adapter, "project", image=target, steps=40)
    assert np.array_equal(found["image"], run(adapter, "generate", z=found["z"])["image"])
    stranger = run(adapter, "generate", z=latent(adapter, 2))["image"]
    assert found["distance"] < 0.5 * np.sqrt(np.square(stranger.astype(float) - target).mean())


def test_a_model_that_is_not_fully_grown_draws_its_stage(tmp_path: Path) -> None:
    state = np.array([8.0, 1.0], np.float32)
    adapter = load(write_model(tmp_path / "model", {"synthesis.growth.state": state}))
    assert adapter.generator.stage == Stage(8)
    picture = run(adapter, "generate", z=latent(adapter, 1))["image"]
    assert picture.shape == (16, 16, 3)
    assert np.array_equal(picture, picture[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "stylegan2"}, "is of 'stylegan2', not stylegan1"),
        ({"w_dim": None}, "lacks w_dim"),
        ({"conv_clamp": 256}, "has the unknown setting 'conv_clamp'"),
        ({"norm_epsilon": 0}, "has norm_epsilon = 0, not a number above 0"),
        ({"blurred_bias": 1}, "has blurred_bias = 1, neither true nor false"),
        ({"channel_max": 5}, "has the shape"),
    ],
)
def test_an_architecture_that_cannot_be(settings: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        load(write_model(tmp_path / "model", **settings))
    assert sentence in str(caught.value)


def test_a_stage_that_cannot_be(tmp_path: Path) -> None:
    broken = {"synthesis.growth.state": np.array([12.0, 1.0], np.float32)}
    with pytest.raises(Refused, match="stage of growth is none: resolution 12 is none of 4, 8, 16"):
        load(write_model(tmp_path / "model", broken))


def test_the_interface_follows_from_the_architecture(tmp_path: Path) -> None:
    manifest = Manifest.read(write_model(tmp_path / "model"))
    assert interface_of(manifest) == image_gan_interface(6, 16, 3, 0, 6)
    assert interface_of(manifest) == load(tmp_path / "model").interface
    strange = Manifest(name="x", kind="image-gan", adapter="stylegan1", interface=Interface({}, {}).spec())
    assert interface_of(strange) == Interface({}, {})


def test_batches_are_smaller_where_pictures_take_longer() -> None:
    def batch(resolution: int) -> int:
        with torch.device("meta"):
            return _batch_for(Generator(img_resolution=resolution), torch.device("cpu"))

    assert 1 <= batch(1024) <= batch(128) <= batch(32) < batch(8) <= 16


def test_a_copied_folder_is_imported_with_its_settings(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", norm_epsilon=1e-5, blurred_bias=True)
    (tmp_path / "staging").mkdir()
    converted = convert(folder, tmp_path / "staging")
    assert (converted.adapter, converted.name) == ("stylegan1", "Old")
    assert dict(converted.architecture) == {
        "name": "stylegan1", "c_dim": 0, "img_channels": 3, **SIZES, "norm_epsilon": 1e-5, "blurred_bias": True
    }  # fmt: skip


async def test_in_a_worker(tmp_path: Path) -> None:
    session = Session(Target("stylegan1", write_model(tmp_path / "model"), device="cpu"))
    await session.start()
    try:
        z = np.ones(6, np.float32)
        picture: Any = (await session.run("generate", {"z": z}))["image"]
        assert picture.shape == (16, 16, 3)
        call = session.run("project", {"image": picture, "steps": 5000})
        async for part in call:
            assert part.outputs.keys() == {"z", "image", "distance"}
            break
        call.cancel()
        with pytest.raises(Cancelled):
            await call
        again: Any = (await asyncio.wait_for(session.run("styled", {"z": z}), 10))["image"]
        assert np.array_equal(again, picture)
    finally:
        await session.stop()
