"""A text model without a framework: it goes on from any prompt with the same lines, one word at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.library.interfaces import text_interface
from core.workers.adapter import Answer, Request

_LINES = ("    with open(path) as file:\n", "        for line in file:\n", '            yield line.rstrip("\\n")\n')
WORDS = "".join(_LINES).split(" ")


class Writer:
    """Options: gate (a file: the load waits until it is there), hold (a file: the third word waits for it)."""

    interface = text_interface(256)

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        self.info: dict[str, object] = {"device": "cpu"}
        self._hold = options.get("hold")
        gate = options.get("gate")
        while gate is not None and not Path(str(gate)).exists():
            time.sleep(0.005)

    def max_batch(self, command: str) -> int:
        """One at a time."""
        return 1

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Words until `max_tokens`, in an order that the seed decides."""
        (request,) = requests
        most = int(str(request.inputs["max_tokens"]))
        seed = int(str(request.inputs["seed"]))
        text = ""
        for index in range(most):
            if request.cancelled():
                return
            while index == 2 and self._hold and not Path(str(self._hold)).exists() and not request.cancelled():
                time.sleep(0.005)
            text += WORDS[(index + seed) % len(WORDS)] + " "
            done = {"tokens": index + 1, "tokens_per_second": 41.0}
            yield Answer(0, {"completion": text, **done}, (index + 1) / most, final=False)
        final = {"completion": text, "finish_reason": "length", "tokens": most, "tokens_per_second": 41.0}
        yield Answer(0, final, 1.0)
