"""`python -m core.ml.training.tokenising DATASET_FOLDER MODEL_FOLDER`: make a dataset's tokens in a process of its own.

Standard input is only watched; it answers in the way of `core.jobs.child`. The result has the counts of
`core.ml.training.corpus.Facts`, and `made`, `folder`, `megabytes_per_second` and `tokens_per_byte` beside them.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from core.errors import OutOfMemory
from core.jobs.child import Reporter, answer, be_humble, leave


def main(arguments: list[str]) -> int:
    """Tokenise; exit code 0 with a result, 2 with an error."""
    be_humble()
    dataset, model = Path(arguments[0]), Path(arguments[1])

    def work(report: Reporter) -> dict[str, object]:
        from core.ml.training.corpus import open_corpus

        corpus = open_corpus(dataset, model, report)
        facts = corpus.facts
        size = facts.train_bytes + facts.held_bytes
        return {
            **asdict(facts),
            "folder": str(corpus.folder),
            "made": corpus.made,
            "megabytes_per_second": corpus.megabytes_per_second,
            "tokens_per_byte": (facts.train_tokens + facts.held_tokens) / max(1, size),
        }

    return answer(
        work, OutOfMemory("the texts cannot be tokenised", "not enough memory", "Close other programs and try again")
    )


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
