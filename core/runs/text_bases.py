"""What a text training can begin from on this machine, and what that takes: for whoever chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core import devices
from core.errors import TarmacError
from core.library.gpt2 import GPT2, LICENCE, Published, published, snapshot
from core.library.models import Library, Model
from core.library.text_facts import TextFacts, new_facts, read_facts, training_memory
from core.runs.plan import TextOptions

GPU_CONTEXT, CONTEXT = 1024, 256
"""Tokens of a training row where none are asked for, on a GPU and on a processor."""


@dataclass(frozen=True)
class TextBase:
    """What a text training can begin from, and what that takes on this machine as it is now.

    Attributes:
        id: As a plan names it; "" for random weights.
        name: For people.
        source: "starter", "library", "hub" (published, not in the library), or "" for random weights.
        parameters: How many.
        bytes: Of its weights on disk, or to fetch.
        context: Most tokens that it can look at.
        vocabulary: Its ids.
        licence: Of its weights.
        on_disk: Its weights are here, in the library or in the cache of Hugging Face's tools.
        fetch: What brings them here, where they are not: "Run `hf download ...`".
        full_memory, lora_memory: Bytes at the peak, about, for all weights and for LoRA, with one row a step.
        memory_there: Bytes that can be used: of the GPU where there is one.
        problem: Why it cannot be trained at all.
    """

    id: str
    name: str
    source: str
    parameters: int
    bytes: int
    context: int
    vocabulary: int
    licence: str
    on_disk: bool
    full_memory: int
    lora_memory: int
    memory_there: int
    fetch: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Memory:
    """Where a training would compute: the bytes that are free there, and whether that is a GPU."""

    free: int
    gpu: bool


def memory_now(machine: devices.Machine | None = None) -> Memory:
    """Of the fullest GPU that is visible, else of the machine. Blocks for as long as nvidia-smi takes."""
    gpus = (machine if machine is not None else devices.machine()).gpus
    free = [gpu.memory_total - gpu.memory_used for gpu in gpus if gpu.memory_total and gpu.memory_used is not None]
    if gpus:
        return Memory(min(free, default=0), True)
    return Memory(devices.available_memory(), False)


def text_bases(library: Library, memory: Memory | None = None) -> list[TextBase]:
    """Starters, models of the library, published GPT-2s that are not in it, random weights; reads headers only.

    Args:
        library: Where to look.
        memory: What is there; looked up by default, which may take seconds.
    """
    there = memory if memory is not None else memory_now()
    models = [model for model in library.models() if model.adapter == "causal-lm"]
    found = [_of_model(model, there) for model in models]
    found += [_of_published(each, there) for each in _absent(models)]
    options = TextOptions()
    facts = new_facts(options.vocabulary, _context(there, 0), options.layers, options.width)
    return [*found, _base("", "random weights", "", facts, there, licence="", on_disk=True)]


def _absent(models: list[Model]) -> Iterator[Published]:
    here = {known.name for model in models if not model.problem and (known := published(model.name)) is not None}
    yield from (known for known in GPT2.values() if known.name not in here)


def _of_model(model: Model, there: Memory) -> TextBase:
    problem, facts = model.problem or "", TextFacts("", 0, model.size_bytes, 0, 0)
    if not problem:
        try:
            facts = read_facts(model.folder)
        except TarmacError as error:
            problem = f"{error.what}: {error.why}" if error.why else error.what
    known = published(model.name)
    licence = model.licence
    if not licence and known is not None and known.facts.parameters == facts.parameters:
        licence = LICENCE
    return _base(model.id, model.name, model.source, facts, there, licence=licence, on_disk=True, problem=problem)


def _of_published(known: Published, there: Memory) -> TextBase:
    here = snapshot(known.name) is not None
    fetch = "" if here else f"Run `{known.fetch}`"
    return _base(known.name, known.name, "hub", known.facts, there, licence=LICENCE, on_disk=here, fetch=fetch)


def _base(
    id_: str,
    name: str,
    source: str,
    facts: TextFacts,
    there: Memory,
    *,
    licence: str,
    on_disk: bool,
    fetch: str = "",
    problem: str = "",
) -> TextBase:
    context = _context(there, facts.context)
    full, lora = (training_memory(facts, method, rows=1, context=context) for method in ("full", "lora"))
    return TextBase(
        id_,
        name,
        source,
        facts.parameters,
        facts.bytes,
        facts.context,
        facts.vocabulary,
        licence,
        on_disk,
        full if facts.parameters else 0,
        lora if facts.parameters and id_ else 0,
        there.free,
        fetch,
        problem,
    )


def _context(there: Memory, most: int) -> int:
    usual = GPU_CONTEXT if there.gpu else CONTEXT
    return min(usual, most) if most else usual


def facts_of(folder: Path | None, options: TextOptions, context: int) -> TextFacts:
    """The sizes of what is trained: of a base's folder, or of the new network that the options describe.

    Raises:
        Refused: The folder cannot be trained from.
    """
    if folder is not None:
        return read_facts(folder)
    return new_facts(options.vocabulary, context, options.layers, options.width)
