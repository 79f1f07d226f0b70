"""`tarmac models export`: a model as a plain folder for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tui.commands.common import Progress, json_flag, print_json, run_async, size


def add(verbs: Any) -> None:
    """Declare the arguments, below `tarmac models`."""
    parser = verbs.add_parser(
        "export",
        help="write a model into a folder for other programs",
        description="Text models become a Hugging Face folder that AutoModelForCausalLM.from_pretrained loads, or a "
        "GGUF file for llama.cpp (GPT-2 only; needs the package gguf). Image models become their weights (safetensors) "
        "with model.toml. The folder must not be there yet.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name, or RUN@STEP, RUN@best, RUN@last")
    parser.add_argument("--to", metavar="FOLDER", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--format", choices=("hf", "gguf"), default="hf", help="default: %(default)s")
    json_flag(parser)
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from core.library.exporting import export_model
    from core.runs.models import model_named

    model = model_named(options.model)
    progress = Progress()
    try:
        made = run_async(export_model(model, options.to, options.format, progress))
    finally:
        progress.clear()
    if options.json:
        told = {"folder": str(made.folder), "files": list(made.files), "bytes": made.bytes, "load": list(made.load)}
        print_json({"id": model.id, "format": options.format, **told})
        return 0
    print(f"{made.folder}  {size(made.bytes)}")
    for name in made.files:
        print(f"  {name}")
    print("\nTo load it:")
    for line in made.load:
        print(f"  {line}")
    return 0
