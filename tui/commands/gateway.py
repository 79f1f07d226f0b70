"""`tarmac gateway`: the one process that answers for all deployments, looked at, started and stopped."""

from __future__ import annotations

import argparse
import errno
import socket
from typing import Any

from core.errors import Refused
from tui.commands.common import json_flag, print_json
from tui.commands.host import listen, listening, print_gateway, settings


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser("gateway", help="look at, start and stop what answers for all deployments")
    verbs = parser.add_subparsers(metavar="status|start|stop|restart|unit|token", required=True)

    def verb(name: str, about: str, run: Any) -> argparse.ArgumentParser:
        found: argparse.ArgumentParser = verbs.add_parser(name, help=about)
        json_flag(found)
        found.set_defaults(run=run)
        return found

    verb("status", "whether it runs, and where it listens", _status)
    listening(verb("start", "start it, detached, with every deployment that is active", _start))
    verb("stop", "let running requests finish, then end it; deployments stay active", _stop)
    listening(verb("restart", "stop it and start it; the way to move it", _restart))
    verb(
        "unit",
        "print a systemd user unit: tarmac gateway unit > ~/.config/systemd/user/tarmac-gateway.service",
        _unit,
    )
    verb("token", "print a new token for /metrics and /readyz; the one before is void", _token)


def _status(options: argparse.Namespace) -> int:
    from tui.hosting.services import HostingServices

    hosting = HostingServices()
    found = hosting.look()
    deployments, awake = (len(found.deployments), found.awake) if found is not None else (0, 0)
    return print_gateway(hosting.gateway(), options.json, deployments=deployments, awake=awake)


def _start(options: argparse.Namespace) -> int:
    from tui.hosting.services import HostingServices

    hosting = HostingServices()
    listen(hosting, settings(options))
    return print_gateway(hosting.start_gateway(), options.json)


def _stop(options: argparse.Namespace) -> int:
    from tui.hosting.services import HostingServices

    return print_gateway(HostingServices().stop_gateway(), options.json)


def _restart(options: argparse.Namespace) -> int:
    from core.hosting.settings import GatewaySettings
    from tui.hosting.services import HostingServices

    hosting = HostingServices()
    changes = settings(options)
    if changes:  # before anything is stopped
        before = hosting.store.gateway_settings()
        wanted = GatewaySettings(**{**vars(before), **changes})
        wanted.tls()
        hosting.store.check_address(wanted)
        now = hosting.gateway()
        if now.runs and wanted.port and (wanted.host, wanted.port) != (now.host, now.port):
            _check_free(wanted.host, wanted.port, now.port)
    hosting.stop_gateway()
    listen(hosting, changes)
    return print_gateway(hosting.start_gateway(), options.json)


def _check_free(host: str, port: int, before: int) -> None:
    """Whether the gateway could listen there, as far as that can be known while it still runs at port `before`.

    Raises:
        Refused: Another program has the port, or the address is not of this machine.
    """
    if port == before:
        return  # its own socket is in the way of this question
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            why = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            what = f"the gateway cannot move to port {port} of {host}"
            raise Refused(what, why, f"Choose another; it goes on where it is, on port {before}") from None


def _unit(options: argparse.Namespace) -> int:
    from core.hosting.process import unit

    text = unit()
    if options.json:
        print_json({"unit": text})
    else:
        print(text, end="")
    return 0


def _token(options: argparse.Namespace) -> int:
    from tui.hosting.services import HostingServices

    token = HostingServices().store.gateway_token()
    if options.json:
        print_json({"token": token})
    else:
        print(token)
    return 0
