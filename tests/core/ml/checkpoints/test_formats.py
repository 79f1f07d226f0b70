"""Every foreign format of a StyleGAN2 generator draws the published pictures after import."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.interface.command import Interface
from core.ml.checkpoints.check import average_w, build
from core.ml.checkpoints.convert import convert, read_generator
from core.ml.checkpoints.source import map_file
from core.ml.networks.stylegan2 import Generator
from tests import foreign
from tests.core.ml.golden import FOLDER, Golden, assert_close

State = Mapping[str, np.ndarray]
Writer = Callable[[Path, State, Mapping[str, Any]], Path]

WRITERS: dict[str, Writer] = {
    "nvidia protocol 4": lambda path, state, config: foreign.write_nvidia(path, state, config),
    "nvidia protocol 3": lambda path, state, config: foreign.write_nvidia(path, state, config, protocol=3),
    "stylegan3 repository": lambda path, state, config: foreign.write_nvidia(path, state, config, stylegan3=True),
    "tensorflow": lambda path, state, config: foreign.write_tensorflow(path, state, config),
    "tensorflow protocol 3": lambda path, state, config: foreign.write_tensorflow(path, state, config, protocol=3),
    "rosinality zip": lambda path, state, config: foreign.write_rosinality(path, state),
    "rosinality before zip": lambda path, state, config: foreign.write_rosinality(path, state, zipped=False),
}
GENERATORS = (
    "g_res64_z64_map8",
    "g_res64_z512_map2",
    "g_res16_z512_map8",
    "g_res16_gray_clamp",
    "g_res32_z64_map2_cond3",
)


def load(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """State dict and settings of a golden generator."""
    arrays = np.load(FOLDER / f"{name}.npz")
    state = {key[3:]: arrays[key] for key in arrays.files if key.startswith("sd/")}
    return state, json.loads(str(arrays["config"]))


def generator_in(folder: Path, architecture: Mapping[str, object]) -> Generator:
    """The network of a converted folder."""
    weights = {name: tensor.float().numpy() for name, tensor in load_file(folder / "weights.safetensors").items()}
    return build(architecture, weights)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("writer", WRITERS)
def test_pictures_are_the_published_ones(name: str, writer: str, tmp_path: Path) -> None:
    state, config = load(name)
    if writer.startswith("rosinality") and (config["c_dim"] or config["conv_clamp"]):
        pytest.skip("rosinality's code has neither classes nor clamps")
    path = WRITERS[writer](tmp_path / "network-snapshot-000100.pkl", state, config)
    staging = tmp_path / "staging"
    staging.mkdir()

    converted = convert(path, staging)

    golden = Golden(name)
    generator = generator_in(staging, converted.architecture)
    labels = golden["c"] if config["c_dim"] else None
    with torch.inference_mode():
        pictures = generator(golden["z"], labels, truncation_psi=0.7, noise_mode="const")
    assert_close(pictures, golden["img_psi07_const"], what=writer)
    settings = {key: value for key, value in config.items() if key != "num_ws" and value is not None}
    assert dict(converted.architecture) == {"name": "stylegan2", **settings}
    assert sorted(path.name for path in staging.iterdir()) == ["weights.safetensors"]


def test_what_the_manifest_learns(tmp_path: Path) -> None:
    state, config = load("g_res32_z64_map2_cond3")
    path = foreign.write_nvidia(tmp_path / "cats.pkl", state, config)
    told: list[tuple[str, float | None]] = []

    converted = convert(path, tmp_path, lambda text, share: told.append((text, share)))

    assert (converted.name, converted.kind, converted.adapter) == ("cats", "image-gan", "stylegan2")
    assert converted.origin["file"] == "cats.pkl"
    assert converted.origin["format"] == "NVIDIA StyleGAN2 pickle (PyTorch)"
    assert len(str(converted.origin["sha256"])) == 64
    command = Interface.from_spec(converted.to_json()["interface"]).commands["generate"]  # type: ignore[arg-type]
    assert set(command.inputs) == {"z", "truncation", "label"}
    assert {text for text, _ in told} == {"reading", "checking", "writing", "checksum"}
    assert all(share is None or 0 <= share <= 1 for _, share in told)


def test_weights_are_halves_only_where_that_is_exact(tmp_path: Path) -> None:
    state, config = foreign.tiny_generator()
    state["mapping.fc0.bias"] = np.array([1, 0.5, -2, 3], np.float32)
    convert(foreign.write_nvidia(tmp_path / "a.pkl", state, config), tmp_path)

    saved = load_file(tmp_path / "weights.safetensors")

    assert saved["mapping.fc0.bias"].dtype == torch.float16
    assert saved["mapping.fc0.weight"].dtype == torch.float32
    for name, array in state.items():
        assert np.array_equal(saved[name].float().numpy(), array), name


@pytest.mark.parametrize("zipped", [True, False])
def test_training_files_of_rosinality(zipped: bool, tmp_path: Path) -> None:
    """With argparse.Namespace, optimisers and both generators inside; the average of w is not there and is computed."""
    name = "g_res64_z64_map8"
    state, _ = load(name)
    path = foreign.write_rosinality(tmp_path / "550000.pt", state, zipped=zipped, training=True)

    converted = convert(path, tmp_path)

    generator = generator_in(tmp_path, converted.architecture)
    golden = Golden(name)
    with torch.inference_mode():
        assert_close(generator(golden["z"], noise_mode="const"), golden["img_psi1_const"])
    mean = generator.mapping.w_avg.numpy()
    assert np.array_equal(mean, average_w(generator, seed=0)), "the same file gives the same average"
    spread = np.abs(average_w(generator, seed=1) - average_w(generator, seed=2)).max()
    assert np.abs(mean - average_w(generator, seed=3)).max() < 3 * spread


def test_published_names_in_torch_and_safetensors_files(tmp_path: Path) -> None:
    state, config = load("g_res64_z64_map8")
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    torch.save(tensors, tmp_path / "state.pt")
    save_file(tensors, tmp_path / "state.safetensors")
    doubles = {name: tensor.double() for name, tensor in tensors.items()}
    torch.save(doubles, tmp_path / "double.pt")
    brain = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    torch.save(brain, tmp_path / "brain.pt", _use_new_zipfile_serialization=False)

    for name in ("state.pt", "state.safetensors", "double.pt", "brain.pt"):
        found = read_generator(map_file(tmp_path / name))
        assert set(found.weights) == set(state)
        for key, tensor in found.weights.items():
            expected = brain[key].float() if name == "brain.pt" else tensors[key].float()
            assert np.array_equal(tensor.array().astype(np.float32), expected.numpy()), (name, key)
    assert config["z_dim"] == 64


def test_channels_last_weights_keep_their_numbers(tmp_path: Path) -> None:
    weight = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    part = torch.arange(60.0).reshape(3, 4, 5)[1:, ::2].transpose(0, 2)
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.pt"
        content = {"synthesis.b4.const": weight, "synthesis.b4.x": part, "synthesis.b4.none": torch.zeros(0, 3)}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        found = read_generator(map_file(path)).weights
        for name, tensor in content.items():
            assert np.array_equal(found[name].array(), tensor.numpy()), name


def test_a_network_without_noise_is_one_with_silent_noise(tmp_path: Path) -> None:
    state, config = load("g_res64_z64_map8")
    quiet = {name: array for name, array in state.items() if "noise" not in name}
    converted = convert(foreign.write_nvidia(tmp_path / "quiet.pkl", quiet, config), tmp_path)
    golden = Golden("g_res64_z64_map8")
    with torch.inference_mode():
        pictures = generator_in(tmp_path, converted.architecture)(golden["z"], noise_mode="const")
    assert_close(pictures, golden["img_psi1_none"])


def test_a_model_folder_of_ours(tmp_path: Path) -> None:
    from core.library.manifest import Manifest

    name = "g_res16_gray_clamp"
    state, config = load(name)
    own, staging = tmp_path / "own", tmp_path / "staging"
    own.mkdir()
    staging.mkdir()
    converted = convert(foreign.write_nvidia(tmp_path / "a.pkl", state, config), own)
    Manifest(
        name="Grey faces",
        kind="image-gan",
        adapter="stylegan2",
        interface=converted.interface.spec(),
        author="Ada",
        licence="CC0-1.0",
        architecture={**converted.architecture, "z_dim": 7},
        scores={"fid": 12.5},
    ).write(own)

    again = convert(own, staging)

    assert (again.name, again.card["author"], again.card["scores"]) == ("Grey faces", "Ada", {"fid": 12.5})
    assert again.architecture == converted.architecture, "sizes are read off the weights, the clamp is kept"
    golden = Golden(name)
    with torch.inference_mode():
        pictures = generator_in(staging, again.architecture)(golden["z"], truncation_psi=0.7, noise_mode="const")
    assert_close(pictures, golden["img_psi07_const"])


async def test_what_was_imported_runs(tmp_path: Path) -> None:
    """Through the library and the adapter that a worker would load: the published picture, as bytes."""
    from core.library.importing import import_model
    from core.library.models import Library
    from core.ml import adapters
    from core.workers.adapter import Request

    name = "g_res16_gray_clamp"
    state, config = load(name)
    path = foreign.write_tensorflow(tmp_path / "grey.pkl", state, config)
    model = await import_model(path, library=Library(tmp_path / "data"))
    target = model.target("cpu")
    adapter = adapters.load(target.adapter, target.path, target.options, target.device)

    golden = Golden(name)
    command = adapter.interface.commands["generate"]
    inputs = command.check_inputs({"z": golden["z"][0].tolist(), "truncation": 0.7})
    (answer,) = list(adapter.run("generate", [Request(inputs, lambda: False)]))

    image = np.asarray(answer.outputs["image"]).astype(int)
    expected = (golden["img_psi07_const"][0] * 127.5 + 128).clamp(0, 255).permute(1, 2, 0).numpy().astype(int)
    assert image.shape == (16, 16, 1)
    assert np.abs(image - expected).max() <= 1
    assert adapter.interface.spec() == model.interface.spec()
