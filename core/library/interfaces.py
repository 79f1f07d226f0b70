"""The interfaces of the model kinds that Tarmac makes itself.

The manifest writer and the worker's adapter call the same functions, so that what the library promises is what runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from core.errors import InvalidInput
from core.interface.command import Command, Interface
from core.interface.types import Any, Array, Category, DataType, Image, Number, Segmentation, Text, Vector
from core.library.manifest import Manifest
from core.library.subjects import SUBJECT

STYLE_GANS = ("stylegan1", "stylegan2")
"""Adapters of the networks whose interface is `image_gan_interface`; their [architecture] has the same name."""

MAX_SEED = 2**31 - 1
"""The largest seed a model takes."""

MOST_LABELS = 256
"""A segmentation's ids are bytes."""

MOST_DIRECTIONS = 16
"""Principal directions that a generator offers, where its w is that long."""

MOST_EDIT = 10
"""Standard deviations that an edit may move by, either way."""

MOST_STEPS = 5000
"""Steps that a projection may take."""

MOST_STOPS = 8
"""Stop strings of one text."""

MOST_ALTERNATIVES = 20
"""Likeliest tokens that are told beside one that was written."""

TEXTS_TOGETHER = 16
"""Texts that a model writes at once."""

MOST_BIASED = 300
"""Tokens that one request may make more or less likely by name."""

_LARGEST = 65536
"""No number of a generator's architecture is larger; an interface of such a size costs nothing."""

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
"""Arithmetic that a text model can run in; auto takes what suits the device."""


def image_gan_interface(
    z_dim: int, resolution: int, channels: int = 3, classes: int = 0, w_dim: int = 512
) -> Interface:
    """The interface of a StyleGAN generator: latent vector to picture, and what its styles allow besides.

    Args:
        z_dim: Length of z, whose components are drawn from N(0, 1).
        resolution: Side of the square picture in pixels, a power of two; it decides how many style layers there are.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        classes: Number of labels of a conditional generator; 0 for an unconditional one. A conditional one takes the
            input `label`, a category "0" .. str(classes - 1).
        w_dim: Length of w, which limits how many principal directions there are.

    Style layers are counted from 0, the coarsest. A range of them is [] or [first, last], both inclusive.
    """
    image = Image(channels=channels, width=resolution, height=resolution, description="Generated picture")
    generate = Command(
        name="generate",
        inputs=_place(z_dim, classes),
        outputs={"image": image},
        description="Draw the picture of a latent vector",
        batchable=True,
    )
    layers = partial(_layers, 2 * (resolution.bit_length() - 1) - 2)
    directions = min(MOST_DIRECTIONS, w_dim)
    styled = Command(
        name="styled",
        inputs={
            **_place(z_dim, classes),
            "truncation_layers": layers("Style layers that truncation applies to; [] is all"),
            "mix": Vector(length=z_dim, default=[0.0] * z_dim, description="Place that other styles are taken from"),
            "mix_layers": layers("Style layers that take the styles of mix; [] is none"),
            "edits": Array(
                item_type=Number(min=-MOST_EDIT, max=MOST_EDIT, default=0),
                max_length=directions,
                default=[],
                description="Moves along the principal directions, strongest first, in standard deviations",
            ),
            "edit_layers": layers("Style layers that are edited, whose own directions are taken; [] is all"),
        },
        outputs={"image": image},
        description="Draw a latent vector with mixed and edited styles",
        batchable=True,
    )
    strengths = Command(
        name="directions",
        inputs={"layers": layers("Style layers to look at; [] is all")},
        outputs={
            "strengths": Array(
                item_type=Number(min=0, max=1),
                max_length=directions,
                description="Share of each principal direction in what the layers react to, the largest first",
            )
        },
        description="Find the principal directions of the styles",
    )
    ground = "" if channels == 4 else ", what is transparent is white"
    project = Command(
        name="project",
        inputs={
            "image": Image(channels=4, description=f"Any size; its middle square is taken{ground}"),
            **{name: kind for name, kind in _place(z_dim, classes).items() if name != "z"},
            "steps": Number(default=200, min=1, max=MOST_STEPS, step=1, description="More steps come nearer"),
            "seed": Number(default=0, min=0, max=MAX_SEED, step=1, description="The same seed finds the same place"),
        },
        outputs={
            "z": Vector(length=z_dim, sampling_std=1, description="Place in the latent space"),
            "image": Image(channels=channels, width=resolution, height=resolution, description="Picture of z"),
            "distance": Number(min=0, max=255, description="Root mean square difference of the pixels"),
        },
        description="Find the latent vector whose picture is nearest to a given one",
        streaming=True,
    )
    commands = (generate, styled, strengths, project)
    return Interface(options={}, commands={command.name: command for command in commands})


