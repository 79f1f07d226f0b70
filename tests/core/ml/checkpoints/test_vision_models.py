"""Segmentation and detection models in Hugging Face layout: recognised, checked by looking at a picture, refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.library.importing import import_model
from core.library.models import Library
from core.library.subjects import finds_subjects
from core.ml.checkpoints.convert import convert
from core.ml.checkpoints.problems import Unreadable
from tests.core.ml import vision_models
from tests.core.ml.vision_models import saved, segformer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SegFormer as transformers saves it."""
    return saved(segformer(("wall", "cat", "cat")), tmp_path_factory.mktemp("made") / "tiny-segformer")


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(made, tmp_path / "tiny-segformer"))


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    path = tmp_path / "staging"
    path.mkdir()
    return path


def change(path: Path, **settings: Any) -> None:
    """Set values in a JSON file; None takes them out."""
    content = {**json.loads(path.read_text()), **settings}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


async def test_into_the_library(model: Path, tmp_path: Path) -> None:
    """By the import's own process, and what the manifest says is what a worker will."""
    (model / "modeling_evil.py").write_text("raise SystemExit")
    library = Library(tmp_path / "data", starters=tmp_path / "none")
    found = await import_model(model, library=library)
    assert (found.name, found.kind, found.adapter, found.problem) == (
        "tiny-segformer", "segmentation", "segmentation", None,
    )  # fmt: skip
    parameters = sum(tensor.numel() for name, tensor in load_file(model / "model.safetensors").items()
                     if not name.endswith(("running_mean", "running_var", "num_batches_tracked")))  # fmt: skip
    assert found.architecture == {
        "name": "segformer", "parameters": parameters, "labels": 3, "foreground": 2, "background": "wall",
    }  # fmt: skip
    assert found.manifest.origin["format"] == "Hugging Face safetensors"
    assert list(found.interface.commands) == ["segment", "subject"]
    kind = found.interface.commands["segment"].outputs["segmentation"]
    assert kind.ids == {"wall": 0, "cat": 1, "cat 2": 2}  # type: ignore[attr-defined]
    assert finds_subjects(found)
    files = {path.name for path in found.folder.iterdir()}
    assert files == {"config.json", "preprocessor_config.json", "model.safetensors", "model.toml"}
    again = await import_model(found.folder, library=library, name="copy")
    assert (again.architecture, again.manifest.origin["format"]) == (found.architecture, "Tarmac model folder")


def test_pytorch_bin_becomes_safetensors(model: Path, staging: Path) -> None:
    before = load_file(model / "model.safetensors")
    torch.save(before, model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    assert convert(model, staging).origin["format"] == "Hugging Face PyTorch"
    after = load_file(staging / "model.safetensors")
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_objects_are_another_kind(tmp_path: Path, staging: Path) -> None:
    converted = convert(saved(vision_models.yolos(), tmp_path / "tiny-yolos"), staging)
    assert (converted.kind, converted.adapter) == ("detection", "detection")
    assert list(converted.interface.commands) == ["detect", "subject"]
    assert converted.architecture["foreground"] == 1


def test_newer_files_keep_the_picture_s_settings_elsewhere(model: Path, staging: Path) -> None:
    told = json.loads((model / "preprocessor_config.json").read_text())
    (model / "preprocessor_config.json").unlink()
    (model / "processor_config.json").write_text(json.dumps({"image_processor": told}))
    convert(model, staging)
    assert json.loads((staging / "preprocessor_config.json").read_text())["size"] == told["size"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"model_type": "birefnet", "auto_map": {"AutoModel": "evil.Net"}}, r"Python code from its own repository"),
        ({"architectures": ["SegformerForImageClassification"]}, "does not complete text"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"hidden_sizes": [16, 24, 32, 4096]}, "asks for .* numbers"),
        ({"depths": "many"}, "builds no model"),
        ({"id2label": {str(n): f"l{n}" for n in range(300)}}, "300 labels"),
    ],
)
def test_what_is_refused(model: Path, staging: Path, settings: dict[str, object], why: str) -> None:
    if "id2label" in settings:
        weights = load_file(model / "model.safetensors")
        for name in ("decode_head.classifier.weight", "decode_head.classifier.bias"):
            weights[name] = torch.zeros(300, *weights[name].shape[1:])
        save_file(weights, model / "model.safetensors", {"format": "pt"})
        settings = settings | {"label2id": None}
    change(model / "config.json", **settings)
    with pytest.raises(Unreadable) as error:
        convert(model, staging)
    assert re.search(why, error.value.why)


def test_a_missing_tensor(model: Path, staging: Path) -> None:
    weights = load_file(model / "model.safetensors")
    del weights["decode_head.classifier.bias"]
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(Unreadable, match=r"decode_head\.classifier\.bias"):
        convert(model, staging)


def test_a_library_that_is_missing_is_named(model: Path, staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Mask2FormerConfig, SwinConfig
    from transformers.utils import import_utils

    _, sentence = import_utils.BACKENDS_MAPPING["scipy"]
    monkeypatch.setitem(import_utils.BACKENDS_MAPPING, "scipy", (lambda: False, sentence))

    swin = SwinConfig(embed_dim=8, out_features=["stage1", "stage2", "stage3", "stage4"])
    config = Mask2FormerConfig(backbone_config=swin).to_dict()
    config["architectures"] = ["Mask2FormerForUniversalSegmentation"]
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(Unreadable, match=r"library that is not installed \(Mask2FormerLoss requires the scipy"):
        convert(model, staging)
