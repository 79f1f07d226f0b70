"""A text model without a framework: it goes on from any prompt with the same lines, one word at a time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.library.interfaces import text_interface
from core.workers.adapter import Answer, Request

_LINES = ("    with open(path) as file:\n", "        for line in file:\n", '            yield line.rstrip("\\n")\n')
WORDS = "".join(_LINES).split(" ")


class Writer:
    """It also tells probabilities, a token a word: a half, of the third word 2 %, of the fourth 0.1 %.

    Options: gate (a file: the load waits until it is there), hold (a file: the third word waits for it)."""

    interface = text_interface(256)

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        self.info: dict[str, object] = {"device": "cpu"}
        self._hold = options.get("hold")
        gate = options.get("gate")
        while gate is not None and not Path(str(gate)).exists():
            time.sleep(0.005)

    def max_batch(self, command: str) -> int:
        """Sixteen texts side by side."""
        return 16 if command == "complete" else 1

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Words until `max_tokens`, in an order that the seed decides; or the probabilities of a text."""
        if command == "score":
            yield Answer(0, {"logprobs": _scores(str(requests[0].inputs["text"])), "dropped": 0}, 1.0)
            return
        texts = ["" for _ in requests]
        most = [int(str(request.inputs["max_tokens"])) for request in requests]
        for index in range(max(most)):
            going = [place for place, request in enumerate(requests) if not request.cancelled() and index < most[place]]
            while index == 2 and self._hold and not Path(str(self._hold)).exists() and going:
                time.sleep(0.005)
                going = [place for place in going if not requests[place].cancelled()]
            if not going:
                return
            for place in going:
                seed = int(str(requests[place].inputs["seed"]))
                texts[place] += WORDS[(index + seed) % len(WORDS)] + " "
                done = {"completion": texts[place], "tokens": index + 1, "tokens_per_second": 41.0}
                done |= {"prompt_tokens": 3, "dropped": 7 if len(str(requests[place].inputs["prompt"])) > 500 else 0}
                last = index + 1 == most[place]
                if last:
                    done |= {"finish_reason": "length", "logprobs": []}
                known = self.interface.commands[command].outputs
                told = {name: value for name, value in done.items() if name in known}
                yield Answer(place, told, (index + 1) / most[place], last)


def _scores(text: str) -> list[dict[str, object]]:
    shares = [None, 0.5, 0.02, 0.001]
    scores: list[dict[str, object]] = []
    for place, found in enumerate(re.finditer(r"\s*\S+|\s+$", text)):
        share = shares[place] if place < len(shares) else 0.5
        logprob = None if share is None else math.log(share)
        top = [[" other", math.log(0.4)], [found[0], logprob]]
        scores.append({"text": found[0], "start": found.start(), "logprob": logprob, "top": top if share else []})
    return scores
