"""`tarmac train`: plan a run from the command line and start it. It goes on when this terminal is closed."""

from __future__ import annotations

import argparse
import inspect
import re
from dataclasses import MISSING, fields
from typing import Any

from core.runs.plan import ImageOptions, Resources, RunPlan, TextOptions, choices
from tui.commands.common import Progress, json_flag, print_json, run_async


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser("train", help="train a model on your own data")
    kinds = parser.add_subparsers(metavar="image|text", required=True)

    image = _kind(kinds, "image", "train an image model on a prepared dataset", ImageOptions)
    image.set_defaults(run=_train, kind="image")
    text = _kind(kinds, "text", "train a language model on a text dataset", TextOptions)
    text.add_argument(
        "--prompt",
        metavar="TEXT",
        dest="prompts",
        action="append",
        help="completed before the first step and all along, always with the same seeds; may be given several times "
        "(default: the beginnings of some held-out texts)",
    )
    text.set_defaults(run=_train, kind="text")


def _kind(kinds: Any, name: str, about: str, shape: type[Any]) -> argparse.ArgumentParser:
    """The parser of a kind whose settings are the fields of `shape`."""
    parser: argparse.ArgumentParser = kinds.add_parser(
        name,
        help=about,
        description="Starts a training run and prints its id. The run goes on when the terminal is closed; "
        "`tarmac runs attach ID` looks at it again. Numbers that are not given are chosen when it starts.",
    )
    parser.add_argument("--dataset", metavar="NAME", required=True, help="id or name of a prepared dataset")
    parser.add_argument("--base", metavar="MODEL", default="", help="model to begin from (default: random weights)")
    parser.add_argument("--steps", type=int, metavar="N", required=True, help="batches to train")
    parser.add_argument("--name", help="what to call the run and its model (default: Training experiment N)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    for what, thing in (("sample", "samples"), ("save", "checkpoints"), ("score", "scores")):
        parser.add_argument(f"--{what}-every", type=int, metavar="N", default=0, help=f"steps between two {thing}")
    parser.add_argument(
        "--keep", type=int, metavar="N", default=2, help="checkpoints kept besides the best and the last (default: 2)"
    )
    _options(parser.add_argument_group("how it is trained"), shape, name, skip=("prompts",))
    place = parser.add_argument_group("where it is trained")
    place.add_argument("--launcher", choices=("local", "slurm"), default="local", help="(default: local)")
    _options(place, Resources, skip=("launcher", "extra"))
    place.add_argument(
        "--sbatch",
        metavar="LINE",
        action="append",
        default=[],
        help="an option for Slurm: --sbatch=--account=lab",
    )
    parser.add_argument(
        "--notify", metavar="URL", action="append", default=[], help="where to tell of the end, as apprise writes it"
    )
    parser.add_argument("--watch", action="store_true", help="show how it goes; ctrl+c leaves the run going")
    parser.add_argument("--detach", action="store_true", help="return once it has started (the default)")
    json_flag(parser)
    return parser


def _train(options: argparse.Namespace) -> int:
    from core.runs.plan_file import OPTIONS
    from core.runs.store import Runs, start
    from tui.commands.watching import watch

    runs = Runs()
    given = {each.name: getattr(options, each.name) for each in fields(OPTIONS[options.kind])}
    places = {each.name: getattr(options, each.name) for each in fields(Resources) if hasattr(options, each.name)}
    plan = RunPlan(
        name=options.name or _next_name([run.plan.name for run in runs.runs()]),
        kind=options.kind,
        dataset=options.dataset,
        base=options.base,
        steps=options.steps,
        options={name: value for name, value in given.items() if value is not None},
        sample_every=options.sample_every,
        save_every=options.save_every,
        score_every=options.score_every,
        keep=options.keep,
        seed=options.seed,
        resources=Resources(
            **{name: value for name, value in places.items() if value is not None}, extra=tuple(options.sbatch)
        ),
        notify=tuple(options.notify),
    )
    _make_starter(plan)
    _bring_base(plan)
    run = runs.create(plan)
    run = run_async(start(run))
    if options.json:
        print_json({"id": run.id, "name": run.plan.name, "state": run.state, "folder": str(run.folder)})
    else:
        print(run.id, flush=True)
    return watch(run, json=options.json) if options.watch else 0


def _make_starter(plan: RunPlan) -> None:
    """Make the dataset where it is a starter that was not used yet; pictures at the size asked for, or the base's.

    Raises:
        TarmacError: An option or the base cannot be used, or it cannot be made here.
    """
    from core.datasets.adding import prepare_dataset
    from core.datasets.cropping import Preparation
    from core.datasets.library import Datasets
    from core.library.models import Library
    from core.runs.plan_file import check_plan, options_of

    options = options_of(check_plan(plan))
    size = options.size if plan.kind == "image" else 0
    found = Datasets().get(plan.dataset, size or None)
    if found.source != "starter" or found.ready or found.kind != plan.kind:
        return
    side = Library().get(plan.base).architecture.get("img_resolution") if plan.base else None
    progress = Progress()
    try:
        base_size = side if isinstance(side, int) else None
        run_async(prepare_dataset(found.id, Preparation(size=size), base_size=base_size, progress=progress))
    finally:
        progress.clear()


def _bring_base(plan: RunPlan) -> None:
    """Take a published text model into the library that is only in the cache of Hugging Face's tools.

    Raises:
        TarmacError: There is none of this name, or it cannot be used.
    """
    if plan.kind != "text" or not plan.base:
        return
    from core.library.gpt2 import bring_base
    from core.library.models import Library

    progress = Progress()
    try:
        run_async(bring_base(plan.base, Library(), progress))
    finally:
        progress.clear()


def _next_name(taken: list[str]) -> str:
    """ "Training experiment N" with the first N that is higher than all that there are."""
    numbers = [int(found.group(1)) for name in taken if (found := re.fullmatch(r"Training experiment (\d{1,9})", name))]
    return f"Training experiment {max(numbers, default=0) + 1}"


def _options(group: Any, shape: type[Any], kind: str = "", skip: tuple[str, ...] = ()) -> None:
    """An option for each field of a dataclass, explained by its docstring."""
    about = _explanations(shape)
    for each in fields(shape):
        if each.name in skip:
            continue
        flag = f"--{each.name.replace('_', '-')}"
        default = each.default if each.default is not MISSING else None
        shown = f" (default: {'on' if default is True else 'off' if default is False else default})" if default else ""
        text = (about.get(each.name, "") + shown).replace("%", "%%")
        if isinstance(default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            metavar = _metavar(each.name, default, kind)
            group.add_argument(flag, type=type(default), metavar=metavar, default=None, help=text)


def _metavar(name: str, default: object, kind: str) -> str:
    """The words that there are; what is refused is said by whoever reads the plan, with more than argparse would."""
    if allowed := choices(name, kind):
        return "{" + ",".join(allowed) + "}"
    return "WORD" if isinstance(default, str) else "N"


def _explanations(shape: type[Any]) -> dict[str, str]:
    """What the Attributes section of a docstring says of each field, its first letter small."""
    lines = inspect.getdoc(shape) or ""
    section = lines.partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        head = re.fullmatch(r"    (\w+(?:, \w+)*): (.*)", line)
        if head:
            names, text = head[1].split(", "), head[2]
            found |= dict.fromkeys(names, text if text[1:2].isupper() else text[:1].lower() + text[1:])
        elif names and line.startswith("        "):
            found |= dict.fromkeys(names, f"{found[names[0]]} {line.strip()}")
    return {name: text.replace("`", "").rstrip(".") for name, text in found.items()}
