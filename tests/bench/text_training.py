"""CPU seconds that training a text model takes per thousand tokens, one thread: our loop, a plain loop, the HF Trainer.

Each of the three lives in a process of its own and takes a step when it is told to, by turns, so that a busy machine
hurts them alike; the seconds are those of the process (user and kernel), which waiting does not count in. The plain
loop is what one writes by hand: the model of transformers, autocast, cross-entropy of float32 logits, fused AdamW,
clipping. All start from the same random weights, with the same rate and no weight decay; ours and the plain loop read
the same tokens, and their losses are compared.

"best" is the fastest step of each; the ratio is the median over the rounds of the peer's step and ours beside it.

Usage: python -m tests.bench.text_training [--rounds 8] [--sizes small tiny] [--precisions bfloat16 float32]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

CONTEXT = 256
CASES = ("ours", "plain", "trainer")


@dataclass(frozen=True)
class Size:
    """A shape of GPT-2, and rows a step."""

    vocabulary: int
    positions: int
    width: int
    layers: int
    heads: int
    batch: int
    steps: int
    """That are timed together."""


SIZES = {"small": Size(50257, 1024, 768, 12, 12, 2, 1), "tiny": Size(2048, 512, 256, 4, 4, 8, 3)}


def child(case: str, size: Size, precision: str) -> None:
    """Take steps when a line comes; answer each with its CPU seconds, and the loss where it is known."""
    import numpy as np
    import torch
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(0)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = transformers.GPT2Config(
        vocab_size=size.vocabulary,
        n_positions=size.positions,
        n_embd=size.width,
        n_layer=size.layers,
        n_head=size.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = transformers.GPT2LMHeadModel(config)
    tokens = np.random.default_rng(0).integers(0, size.vocabulary, 400_000).astype(np.uint16)
    steps = {"ours": _ours, "plain": _plain, "trainer": _trainer}[case](model, tokens, size, precision)
    before, losses = 0.0, list[float]()
    for loss in steps:
        # The time between two steps of a generator is that of the step.
        if len(losses) < size.steps and before:
            losses.append(loss)
        if len(losses) == size.steps or not before:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            seconds = (time.process_time() - before) / size.steps if before else 0.0
            print(json.dumps({"seconds": seconds, "loss": losses[-1] if losses else loss, "peak": peak}), flush=True)
            if not sys.stdin.readline():
                os._exit(0)
            before, losses = time.process_time(), []


def _ours(model: Any, tokens: Any, size: Size, precision: str) -> Iterator[float]:
    from core.ml.allocation import keep_freed_memory
    from core.ml.training.text.loop import TextTraining
    from core.ml.training.text.network import prepare
    from core.runs.plan import TextOptions

    keep_freed_memory()
    prepare(model, TextOptions(), 0)
    training = TextTraining(model, tokens, _recipe(size, precision))
    while True:
        yield training.run()["loss"]


def _plain(model: Any, tokens: Any, size: Size, precision: str) -> Iterator[float]:
    import torch
    import torch.nn.functional as functional

    from core.ml.training.text.recipe import batch_at

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    step = 0
    while True:
        rows = batch_at(tokens, step, _recipe(size, precision))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(rows[:, :-1]).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        yield loss.item()


def _trainer(model: Any, tokens: Any, size: Size, precision: str) -> Iterator[float]:
    """The Trainer runs in a thread of its own, which takes a step when we do."""
    import threading

    import torch
    import transformers

    go, done = threading.Semaphore(0), threading.Semaphore(0)

    class Turns(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *arguments: Any, **more: Any) -> None:
            go.acquire()

        def on_step_end(self, *arguments: Any, **more: Any) -> None:
            done.release()

    class Rows(torch.utils.data.Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return len(tokens) // CONTEXT - 1

        def __getitem__(self, number: int) -> dict[str, Any]:
            ids = torch.from_numpy(tokens[number * CONTEXT : (number + 1) * CONTEXT].astype("int64"))
            return {"input_ids": ids, "labels": ids}

    with tempfile.TemporaryDirectory() as out:
        arguments = transformers.TrainingArguments(
            output_dir=out,
            per_device_train_batch_size=size.batch,
            max_steps=1_000_000,
            learning_rate=1e-4,
            bf16=precision == "bfloat16",
            use_cpu=True,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = transformers.Trainer(model=model, args=arguments, train_dataset=Rows(), callbacks=[Turns()])
        torch.set_num_threads(1)
        threading.Thread(target=trainer.train, daemon=True).start()
        while True:
            go.release()
            done.acquire()
            yield 0.0


def _recipe(size: Size, precision: str) -> Any:
    from core.ml.training.text.recipe import Recipe

    kind: Callable[..., Any] = Recipe
    numbers = {"steps": 1_000_000, "batch": size.batch, "context": CONTEXT, "rate": 1e-4, "warmup": 0, "decay": 0.0}
    return kind(**numbers, weight_decay=0.0, precision=precision)


def measure(name: str, precision: str, rounds: int) -> None:
    """Let all three take turns, and print the table."""
    size = SIZES[name]
    children = {case: _start(case, name, precision) for case in CASES}
    told: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    try:
        for case, each in children.items():
            _answer(case, each)  # the first step warms up
        for number in range(rounds):
            for case in CASES[number % 3 :] + CASES[: number % 3]:
                each = children[case]
                assert each.stdin is not None
                each.stdin.write("\n")
                each.stdin.flush()
                told[case].append(_answer(case, each))
    finally:
        for each in children.values():
            each.kill()
            each.wait()
    thousands = size.batch * CONTEXT / 1000
    apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(told["ours"], told["plain"], strict=True))
    for case in CASES:
        best = min(answer["seconds"] for answer in told[case]) / thousands
        ratios = [theirs["seconds"] / ours["seconds"] for theirs, ours in zip(told[case], told["ours"], strict=True)]
        peak = max(answer["peak"] for answer in told[case]) / 1e9
        row = f"{name:6} {precision:9} {case:8} {1000 / best:7.0f} tokens/s  {best:7.3f} CPU s/1000 tokens"
        print(f"{row}  {peak:4.1f} GB  ours is {statistics.median(ratios):.2f} times as fast", flush=True)
    print(f"{name:6} {precision:9} losses of ours and plain differ by {apart:.4f} at most", flush=True)


def _start(case: str, name: str, precision: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.text_training", "--child", case, name, precision]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def _answer(case: str, process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith('{"seconds"'):
            answer: dict[str, float] = json.loads(line)
            return answer
    raise SystemExit(f"{case} ended")


def main(arguments: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.text_training")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--precisions", nargs="+", choices=("bfloat16", "float32"), default=["bfloat16", "float32"])
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        case, name, precision = options.child
        child(case, SIZES[name], precision)
        return
    for name in options.sizes:
        for precision in options.precisions:
            measure(name, precision, options.rounds)


if __name__ == "__main__":
    main()
