"""Small vision models made on the spot, in the Hugging Face layout; one that has learned to see drawn shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from tests.core.datasets.drawings import cluttered

SIDE = 64
BINARY = ("background", "shape")


def _labels(names: tuple[str, ...]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: place for place, name in enumerate(names)}}


def segformer(names: tuple[str, ...] = BINARY, seed: int = 0, **changes: Any) -> Any:
    """A SegFormer of some ten thousand parameters."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "depths": [1, 1, 1, 1],
        "hidden_sizes": [16, 24, 32, 48],
        "num_attention_heads": [1, 1, 2, 2],
        "strides": [2, 2, 2, 2],
        "patch_sizes": [5, 3, 3, 3],
        "mlp_ratios": [2, 2, 2, 2],
        "decoder_hidden_size": 32,
        "drop_path_rate": 0.0,
        "classifier_dropout_prob": 0.0,
    }
    return SegformerForSemanticSegmentation(SegformerConfig(**settings | _labels(names) | changes)).eval()


def saved(model: Any, folder: Path, side: int = SIDE, **settings: Any) -> Path:
    """A model in a folder, as transformers saves it, with how it wants to be shown a picture."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    shown = {
        "image_processor_type": "SegformerImageProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(shown | settings))
    return folder


def trained(steps: int = 160, batch: int = 12, drawn: int = 240, seed: int = 0) -> Any:
    """A SegFormer that tells drawn shapes from clutter: trained for some seconds, never on what a test shows it."""
    random, model = np.random.default_rng(1000 + seed), segformer(seed=seed)
    pictures, masks = (torch.stack(each) for each in zip(*(_shown(random) for _ in range(drawn)), strict=True))
    optimiser, threads = torch.optim.AdamW(model.parameters(), 3e-3), torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network only waits for a second one
    model.train()
    try:
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = 3e-3 * min(1.0, (step + 1) / 10, 2.0 * (1 - step / steps))
            rows = torch.from_numpy(random.integers(0, drawn, batch))
            turned = [axis for axis in (-1, -2) if random.integers(2)]
            logits = model(pixel_values=pictures[rows].flip(turned)).logits
            large = functional.interpolate(logits, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
            loss = functional.cross_entropy(large, masks[rows].flip(turned), weight=torch.tensor([1.0, 4.0]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    finally:
        torch.set_num_threads(threads)
    return model.eval()


def _shown(random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, mask, _ = cluttered(random)
    small = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    where = np.asarray(Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST))
    return torch.from_numpy((small / 255 - 0.5) / 0.25).permute(2, 0, 1), torch.from_numpy(where.astype(np.int64))


def maskformer(names: tuple[str, ...] = ("wall", "sky-other", "cat")) -> Any:
    """A Mask2Former on a tiny Swin."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    torch.manual_seed(0)
    swin = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, drop_path_rate=0.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
        dim_feedforward=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=5, **_labels(names),
    )  # fmt: skip
    return Mask2FormerForUniversalSegmentation(config).eval()


def upernet(names: tuple[str, ...] = BINARY) -> Any:
    """An UPerNet on a tiny Swin."""
    from transformers import SwinConfig, UperNetConfig, UperNetForSemanticSegmentation

    torch.manual_seed(0)
    swin = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, drop_path_rate=0.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = UperNetConfig(
        backbone_config=swin, hidden_size=16, use_auxiliary_head=False, pool_scales=[1, 2], **_labels(names)
    )
    return UperNetForSemanticSegmentation(config).eval()


def yolos(names: tuple[str, ...] = ("cat", "wall")) -> Any:
    """A YOLOS, which finds objects."""
    from transformers import YolosConfig, YolosForObjectDetection

    torch.manual_seed(0)
    config = YolosConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=[64, 64],
        patch_size=16, num_detection_tokens=6, **_labels(names),
    )  # fmt: skip
    return YolosForObjectDetection(config).eval()
