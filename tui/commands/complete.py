"""`tarmac complete`: let a text model go on from a prompt."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.commands.common import Progress, device_flag, harmless, json_flag, print_json, run_async, running

if TYPE_CHECKING:
    from core.interface import Command
    from core.library.models import Model

MOST_BYTES = 16 * 2**20
"""The longest prompt read from stdin; models see only its end."""

_FLAGS = ("max_tokens", "temperature", "top_p", "seed")


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "complete",
        help="let a text model go on from a prompt",
        description="Prints the completion, without the prompt.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name of a text model")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="text to go on from; - reads stdin")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest completion (default: the model's)")
    parser.add_argument("--temperature", type=float, metavar="T", help="0: always the likeliest (default: the model's)")
    parser.add_argument("--top-p", type=float, metavar="P", help="share of the probability to draw from")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same text")
    parser.add_argument("--stream", action="store_true", help="print as it is written; with --json one object a line")
    device_flag(parser)
    json_flag(parser)
    parser.set_defaults(run=_complete)


def completion_command(model: Model) -> Command:
    """The first command that takes a prompt and gives a completion.

    Raises:
        InvalidInput: The model has none.
    """
    for command in model.interface.commands.values():
        takes, gives = command.inputs.get("prompt"), command.outputs.get("completion")
        if takes is not None and gives is not None and takes.type_name == gives.type_name == "text":
            return command
    raise InvalidInput(f"{model.name} cannot complete text", f"it is a model of the kind {model.kind}")


def _complete(options: argparse.Namespace) -> int:
    from core.library.models import Library

    model = Library().get(options.model)
    command = completion_command(model)
    inputs: dict[str, object] = {"prompt": _prompt(options.prompt)}
    for name in _FLAGS:
        value = getattr(options, name)
        if value is not None and name not in command.inputs:
            raise InvalidInput(f"{model.name} has no {name.replace('_', '-')}")
        if value is not None:
            inputs[name] = value
    inputs = command.check_inputs(inputs)
    run_async(_call(model, command, inputs, options))
    return 0


async def _call(model: Model, command: Command, inputs: dict[str, object], options: argparse.Namespace) -> None:
    progress = Progress()
    written = ""
    async with running(model, options.device, progress) as session:
        call = session.run(command.name, inputs)
        progress("writing")
        async for partial in call:
            text = partial.outputs.get("completion")
            if not options.stream or not isinstance(text, str) or partial.outputs is call.outputs:
                continue  # the last part is the whole, which is printed below
            progress.clear()
            if options.json:
                _line({"completion": text, "progress": partial.progress, "final": False})
            else:
                _write(text[len(written) :])
                written = text
        outputs = await call
        progress.clear()
        facts = {"model": model.id, **inputs, **command.outputs_to_json(outputs)}
        if options.json and options.stream:
            _line({**facts, "final": True})
        elif options.json:
            print_json(facts)
        else:
            _write(str(outputs["completion"])[len(written) :] + "\n")


def _write(text: str) -> None:
    sys.stdout.write(harmless(text))
    sys.stdout.flush()


def _line(data: dict[str, object]) -> None:
    import json

    _write(json.dumps(data) + "\n")


def _prompt(text: str) -> str:
    if text != "-":
        return text
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InvalidInput("the prompt on stdin cannot be used", f"it is larger than {MOST_BYTES // 2**20} MB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("the prompt on stdin cannot be used", "it is not UTF-8 text") from error
