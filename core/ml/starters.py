"""Makes the starter models again: `python -m core.ml.starters [portraits|gpt2-python] [--out FOLDER]`.

Both are trained from nothing on material that is on the machine: the Noto Color Emoji font and Python's own standard
library. What is broken off goes on from its last checkpoint when started again.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

import core.library
from core.errors import TarmacError
from core.ml.training.image.portraits import make_portraits
from core.ml.training.text.starter import make_gpt2_python
from core.paths import cache_dir

MAKERS: dict[str, Callable[..., Path]] = {"portraits": make_portraits, "gpt2-python": make_gpt2_python}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the named starters, or all. Returns the exit code: 0, or 2 with one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m core.ml.starters", description="Train the starter models.")
    parser.add_argument("names", nargs="*", metavar="STARTER", help=f"any of {', '.join(MAKERS)}; all by default")
    default = Path(core.library.__file__).parent / "starters"
    parser.add_argument("--out", type=Path, default=default, help="where the model folders go (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="where checkpoints and journals go (default: the cache folder)")
    parser.add_argument("--threads", type=int, default=1, help="processor cores to use")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in MAKERS]
    if unknown:
        print(f"no starter is called {unknown[0]!r}. Choose from {', '.join(MAKERS)}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(chosen.threads)
    work = chosen.work or cache_dir() / "starters"
    for name in chosen.names or MAKERS:
        try:
            print(MAKERS[name](chosen.out / name, work=work / name))
        except TarmacError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
