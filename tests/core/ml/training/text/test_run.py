"""The whole experiment with texts, on tiny networks: what it tells, keeps, resumes, scores, guards and makes."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.library.manifest import Manifest
from core.ml.generation.loading import load_engine
from core.ml.metrics.perplexity import perplexity
from core.ml.training.outcome import Outcome
from core.ml.training.text import experiment as text_experiment
from core.ml.training.text import loop as text
from core.ml.training.text import setup as text_setup
from core.ml.training.text.corpus import open_corpus
from core.ml.training.text.loop import TextTraining
from core.ml.training.text.run import train_text
from core.runs.events import Checkpoint, Metrics, Phase, Sample, Score, Started, Stopping, Warned
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


def test_a_damaged_checkpoint_makes_way_for_the_one_before(lines: Path, tmp_path: Path) -> None:
    whole = Remembered(tmp_path / "whole", 6)
    run(whole, lines)
    damages = {"training.pt": b"not it", "model.safetensors": b"", "config.json": b'{"model_t', "tokenizer.json": b"{"}
    for number, (file, content) in enumerate(damages.items()):
        folder = tmp_path / str(number)
        run(Remembered(folder, 4), lines, replace(PLAN, score_every=6))
        (folder / "checkpoints" / "4" / file).write_bytes(content)
        again = Remembered(folder, 6)
        assert run(again, lines, replace(PLAN, score_every=6)).state == "finished"
        (warned,) = again.told(Warned)
        assert (warned.code, warned.step, warned.do) == ("damaged", 4, "It goes on from step 2")
        assert_same(whole.checkpoints()[-1][1], again.checkpoints()[-1][1])


def test_a_lack_of_memory_is_no_damage(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(Remembered(tmp_path, 4), lines)
    kept = Remembered(tmp_path, 6).checkpoints()
    tried = list[int]()

    def restore(training: TextTraining, state: Any) -> None:
        tried.append(int(state["numbers"]["step"]))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(TextTraining, "restore", restore)
    again = Remembered(tmp_path, 6)
    outcome = run(again, lines)
    assert (outcome.state, outcome.what) == ("failed", "not enough memory for a batch of 4")
    assert (tried, again.told(Warned), again.checkpoints()) == ([4], [], kept)


def test_another_kind_of_training_is_refused_and_not_called_damage(lines: Path, base: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in OPTIONS.items() if name not in ("layers", "width", "heads", "vocabulary")}
    plan = replace(PLAN, base="base", options=kept | {"method": "lora"})
    run(Remembered(tmp_path / "lora", 2), lines, plan, base=base)
    run(Remembered(tmp_path / "new", 2), lines)
    for folder, changed, words in (
        ("lora", replace(plan, options=kept), ("method is full", "checkpoint 2 was trained with lora")),
        ("lora", replace(plan, options=plan.options | {"lora_rank": 4}), ("lora_rank is 4", "trained with 8")),
        ("new", replace(PLAN, options=OPTIONS | {"optimizer": "muon"}), ("optimizer is muon", "trained with adamw")),
    ):
        again = Remembered(tmp_path / folder, 4)
        outcome = run(again, lines, changed, base=base if folder == "lora" else None)
        assert (outcome.state, outcome.what, again.told(Warned)) == ("failed", words[0], [])
        assert words[1] in outcome.why


def test_numbers_that_are_none_are_gone_back_from(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, spoiled = TextTraining.run, list[int]()

    def spoil_once(training: TextTraining) -> dict[str, float]:
        told = real(training)
        if training.step == 5 and not spoiled:
            spoiled.append(5)
            with torch.no_grad():
                training.learned[0].fill_(math.nan)
            told["loss"] = math.nan
        return told

    monkeypatch.setattr(TextTraining, "run", spoil_once)
    recorder = Remembered(tmp_path, 6)
    assert run(recorder, lines).state == "finished"
    (warned,) = recorder.told(Warned)
    assert (warned.code, warned.step) == ("nan", 5)
    assert warned.do == "It goes on from step 4 with half the rate (0.005)"
    rates = {each.step: each.values["rate"] for each in recorder.told(Metrics)}
    assert rates[5] == pytest.approx(5e-3)
    assert all(each.isfinite().all() for _, folder in recorder.checkpoints() for each in weights(folder).values())


def test_a_rate_out_of_reason_is_given_up(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(PLAN, steps=40, save_every=40, score_every=40, options=OPTIONS | {"rate": 1.0})
    # No plan may have a rate that breaks a training this surely.
    monkeypatch.setattr(text, "rate_at", lambda step, recipe: 1e30)
    outcome = run(Remembered(tmp_path, 40), lines, plan)
    assert (outcome.state, outcome.what, outcome.do) == ("failed", "the training is not stable", "Lower the rate")
    assert outcome.offer["rate"] == pytest.approx(1 / 16)


def test_out_of_memory_is_met_with_less(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TextTraining.run

    def run_if_small(training: TextTraining) -> dict[str, float]:
        if training.recipe.batch // training.recipe.accumulate > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(training)

    monkeypatch.setattr(TextTraining, "run", run_if_small)
    # A batch that was asked for stays what it is, computed in parts.
    outcome = run(Remembered(tmp_path / "asked", 2), lines)
    assert (outcome.state, outcome.what) == ("failed", "not enough memory for a batch of 4")
    assert outcome.why == "2.1 GB more could not be had"
    assert outcome.offer == {"accumulate": 2}
    parts = replace(PLAN, options=OPTIONS | outcome.offer)
    assert run(Remembered(tmp_path / "parts", 2), lines, parts).state == "finished"
    # One that was left open is chosen again, and stays so when the run goes on.
    plan = replace(PLAN, steps=2, options={key: value for key, value in OPTIONS.items() if key != "batch"})
    recorder = Remembered(tmp_path / "open", 2)
    assert run(recorder, lines, plan).state == "finished"
    assert [each.offer["batch"] for each in recorder.told(Warned)] == [64, 32, 16, 8, 4, 2]
    again = Remembered(tmp_path / "open", 4)
    assert run(again, lines, plan).state == "finished"
    assert (again.told(Started)[0].chosen["batch"], again.told(Warned)) == (2, [])


def test_the_best_checkpoint_becomes_the_model_and_learning_by_heart_is_told(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A handful of sentences, and held-out ones that share nothing with them.
    texts = ["The quick brown fox jumps over the lazy dog, again and again.\n" * 8] * 4
    dataset = write_texts(tmp_path / "few", [*texts, "A lazy fox thinks; it does not jump over dogs.\n" * 20], held=[4])
    corpus = open_corpus(dataset, base)

    def recited(model: Any, begin: int, options: Any, shape: tuple[int, int], seed: int) -> list[list[int]]:
        return [corpus.train[:100].tolist(), [1, 2] * 50]

    monkeypatch.setattr(text_experiment.text_live, "written", recited)
    options = OPTIONS | {"width": 32, "rate": 0.01, "batch": 4, "decay": 0.0, "held_tokens": 500}
    plan = replace(PLAN, steps=80, options=options, sample_every=80, save_every=40, score_every=5, keep=0)
    recorder = Remembered(tmp_path / "run", 80)
    assert run(recorder, dataset, plan, base=base, model=tmp_path / "model").state == "finished"
    warnings = {each.what: each for each in recorder.told(Warned)}
    turned = warnings["the loss of the held-out text rises"]
    repeats = warnings["the model repeats its training text word for word"]
    assert (turned.code, repeats.code) == ("overfit", "overfit")
    scores = [each for each in recorder.told(Score) if each.metric == "perplexity"]
    best = min(scores, key=lambda each: each.value)
    assert f"of step {best.step}" in turned.do
    assert [each.step for each in scores if each.best][-1] == best.step
    assert [step for step, _ in recorder.checkpoints()] == [best.step, 80]
    manifest = Manifest.read(tmp_path / "model")
    assert manifest.recipe["steps"] == best.step
    assert manifest.scores["perplexity"] == pytest.approx(best.value, abs=1e-3)
    assert {each.value for each in recorder.told(Score) if each.metric == "memorised"} == {0.5}
    assert 0 < best.step < 80
    # What was seen before is known after resuming, and not told again.
    again = Remembered(tmp_path / "run", 90)
    run(again, dataset, plan, base=base)
    assert "the loss of the held-out text rises" not in {each.what for each in again.told(Warned)}


def test_lora_is_merged_in_and_changes_nothing_else(lines: Path, base: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, options=OPTIONS | CASES["lora"] | {"rate": 5e-2})
    recorder = Remembered(tmp_path / "run", 6)
    assert run(recorder, lines, plan, base=base).state == "finished"
    last = recorder.checkpoints()[-1][1]
    before, after = load_file(base / "model.safetensors"), load_file(last / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    kinds = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert changed == {f"transformer.h.0.{kind}.weight" for kind in kinds}
    started = recorder.told(Started)[0]
    assert int(str(started.chosen["trained"])) < int(str(started.chosen["parameters"])) / 2
    # What does not change lies on the disk once.
    frozen = [(folder / "frozen.safetensors").stat().st_ino for _, folder in recorder.checkpoints()]
    assert len(set(frozen)) == 1
    # The merged model is what was scored: the checkpoint is one, and has the score of the network with its matrices.
    engine, _ = load_engine(last, "float32")
    about = recorder.told(Score)[-1].about
    ids = open_corpus(lines, last).held[:200]
    found = perplexity(engine, ids, 1, stride=8, context=16)
    assert found.tokens == about["tokens"]
    assert found.loss == pytest.approx(float(str(about["loss"])), abs=1e-4)


def test_a_run_is_extended(lines: Path, tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 6)
    run(recorder, lines)
    longer = Remembered(tmp_path, 10)
    assert run(longer, lines) == Outcome("finished", 10)
    # The rate rises again and falls at the new end.
    assert [each.values["rate"] for each in recorder.told(Metrics)][-1] < 5e-3
    rates = [each.values["rate"] for each in longer.told(Metrics)]
    assert rates[0] == 1e-2
    assert rates[-1] < 5e-3


def test_a_newer_attempt_fences_this_one_off(lines: Path, tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 6)
    recorder.fenced = True
    assert run(recorder, lines) == Outcome("fenced", 0)
    assert recorder.checkpoints() == []


def test_the_user_s_prompts_are_completed_with_the_same_seeds(lines: Path, tmp_path: Path) -> None:
    prompts = ("The ox ", "Once upon\n a time")
    recorder = Remembered(tmp_path, 2)
    assert run(recorder, lines, replace(PLAN, options=OPTIONS | {"prompts": prompts}, seed=7)).state == "finished"
    for told in recorder.told(Sample):
        samples = read_samples(recorder.samples / told.file)
        assert [(each.prompt, each.seed) for each in samples] == [(prompts[0], 7), (prompts[1], 8)]


def test_what_cannot_be_trained_is_refused(lines: Path, base: Path, tmp_path: Path) -> None:
    def why(options: dict[str, object], **more: Any) -> str:
        outcome = run(Remembered(tmp_path, 1), lines, replace(PLAN, options=OPTIONS | options), **more)
        assert outcome.state == "failed"
        return f"{outcome.what}: {outcome.why}"

    assert "method lora needs a base" in why({"method": "lora"})
    assert "muon is for models from nothing" in why({"optimizer": "muon"}, base=base)
    assert "the base has 16 positions" in why({"context": 32}, base=base)
    assert "cannot be shared by 3 heads" in why({"heads": 3})
    assert "the corpus has" in why({"context": 100_000})
    assert "nothing stands before any token" in why({"context": 1})


def test_a_short_corpus_has_short_rows(tmp_path: Path) -> None:
    dataset = write_texts(tmp_path / "short", ["a few words and a few more"])
    plan = replace(PLAN, options={key: value for key, value in OPTIONS.items() if key != "context"})
    recorder = Remembered(tmp_path / "run", 2)
    assert run(recorder, dataset, plan).state == "finished"
    assert 2 <= int(str(recorder.told(Started)[0].chosen["context"])) < 16
    assert recorder.told(Score) == []


def test_tokenising_tells_how_far_and_how_fast_it_is(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_setup, "TOLD_EVERY", 0.0)
    shutil.copytree(lines, tmp_path / "lines", ignore=shutil.ignore_patterns("tokens"))
    recorder = Remembered(tmp_path / "run", 1)
    run(recorder, tmp_path / "lines", replace(PLAN, steps=1))
    told = [each.doing for each in recorder.told(Phase) if each.doing.startswith("tokenising")]
    assert told[0] == "tokenising"
    assert all(re.fullmatch(r"tokenising: \d+ %, \d+\.\d MB/s", each) for each in told[1:])
    assert told[-1].startswith("tokenising: 100 %")


def test_a_prompt_ends_with_a_whole_character(tmp_path: Path) -> None:
    """A new tokenizer has no merges for what it has not seen: every byte is a token, and twelve are four of these."""
    texts = ["Zeile um Zeile.\n" * 20] * 6 + ["a漢字漢字漢字漢字漢字"]
    dataset = write_texts(tmp_path / "texts", texts, held=[6])
    recorder = Remembered(tmp_path / "run", 1)
    assert run(recorder, dataset, replace(PLAN, steps=1)).state == "finished"
    samples = read_samples(recorder.samples / "step-0000000.json")
    assert [each.prompt for each in samples] == ["a漢字漢"]


def test_texts_that_begin_alike_are_one_prompt(tmp_path: Path) -> None:
    same = [f"The licence of this file is the same as of every other one, and here is {n}.\n" for n in range(40)]
    other = ["Once upon a time there was an ox that had seen all numbers and was tired.\n"]
    dataset = write_texts(tmp_path / "texts", [*same, *other, *(f"{n} hens.\n" for n in range(20))], held=range(30, 41))
    recorder = Remembered(tmp_path / "run", 1)
    run(recorder, dataset, replace(PLAN, steps=1))
    prompts = [each.prompt for each in read_samples(recorder.samples / recorder.told(Sample)[0].file)]
    assert len(set(prompts)) == len(prompts) == 2
