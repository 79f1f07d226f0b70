"""The adapter that workers run: what it answers, how it stops, what it says when there is no memory."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
import torch

from core.errors import OutOfMemory, Refused
from core.ml.adapters import load
from core.ml.adapters.causal_lm import CausalLM
from core.workers.adapter import Answer, Request
from tests.core.ml.text_models import CONTEXT, write_gpt2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_gpt2(tmp_path / "m")


def _adapter(folder: Path, **options: object) -> CausalLM:
    adapter = load("causal-lm", folder, options, "cpu")
    assert isinstance(adapter, CausalLM)
    return adapter


def _inputs(adapter: CausalLM, **values: object) -> dict[str, object]:
    return adapter.interface.commands["complete"].check_inputs({"prompt": "def ", **values})


def _run(adapter: CausalLM, **values: object) -> list[Answer]:
    return list(adapter.run("complete", [Request(_inputs(adapter, **values), lambda: False)]))


def test_answers_stream_and_the_last_one_is_whole(folder: Path) -> None:
    adapter = _adapter(folder)
    command = adapter.interface.commands["complete"]
    answers = _run(adapter, max_tokens=10, seed=3)
    texts = [str(answer.outputs["completion"]) for answer in answers]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert [answer.final for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert all(command.check_outputs(answer.outputs, partial=not answer.final) for answer in answers)
    assert answers[-1].outputs["finish_reason"] in {"length", "stop"}
    assert answers[-1].outputs["tokens_per_second"] > 0  # type: ignore[operator]
    assert answers[-1].progress == 1


def test_cancelling_ends_between_two_tokens(folder: Path) -> None:
    adapter = _adapter(folder)
    seen: list[Answer] = []
    request = Request(_inputs(adapter, max_tokens=CONTEXT), lambda: len(seen) >= 2)
    for answer in adapter.run("complete", [request]):
        seen.append(answer)
    assert seen[-1].final
    assert seen[-1].outputs["finish_reason"] == "cancelled"
    assert seen[-1].outputs["tokens"] == 2


def test_it_tells_what_was_loaded(folder: Path) -> None:
    info = _adapter(folder).info
    assert info["device"] == "cpu"
    assert info["dtype"] == "float32"
    assert info["architecture"] == "gpt2"
    assert info["native"] == {"context": CONTEXT, "vocabulary": 300}


def test_no_memory_is_told_and_the_next_request_works(folder: Path) -> None:
    adapter = _adapter(folder)
    failing = RuntimeError("[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: can't allocate memory")
    with mock.patch.object(type(adapter._engine), "start", side_effect=failing), pytest.raises(OutOfMemory):
        _run(adapter)
    assert _run(adapter, max_tokens=2)[-1].final


def test_no_memory_while_loading_is_told(folder: Path) -> None:
    failing = torch.OutOfMemoryError("CUDA out of memory")
    with mock.patch("core.ml.adapters.causal_lm.load_engine", side_effect=failing), pytest.raises(OutOfMemory):
        _adapter(folder)


def test_an_unknown_option_is_refused(folder: Path) -> None:
    with pytest.raises(Refused, match="no option 'beams'"):
        _adapter(folder, beams=4)


def test_a_gpt2_loads_without_importing_transformers(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from core.ml.adapters import load;"
        f"a = load('causal-lm', Path({str(folder)!r}), {{}}, 'cpu'); print(a.info['architecture']);"
        "assert 'transformers' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "gpt2"), result.stderr


def test_several_requests_run_as_one_batch_and_each_as_if_alone(folder: Path) -> None:
    adapter = _adapter(folder)
    command = adapter.interface.commands["complete"]
    assert command.batchable
    assert adapter.max_batch("complete") > 1
    asked = [_inputs(adapter, max_tokens=6 + seed, seed=seed, stop=["zzz"], logprobs=1) for seed in range(3)]
    answers = list(adapter.run("complete", [Request(inputs, lambda: False) for inputs in asked]))
    assert [answer.index for answer in answers[:6]] == [0, 1, 2, 0, 1, 2]
    for index, inputs in enumerate(asked):
        (last,) = [answer for answer in answers if answer.index == index and answer.final]
        alone = list(adapter.run("complete", [Request(inputs, lambda: False)]))[-1]
        same = {name: value for name, value in last.outputs.items() if name != "tokens_per_second"}
        assert same == {name: alone.outputs[name] for name in same}
        assert command.check_outputs(last.outputs)


def test_a_text_is_scored(folder: Path) -> None:
    adapter = _adapter(folder)
    command = adapter.interface.commands["score"]
    inputs = command.check_inputs({"text": "def add(a, b):", "top": 2})
    (answer,) = adapter.run("score", [Request(inputs, lambda: False)])
    outputs = command.check_outputs(answer.outputs)
    tokens = outputs["logprobs"]
    assert isinstance(tokens, list)
    assert outputs["dropped"] == 0
    assert tokens[0]["logprob"] is None
    assert all(token["logprob"] < 0 and len(token["top"]) == 2 for token in tokens[1:])
