"""`tarmac models score`: how near a model's pictures come to a dataset's, or how well it foresees held-out text.

Measured in a process of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.errors import Refused
from tui.commands.common import Progress, json_flag, print_json, run_async

_WHAT = "nothing could be measured"


def add(verbs: Any) -> None:
    """Declare the arguments, below `tarmac models`."""
    parser = verbs.add_parser(
        "score",
        help="compare a model's pictures with a dataset, or take its perplexity",
        description="Text models: perplexity of a text dataset's held-out documents."
        " Image models: FID and KID where Inception's published weights are on this machine (TARMAC_INCEPTION or"
        " --fetch); otherwise the same distances on the features of the portraits starter's discriminator, called FD-D"
        " and KD-D, which compare only with themselves.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name, or RUN@STEP, RUN@best, RUN@last")
    parser.add_argument("--dataset", metavar="NAME", required=True, help="prepared pictures or texts")
    parser.add_argument("--samples", type=int, default=1000, help="pictures to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the latents (default: %(default)s)")
    parser.add_argument("--truncation", type=float, default=1.0, help="0 to 1 (default: %(default)s, as papers do)")
    parser.add_argument("--features", choices=("auto", "inception", "discriminator"), default="auto")
    parser.add_argument("--context", type=int, help="text: tokens that are seen at once (default: the model's)")
    parser.add_argument("--stride", type=int, help="text: tokens scored in a window (default: half of the context)")
    parser.add_argument("--tokens", type=int, default=0, help="text: most tokens to score (default: all)")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="Inception's weights")
    parser.add_argument("--fetch", action="store_true", help="fetch Inception's weights if they are not here")
    json_flag(parser)
    parser.set_defaults(run=_score)


def _score(options: argparse.Namespace) -> int:
    from core.datasets.library import Datasets
    from core.runs.models import model_named

    model, dataset = model_named(options.model), Datasets().get(options.dataset)
    wanted = {"image-gan": "image", "text": "text"}.get(model.kind)
    if model.problem is not None or wanted is None:
        raise Refused(
            f"the model {model.name} cannot be scored", model.problem or f"it is a model of kind {model.kind}"
        )
    if dataset.kind != wanted:
        what = f"the model {model.name} cannot be scored on {dataset.name}"
        raise Refused(what, f"that is a dataset of the kind {dataset.kind}", f"Choose one of the kind {wanted}")
    if not dataset.ready:
        raise Refused(
            f"the dataset {dataset.name} is not prepared", "", f"`tarmac datasets prepare {dataset.id}` does that"
        )
    if wanted == "text":
        told = _measure(_text_arguments(options, model.folder, dataset.folder))
    else:
        told = _measure(_image_arguments(options, model.folder, dataset.folder))
    if options.json:
        print_json(told)
    elif wanted == "text":
        line = (
            "{metric} {value:.4f} (held-out documents of {of}, context {context}, stride {stride}, {tokens:,} tokens)"
        )
        print(line.format(of=dataset.name, **told))
        print("{bits_per_byte:.4f} bits per byte, loss {loss:.4f} nats a token".format(**told))
    else:
        for name in ("frechet", "kernel"):
            print("{metric} {value:.4g} ({samples} samples, {reals} reals, {drawing}, {weights})".format(**told[name]))
    return 0


def _image_arguments(options: argparse.Namespace, model: Path, dataset: Path) -> list[str]:
    arguments = [str(model), str(dataset), "--samples", str(options.samples), "--seed", str(options.seed)]
    arguments += ["--truncation", str(options.truncation), "--features", options.features]
    arguments += ["--inception", str(options.inception)] if options.inception is not None else []
    return arguments + (["--fetch"] if options.fetch else [])


def _text_arguments(options: argparse.Namespace, model: Path, dataset: Path) -> list[str]:
    arguments = ["perplexity", str(model), "--dataset", str(dataset), "--tokens", str(options.tokens)]
    for name in ("context", "stride"):
        value = getattr(options, name)
        arguments += [f"--{name}", str(value)] if value is not None else []
    return arguments


def _measure(arguments: list[str]) -> dict[str, Any]:
    from core.jobs.parent import run

    progress = Progress()
    try:
        measuring = run("core.ml.metrics", [*arguments, "--json", "--watched"], _WHAT, progress=progress)
        return dict(run_async(measuring))
    finally:
        progress.clear()
