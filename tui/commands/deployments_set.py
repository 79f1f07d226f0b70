"""`tarmac deployments set`: settings of what is hosted, changed while it goes on being served."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.commands.common import harmless, json_flag, print_json

if TYPE_CHECKING:
    from core.hosting.deployment import Deployment
    from tui.hosting.changes import Changed
    from tui.hosting.services import HostingServices


def add(verbs: Any) -> None:
    """Declare the arguments, as a verb of `tarmac deployments`."""
    parser = verbs.add_parser(
        "set",
        help="change its settings while it is served; what is not named stays",
        description="Changes settings of a deployment. The gateway takes them over within a quarter of a second: "
        "requests that run are finished by the workers that have them. Prints what is different now, and the token "
        "where one was made.",
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--replicas", type=int, metavar="N", help="workers that run at once")
    parser.add_argument(
        "--sleep-after",
        "--sleep",
        dest="sleep_after",
        metavar="TIME",
        help="time without a request after which the workers end: 90s, 10m, 2h, never",
    )
    access = parser.add_mutually_exclusive_group()
    access.add_argument("--private", action="store_true", help="a token is needed; made where there is none")
    access.add_argument("--public", action="store_true", help="no token is needed; only on a loopback address")
    parser.add_argument("--timeout", metavar="TIME", help="the longest that a request may take")
    parser.add_argument("--max-queue", type=int, metavar="N", help="requests that may wait")
    parser.add_argument("--max-body", type=int, metavar="BYTES", help="the largest body of a request")
    parser.add_argument("--model", metavar="MODEL", help="serve another model, or that of a training run, in its place")
    parser.add_argument("--checkpoint", metavar="STEP", type=int, help="with --model RUN: the checkpoint")
    parser.add_argument("--command", metavar="C", help="the command that is served")
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set-up option of the model; NAME= brings its default back",
    )
    json_flag(parser)
    parser.set_defaults(run=_set)


def _set(options: argparse.Namespace) -> int:
    from tui.hosting.changes import change, differences, warning
    from tui.hosting.services import HostingServices

    hosting = HostingServices()
    changed = change(hosting, options.name, _wanted(hosting, options))
    told = differences(changed.before, changed.after)
    if options.json:
        print_json({"name": options.name, "changed": told, "token": changed.token})
        return 0
    print(harmless("\n".join(told) or "nothing is different"))
    tokens = len(hosting.store.tokens(options.name)) if changed.after.private else 0
    if caution := warning(changed.before, changed.after, tokens):
        print(_now(changed, caution), file=sys.stderr)
    if changed.token is not None:
        print(changed.token)
        print("the last line is the token, shown this once; only its hash is kept", file=sys.stderr)
    return 0


def _now(changed: Changed, caution: str) -> str:
    """What to know, once it is so."""
    if changed.token is not None:
        return "programs that use it without a token are refused from now on"
    return harmless(caution.replace(" then,", " from now on,").replace(" then.", " from now on."))


def _wanted(hosting: HostingServices, options: argparse.Namespace) -> Any:
    from tui.commands.host import named_model
    from tui.hosting.changes import Wanted, seconds

    before = hosting.store.get(options.name)
    if options.checkpoint is not None and options.model is None:
        raise InvalidInput("--checkpoint belongs to a training run", "", "Name the run with --model")
    model = named_model(hosting, options.model, options.checkpoint) if options.model is not None else None
    return Wanted(
        model=model,
        command=options.command,
        options=_options(hosting, before, model, options.option) if options.option else None,
        private=True if options.private else False if options.public else None,
        replicas=options.replicas,
        sleep_after=seconds(options.sleep_after) if options.sleep_after is not None else None,
        timeout=seconds(options.timeout) if options.timeout is not None else None,
        max_queue=options.max_queue,
        max_body=options.max_body,
    )


def _options(hosting: HostingServices, before: Deployment, model: str | None, items: list[str]) -> dict[str, object]:
    """The options as they are to be: today's of the same model, with those that were named."""
    from tui.commands.values import pairs, read_inputs

    interface = hosting.library().get(model or before.model).interface
    given = pairs(items, "--option")
    read_inputs(interface.options, {name: "" for name in given if name not in interface.options})  # says which one
    found = dict(before.options) if model in (None, before.model) else {}
    for name, text in given.items():
        found.pop(name, None)
        if text:
            found |= read_inputs(interface.options, {name: text})
    return found
