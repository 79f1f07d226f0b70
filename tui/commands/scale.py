"""`tarmac deployments scale`: more processes for one deployment, here or on a cluster, behind one address."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tui.commands.common import harmless, json_flag, print_json, run_async, table

if TYPE_CHECKING:
    from core.hosting.spread.scaling import Scaled


def add(verbs: Any) -> None:
    """Declare the arguments, as a verb of `tarmac deployments`."""
    parser = verbs.add_parser("scale", help="serve it with more processes, here or on a cluster, behind one address")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--processes", type=int, metavar="N", help="how many; 0 ends them; without it: how it stands")
    parser.add_argument("--launcher", choices=("local", "slurm"), default="local", help="where new ones run")
    parser.add_argument("--queue", default="", metavar="PARTITION", help="the cluster's partition")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs of each (cluster)")
    parser.add_argument("--hours", type=float, default=0.0, metavar="H", help="time limit of each (cluster)")
    parser.add_argument("--address", default="", help="where it answers (default: 127.0.0.1, or where it did)")
    parser.add_argument("--port", type=int, default=0, help="its port (default: a free one, then always the same)")
    parser.add_argument(
        "--cert",
        "--certificate",
        metavar="FILE",
        dest="certificate",
        help="PEM; then https (default: the one it had, at first the gateway's; '' for none)",
    )
    parser.add_argument("--key", default="", metavar="FILE", help="PEM, where the certificate's file does not hold it")
    json_flag(parser)
    parser.set_defaults(run=_scale)


def _scale(options: argparse.Namespace) -> int:
    from core.hosting.spread import scaling
    from core.runs.plan import Resources

    if options.processes is None:
        found = scaling.scaled(options.name)
    else:
        need = Resources(options.launcher, 1, gpus=options.gpus, hours=options.hours, queue=options.queue)
        found = run_async(
            scaling.scale(
                options.name,
                options.processes,
                resources=need,
                address=options.address,
                port=options.port,
                certificate=options.certificate,
                key=options.key,
            )
        )
    if options.json:
        print_json(asdict(found))
    else:
        print(_text(found))
    return 0


def _text(found: Scaled) -> str:
    if not found.replicas:
        return f"{found.name} is served by the gateway alone"
    rows = [
        (
            each.run,
            each.state,
            each.launcher,
            f"{each.endpoint.address}:{each.endpoint.port}" if each.endpoint is not None else "",
            harmless(each.sentence),
        )
        for each in found.replicas
    ]
    return "\n".join([found.url or "no front runs", "", table([("RUN", "STATE", "LAUNCHER", "LISTENS", ""), *rows])])
