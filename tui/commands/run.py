"""`tarmac run`: any command of any model, inputs from flags and files, outputs to files or stdout."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.commands.common import Progress, device_flag, harmless, json_flag, print_json, run_async, running

if TYPE_CHECKING:
    from core.interface import Command
    from core.library.models import Model


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "run",
        help="run any model once",
        description="Runs one command of a model. VALUE is text, a number, JSON, or @FILE (.json, .npy, .txt, a "
        "picture); @@ begins a text with one @; a vector may be seed:N. Outputs go to files by their ending (.png .jpg "
        ".npy .txt .json); what is not written to a file is printed.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name")
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="default: the model's first")
    parser.add_argument("--input", metavar="NAME=VALUE", action="append", default=[])
    parser.add_argument("--output", metavar="NAME=FILE", action="append", default=[])
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="set-up option of the model"
    )
    device_flag(parser)
    json_flag(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from core.library.models import Library
    from tui.commands.values import check_outputs, pairs, read_inputs

    model = Library().get(options.model)
    interface = model.interface
    command = interface.command(options.command)
    inputs = command.check_inputs(read_inputs(command.inputs, pairs(options.input, "--input")))
    setup = read_inputs(interface.options, pairs(options.option, "--option"))
    if interface.options:
        setup = interface.check_options(setup)
    files = pairs(options.output, "--output")
    check_outputs(command.outputs, files)
    if not options.json:
        for name, kind in command.outputs.items():
            if name not in files and kind.type_name in ("image", "segmentation"):
                raise InvalidInput(f"the output {name} is a picture", "", f"Add --output {name}=FILE.png, or --json")
    outputs = run_async(_call(model, command, inputs, setup, options.device))
    _write(model, command, inputs, outputs, files)
    if options.json:
        print_json(_as_json(command, outputs, files))
    else:
        _print(command, outputs, files)
    return 0


async def _call(
    model: Model, command: Command, inputs: dict[str, object], setup: dict[str, object], device: str | None
) -> dict[str, object]:
    progress = Progress()
    async with running(model, device, progress, setup) as session:
        progress(f"running {command.name}")
        call = session.run(command.name, inputs)
        async for partial in call:
            progress(f"running {command.name}", partial.progress)
        return await call


def _write(
    model: Model, command: Command, inputs: dict[str, object], outputs: dict[str, object], files: dict[str, str]
) -> None:
    from tui.commands.values import encode_output, write

    facts = {
        "format": 1,
        "program": "tarmac",
        "model": model.id,
        "command": command.name,
        # Pictures among the inputs would make the file larger than what it shows.
        "inputs": {
            name: command.inputs[name].to_json(value)
            for name, value in inputs.items()
            if command.inputs[name].type_name not in ("image", "segmentation")
        },
    }
    for name, file in files.items():
        path = Path(file)
        notes = {"tarmac": json.dumps(facts)} if path.suffix.lower() == ".png" else {}
        write(path, encode_output(command.outputs[name], outputs[name], path.suffix.lower(), notes))


def _as_json(command: Command, outputs: dict[str, object], files: dict[str, str]) -> dict[str, object]:
    """As the hosted API answers; an output that went to a file is the file's name."""
    return {
        name: files[name] if name in files else command.outputs[name].to_json(value) for name, value in outputs.items()
    }


def _print(command: Command, outputs: dict[str, object], files: dict[str, str]) -> None:
    left = {name: value for name, value in outputs.items() if name not in files}
    for name, value in left.items():
        kind = command.outputs[name]
        plain = kind.to_json(value)
        text = str(plain) if kind.type_name in ("text", "category") else json.dumps(plain, ensure_ascii=False)
        print(harmless(text if len(left) == 1 else f"{name}: {text}"))
