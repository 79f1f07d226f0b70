"""Networks that tell what is where: labels, masks and boxes, and what they take for the subject."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import Refused
from core.library.subjects import SUBJECT
from core.ml.adapters import detection, load, segmentation
from core.ml.adapters.picture_input import PictureInput
from core.workers.adapter import Request
from tests.core.ml import vision_models
from tests.core.ml.vision_models import SIDE, saved, segformer

PIXELS = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)


def ask(adapter: object, command: str, **inputs: object) -> dict[str, object]:
    """One call, its inputs and outputs checked as a worker does."""
    known = adapter.interface.commands[command]  # type: ignore[attr-defined]
    checked = known.check_inputs({"image": PIXELS} | inputs)
    (answer,) = adapter.run(command, [Request(checked, lambda: False)])  # type: ignore[attr-defined]
    return known.check_outputs(answer.outputs)  # type: ignore[no-any-return]


def test_labels_are_those_of_transformers(tmp_path: Path) -> None:
    model = segformer(("wall", "cat", "dog"))
    adapter = load("segmentation", saved(model, tmp_path), {}, "cpu")
    found = ask(adapter, "segment")["segmentation"]
    assert isinstance(found, np.ndarray)
    small = np.asarray(Image.fromarray(PIXELS).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    shown = torch.from_numpy((small / 255 - 0.5) / 0.25).permute(2, 0, 1)[None]
    with torch.inference_mode():
        scores = model(pixel_values=shown).logits.softmax(dim=1)
        large = torch.nn.functional.interpolate(scores, size=(90, 130), mode="bilinear", align_corners=False)
    assert (found == large[0].argmax(dim=0).numpy()).mean() > 0.999
    native = adapter.info["native"]
    assert native == {"side": SIDE, "labels": 3}


def test_the_subject_is_what_is_not_scenery(tmp_path: Path) -> None:
    """The decode head is made to say one label everywhere."""
    for place, expected in ((0, 0), (1, 255), (2, 0)):
        model = segformer(("wall", "cat", "sky"))
        with torch.no_grad():
            model.decode_head.classifier.weight.zero_()
            model.decode_head.classifier.bias.copy_(torch.tensor([20.0 * (number == place) for number in range(3)]))
        adapter = load("segmentation", saved(model, tmp_path / str(place)), {}, "cpu")
        grey = ask(adapter, SUBJECT)[SUBJECT]
        assert isinstance(grey, np.ndarray)
        assert grey.shape == (90, 130, 1)
        assert (grey == expected).all()
        assert adapter.info["background"] == ["wall", "sky"]


def test_a_single_output_is_the_subject(tmp_path: Path) -> None:
    model = segformer(("LABEL_0",))
    with torch.no_grad():
        model.decode_head.classifier.weight.zero_()
        model.decode_head.classifier.bias.fill_(1.0)
    adapter = segmentation.load(saved(model, tmp_path), {}, "cpu")
    assert adapter.vision.labels == ("background", "subject")
    grey = ask(adapter, SUBJECT)[SUBJECT]
    assert isinstance(grey, np.ndarray)
    assert np.abs(grey.astype(int) - round(255 / (1 + np.exp(-1.0)))).max() <= 1
    ids = ask(adapter, "segment")["segmentation"]
    assert isinstance(ids, np.ndarray)
    assert (ids == 1).all()


@pytest.mark.parametrize("kind", ["maskformer", "upernet"])
def test_other_networks(tmp_path: Path, kind: str) -> None:
    model = getattr(vision_models, kind)()
    adapter = load("segmentation", saved(model, tmp_path), {}, "cpu")
    ids, grey = ask(adapter, "segment")["segmentation"], ask(adapter, SUBJECT)[SUBJECT]
    assert isinstance(ids, np.ndarray)
    assert isinstance(grey, np.ndarray)
    assert ids.shape == grey.shape[:2] == (90, 130)
    assert adapter.info["architecture"] == model.config.model_type


def test_masks_with_labels_become_labels() -> None:
    """The first mask is a cat at the left, the second one is nothing; where no mask is, nothing is likely."""
    found = SimpleNamespace(
        class_queries_logits=torch.tensor([[[-20.0, 20.0, -20.0], [-20.0, -20.0, 20.0]]]),
        masks_queries_logits=torch.tensor([[[[20.0, -20.0]], [[20.0, 20.0]]]]),
    )
    scores = segmentation._of_masks(found)
    assert scores.numpy() == pytest.approx(np.array([[[0, 0]], [[1, 0]]]), abs=1e-3)
    as_detr = SimpleNamespace(logits=found.class_queries_logits, pred_masks=found.masks_queries_logits)
    assert torch.equal(segmentation._of_masks(as_detr), scores)


def test_objects(tmp_path: Path) -> None:
    adapter = load("detection", saved(vision_models.yolos(), tmp_path), {}, "cpu")
    objects = ask(adapter, "detect", threshold=0.0)["objects"]
    assert isinstance(objects, list)
    assert len(objects) == 6
    assert [each["score"] for each in objects] == sorted((each["score"] for each in objects), reverse=True)
    assert all(each["label"] in ("cat", "wall") for each in objects)
    assert all(0 <= each["box"][0] <= each["box"][2] <= 1 for each in objects)


def test_a_box_is_the_subject_unless_it_is_scenery(tmp_path: Path) -> None:
    adapter = detection.load(saved(vision_models.yolos(), tmp_path), {}, "cpu")
    scores, labels = torch.tensor([0.9, 0.8, 0.1]), torch.tensor([0, 1, 0])
    boxes = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, 0.5], [0.0, 0.0, 1.0, 1.0]])
    grey = adapter._subject(scores, labels, boxes, (128, 128))
    assert (grey[64:, 32:64] == 230).all()
    grey[64:, 32:64] = 0
    assert not grey.any()


class TestPictures:
    def test_one_size(self) -> None:
        told = PictureInput(height=64, width=32)
        assert told.tensor(PIXELS).shape == (1, 3, 64, 32)
        assert told.side == 64

    def test_their_own_shape(self) -> None:
        told = PictureInput(0, 0, 256, 480)
        assert told.size(100, 100) == (256, 256)
        assert told.size(100, 400) == (128, 480)
        assert PictureInput(0, 0, 0, 480).size(100, 5000) == (32, 480)

    @pytest.mark.parametrize(
        "told",
        ['{"size": {"height": 1000000, "width": 64}}', '{"image_std": [0, 1, 1]}', "[]", '{"size": "large"}', "{",
         '{"image_mean": [1, 2]}', '{"rescale_factor": NaN}'],
    )  # fmt: skip
    def test_impossible_settings(self, tmp_path: Path, told: str) -> None:
        (tmp_path / "preprocessor_config.json").write_text(told)
        with pytest.raises(Refused, match="preprocessor_config"):
            PictureInput.read(tmp_path)

    def test_blue_first_and_not_normal(self, tmp_path: Path) -> None:
        told = '{"size": 32, "do_normalize": false, "do_flip_channel_order": true}'
        (tmp_path / "preprocessor_config.json").write_text(told)
        red = np.zeros((32, 32, 3), np.uint8)
        red[..., 0] = 255
        shown = PictureInput.read(tmp_path).tensor(red)[0, :, 0, 0]
        assert shown.tolist() == pytest.approx([0, 0, 1])


def test_incomplete_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(saved(segformer(), tmp_path) / "model.safetensors")
    del weights["decode_head.classifier.bias"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(Refused, match=r"incomplete.*classifier.bias"):
        load("segmentation", tmp_path, {}, "cpu")


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no config\.json"):
        load("segmentation", tmp_path, {}, "cpu")
    saved(vision_models.yolos(), tmp_path)
    with pytest.raises(Refused, match="segments nothing"):
        load("segmentation", tmp_path, {}, "cpu")
