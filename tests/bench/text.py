"""Text generation at the size of GPT-2 small, beside `transformers.generate` and the memory's speed, in one run.

One thread, batches of 1 and of 8, greedy, prompts of 32 tokens and 128 new ones, random weights (their values change no
speed). The engines take turns; each one's best round counts. CPU time is what a quiet machine would need.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from core.errors import TarmacError
from core.ml.generation.completion import Engine
from core.ml.generation.gpt2 import GPT2
from core.ml.generation.loading import load_engine
from core.ml.generation.sampling import Sampler, draw
from core.ml.hardware import fast_bfloat16
from core.ml.metrics.perplexity import perplexity

PROMPT, NEW = 32, 128
TARGETS = {1: {"float32": 1.0, "bfloat16": 1.4, "int8": 3.0}, 8: {"float32": 1.0, "bfloat16": 1.4, "int8": 3.0}}
"""By rows in a batch: how many times the tokens a second of `transformers.generate` in float32 at the same batch."""
STARTER = Path(__file__).parents[2] / "core" / "library" / "starters" / "gpt2-python"


@dataclass
class Timed:
    """Seconds: the best round by the clock, until the first token, and of the processor for each token after it."""

    wall: float = float("inf")
    first: float = float("inf")
    cpu: list[float] = field(default_factory=list)
    ids: tuple[int, ...] = ()

    def take(self, generate: Callable[[Callable[[], None]], Sequence[int]]) -> None:
        """Run once; `generate` calls its argument after every token."""
        stamps = [(time.perf_counter(), time.process_time())]
        self.ids = tuple(generate(lambda: stamps.append((time.perf_counter(), time.process_time()))))
        self.first = min(self.first, stamps[1][0] - stamps[0][0])
        self.wall = min(self.wall, stamps[-1][0] - stamps[0][0])
        self.cpu += [after[1] - before[1] for before, after in pairwise(stamps[1:])]

    @property
    def token(self) -> float:
        """Seconds of processor for one token: the tenth part that was least disturbed by others takes at most this."""
        return float(np.quantile(self.cpu, 0.1))


def main(arguments: Sequence[str]) -> None:
    """Print the table, then what each precision costs in perplexity on the starter."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--batches", type=int, nargs="+", default=list(TARGETS), choices=list(TARGETS))
    options = parser.parse_args(list(arguments))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _speed(options.rounds, options.batches)
        _quality()
    finally:
        torch.set_num_threads(before)


def _speed(rounds: int, batches: Sequence[int]) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    peer = GPT2LMHeadModel(GPT2Config()).eval()
    weights = {name: tensor.detach() for name, tensor in peer.state_dict().items()}
    prompts = torch.randint(50257, (max(batches), PROMPT)).tolist()
    engines: dict[str, Engine] = {}
    for precision in TARGETS[1]:
        with contextlib.suppress(TarmacError):
            engines[precision] = GPT2(peer.config.to_dict(), weights, precision, torch.device("cpu"))
    times = {batch: {"transformers": Timed(), **{name: Timed() for name in engines}} for batch in batches}
    bandwidth = 0.0
    for _ in range(rounds):
        bandwidth = max(bandwidth, _bandwidth())
        for batch in batches:
            rows = prompts[:batch]
            times[batch]["transformers"].take(lambda done, rows=rows: _peer(peer, rows, done))  # type: ignore[misc]
            for name, engine in engines.items():
                times[batch][name].take(lambda done, engine=engine, rows=rows: _ours(engine, rows, done))  # type: ignore[misc]
    print(f"memory bandwidth, reading, one thread: {bandwidth / 1e9:.1f} GB/s")
    print(f"bfloat16 in this CPU's hardware: {'yes' if fast_bfloat16(torch.device('cpu')) else 'no'}")
    for batch in batches:
        _table(batch, times[batch], engines, bandwidth)
    print("CPU: processor time, the least disturbed tenth of the steps; limit: share of the memory bandwidth by it.")