def _place(z_dim: int, classes: int) -> dict[str, DataType]:
    """The inputs that name a picture of a generator: z, truncation and perhaps a label."""
    inputs: dict[str, DataType] = {
        "z": Vector(length=z_dim, sampling_std=1, description="Place in the latent space"),
        "truncation": Number(
            default=0.7, min=0, max=1, step=0.01, description="Less is more typical, more is more varied"
        ),
    }
    if classes:
        inputs["label"] = Category(choices=[str(label) for label in range(classes)], description="Class to draw")
    return inputs


def _layers(count: int, description: str) -> Array:
    """A range of `count` style layers: [] or [first, last]."""
    item = Number(min=0, max=max(0, count - 1), step=1)
    return Array(item_type=item, max_length=2, default=[], description=description)


def interface_of(manifest: Manifest) -> Interface:
    """What the model of `manifest` takes and gives.

    A StyleGAN's follows from its [architecture] and a language model's from its context, as in the worker, so that a
    model that was imported long ago can do what its kind has learned since. Every other model's is the one it declares.

    Raises:
        InvalidInput: The declared interface is none.
    """
    settings = {"c_dim": 0, "img_channels": 3, **manifest.architecture}
    names = ("z_dim", "img_resolution", "img_channels", "c_dim", "w_dim")
    numbers = [settings.get(name) for name in names]
    ours = manifest.adapter in STYLE_GANS and settings.get("name", manifest.adapter) == manifest.adapter
    if ours and all(type(number) is int and 0 <= number <= _LARGEST for number in numbers):
        with suppress(InvalidInput):  # impossible numbers: the worker will say so
            return image_gan_interface(*numbers)  # type: ignore[arg-type]
    declared = Interface.from_spec(dict(manifest.interface))
    if manifest.adapter == "causal-lm" and "complete" in declared.commands:
        length = declared.commands["complete"].inputs.get("max_tokens")
        if isinstance(length, Number) and type(length.max) is int and length.max > 0:
            return text_interface(length.max)
    return declared


def text_interface(context: int) -> Interface:
    """Prompt to completion: the interface of a causal language model.

    Args:
        context: How many tokens the model sees at once; also the largest `max_tokens`.

    Partial outputs of the streaming commands carry the whole text so far in `completion`. Texts are written side by
    side, each joining and leaving between two tokens, and each comes out as if it were alone: to the last bit where the
    engine computes rows alike (int8, and all that transformers runs) and for requests that were asked for together;
    elsewhere but for rounding, which decides only between tokens that are equally likely within it. The option
    `precision` is the number format of the weights; "auto" takes float32 or, for large models where it is faster,
    bfloat16.

    Log-probabilities are lists of objects {"text", "start", "logprob", "top"}: what a token adds to the text, where
    that begins (in characters), its natural logarithm of the probability by the model itself (before temperature and
    penalties; null for the first token of a text, which nothing stands before), and [[text, logprob], ...] of the
    likeliest tokens.
    """
    complete = Command(
        name="complete",
        inputs={"prompt": Text(description="Text to go on from"), **_writing(context)},
        outputs={
            "completion": Text(description="What the model wrote after the prompt"),
            "finish_reason": Text(
                description='"stop" at an end of text or a stop string, "length" at the longest length, "cancelled"'
            ),
            "tokens": Number(min=0, step=1, description="Tokens written"),
            "tokens_per_second": Number(min=0, description="Speed of writing"),
            "prompt_tokens": Number(min=0, step=1, description="Tokens of the prompt that were read"),
            "dropped": Number(min=0, step=1, description="Tokens cut from the left of a prompt that was too long"),
            "logprobs": Any(description="Of each token that was written, if they were asked for"),
        },
        description="Go on from a prompt",
        streaming=True,
        batchable=True,
    )
    score = Command(
        name="score",
        inputs={
            "text": Text(description="Text to read"),
            "ids": _token_ids("Token ids to read in place of the text"),
            "top": Number(default=5, min=0, max=MOST_ALTERNATIVES, step=1, description="Likeliest tokens to tell"),
        },
        outputs={
            "logprobs": Any(description="Of each token of the text"),
            "dropped": Number(min=0, step=1, description="Tokens cut from the left of a text that was too long"),
        },
        description="Tell how likely the model finds each token of a text",
    )
    precision = Category(
        choices=list(PRECISIONS), default="auto", description="Arithmetic: int8 is small and fast on CPUs"
    )
    commands = (complete, score, _write(context))
    return Interface({"precision": precision}, {command.name: command for command in commands})


