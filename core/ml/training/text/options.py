"""From what a plan leaves open to settings that a text model can be trained with: each rule is written down once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from core.errors import InvalidInput
from core.ml.training.image.precision import choose_precision
from core.ml.training.text.recipe import Recipe
from core.runs.plan import RunPlan, TextOptions
from core.runs.plan_file import options_of

GPU_TOKENS = 32_768
"""Tokens a step that each rank on a GPU is first tried with; what does not fit is halved."""
SMALL = 20_000_000
"""Parameters below which a processor takes twice the tokens a step, and a base a rate ten times as high."""
WARM_UP = 100
"""Steps of warm-up, at most."""
SCORED = 20
"""Steps that a score takes as long as, at most; of a short run a twentieth, but no less than `LEAST_SCORED`."""
LEAST_SCORED = 4


@dataclass(frozen=True)
class Material:
    """What a plan's open settings depend on.

    Attributes:
        positions: Tokens that the network sees at once; 0 for one that is yet to be made.
        parameters: Its weights; 0 likewise.
        tokens: Of the corpus.
    """

    positions: int
    parameters: int
    tokens: int


def resolve(plan: RunPlan, material: Material, *, new: bool, device: torch.device, world: int = 1) -> TextOptions:
    """The plan's settings with nothing left open.

    Args:
        plan: What was asked for.
        material: What there is to train, and on what.
        new: Whether the network began, or will begin, from random weights.
        device: Where it is trained.
        world: Ranks that share a batch.

    Raises:
        InvalidInput: A setting is impossible; names it.
    """
    options: TextOptions = options_of(plan)
    if new and options.method == "lora":
        raise InvalidInput("method lora needs a base", "random weights learn nothing from it", "Choose method full")
    if not new and options.optimizer == "muon":
        raise InvalidInput("optimizer muon is for models from nothing", "this run has a base", "Choose adamw")
    if new and options.width % options.heads:
        raise InvalidInput(
            f"width {options.width} cannot be shared by {options.heads} heads", "", "Choose a multiple of it"
        )
    gpu = device.type == "cuda"
    context = _context(options.context, material, gpu)
    batch = options.batch or _batch(context, material.parameters or _parameters(options), gpu) * (world if gpu else 1)
    if batch < world:
        raise InvalidInput(f"a batch of {batch} cannot be shared by {world} ranks", "", f"Choose at least {world}")
    batch -= batch % world
    precision = choose_precision(device, options.precision)
    rate = options.rate or _rate(new, options.method, material.parameters)
    return replace(
        options,
        context=context,
        batch=batch,
        accumulate=min(options.accumulate, batch // world),
        rate=rate,
        warmup=options.warmup or min(WARM_UP, max(1, plan.steps // 20)),
        precision=precision,
        compile=options.compile and gpu,
        stride=min(options.stride or max(1, context // 2), context - 1),
        held_tokens=options.held_tokens or _held_tokens(plan.steps, batch * context),
    )


def recipe_of(plan: RunPlan, options: TextOptions) -> Recipe:
    """Resolved options as settings of the loop."""
    return Recipe(
        steps=plan.steps,
        batch=options.batch,
        context=options.context,
        rate=options.rate,
        warmup=options.warmup,
        decay=options.decay,
        weight_decay=options.weight_decay,
        clip=options.clip,
        seed=plan.seed,
        optimizer=options.optimizer,
        accumulate=options.accumulate,
        dropout=options.dropout,
        precision=options.precision,
    )


def _context(wanted: int, material: Material, gpu: bool) -> int:
    """Tokens of a row: as many as are wanted, or what suits; a short corpus has rows of half its length at most."""
    most = material.positions or 2**20
    if wanted > most:
        raise InvalidInput(f"context {wanted} cannot be trained", f"the base has {most} positions", f"Take {most}")
    longest = (material.tokens - 1) // 2
    if longest < 2:
        raise InvalidInput("the corpus is too short", f"it has {material.tokens} tokens", "Add more text")
    if wanted > longest:
        why = f"the corpus has {material.tokens} tokens"
        raise InvalidInput(f"context {wanted} cannot be trained", why, f"Take {longest}, or add more text")
    if wanted == 1:
        raise InvalidInput("context 1 cannot be trained", "nothing stands before any token", "Take more")
    return wanted or min(most, 1024 if gpu else 256, longest)


def _rate(new: bool, method: str, parameters: int) -> float:
    """What suits the network: small ones bear and need more. The text starter on JavaScript gets as far in 370 steps of
    6e-4 as in 1,000 of 5e-5."""
    if new:
        return 6e-4
    if method == "lora":
        return 2e-4
    return 5e-4 if parameters < SMALL else 5e-5


def _batch(context: int, parameters: int, gpu: bool) -> int:
    """Rows a step for each rank: on a GPU what may fit, elsewhere what can be waited for."""
    tokens = GPU_TOKENS if gpu else 2048 if parameters < SMALL else 1024
    return max(1, tokens // context)


def _held_tokens(steps: int, tokens: int) -> int:
    """How many are scored, of a run of so many steps of so many tokens: a run is scored six times or more."""
    worth = max(LEAST_SCORED, min(SCORED, steps // 20))
    # A forward pass is a third of a step, and with a stride of half the context every token is read twice.
    return worth * tokens * 3 // 2


def _parameters(options: TextOptions) -> int:
    """About how many weights a new network has."""
    return options.vocabulary * options.width + 12 * options.layers * options.width**2
