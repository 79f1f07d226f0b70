"""What the wizard says about texts and the models that write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.datasets.texts.advice import advise
from core.library.text_facts import new_facts, training_memory
from tui import words
from tui.training.options import TEXT, Value
from tui.wizard.answers import split_prompts

if TYPE_CHECKING:
    from core.runs.text_bases import TextBase
    from tui.training.services import DatasetFacts, Estimate
    from tui.wizard.answers import Answers
    from tui.wizard.materials import Materials

_AUTOMATIC = "the beginnings of some held-out texts"
_LEVELS = {
    "refused": ("✕ too little", "bad"),
    "few": ("! little text", "busy"),
    "right": ("right size", "good"),
    "plenty": ("plenty", "good"),
    "large": ("large", "good"),
}


def size(dataset: DatasetFacts) -> int:
    """Bytes of UTF-8 in a dataset of text; 0 where that is not known."""
    report = dataset.about.get("report")
    found = report.get("bytes") if isinstance(report, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def advice(dataset: DatasetFacts) -> tuple[str, str]:
    """(words, tone) about training on a dataset, by how much text it has; "bad" where it is refused."""
    if dataset.problem:
        return f"✕ {dataset.problem}", "bad"
    if not dataset.ready:
        return ("read when used", "muted") if dataset.source == "starter" else ("✕ not whole", "bad")
    there = size(dataset)
    return _LEVELS[advise(there, dataset.count).level] if there else ("", "muted")


def told(dataset: DatasetFacts) -> str:
    """What a dataset that is ready holds, and what its size means."""
    there = size(dataset)
    return advise(there, dataset.count).sentence if there else f"{dataset.count:,} documents"


def base(answers: Answers, materials: Materials) -> str:
    """The chosen base, else the first on the disk that fits, a starter before others, else none ("")."""
    chosen = answers.text.base
    good = [each for each in materials.text_bases or () if each.id and not refusal(each)]
    if chosen is not None and (not chosen or chosen in [each.id for each in good]):
        return chosen
    starters = [each for each in good if each.source == "starter"]
    return next((each.id for each in [*starters, *good]), "")


def fits(base: TextBase, method: str) -> bool:
    """Whether training it by `method` needs no more memory than there is, where a driver tells that."""
    if not base.memory_there:
        return True
    return (base.lora_memory if method == "lora" else base.full_memory) <= base.memory_there


def verdict(base: TextBase) -> tuple[str, str]:
    """(words, tone) about training from a base here; "bad" where it is refused."""
    if base.problem:
        return f"✕ {base.problem}", "bad"
    if fits(base, "full"):
        return ("fits", "good") if base.on_disk else ("not on disk", "busy")
    if base.id and fits(base, "lora"):
        return ("! LoRA only" if base.on_disk else "not on disk", "busy")
    return "✕ too large", "bad"


def refusal(base: TextBase) -> str:
    """Why training cannot begin from it, and what to do; empty when it can."""
    if base.problem:
        return f"{base.name}: {base.problem}"
    if not fits(base, "full") and not (base.id and fits(base, "lora")):
        least = base.lora_memory if base.id else base.full_memory
        how = " with LoRA" if base.id else ""
        return (
            f"{base.name} needs about {words.size(least)}{how}, {words.size(base.memory_there)} are there: "
            f"{'choose a smaller one' if base.id else 'choose fewer layers or a smaller width'}"
        )
    if base.on_disk:
        return ""
    return f"{base.name} is not on this disk, {words.size(base.bytes)}. {base.fetch}".rstrip()


def settle(answers: Answers, materials: Materials) -> None:
    """LoRA is taken where the user has not chosen and all weights do not fit."""
    found, text = materials.text_base(answers.text.base or ""), answers.text
    small = found is not None and bool(found.id) and not fits(found, "full") and fits(found, "lora")
    text.method = "lora" if small and "method" not in text.values else ""


def misfit(answers: Answers, materials: Materials) -> str:
    """Why options that the user has chosen cannot be taken with the base, as far as is known here; empty when they can.

    The plan is checked once more, and whole, when the run is made.
    """
    found, values = materials.text_base(materials.base(answers)), answers.text.values
    if found is None:
        return ""
    context = int(values.get("context", 0))
    if not found.id:
        return _new_misfit(found, values)
    if context > found.context:
        return f"{found.name} looks at no more than {found.context:,} tokens: choose a shorter context"
    method = str(values.get("method") or answers.text.method or "full")
    if fits(found, method):
        return ""
    needed = words.size(found.full_memory if method == "full" else found.lora_memory)
    how = "training all weights" if method == "full" else "LoRA"
    return f"{how} of {found.name} needs about {needed}, {words.size(found.memory_there)} are free"


def _new_misfit(found: TextBase, values: Mapping[str, Value]) -> str:
    """The same of a new network."""
    if values.get("method") == "lora":
        return "there is no base: LoRA trains small matrices beside one. Set the method to full"
    layers, width, heads, vocabulary = (int(values.get(name, TEXT.fields[name].default)) for name in TEXT.new)
    if width % heads:
        return f"a width of {width} cannot be shared by {heads} heads: choose a multiple"
    context = int(values.get("context", 0)) or found.context
    facts = new_facts(vocabulary, context, layers, width)
    needed = training_memory(facts, "full", rows=1, context=context)
    if not found.memory_there or needed <= found.memory_there:
        return ""
    there = words.size(found.memory_there)
    return (
        f"{words.count(facts.parameters)} parameters need about {words.size(needed)}, {there} are free: "
        "choose fewer layers, a smaller width or a shorter context"
    )


def prompts_line(text: str) -> str:
    """The prompts in a line."""
    prompts = split_prompts(text)
    if not prompts:
        return _AUTOMATIC
    first = " ".join(prompts[0].split())
    return first if len(prompts) == 1 else f"{len(prompts)}: {first}"


def summary(answers: Answers, materials: Materials, told: Mapping[str, str]) -> list[tuple[str, str]]:
    """The lines of the last page."""
    dataset, found = materials.dataset(answers), materials.text_base(answers.text.base or "")
    data = "–"
    if dataset is not None:
        parts = [told["dataset"], f"{dataset.count:,} documents" if dataset.count else "read at the start"]
        data = ", ".join([*parts, words.size(size(dataset))] if size(dataset) else parts)
    method = str(answers.text.values.get("method") or answers.text.method or "full")
    how = "LoRA" if method == "lora" else "all weights"
    of = f"{words.count(found.parameters)} parameters, {how}" if found is not None else how
    return [
        ("dataset", data),
        ("base", f"{told['base']}, {of}"),
        ("prompts", told["prompts"]),
        ("options", told["options"]),
    ]


def measured(steps: int, estimate: Estimate) -> list[tuple[str, str]]:
    """How much of the text that many steps read, and how fast; nothing where it was not told."""
    batch, context, there = (estimate.chosen.get(name) for name in ("batch", "context", "tokens"))
    if not (isinstance(batch, int) and isinstance(context, int) and isinstance(there, int) and there):
        return []
    read = steps * batch * context
    times = f"{read / there:.1f} times" if read < 9.95 * there else f"{read / there:,.0f} times"
    told = f"{words.count(read)} tokens, {times} the {words.count(there)} that there are"
    return [("reads", f"{told}, {words.figures(estimate.per_second)} a second")]
