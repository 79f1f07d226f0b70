"""The adapter that workers run: what it answers, how it stops, what it says when there is no memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from core.errors import OutOfMemory, Refused
from core.hosting.openai.request import read_request
from core.ml.adapters import load
from core.ml.adapters.causal_lm import CausalLM
from core.ml.generation.attention import Cache
from core.ml.generation.gpt2 import GPT2
from core.ml.generation.precision import int8_engine
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


@pytest.mark.parametrize("late", [0, 2])
def test_the_texts_of_one_request_read_its_prompt_once(
    folder: Path, late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = _adapter(folder, precision="int8" if int8_engine() else "float32")
    read: list[int] = []
    before = GPT2._read

    def counting(engine: GPT2, rows: Sequence[Sequence[int]], caches: Sequence[Cache]) -> Tensor:
        read.append(sum(map(len, rows)))
        return before(engine, rows, caches)

    monkeypatch.setattr(GPT2, "_read", counting)
    asked = read_request({"prompt": "def add(a, b):", "n": 3, "seed": 5, "max_tokens": 9, "temperature": 1, "top_p": 1})
    command = adapter.interface.commands["write"]
    wanted = [Request(command.check_inputs(asked.inputs(asked.prompts[0], n)), lambda: False) for n in range(asked.n)]

    def written(requests: Sequence[Request]) -> list[dict[str, object]]:
        """The whole texts of requests of which all but the first join `late` steps after it."""
        flow, whole = adapter.flow("write"), dict[int, dict[str, object]]()
        assert flow is not None
        numbers: list[int] = []
        for place, request in enumerate(requests):
            if place == 1:
                for _ in range(late):
                    flow.step()
            numbers.append(flow.join("write", request))
        while len(whole) < len(numbers):
            for answer in flow.step():
                assert isinstance(answer, Answer)
                if answer.final:
                    whole[answer.index] = answer.outputs
        return [whole[number] for number in numbers]

    together = written(wanted)
    size = together[0]["prompt_tokens"]
    tokens = sum(int(str(each["tokens"])) for each in together)
    # All that is written is read but for the last token of each, or the mark that ended it.
    ends = sum(each["finish_reason"] == "length" for each in together)
    assert sum(read) == size + tokens - ends
    assert together == [text for request in wanted for text in written([request])]
    assert len({str(each["completion"]) for each in together}) > 1
