"""The whole experiment with texts, on tiny networks: what it tells, keeps, resumes, scores, guards and makes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.library.manifest import Manifest
from core.ml.generation.loading import load_engine
from core.ml.training.outcome import Outcome
from core.ml.training.text_run import train_text
from core.runs.events import Checkpoint, Metrics, Sample, Score, Started, Stopping
from core.runs.plan import RunPlan
from core.runs.text_samples import read_samples
from tests.core.ml.training.recording import Remembered
from tests.core.ml.training.text_datasets import write_texts

OPTIONS: dict[str, object] = {
    "batch": 4,
    "context": 16,
    "layers": 1,
    "width": 16,
    "heads": 2,
    "vocabulary": 300,
    "precision": "float32",
    "threads": 1,
    "rate": 1e-2,
    "warmup": 2,
    "sample_tokens": 4,
    "held_tokens": 200,
}
PLAN = RunPlan("Writer", "text", "lines", steps=6, options=OPTIONS, sample_every=2, save_every=2, score_every=3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [
        f"The {word} of number {n} is {n * n}, and it was {n} times red.\n" for n in range(40) for word in ("ox", "hen")
    ]
    return write_texts(tmp_path_factory.mktemp("data") / "lines", texts, held=range(0, 80, 9))


@pytest.fixture(scope="module")
def base(lines: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that was made from nothing."""
    folder = tmp_path_factory.mktemp("base")
    assert run(Remembered(folder / "run", 2), lines, replace(PLAN, steps=2), model=folder / "model").state == "finished"
    return folder / "model"


def run(recorder: Remembered, dataset: Path, plan: RunPlan = PLAN, **more: Any) -> Outcome:
    return train_text(plan, recorder, dataset=dataset, **({"device": "cpu", "tell_seconds": 0.0} | more))


def stop_after(steps: int) -> Any:
    return lambda asked: "stop" if asked > steps else "run"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.stem}/{name}": value for path in folder.glob("*.safetensors") for name, value in load_file(path).items()
    }


def assert_same(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def test_a_run_from_nothing_tells_what_it_does_and_makes_a_model(lines: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    recorder = Remembered(tmp_path, 6)
    outcome = run(recorder, lines, model=tmp_path / "model")
    assert outcome == Outcome("finished", 6, model=tmp_path / "model")
    (started,) = recorder.told(Started)
    assert (started.chosen["context"], started.chosen["stride"], started.chosen["rate"]) == (16, 8, 1e-2)
    metrics = recorder.told(Metrics)
    assert [each.step for each in metrics] == [1, 2, 3, 4, 5, 6]
    assert all(each.values.keys() == {"loss", "rate", "gradient"} for each in metrics)
    assert metrics[-1].values["loss"] < metrics[0].values["loss"]
    assert metrics[-1].per_second > 0
    assert [each.step for each in recorder.told(Sample)] == [0, 2, 4, 6]
    first = recorder.told(Sample)[0]
    samples = read_samples(recorder.samples / first.file)
    assert (first.columns, first.rows, len(samples)) == (1, 3, 3)
    assert all(each.prompt.startswith("The ") and each.text for each in samples)
    scores = recorder.told(Score)
    assert [each.step for each in scores if each.metric == "perplexity"] == [0, 3, 6]
    assert scores[0].value == pytest.approx(math.exp(float(str(scores[0].about["loss"]))))
    assert 200 < scores[0].value < 450
    assert scores[-1].value < scores[0].value
    assert [each.step for each in recorder.told(Checkpoint)] == [0, 2, 3, 4, 6]
    assert [step for step, _ in recorder.checkpoints()] == [3, 4, 6]
    manifest = Manifest.read(tmp_path / "model")
    assert (manifest.kind, manifest.adapter, manifest.recipe["steps"]) == ("text", "causal-lm", 6)
    assert float(str(manifest.scores["perplexity"])) < float(str(manifest.scores["perplexity_before"]))
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"model.safetensors", "config.json", "generation_config.json", "model.toml"} | {
        "tokenizer.json",
        "tokenizer_config.json",
    }
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True)
    ids = AutoTokenizer.from_pretrained(tmp_path / "model", local_files_only=True)("The ox", return_tensors="pt")
    engine, tokens = load_engine(tmp_path / "model")
    assert tokens.encode("The ox") == ids["input_ids"][0].tolist()
    expected = model(ids["input_ids"]).logits[0, -1].detach()
    torch.testing.assert_close(engine.read(tokens.encode("The ox"), engine.start()), expected, rtol=1e-4, atol=1e-4)


CASES: dict[str, dict[str, object]] = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
    "parts": {"accumulate": 2},
    "dropout": {"dropout": 0.2},
    "checkpointing": {"checkpointing": True, "dropout": 0.2},
    "muon": {"optimizer": "muon"},
    "lora": {"method": "lora", "dropout": 0.1, "lora_rank": 2},
}


@pytest.mark.parametrize("case", CASES)
def test_stopped_and_resumed_is_the_same_to_the_bit(lines: Path, base: Path, tmp_path: Path, case: str) -> None:
    plan = replace(PLAN, options=OPTIONS | CASES[case])
    start = None if case == "muon" else base
    whole = Remembered(tmp_path / "whole", 6)
    assert run(whole, lines, plan, base=start).state == "finished"
    broken = Remembered(tmp_path / "broken", 6, stop_after(3))
    assert run(broken, lines, plan, base=start) == Outcome("stopped", 3)
    assert broken.told(Stopping) == [Stopping(3)]
    again = Remembered(tmp_path / "broken", 6)
    # The base may be gone by then.
    assert run(again, lines, replace(plan, base="gone" if start else "")).state == "finished"
    assert again.told(Started)[0].step == 3
    told = [each.values for each in whole.told(Metrics)]
    assert [each.values for each in broken.told(Metrics) + again.told(Metrics)] == told
    scores = [(each.step, each.value) for each in whole.told(Score)]
    assert [(each.step, each.value) for each in broken.told(Score) + again.told(Score)] == scores
    texts = [read_samples(recorder.samples / "step-0000006.json") for recorder in (whole, again)]
    assert texts[0] == texts[1]
    assert_same(whole.checkpoints()[-1][1], again.checkpoints()[-1][1])


def test_killed_between_checkpoints_goes_on_from_the_last(lines: Path, tmp_path: Path) -> None:
    whole = Remembered(tmp_path / "whole", 6)
    run(whole, lines)

    def killed(asked: int) -> str:
        if asked > 5:
            raise KeyboardInterrupt
        return "run"

    plan = replace(PLAN, score_every=6)
    with pytest.raises(KeyboardInterrupt):
        run(Remembered(tmp_path / "killed", 6, killed), lines, plan)
    again = Remembered(tmp_path / "killed", 6)
    run(again, lines, plan)
    assert again.told(Started)[0].step == 4
    assert_same(whole.checkpoints()[-1][1], again.checkpoints()[-1][1])
