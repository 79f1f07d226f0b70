"""A model of the library as a plain folder for other programs; an existing folder is never written to.

Text models are Hugging Face folders that transformers loads, or a GGUF file for llama.cpp and what is built on it.
Segmentation and detection models are such folders too.
Image models are their weights (safetensors) with the model.toml that says what the tensors are.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidInput, Refused
from core.jobs.parent import Progress, run
from core.library import folders
from core.library.gpt2 import LICENCE, published
from core.library.models import Model
from core.library.naming import slug
from core.paths import storage_errors

FORMATS = ("hf", "gguf")
_TEXT_FILES = (
    *("config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"),
    *("vocab.json", "merges.txt", "vocab.txt", "added_tokens.json", "special_tokens_map.json"),
)
ONLY_FOR_TRAINING = ("training.pt", "generator.safetensors", "learned.safetensors", "frozen.safetensors")
"""What a checkpoint holds beside the model that it is."""
_VISION = {"segmentation": "image-segmentation", "detection": "object-detection"}
"""transformers' names of what these kinds do."""
_VISION_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: Where.
        files: Names in it.
        bytes: Of all of them.
        load: How to use it elsewhere: lines of Python or of a shell.
    """

    folder: Path
    files: tuple[str, ...]
    bytes: int
    load: tuple[str, ...]


async def export_model(model: Model, to: Path, form: str = "hf", progress: Progress | None = None) -> Exported:
    """Write a model into a new folder.

    Cancelling leaves nothing behind.

    Args:
        model: Of the library, a starter, or a checkpoint.
        to: The folder, which must not be there yet.
        form: "hf", or "gguf" for GPT-2.
        progress: Told how far it is.

    Raises:
        InvalidInput: There is no such format.
        Refused: The folder exists, or the model cannot be written so.
        StorageError: The disk said no; nothing is left.
    """
    if form not in FORMATS:
        raise InvalidInput(f"there is no format {form!r:.40}", "", f"Choose one of {', '.join(FORMATS)}")
    model.target()
    if form == "gguf" and model.kind != "text":
        raise Refused(f"{model.name} cannot be written as GGUF", "it is no text model", "Leave --format out")
    if form == "gguf" and importlib.util.find_spec("gguf") is None:
        why = "the package gguf is not installed"
        raise Refused(f"{model.name} cannot be written as GGUF", why, 'Run `pip install "tarmac[gguf]"`')
    place, staging = await asyncio.to_thread(_stage, to)
    try:
        if form == "gguf":
            name = f"{slug(model.name)}.gguf"
            what = f"{model.name} cannot be written as GGUF"
            arguments = [str(model.folder), str(staging / name), model.name]
            await run("core.ml.checkpoints.gguf_files", arguments, what, progress=progress)
            load = _loading_gguf(place / name)
        else:
            if progress is not None:
                progress("copying", None)
            copying = asyncio.create_task(asyncio.to_thread(_copy, model, staging, place))
            try:
                await asyncio.shield(copying)
            except asyncio.CancelledError:
                await asyncio.wait([copying])  # the folder is not deleted under a copy that has begun
                raise
            load = _loading(model, place)
        return await asyncio.to_thread(_publish, staging, place, load)
    finally:
        await asyncio.shield(asyncio.to_thread(folders.delete, staging))


def _stage(to: Path) -> tuple[Path, Path]:
    """Where it shall be, from the root, and a folder beside it to build it in."""
    place = Path(os.path.abspath(to.expanduser()))
    if os.path.lexists(place):
        why = "an export never writes over something"
        raise Refused(f"{place} exists", why, "Name a folder that is not there yet")
    staging = place.parent / f".{place.name}.{secrets.token_hex(6)}"
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
    return place, staging


def _publish(staging: Path, place: Path, load: tuple[str, ...]) -> Exported:
    with storage_errors(place):
        if os.path.lexists(place):
            raise Refused(f"{place} exists", "it was made meanwhile", "Name another folder")
        os.rename(staging, place)
    names = tuple(sorted(path.name for path in place.iterdir()))
    return Exported(place, names, folders.size(place), load)


def _files(model: Model) -> list[Path]:
    """What belongs to it: of a text model what transformers reads, of an image model all its files."""
    there = [path for path in sorted(model.folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    found = [path for path in there if path.name not in ONLY_FOR_TRAINING]
    if model.kind in _VISION:
        return [path for path in found if path.name in _VISION_FILES]
    if model.kind != "text":
        return [path for path in found if path.suffix in (".safetensors", ".toml", ".png")]
    weights = [
        path for path in found if path.name.startswith("model") and path.name.endswith((".safetensors", ".json"))
    ]
    return [*(path for path in found if path.name in _TEXT_FILES), *weights]


def _copy(model: Model, staging: Path, to: Path) -> None:
    with storage_errors(to):
        for path in _files(model):
            shutil.copyfile(path, staging / path.name)
        if model.kind == "text":
            (staging / "README.md").write_text(_card(model), encoding="utf-8")


def _loading_gguf(file: Path) -> tuple[str, ...]:
    return (f"llama-cli -m {shlex.quote(str(file))} -no-cnv -p 'Once'",)


def _loading(model: Model, to: Path) -> tuple[str, ...]:
    if model.kind == "text":
        return (
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            f"model = AutoModelForCausalLM.from_pretrained({str(to)!r})",
            f"tokenizer = AutoTokenizer.from_pretrained({str(to)!r})",
        )
    if model.kind in _VISION:
        return ("from transformers import pipeline", f"pipeline({_VISION[model.kind]!r}, model={str(to)!r})")
    return (
        "from safetensors.torch import load_file",
        f"weights = load_file({str(to / 'weights.safetensors')!r})",
        f"# or into another Tarmac: tarmac models import {to}",
    )


def _card(model: Model) -> str:
    """A model card as the hub shows it."""
    licence = model.licence or (LICENCE if published(model.name) is not None else "")
    head = ["library_name: transformers", "pipeline_tag: text-generation"]
    head += [f"license: {licence.lower()}"] if licence else []
    lines = ["---", *head, "---", "", f"# {model.name}", ""]
    lines += [model.manifest.description.strip(), ""] if model.manifest.description else []
    lines += [f"Made from {' → '.join(model.lineage)}.", ""] if model.lineage else []
    known = {name: value for name, value in model.scores.items() if isinstance(value, int | float | str)}
    lines += [f"- {name}: {value}" for name, value in known.items()]
    lines += [""] if known else []
    return "\n".join([*lines, "Exported by Tarmac.", ""])
