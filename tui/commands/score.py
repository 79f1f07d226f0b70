"""`tarmac models score`: how near a model's pictures come to a dataset's, measured in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from core.errors import Refused, TarmacError
from tui.commands.common import Progress, json_flag, print_json, run_async

_LAST_WORDS = 400


def add(verbs: Any) -> None:
    """Declare the arguments, below `tarmac models`."""
    parser = verbs.add_parser(
        "score",
        help="compare an image model's pictures with a dataset",
        description="FID and KID where Inception's published weights are on this machine (TARMAC_INCEPTION or --fetch);"
        " otherwise the same distances on the features of the portraits starter's discriminator, called FD-D and KD-D,"
        " which compare only with themselves.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name")
    parser.add_argument("--dataset", metavar="NAME", required=True, help="prepared pictures to compare with")
    parser.add_argument("--samples", type=int, default=1000, help="pictures to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the latents (default: %(default)s)")
    parser.add_argument("--truncation", type=float, default=1.0, help="0 to 1 (default: %(default)s, as papers do)")
    parser.add_argument("--features", choices=("auto", "inception", "discriminator"), default="auto")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="Inception's weights")
    parser.add_argument("--fetch", action="store_true", help="fetch Inception's weights if they are not here")
    json_flag(parser)
    parser.set_defaults(run=_score)


def _score(options: argparse.Namespace) -> int:
    from core.datasets.library import Datasets
    from core.library.models import Library

    model, dataset = Library().get(options.model), Datasets().get(options.dataset)
    if model.problem is not None or model.kind != "image-gan":
        raise Refused(
            f"the model {model.name} cannot be scored", model.problem or f"it is a model of kind {model.kind}"
        )
    if not dataset.ready:
        raise Refused(
            f"the dataset {dataset.name} is not prepared", "", f"`tarmac datasets prepare {dataset.id}` does that"
        )
    arguments = [str(model.folder), str(dataset.folder), "--samples", str(options.samples), "--seed", str(options.seed)]
    arguments += ["--truncation", str(options.truncation), "--features", options.features]
    arguments += ["--inception", str(options.inception)] if options.inception is not None else []
    arguments += ["--fetch"] if options.fetch else []
    progress = Progress()
    try:
        told = run_async(_measure(arguments, progress))
    finally:
        progress.clear()
    if options.json:
        print_json(told)
        return 0
    for name in ("frechet", "kernel"):
        print("{metric} {value:.4g} ({samples} samples, {reals} reals, {drawing}, {weights})".format(**told[name]))
    return 0


async def _measure(arguments: list[str], progress: Progress) -> dict[str, Any]:
    import asyncio

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "core.ml.metrics", *arguments, "--json", "--watched"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    words = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            told = json.loads(line)
            if "error" in told:
                raise TarmacError.from_json(told["error"])
            if "result" in told:
                found: dict[str, Any] = told["result"]
                return found
            progress(told["progress"], told["share"])
        said = (await words).decode(errors="replace").strip()[-_LAST_WORDS:]
        raise TarmacError("nothing could be measured", said or "the process that measures ended early")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        words.cancel()
