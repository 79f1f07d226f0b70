"""`python -m core.ml.checkpoints FILE STAGING`: convert a foreign file in a process of its own.

Standard input is only watched; it answers in the way of `core.jobs.child`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.errors import OutOfMemory, Refused
from core.jobs.child import Reporter, answer, be_humble, leave
from core.ml.checkpoints.problems import Unreadable


def main(arguments: list[str]) -> int:
    """Convert; exit code 0 with a result, 2 with an error."""
    be_humble()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    source, staging = Path(arguments[0]), Path(arguments[1])

    def work(report: Reporter) -> dict[str, object]:
        from core.ml.checkpoints.convert import convert

        try:
            return convert(source, staging, report).to_json()
        except Unreadable as error:
            raise Refused(f"cannot import {source.name or source}", error.why, error.do) from None

    advice = "Close other programs, or import it on a larger machine"
    return answer(work, OutOfMemory(f"cannot import {source.name}", "not enough memory", advice))


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
