"""`tarmac host`: a model behind a URL that existing programs can call; and what starts the gateway."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import NotFound, Refused
from tui.commands.common import json_flag, print_json

if TYPE_CHECKING:
    from core.hosting.process import GatewayStatus
    from tui.hosting.services import HostingServices


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "host",
        help="serve a model under a permanent URL",
        description="Serves a model under a permanent name, and starts the gateway where none runs; it goes on when "
        "the terminal is closed. Prints the address and the token, the token this once: only its hash is kept. "
        "`tarmac deployments` looks at what is hosted and changes it.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name of a model, or of a training run")
    parser.add_argument("--name", metavar="N", help="1 to 63 lower-case letters, digits and hyphens (default: MODEL's)")
    parser.add_argument("--command", metavar="C", default="", help="default: the model's first")
    parser.add_argument(
        "--checkpoint", metavar="STEP", type=int, help="of a run: the checkpoint (default: its end, else the best)"
    )
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="set-up option of the model"
    )
    parser.add_argument("--public", action="store_true", help="no token is needed; only on a loopback address")
    parser.add_argument("--replicas", metavar="N", type=int, default=1, help="workers that run at once (default: 1)")
    parser.add_argument(
        "--sleep-after",
        "--sleep",
        dest="sleep_after",
        metavar="TIME",
        default="5m",
        help="time without a request after which the workers end: 90s, 10m, 2h, never (default: 5m)",
    )
    parser.add_argument(
        "--timeout", metavar="TIME", default="5m", help="the longest that a request may take (default: 5m)"
    )
    listening(parser)
    json_flag(parser)
    parser.set_defaults(run=_host)


def listening(parser: argparse.ArgumentParser) -> None:
    """Add where the gateway listens."""
    place = parser.add_argument_group("where the gateway listens (kept for all deployments and all later starts)")
    place.add_argument(
        "--bind", metavar="ADDRESS", dest="host", help="0.0.0.0 for all; then every deployment needs a token"
    )
    place.add_argument("--port", metavar="P", type=int, help="default: the first free one from 8600, then the same")
    place.add_argument(
        "--cert", "--certificate", metavar="FILE", dest="certificate", help="PEM, for https; empty: none"
    )
    place.add_argument("--key", metavar="FILE", help="PEM, where the certificate's file does not hold it")


def settings(options: argparse.Namespace) -> dict[str, object]:
    """What was said of where the gateway listens; files by their whole path, an empty one for none."""
    found: dict[str, object] = {}
    for name in ("host", "port"):
        if getattr(options, name) is not None:
            found[name] = getattr(options, name)
    for name in ("certificate", "key"):
        file = getattr(options, name)
        if file is not None:
            found[name] = str(Path(file).expanduser().absolute()) if file else ""
    return found


def listen(hosting: HostingServices, changes: dict[str, object]) -> None:
    """Keep where the gateway listens; one that runs already somewhere else is not moved.

    Raises:
        InvalidInput: A value that is not allowed.
        Refused: Certificate files that are none, a public deployment, or a gateway that runs elsewhere.
        StorageError: The disk said no.
    """
    if not changes:
        return
    now = hosting.store.gateway_settings()
    if all(getattr(now, name) == value for name, value in changes.items()):
        return
    status = hosting.gateway()
    if status.runs:
        raise Refused(
            "the gateway listens elsewhere",
            f"it runs on {status.url}",
            "Move it, and with it every address: tarmac gateway restart, with the same options",
        )
    hosting.store.set_gateway(**changes)


def _host(options: argparse.Namespace) -> int:
    from core.library.models import Library
    from tui.commands.values import pairs, read_inputs
    from tui.hosting.changes import seconds
    from tui.hosting.services import HostingServices

    hosting, library = HostingServices(), Library()
    if options.name is not None:
        hosting.store.check_new_name(options.name)
    model = named_model(hosting, options.model, options.checkpoint)
    interface = library.get(model).interface
    hosting.check(library, model, options.command)
    setup = read_inputs(interface.options, pairs(options.option, "--option"))
    interface.check_options(setup)
    listen(hosting, settings(options))
    made = hosting.host(
        model,
        options.name if options.name is not None else hosting.suggest(library.get(model)),
        command=options.command,
        options=setup,
        private=not options.public,
        replicas=options.replicas,
        sleep_after=seconds(options.sleep_after),
        timeout=seconds(options.timeout),
    )
    if options.json:
        print_json({"name": made.name, "url": made.url, "token": made.token})
        return 0
    print(made.url)
    if made.token is None:
        print("anyone on this machine can use it without a token", file=sys.stderr)
    else:
        print(made.token)
        print("the second line is the token, shown this once; only its hash is kept", file=sys.stderr)
    return 0


def named_model(hosting: HostingServices, name: str, step: int | None) -> str:
    """The model that is meant: of the library, or else of a training run.

    Raises:
        NotFound: There is neither.
        TarmacError: The run has nothing that can be hosted.
    """
    from core.library.models import Library

    library = Library()
    if step is not None:
        return hosting.checkpoint(library, name, step)
    try:
        return library.get(name).id
    except NotFound:
        try:
            return hosting.checkpoint(library, name, None)
        except NotFound:
            pass
        raise


def print_gateway(status: GatewayStatus, as_json: bool, **counts: int) -> int:
    """Tell of the gateway, as data or as a line, with what it serves."""
    from tui.hosting.facts import local_only

    if as_json:
        print_json({**asdict(status), **counts})
    elif status.state == "died":
        print(status.sentence)
    else:
        where = f"{status.state} on {status.url}" if status.runs else status.state
        if status.runs and not local_only(status):
            where += f", listening on {status.host}: other machines reach it"
        parts = (where, *(f"{what} {count}" for what, count in counts.items()), status.sentence)
        print("; ".join(filter(None, parts)))
    return 0
