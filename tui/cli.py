"""`tarmac`: without a subcommand the studio, with one the same work without a screen.

stdout is data, stderr is talk. Nothing heavy is imported here: a command loads what it needs when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from core.errors import InvalidInput, NotFound, Refused, TarmacError

DONE, NOT_DONE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

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
        self.exit(BAD_INPUT, f"{self.prog}: {_printable(message)}. See `{self.prog} --help`\n")


def build_parser() -> Parser:
    """The parser of the whole command line."""
    from tui.commands import complete, doctor, explore, models, run

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
    for module in (models, explore, complete, run, doctor):
        module.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    _tolerate_odd_encodings()
    try:
        options = build_parser().parse_args(arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else NOT_DONE
    try:
        if options.version:
            return _version()
        code: int = options.run(options) if hasattr(options, "run") else _studio(options.images)
        sys.stdout.flush()
        return code
    except TarmacError as error:
        _complain(str(error))
        return BAD_INPUT if isinstance(error, InvalidInput | NotFound | Refused) else NOT_DONE
    except BrokenPipeError:
        # The reader has seen enough. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # stdout's disk is full, say
        _complain(f"cannot go on: {error}")
        return NOT_DONE
    except MemoryError:
        _complain("there is not enough memory")
        return NOT_DONE


def _version() -> int:
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(f"tarmac {version('tarmac')}")
    except PackageNotFoundError:
        print("tarmac, not installed")
    return DONE


def _studio(images: str | None) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput("the studio needs a terminal", "input or output is a pipe", "See `tarmac --help`")
    from core import config
    from tui.app import run

    settings = config.load().settings
    if settings.threads:
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)  # read by the workers that the studio starts
    if images is None and settings.images != "auto":
        images = settings.images
    return run(images, mouse=settings.mouse)


def _complain(line: str) -> None:
    # Perhaps nobody is there to read it; the exit code still tells.
    with contextlib.suppress(BrokenPipeError, ValueError):
        print(f"tarmac: {_printable(line)}", file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _tolerate_odd_encodings() -> None:
    """A terminal that cannot show an arrow shows a question mark; nothing ends for it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
