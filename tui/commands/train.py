"""`tarmac train`: plan a run from the command line and start it. It goes on when this terminal is closed."""

from __future__ import annotations

import argparse
import inspect
import re
from dataclasses import MISSING, fields
from typing import Any, NoReturn

from core.errors import InvalidInput
from core.runs.plan import CHOICES, ImageOptions, Resources, RunPlan
from tui.commands.common import Progress, json_flag, print_json, run_async


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser("train", help="train a model on your own data")
    kinds = parser.add_subparsers(metavar="image|text", required=True)

    image = kinds.add_parser(
        "image",
        help="train an image model on a prepared dataset",
        description="Starts a training run and prints its id. The run goes on when the terminal is closed; "
        "`tarmac runs attach ID` looks at it again. Numbers that are not given are chosen when it starts.",
    )
    image.add_argument("--dataset", metavar="NAME", required=True, help="id or name of a prepared dataset")
    image.add_argument("--base", metavar="MODEL", default="", help="model to begin from (default: random weights)")
    image.add_argument("--steps", type=int, metavar="N", required=True, help="batches to train")
    image.add_argument("--name", help="what to call the run and its model (default: Training experiment N)")
    image.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    for name in ("sample", "save", "score"):
        thing = {"sample": "sample sheets", "save": "checkpoints", "score": "scores"}[name]
        image.add_argument(f"--{name}-every", type=int, metavar="N", default=0, help=f"steps between {thing}")
    image.add_argument(
        "--keep", type=int, metavar="N", default=2, help="checkpoints kept besides the best and the last"
    )
    _options(image.add_argument_group("how it is trained"), ImageOptions)
    place = image.add_argument_group("where it is trained")
    place.add_argument("--launcher", choices=("local", "slurm"), default="local", help="(default: local)")
    _options(place, Resources, skip=("launcher", "extra"))
    place.add_argument(
        "--sbatch",
        metavar="LINE",
        action="append",
        default=[],
        help="an option for Slurm: --sbatch=--account=lab",
    )
    image.add_argument(
        "--notify", metavar="URL", action="append", default=[], help="where to tell of the end, as apprise writes it"
    )
    image.add_argument("--watch", action="store_true", help="show how it goes; ctrl+c leaves the run going")
    image.add_argument("--detach", action="store_true", help="return once it has started (the default)")
    json_flag(image)
    image.set_defaults(run=_image)

    text = kinds.add_parser("text", help="not yet")
    text.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    text.set_defaults(run=_text)


def _image(options: argparse.Namespace) -> int:
    from core.runs.store import Runs, start
    from tui.commands.watching import watch

    runs = Runs()
    given = {each.name: getattr(options, each.name) for each in fields(ImageOptions)}
    places = {each.name: getattr(options, each.name) for each in fields(Resources) if hasattr(options, each.name)}
    plan = RunPlan(
        name=options.name or _next_name([run.plan.name for run in runs.runs()]),
        kind="image",
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
    _draw_starter(plan)
    run = runs.create(plan)
    run = run_async(start(run))
    if options.json:
        print_json({"id": run.id, "name": run.plan.name, "state": run.state, "folder": str(run.folder)})
    else:
        print(run.id, flush=True)
    return watch(run, json=options.json) if options.watch else 0


def _draw_starter(plan: RunPlan) -> None:
    """Draw the dataset where it is a starter that was not used yet, at the size that is asked for or the base's.

    Raises:
        TarmacError: An option or the base cannot be used, or it cannot be drawn here.
    """
    from core.datasets.adding import prepare_dataset
    from core.datasets.cropping import Preparation
    from core.datasets.library import Datasets
    from core.library.models import Library
    from core.runs.plan_file import check_plan, options_of

    size = options_of(check_plan(plan)).size
    found = Datasets().get(plan.dataset, size or None)
    if found.source != "starter" or found.ready:
        return
    side = Library().get(plan.base).architecture.get("img_resolution") if plan.base else None
    progress = Progress()
    try:
        base_size = side if isinstance(side, int) else None
        run_async(prepare_dataset(found.id, Preparation(size=size), base_size=base_size, progress=progress))
    finally:
        progress.clear()


def _text(options: argparse.Namespace) -> NoReturn:
    raise InvalidInput(
        "text models cannot be trained yet", "this Tarmac trains images", "See `tarmac train image --help`"
    )


def _next_name(taken: list[str]) -> str:
    """ "Training experiment N" with the first N that is higher than all that there are."""
    numbers = [int(found.group(1)) for name in taken if (found := re.fullmatch(r"Training experiment (\d{1,9})", name))]
    return f"Training experiment {max(numbers, default=0) + 1}"


def _options(group: Any, shape: type[Any], skip: tuple[str, ...] = ()) -> None:
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
            metavar = _metavar(each.name, default)
            group.add_argument(flag, type=type(default), metavar=metavar, default=None, help=text)


def _metavar(name: str, default: object) -> str:
    """The words that there are; what is refused is said by whoever reads the plan, with more than argparse would."""
    if name in CHOICES:
        return "{" + ",".join(CHOICES[name]) + "}"
    return "WORD" if isinstance(default, str) else "N"


def _explanations(shape: type[Any]) -> dict[str, str]:
    """What the Attributes section of a docstring says of each field, its first letter small."""
    lines = inspect.getdoc(shape) or ""
    section = lines.partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        head = re.fullmatch(r"    (\w+): (.*)", line)
        if head:
            name, text = head.groups()
            found[name] = text if text[1:2].isupper() else text[:1].lower() + text[1:]
        elif name and line.startswith("        "):
            found[name] += " " + line.strip()
    return {name: text.replace("`", "").rstrip(".") for name, text in found.items()}
