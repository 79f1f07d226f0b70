"""Whether a text model can be trained as a plan says, from its base, in the memory that is there: asked before a run is
made. What does not fit is refused with what would.

The training looks again when it begins, for files may have changed; what can be known now is refused now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from core.errors import InvalidInput, Refused, TarmacError
from core.library.models import Model
from core.library.text_facts import TextFacts, read_facts, tokenizer_size, training_memory
from core.runs.plan import RunPlan, TextOptions
from core.runs.plan_file import options_of
from core.runs.text_bases import CONTEXT, GPU_CONTEXT, Memory, facts_of, memory_now

ADAPTER = "causal-lm"
"""Of models that a text training can begin from."""
_CONTEXTS = (2048, 1024, 512, 256, 128, 64)


def check_text(
    plan: RunPlan, base: Model | None, *, others: Iterable[Model] = (), memory: Memory | None = None
) -> None:
    """Refuse what cannot be trained.

    Args:
        plan: What to do.
        base: The model to begin from.
        others: Models that might be begun from instead, to name one that fits.
        memory: What is there; looked up by default. It is not asked where the run goes to another machine.

    Raises:
        InvalidInput: An option that is impossible.
        Refused: The base cannot be trained, or not in the memory that is there; says what would fit.
    """
    options: TextOptions = options_of(plan)
    if base is None:
        _check_new(options)
    elif base.adapter != ADAPTER:
        why = f"it is a model of the kind {base.kind}"
        raise Refused(f"{base.name} cannot be the base", why, "Choose a text model, or leave the base out")
    elif options.optimizer == "muon":
        raise InvalidInput("optimizer muon is for models from nothing", "this run has a base", "Choose adamw")
    facts = _facts(options, base)
    if base is not None and options.context > facts.context:
        why = f"{base.name} sees at most {facts.context} tokens"
        raise InvalidInput(f"context is {options.context}", why, f"Give at most {facts.context}, or leave it open")
    if plan.resources.launcher != "local":
        return
    _check_memory(plan, options, facts, base, others, memory if memory is not None else memory_now())


def _check_new(options: TextOptions) -> None:
    if options.method == "lora":
        raise InvalidInput("method lora needs a base", "random weights learn nothing from it", "Choose method full")
    if options.width % options.heads:
        what = f"width {options.width} cannot be shared by {options.heads} heads"
        raise InvalidInput(what, "", f"Give a multiple of {options.heads}")


def _facts(options: TextOptions, base: Model | None) -> TextFacts:
    if base is None:
        return facts_of(None, options, options.context or CONTEXT)
    try:
        facts = facts_of(base.folder, options, 0)
    except TarmacError as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        raise Refused(f"{base.name} cannot be the base", why, error.do or "Choose another base") from error
    ids = tokenizer_size(base.folder)
    if ids > facts.vocabulary:
        why = f"its tokenizer has {ids:,} ids, its network {facts.vocabulary:,}"
        raise Refused(f"{base.name} cannot be the base", why, "Copy the model again, whole")
    return facts


def _check_memory(
    plan: RunPlan,
    options: TextOptions,
    facts: TextFacts,
    base: Model | None,
    others: Iterable[Model],
    memory: Memory,
) -> None:
    if not memory.free:
        return  # a driver that does not tell
    most = options.context or min(facts.context, GPU_CONTEXT if memory.gpu else CONTEXT)
    ranks = max(1, plan.resources.processes)
    # Ranks of a processor share its memory; those of GPUs have one each.
    together = 1 if memory.gpu else ranks
    rows = max(1, -(-options.batch // (ranks * max(1, options.accumulate)))) if options.batch else 1

    def needed(
        method: str = options.method,
        rows: int = rows,
        context: int = most,
        of: TextFacts = facts,
        checkpointing: bool = options.checkpointing,
    ) -> int:
        rank, precision = options.lora_rank, options.precision
        return together * training_memory(
            of, method, rows=rows, context=context, rank=rank, checkpointing=checkpointing, precision=precision
        )

    if needed() <= memory.free:
        return
    fits: list[str] = []
    if base is not None and options.method == "full" and needed("lora") <= memory.free:
        fits.append(f"method lora ({_size(needed('lora'))})")
    smaller = next((each for each in _halves(rows) if needed(rows=each) <= memory.free), 0)
    if smaller:
        fits.append(f"batch {smaller * ranks * max(1, options.accumulate)} ({_size(needed(rows=smaller))})")
    shorter = next((each for each in _CONTEXTS if each < most and needed(context=each) <= memory.free), 0)
    if shorter:
        fits.append(f"context {shorter} ({_size(needed(context=shorter))})")
    if not options.checkpointing and needed(checkpointing=True) <= memory.free:
        fits.append(f"checkpointing ({_size(needed(checkpointing=True))})")
    if base is not None:
        nearest = _smaller_base(facts, others, lambda of: needed(of=of, context=min(most, of.context)), memory.free)
        fits += [nearest] if nearest else []
    elif not fits:
        fits.append("fewer layers or a smaller width")
    name = base.name if base is not None else "the new network"
    where = "on the GPU" if memory.gpu else "here"
    why = f"about {_size(needed())} are needed, {_size(memory.free)} are free {where}"
    do = f"What fits: {', '.join(fits)}" if fits else "Close other programs, or take a larger machine"
    raise Refused(f"{name} cannot be trained so", why, do)


def _halves(rows: int) -> Iterator[int]:
    while rows > 1:
        rows //= 2
        yield rows


def _smaller_base(facts: TextFacts, others: Iterable[Model], needed: Callable[[TextFacts], int], free: int) -> str:
    """The largest of the other models that fits, in words; empty if there is none."""
    good: list[tuple[int, str]] = []
    for model in others:
        if model.adapter != ADAPTER or model.problem:
            continue
        try:
            found = read_facts(model.folder)
        except TarmacError:
            continue
        if found.parameters < facts.parameters and needed(found) <= free:
            good.append((found.parameters, f"the base {model.id} ({_size(needed(found))})"))
    return max(good)[1] if good else ""


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
