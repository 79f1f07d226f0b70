"""What can be said on the command line of `tarmac`: options, commands, and how a wrong word is refused."""

from __future__ import annotations

import argparse
from typing import NoReturn

from tui.exits import BAD_INPUT, printable

_EPILOG = """\
exit codes:
  0    done
  1    not done: the model died, memory or disk ran out
  2    bad input or a refused file; one line on stderr says what, why and what to do
  130  interrupted with ctrl+c

stdout is data, stderr is talk. Every command has --help and --json.
TARMAC_HOME moves settings, models and cache to one folder; any setting can be given as TARMAC_NAME.
"""

_IMAGES = ("auto", "kitty", "sixel", "iterm2", "blocks", "off")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other refusal."""

    def error(self, message: str) -> NoReturn:
        """Leave with code 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {printable(message)}. See `{self.prog} --help`\n")


def build_parser() -> Parser:
    """The parser of the whole command line."""
    from tui.commands import complete, datasets, deployments, doctor, explore, gateway, host, models, run, runs, train
    from tui.commands import open as opening

    parser = Parser(
        prog="tarmac",
        description="A creative machine-learning studio in the terminal. Without a command it opens the studio.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parser.add_argument(
        "--images",
        choices=_IMAGES,
        help="how the studio draws pictures (default: the setting, which asks the terminal)",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for module in (models, datasets, explore, opening, complete, run, train, runs, host, deployments, gateway, doctor):
        module.add(commands)
    return parser