def _write(context: int) -> Command:
    """What programs call that were written for OpenAI's completions: exact where `complete` is obliging."""
    taken = _writing(context)
    penalty = Number(default=0, min=-2, max=2, description="Above 0, what was written before becomes less likely")
    return Command(
        name="write",
        inputs={
            "prompt": Text(description="Text to go on from"),
            "ids": _token_ids("Token ids to go on from in place of the text"),
            **{name: taken[name] for name in ("max_tokens", "temperature", "top_p", "seed", "stop", "logprobs")},
            "presence_penalty": penalty,
            "frequency_penalty": penalty,
            "bias": Array(
                item_type=Array(item_type=Number(), min_length=2, max_length=2),
                max_length=MOST_BIASED,
                default=[],
                description="Pairs of a token's id and what is added to its logit",
            ),
        },
        outputs={
            "completion": Text(description="What the model wrote after the prompt"),
            "finish_reason": Text(description='"stop", "length" or "cancelled"'),
            "tokens": Number(min=0, step=1, description="Tokens written"),
            "prompt_tokens": Number(min=0, step=1, description="Tokens of the prompt"),
            "logprobs": Any(description="Of each token that was written, if they were asked for"),
        },
        description="Go on from a prompt or token ids; what does not fit the context is refused rather than cut",
        streaming=True,
        batchable=True,
    )


def _token_ids(description: str) -> Array:
    return Array(item_type=Number(min=0, max=2**24, step=1), max_length=2**20, default=[], description=description)


def _writing(context: int) -> dict[str, DataType]:
    """The inputs that decide how a text is written."""
    return {
        "max_tokens": Number(
            default=min(128, context), min=1, max=context, step=1, description="Longest completion, in tokens"
        ),
        "temperature": Number(default=0.8, min=0, max=2, step=0.01, description="0 always takes the likeliest token"),
        "top_p": Number(
            default=0.95, min=0, max=1, step=0.01, description="Share of the probability that tokens are drawn from"
        ),
        "seed": Number(default=0, min=0, max=MAX_SEED, step=1, description="The same seed gives the same text"),
        "top_k": Number(
            default=0, min=0, max=1000, step=1, description="Draw from this many of the likeliest tokens; 0: from all"
        ),
        "repetition_penalty": Number(
            default=1, min=1, max=2, step=0.01, description="Above 1, what the text has already becomes less likely"
        ),
        "max_characters": Number(
            default=0, min=0, max=8 * context, step=1, description="Longest completion in characters; 0: tokens count"
        ),
        "stop": Array(
            item_type=Text(min_length=1, max_length=200),
            max_length=MOST_STOPS,
            default=[],
            description="The text ends before the first of these",
        ),
        "logprobs": Number(
            default=-1,
            min=-1,
            max=MOST_ALTERNATIVES,
            step=1,
            description="Tell the probability of each token and this many alternatives; -1: none",
        ),
    }


def segmentation_interface(labels: Sequence[str]) -> Interface:
    """Picture to labels of its pixels: the interface of a segmentation model.

    Args:
        labels: Their names, at most 256; ids are their places.
    """
    segment = Command(
        name="segment",
        inputs={"image": Image(description="Any size")},
        outputs={
            "segmentation": Segmentation(
                label_to_id={label: place for place, label in enumerate(labels)},
                description="What each pixel shows; as large as the picture",
            )
        },
        description="Tell what each pixel of a picture shows",
    )
    return Interface({}, {command.name: command for command in (segment, _subject())})


def detection_interface() -> Interface:
    """Picture to labelled boxes: the interface of an object detection model."""
    detect = Command(
        name="detect",
        inputs={
            "image": Image(description="Any size"),
            "threshold": Number(default=0.5, min=0, max=1, step=0.01, description="Least score that is told"),
        },
        outputs={
            "objects": Any(
                description="The surest first: label, score and box [xmin, ymin, xmax, ymax] in shares of the sides"
            )
        },
        description="Find the objects in a picture",
    )
    return Interface({}, {command.name: command for command in (detect, _subject())})


def _subject() -> Command:
    return Command(
        name=SUBJECT,
        inputs={"image": Image(description="Any size")},
        outputs={SUBJECT: Image(channels=1, default_output_format="PNG", description="White where the subject is")},
        description="Tell the subject of a picture from its background",
    )
