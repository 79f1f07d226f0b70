"""Folders: a model of ours that was copied elsewhere, or a text or vision model in Hugging Face layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.errors import Refused
from core.library.interfaces import STYLE_GANS
from core.library.manifest import FILE_NAME, Manifest
from core.ml.checkpoints.convert import WEIGHTS, Converted, Progress, convert_generator
from core.ml.checkpoints.problems import Unreadable, shown


def convert(path: Path, staging: Path, progress: Progress) -> Converted:
    """Convert a folder; see `core.ml.checkpoints.convert.convert`."""
    if (path / FILE_NAME).is_file():
        return _own(path, staging, progress)
    if (path / "config.json").is_file():
        return _hugging_face(path, staging, progress)
    raise Unreadable(
        "it is a folder without model.toml or config.json",
        "Give a file of weights, or the folder of a text or segmentation model with its config.json",
    )


def _hugging_face(path: Path, staging: Path, progress: Progress) -> Converted:
    """A folder with a config.json, which says what kind of model it is."""
    from core.ml.checkpoints import hugging_face, text_models, vision_models

    if vision_models.claims(hugging_face.settings(path / "config.json")):
        return vision_models.convert(path, staging, progress)
    return text_models.convert(path, staging, progress)


def _own(path: Path, staging: Path, progress: Progress) -> Converted:
    """A folder with a model.toml. Its words are kept; settings and interface are read off the weights again."""
    try:
        manifest = Manifest.read(path)
    except Refused as error:
        raise Unreadable(f"{error.what}: {error.why}" if error.why else error.what, error.do) from None
    if manifest.adapter in STYLE_GANS:
        converted = convert_generator(path / WEIGHTS, staging, progress, manifest.architecture)
    elif manifest.adapter in ("causal-lm", "segmentation", "detection"):
        converted = _hugging_face(path, staging, progress)
    else:
        raise Unreadable(f"its model.toml names the kind {shown(manifest.adapter)}, which cannot be imported")
    card = {
        "author": manifest.author,
        "licence": manifest.licence,
        "description": manifest.description,
        "scores": dict(manifest.scores),
        "recipe": dict(manifest.recipe),
        "lineage": list(manifest.lineage),
    }
    origin = {**converted.origin, "file": shown(path.name, 200), "format": "Tarmac model folder"}
    return replace(converted, name=manifest.name, origin=origin, card=card)
