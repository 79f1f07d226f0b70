"""What does not fit is refused before a run is made, with what would fit; and so is what cannot be trained at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidInput, NotFound, Refused
from core.library.interfaces import text_interface
from core.library.manifest import Manifest
from core.library.models import Library, Model
from core.library.text_facts import new_facts, read_facts, training_memory
from core.runs.fitting_text import check_text
from core.runs.kinds import settled
from core.runs.plan import Resources, RunPlan
from core.runs.text_bases import Memory, text_bases
from tests.core.ml.text_models import write_gpt2
from tests.core.ml.training.text_datasets import write_texts

PLENTY = Memory(10**12, False)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return Library(tmp_path / "data", starters=tmp_path / "none")


def add(library: Library, name: str, layers: int = 2, **changes: object) -> Model:
    """A text model whose header promises `layers` blocks; there are no numbers behind it."""
    folder = library.staging()
    write_gpt2(folder, **changes)
    if layers != 2:
        facts = new_facts(300, 32, layers, 768)
        (folder / "config.json").write_text(
            json.dumps({"model_type": "gpt2", "vocab_size": 300, "n_positions": 32, "n_layer": layers, "n_embd": 768})
        )
        header = {"x": {"dtype": "F32", "shape": [facts.parameters], "data_offsets": [0, 4 * facts.parameters]}}
        data = json.dumps(header).encode()
        with open(folder / "model.safetensors", "wb") as file:
            file.write(len(data).to_bytes(8, "little") + data)
            file.truncate(8 + len(data) + 4 * facts.parameters)  # sparse: takes no room on the disk
    manifest = Manifest(name=name, kind="text", adapter="causal-lm", interface=text_interface(32).spec())
    return library.adopt(folder, manifest)


def plan(**options: object) -> RunPlan:
    return RunPlan("r", "text", "d", options=options)


def test_what_fits_is_let_through(library: Library) -> None:
    check_text(plan(), add(library, "small"), memory=PLENTY)
    check_text(plan(), None, memory=PLENTY)
    check_text(plan(optimizer="muon"), None, memory=PLENTY)


def test_what_does_not_fit_is_refused_with_what_would(library: Library) -> None:
    small, large = add(library, "small"), add(library, "large", 48)
    facts = read_facts(large.folder)
    lora = training_memory(facts, "lora", rows=1, context=32)
    full = training_memory(facts, "full", rows=1, context=32)
    with pytest.raises(Refused, match="large cannot be trained so") as caught:
        check_text(plan(), large, others=library.models(), memory=Memory(lora + 1, False))
    assert f"about {full / 1e9:.1f} GB are needed, {lora / 1e9:.1f} GB are free here" in str(caught.value)
    assert f"method lora ({lora / 1e9:.1f} GB)" in str(caught.value)
    assert f"the base {small.id}" in str(caught.value)
    check_text(plan(method="lora"), large, memory=Memory(lora, False))
    with pytest.raises(Refused, match="Close other programs"):
        check_text(plan(), large, memory=Memory(10**6, False))


def test_smaller_batches_and_shorter_rows_are_named(library: Library) -> None:
    facts = new_facts(4096, 1024, 4, 256)
    free = training_memory(facts, "full", rows=8, context=1024)
    with pytest.raises(Refused, match="the new network cannot be trained so") as caught:
        check_text(plan(batch=64, context=1024), None, memory=Memory(free, False))
    assert "What fits: batch 8 (1.5 GB), context 128 (1.5 GB)" in str(caught.value)
    with pytest.raises(Refused, match=r"batch 6 .*checkpointing \("):
        check_text(plan(batch=12, context=1024), None, memory=Memory(free, False))
    check_text(plan(batch=8, context=1024), None, memory=Memory(free, False))
    check_text(plan(batch=64, context=1024, accumulate=8), None, memory=Memory(free, False))
    check_text(plan(context=1024), None, memory=Memory(free, False))  # the loop finds a batch that fits


def test_ranks_share_a_processor_and_not_gpus() -> None:
    free = training_memory(new_facts(4096, 1024, 4, 256), "full", rows=1, context=1024)
    two = replace(plan(context=1024), resources=Resources(processes=2))
    check_text(two, None, memory=Memory(free, True))
    with pytest.raises(Refused, match="cannot be trained so"):
        check_text(two, None, memory=Memory(free, False))


def test_other_machines_are_not_asked(library: Library) -> None:
    away = replace(plan(), resources=Resources(launcher="slurm"))
    check_text(away, add(library, "large", 48), memory=Memory(1, False))


def test_impossible_options(library: Library) -> None:
    base = add(library, "small")
    with pytest.raises(InvalidInput, match="lora needs a base"):
        check_text(plan(method="lora"), None, memory=PLENTY)
    with pytest.raises(InvalidInput, match="muon"):
        check_text(plan(optimizer="muon"), base, memory=PLENTY)
    with pytest.raises(InvalidInput, match="5 heads"):
        check_text(plan(heads=5), None, memory=PLENTY)
    with pytest.raises(InvalidInput, match="small sees at most 32 tokens"):
        check_text(plan(context=64), base, memory=PLENTY)


def test_bases_that_cannot_be_trained(library: Library) -> None:
    with pytest.raises(Refused, match="code cannot be the base: this model brings its own code"):
        check_text(plan(), add(library, "code", auto_map={"AutoModel": "x.Y"}), memory=PLENTY)
    with pytest.raises(Refused, match="its tokenizer has 300 ids, its network 290"):
        check_text(plan(), add(library, "odd", vocab_size=290), memory=PLENTY)
    image = replace(add(library, "faces"), manifest=Manifest("faces", "image-gan", "stylegan2", {}))
    with pytest.raises(Refused, match="kind image-gan"):
        check_text(plan(), image, memory=PLENTY)


def test_a_run_is_settled_with_the_check(library: Library, tmp_path: Path) -> None:
    base = add(library, "small")
    write_texts(tmp_path / "data" / "datasets" / "20261125-000000-words", ["a text"] * 4)
    asked = RunPlan("r", "text", "20261125-000000-words", base="small")
    assert settled(asked, tmp_path / "data").base == base.id
    with pytest.raises(InvalidInput, match="sees at most 32"):
        settled(replace(asked, options={"context": 64}), tmp_path / "data")
    with pytest.raises(NotFound, match=r"gpt2-xl is not on this machine.*6\.4 GB.*hf download"):
        settled(replace(asked, base="openai-community/gpt2-xl"), tmp_path / "data")
    lost = replace(asked, base="gone", options={"method": "lora"})
    assert settled(lost, tmp_path / "data", branched=True).base == "gone"


def test_bases_for_whoever_chooses(library: Library) -> None:
    small = add(library, "small")
    broken = add(library, "code", auto_map={"AutoModel": "x.Y"})
    found = {base.id: base for base in text_bases(library, Memory(2 * 10**9, False))}
    assert found[small.id].parameters == read_facts(small.folder).parameters
    assert found[small.id].on_disk
    assert found[small.id].full_memory > found[small.id].lora_memory > 0
    assert "brings its own code" in found[broken.id].problem
    assert [key for key in found if key.startswith("gpt2")] == ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"]
    medium = found["gpt2-medium"]
    assert (medium.source, medium.on_disk, medium.licence) == ("hub", False, "MIT")
    assert medium.fetch.startswith("Run `hf download openai-community/gpt2-medium ")
    assert medium.full_memory > medium.memory_there == 2 * 10**9
    assert list(found)[-1] == ""
    add(library, "gpt2")
    assert "gpt2" not in {base.id for base in text_bases(library, PLENTY)}
