"""`python -m core.ml.metrics MODEL_FOLDER DATASET_FOLDER`: score an image model in a process of its own.

`python -m core.ml.metrics perplexity MODEL_FOLDER TEXT_FILE` scores a text model (`core.ml.metrics.text_scores`).

With --json it answers in the way of `core.jobs.child`; the result of pictures is that of
`core.ml.metrics.image_scores.Scores.to_json`. Without it, one line for each score. Exit code 0 with a result, 2 with an
error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import OutOfMemory, TarmacError, out_of_memory
from core.jobs.child import answer, end_with_parent

Progress = Callable[[str, float], None]

_SHORT = OutOfMemory("the model cannot be scored", "not enough memory", "Close other models, or score it on the CPU")


def main(arguments: Sequence[str] | None = None) -> int:
    """Score; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    text = given[:1] == ["perplexity"]
    chosen = _text_arguments(given[1:]) if text else _image_arguments(given)
    score = _score_text if text else _score
    if chosen.watched:
        end_with_parent()
    if chosen.json:
        return answer(lambda report: score(chosen, report), _SHORT)
    try:
        told = score(chosen, lambda doing, share: None)
    except TarmacError as error:
        print(error, file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        print(_SHORT, file=sys.stderr)
        return 2
    if text:
        from core.ml.metrics.text_scores import sentence

        print(sentence(told))
    else:
        for name in ("frechet", "kernel"):
            found = told[name]
            assert isinstance(found, dict)
            print("{metric} {value:.4g} ({samples} samples, {reals} reals, {drawing}, {weights})".format(**found))
    return 0


def _image_arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m core.ml.metrics", description="Score an image model.")
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("dataset", type=Path, help="folder with images.npy")
    parser.add_argument("--samples", type=int, default=1000, help="pictures to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--truncation", type=float, default=1.0)
    parser.add_argument("--features", default="auto", help="auto, inception or discriminator (default: %(default)s)")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="Inception's weights; looked for if not given")
    parser.add_argument("--inception-sha256", metavar="HEX", help="what they must begin with, if not the published")
    parser.add_argument("--fetch", action="store_true", help="fetch Inception's weights if they are not here")
    _shared_arguments(parser)
    return parser.parse_args(given)


def _text_arguments(given: Sequence[str]) -> argparse.Namespace:
    from core.ml.metrics.text_scores import add_arguments

    parser = argparse.ArgumentParser(prog="python -m core.ml.metrics perplexity", description="Score a text model.")
    add_arguments(parser)
    _shared_arguments(parser)
    return parser.parse_args(given)


def _shared_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="JSON lines on standard output")
    parser.add_argument("--watched", action="store_true", help="end when standard input closes")


def _score_text(chosen: argparse.Namespace, progress: Progress) -> dict[str, object]:
    from core.ml.metrics.text_scores import score
    from core.ml.threads import size_thread_pools

    size_thread_pools()
    return score(chosen, progress)


def _score(chosen: argparse.Namespace, progress: Progress) -> dict[str, object]:
    from core.ml.hardware import choose_device
    from core.ml.metrics import inception_weights
    from core.ml.metrics.library_model import choose_features, score_model
    from core.ml.threads import size_thread_pools

    size_thread_pools()
    sha256 = chosen.inception_sha256 or inception_weights.SHA256
    if chosen.fetch and chosen.inception is None and chosen.features != "discriminator":
        try:
            inception_weights.find(sha256=sha256)
        except TarmacError:
            chosen.inception = inception_weights.fetch(sha256=sha256)
    features = choose_features(chosen.features, choose_device(chosen.device), inception=chosen.inception, sha256=sha256)
    return score_model(
        chosen.model,
        chosen.dataset,
        samples=chosen.samples,
        seed=chosen.seed,
        features=features,
        truncation=chosen.truncation,
        device=chosen.device,
        progress=progress,
    ).to_json()


if __name__ == "__main__":
    sys.exit(main())
