"""`tarmac doctor`: what was found about terminal, machine, disk and versions; what to paste into a bug report."""

from __future__ import annotations

import argparse
from typing import Any

from tui.commands.common import json_flag, print_json


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "doctor",
        help="what was found about terminal, GPU, disk and versions",
        description="Looks at terminal, machine, disk and installation. Exits 0 even where something is amiss; "
        "`problems` says what and what to do.",
    )
    json_flag(parser)
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from core import config
    from tui.diagnostics import as_text, examine, sections
    from tui.graphics import probe

    found = examine(probe(config.load().settings.images))
    if options.json:
        print_json(found)
    else:
        print(as_text(sections(found)), end="")
    return 0
