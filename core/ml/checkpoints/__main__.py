"""`python -m core.ml.checkpoints FILE STAGING`: convert a foreign file in a process of its own.

Standard input is only watched: the process leaves when it closes. Standard output carries JSON lines:
{"progress": text, "share": number or null} any number of times, then either {"result": ...} or {"error": ...} (the
error's JSON form). Whatever else is printed goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from core.errors import OutOfMemory, Refused, TarmacError
from core.ml.checkpoints.problems import Unreadable


def main(arguments: list[str]) -> int:
    """Convert; exit code 0 with a result, 2 with an error."""
    _be_humble()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # what libraries print must not get between the lines
        source, staging = Path(arguments[0]), Path(arguments[1])
        try:
            from core.ml.checkpoints.convert import convert

            result = convert(source, staging, _Reporter(out))
            _say(out, {"result": result.to_json()})
        except Unreadable as error:
            _say(out, {"error": Refused(f"cannot import {source.name or source}", error.why, error.do).to_json()})
        except TarmacError as error:
            _say(out, {"error": error.to_json()})
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):
                raise
            advice = "Close other programs, or import it on a larger machine"
            _say(out, {"error": OutOfMemory(f"cannot import {source.name}", "not enough memory", advice).to_json()})
        else:
            return 0
    return 2


def _be_humble() -> None:
    """End with the parent, give way to the screen, and be the first to go when memory runs out."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(5)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _end_with_parent() -> None:
    """Standard input is a pipe that the parent holds and never writes to: its end is the parent's end."""
    while os.read(0, 4096):
        pass
    os._exit(3)


class _Reporter:
    """Progress lines, at most ten a second for the same text."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._text, self._time = "", 0.0

    def __call__(self, text: str, share: float | None) -> None:
        now = time.monotonic()
        if text == self._text and now - self._time < 0.1:
            return
        self._text, self._time = text, now
        _say(self._out, {"progress": text, "share": share})


def _say(out: TextIO, message: dict[str, object]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # nothing is left to do, and taking down a large heap of foreign objects is slow
