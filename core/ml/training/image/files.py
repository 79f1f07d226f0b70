"""An image training on disk: checkpoints, and the model that is made of one.

A checkpoint is itself a model folder (model.toml, weights.safetensors with the averaged generator,
discriminator.safetensors) with what training needs besides: generator.safetensors, and training.pt with optimisers and
counters, which are tensors and plain data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.errors import Refused
from core.library.interfaces import image_gan_interface
from core.library.manifest import Manifest
from core.ml.adapters.stylegan_files import WEIGHTS
from core.ml.training.checkpoint_files import flush, read_rest, reading, take, write_rest
from core.ml.training.image.bases import DISCRIMINATOR, build
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.samples import draw, plan_sheet, sheet, write_png
from core.paths import storage_errors

GENERATOR = "generator.safetensors"
COVER = "cover.png"


def manifest_of(
    architecture: Mapping[str, Any],
    training: ImageTraining,
    *,
    name: str,
    licence: str = "",
    lineage: tuple[str, ...] = (),
    scores: Mapping[str, object] | None = None,
    about: Mapping[str, object] | None = None,
) -> Manifest:
    """What a model made of this training says about itself.

    Args:
        architecture: Settings that build the networks.
        training: Where it stands now.
        name: For people.
        licence: Of the dataset, if it has one: the model's pictures derive from it.
        lineage: Ids of the models it was made from, the nearest last.
        scores: By the names of their metrics.
        about: More for the recipe: dataset, hardware, options.
    """
    recipe = {key: value for key, value in asdict(training.recipe).items() if value is not None}
    recipe |= {"method": "adversarial", "steps": training.step, "pictures_seen": training.shown}
    recipe |= {"seconds": round(training.seconds, 1), **(about or {})}
    interface = image_gan_interface(
        int(architecture["z_dim"]),
        int(architecture["img_resolution"]),
        int(architecture["img_channels"]),
        int(architecture["c_dim"]),
        int(architecture["w_dim"]),
    )
    return Manifest(
        name=name,
        kind="image-gan",
        adapter=str(architecture["name"]),
        interface=interface.spec(),
        author="you",
        licence=licence,
        description=f"Trained for {training.step:,} steps on {len(training.reals.pictures):,} pictures.",
        lineage=lineage,
        architecture=dict(architecture),
        scores=dict(scores or {}),
        recipe=recipe,
    )


def write_checkpoint(folder: Path, training: ImageTraining, manifest: Manifest, run: Mapping[str, Any]) -> int:
    """Write everything that training goes on from into an empty folder.

    Args:
        folder: To be published by its owner when this returns.
        training: As it stands.
        manifest: From `manifest_of`.
        run: Plain data that the run keeps with it.

    Returns:
        Bytes written.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """
    state = training.state()
    with storage_errors(folder):
        for file, part in ((WEIGHTS, "average"), (GENERATOR, "generator"), (DISCRIMINATOR, "discriminator")):
            weights = {name: value.detach().cpu().contiguous() for name, value in state[part].items()}
            save_file(weights, folder / file)
            flush(folder / file)
        write_rest(folder, {key: state[key] for key in ("numbers", "for_g", "for_d")}, dict(run))
    manifest.write(folder)
    return sum(path.stat().st_size for path in folder.iterdir())


def read_checkpoint(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of a training (for `ImageTraining.restore`) and what the run kept with it.

    Raises:
        Damaged: It is not whole.
        Refused: It is of a format this program does not know, or the disk did not let it be read.
    """
    state, run = read_rest(folder)
    with reading(folder):
        for file, part in ((WEIGHTS, "average"), (GENERATOR, "generator"), (DISCRIMINATOR, "discriminator")):
            state[part] = load_file(folder / file)
    return state, run


def export_model(checkpoint: Path, out: Path, *, manifest: Manifest | None = None, seed: int = 0) -> Manifest:
    """Make a model folder of a checkpoint: weights, discriminator, model.toml and a cover.

    Args:
        checkpoint: A checkpoint's folder.
        out: The folder to write; made if it is not there.
        manifest: Another model.toml than the checkpoint's own.
        seed: Of the pictures on the cover.

    Raises:
        Refused: The checkpoint is not whole.
        StorageError: The disk is full, read-only or gone.
    """
    manifest = manifest or Manifest.read(checkpoint)
    take(checkpoint, out, (WEIGHTS, DISCRIMINATOR))
    generator: nn.Module = build(manifest.architecture)[0].eval().requires_grad_(False)
    try:
        generator.load_state_dict(load_file(out / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        raise Refused(f"checkpoint {checkpoint.name} is not whole", str(error)) from error
    size, classes = int(manifest.architecture["img_resolution"]), int(manifest.architecture["c_dim"])  # type: ignore[call-overload]
    plan = plan_sheet(size, int(manifest.architecture["z_dim"]), classes, seed)  # type: ignore[call-overload]
    pictures = draw(generator, plan)
    write_png(out / COVER, np.ascontiguousarray(sheet(pictures, plan.columns)))
    manifest.write(out)
    return manifest
