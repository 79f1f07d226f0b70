"""`tarmac complete`: let a text model go on from a prompt, once or several times at once."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.commands.common import Progress, device_flag, harmless, json_flag, print_json, run_async, running
from tui.stop_strings import unescaped

if TYPE_CHECKING:
    from core.interface import Command
    from core.library.models import Model
    from core.workers.session import Call

MOST_BYTES = 16 * 2**20
"""The longest prompt read from stdin; models see only its end."""

_FLAGS = (
    "max_tokens",
    "max_characters",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "seed",
    "stop",
    "logprobs",
)


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "complete",
        help="let a text model go on from a prompt",
        description="Prints the completion, without the prompt; of several, each with its number and seed above it.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name of a text model, or RUN@STEP, RUN@best, RUN@last")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="text to go on from; - reads stdin")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest completion (default: the model's)")
    parser.add_argument("--max-characters", type=int, metavar="N", help="longest completion in characters instead")
    parser.add_argument("--temperature", type=float, metavar="T", help="0: always the likeliest (default: the model's)")
    parser.add_argument("--top-p", type=float, metavar="P", help="share of the probability to draw from")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from this many of the likeliest tokens")
    parser.add_argument(
        "--repetition-penalty", type=float, metavar="R", help="above 1: what is there already becomes less likely"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same text")
    parser.add_argument(
        "--stop", action="append", metavar="TEXT", help="end before this text, which may hold \\n and \\t; repeatable"
    )
    parser.add_argument(
        "--samples", type=int, default=1, metavar="N", help="so many at once, with this seed and those after it"
    )
    parser.add_argument(
        "--logprobs",
        type=int,
        nargs="?",
        const=5,
        metavar="N",
        help="with --json: log-probability of every token, and of the N likeliest ones (default: 5)",
    )
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
    from core.library.interfaces import TEXTS_TOGETHER
    from core.runs.models import model_named

    model = model_named(options.model)
    command = completion_command(model)
    inputs: dict[str, object] = {"prompt": _prompt(options.prompt)}
    if options.stop is not None:
        options.stop = [unescaped(text) for text in options.stop]
    for name in _FLAGS:
        value = getattr(options, name)
        if value is not None and name not in command.inputs:
            raise InvalidInput(f"{model.name} has no {name.replace('_', '-')}")
        if value is not None:
            inputs[name] = value
    if options.logprobs is not None and not options.json:
        raise InvalidInput("--logprobs needs --json", "the plain output is the text alone")
    if not 1 <= options.samples <= TEXTS_TOGETHER:
        raise InvalidInput(f"--samples cannot be {options.samples}", f"allowed is 1 to {TEXTS_TOGETHER}")
    inputs = command.check_inputs(inputs)
    if options.samples > 1 and "seed" not in inputs:
        raise InvalidInput(f"{model.name} has no seed", "all samples would be the same")
    wanted = [command.check_inputs(inputs | _seed(inputs, sample)) for sample in range(options.samples)]
    run_async(_call(model, command, wanted, options))
    return 0


def _seed(inputs: dict[str, object], sample: int) -> dict[str, object]:
    return {"seed": int(str(inputs["seed"])) + sample} if sample else {}


async def _call(model: Model, command: Command, wanted: list[dict[str, object]], options: argparse.Namespace) -> None:
    progress = Progress()
    async with running(model, options.device, progress) as session:
        calls = (
            session.run_together(command.name, wanted) if len(wanted) > 1 else [session.run(command.name, wanted[0])]
        )
        progress("writing")
        if len(calls) == 1:
            facts = await _one(model, command, calls[0], wanted[0], options, progress)
            if options.json and options.stream:
                _line({**facts, "final": True})
            elif options.json:
                print_json(facts)
            return
        if options.stream and options.json:
            import asyncio

            await asyncio.gather(*(_parts(index, call, progress) for index, call in enumerate(calls)))
        outputs = [await call for call in calls]
        progress.clear()
        if options.json:
            shared = {name: value for name, value in wanted[0].items() if name != "seed"}
            samples = [
                {"seed": inputs["seed"], **command.outputs_to_json(each)} for inputs, each in zip(wanted, outputs)
            ]
            whole: dict[str, object] = {"model": model.id, **shared, "samples": samples}
            if options.stream:
                _line({**whole, "final": True})
            else:
                print_json(whole)
            return
        for number, (inputs, each) in enumerate(zip(wanted, outputs), 1):
            _write(f"--- {number} of {len(outputs)} · seed {inputs['seed']}\n{each['completion']}\n")


async def _one(
    model: Model,
    command: Command,
    call: Call,
    inputs: dict[str, object],
    options: argparse.Namespace,
    progress: Progress,
) -> dict[str, object]:
    """Print one completion as it comes; all that is known of it in the end."""
    written = ""
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
    if not options.json:
        _write(str(outputs["completion"])[len(written) :] + "\n")
    return {"model": model.id, **inputs, **command.outputs_to_json(outputs)}


async def _parts(index: int, call: Call, progress: Progress) -> None:
    """Print the parts of one of several completions, each a line that says which it is of."""
    async for partial in call:
        if partial.outputs is not call.outputs:
            progress.clear()
            text = partial.outputs.get("completion")
            _line({"sample": index, "completion": text, "progress": partial.progress, "final": False})


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