def _table(batch: int, times: dict[str, Timed], engines: dict[str, Engine], bandwidth: float) -> None:
    heads = ("tok/s", "CPU ms/step", "1st tok ms", "ratio", "CPU ratio", "target", "limit")
    print(f"\n{f'batch {batch}':22}" + "".join(f"{head:>12}" for head in heads))
    base = times["transformers"]
    size = engines["float32"].bytes_per_token
    for name, timed in times.items():
        read = engines[name].bytes_per_token if name in engines else size
        cells = (
            f"{batch * NEW / timed.wall:.1f}",
            f"{timed.token * 1e3:.1f}",
            f"{timed.first * 1e3:.0f}",
            f"{base.wall / timed.wall:.2f}x",
            f"{base.token / timed.token:.2f}x",
            f"{TARGETS[batch][name]:.1f}x" if name in engines else "",
            f"{read / timed.token / bandwidth:.0%}",
        )
        label = "transformers float32" if name not in engines else f"ours {name}"
        print(f"{label:22}" + "".join(f"{cell:>12}" for cell in cells))
    same = sum(a == b for a, b in zip(base.ids, times["float32"].ids))
    print(f"float32 writes the same tokens as transformers: {same} of {batch * NEW}")


def _quality() -> None:
    print(f"\n{'starter, held-out part':24}{'perplexity':>12}{'change':>10}")
    if not (STARTER / "model.safetensors").is_file():
        print("there is no starter")
        return
    ids, size = _python(STARTER)
    base = None
    for precision in TARGETS[1]:
        engine, _ = load_engine(STARTER, precision)
        score = perplexity(engine, ids, size, stride=engine.context // 2).perplexity
        base = base or score
        print(f"{precision:24}{score:12.4f}{score / base - 1:+10.3%}", flush=True)


def _python(folder: Path) -> tuple[list[int], int]:
    """The first 20,000 tokens of the standard library's held-out files."""
    from core.datasets.code import condense, is_held_out, standard_library

    _, tokens = load_engine(folder, "float32")
    text = "".join(condense(source.text) for source in standard_library() if is_held_out(source.name))
    ids = tokens.encode(text)[:20_000]
    return ids, len(tokens.decode(ids).encode())


class _Stamp:
    """A stopping criterion that stops nothing: transformers calls it after every token."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done

    def __call__(self, ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        self._done()
        return torch.zeros(len(ids), dtype=torch.bool)


@torch.inference_mode()
def _peer(model: torch.nn.Module, prompts: list[list[int]], done: Callable[[], None]) -> list[int]:
    from transformers import StoppingCriteriaList

    rows = torch.tensor(prompts)
    result: torch.Tensor = model.generate(  # type: ignore[operator]
        rows,
        do_sample=False,
        pad_token_id=50256,
        attention_mask=torch.ones_like(rows),
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        stopping_criteria=StoppingCriteriaList([_Stamp(done)]),
    )
    return [int(number) for number in result[:, PROMPT:].flatten()]


def _ours(engine: Engine, prompts: list[list[int]], done: Callable[[], None]) -> list[int]:
    """Rows with memories of their own, each with its sampler, as a worker has them when several people ask."""
    samplers, caches, unread = [Sampler(0, 1, 0) for _ in prompts], engine.places(len(prompts)), prompts
    seen: list[list[int]] = [[] for _ in prompts]
    written: list[list[int]] = [[] for _ in prompts]
    while len(written[0]) < NEW:
        logits = engine.read_rows(unread, caches)
        numbers = draw(samplers, logits, seen)
        assert not any(isinstance(number, TarmacError) for number in numbers)
        unread = [[number] for number in numbers if isinstance(number, int)]
        for ids, new in zip(written, unread):
            ids += new
        done()
    return [number for ids in written for number in ids]


def _bandwidth() -> float:
    """Bytes a second of reading 256 MB, the best of five."""
    block = np.ones(32 << 20)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        float(torch.from_numpy(block).sum())
        best = min(best, time.perf_counter() - started)
    return block.nbytes / best


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
