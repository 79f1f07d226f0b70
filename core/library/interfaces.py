"""The interfaces of the model kinds that Tarmac makes itself.

The manifest writer and the worker's adapter call the same functions, so that what the library promises is what runs.
"""

from __future__ import annotations

from core.interface.command import Command, Interface
from core.interface.types import Category, DataType, Image, Number, Text, Vector

MAX_SEED = 2**31 - 1
"""The largest seed a text model takes."""

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
"""Arithmetic that a text model can run in; auto takes what suits the device."""


def image_gan_interface(z_dim: int, resolution: int, channels: int = 3, classes: int = 0) -> Interface:
    """Latent vector to picture: the interface of a GAN's generator.

    Args:
        z_dim: Length of z, whose components are drawn from N(0, 1).
        resolution: Side of the square picture in pixels.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        classes: Number of labels of a conditional generator; 0 for an unconditional one. A conditional one takes the
            input `label`, a category "0" .. str(classes - 1).
    """
    inputs: dict[str, DataType] = {
        "z": Vector(length=z_dim, sampling_std=1, description="Place in the latent space"),
        "truncation": Number(
            default=0.7, min=0, max=1, step=0.01, description="Less is more typical, more is more varied"
        ),
    }
    if classes:
        inputs["label"] = Category(choices=[str(label) for label in range(classes)], description="Class to draw")
    image = Image(channels=channels, width=resolution, height=resolution, description="Generated picture")
    generate = Command(
        name="generate",
        inputs=inputs,
        outputs={"image": image},
        description="Draw the picture of a latent vector",
        batchable=True,
    )
    return Interface(options={}, commands={"generate": generate})


def text_interface(context: int) -> Interface:
    """Prompt to completion: the interface of a causal language model.

    Args:
        context: How many tokens the model sees at once; also the largest `max_tokens`.

    Partial outputs of the streaming command carry the whole text so far in `completion`. The option `precision` is
    the number format of the weights; "auto" takes float32 or, for large models where it is faster, bfloat16.
    """
    inputs: dict[str, DataType] = {
        "prompt": Text(description="Text to go on from"),
        "max_tokens": Number(
            default=min(128, context), min=1, max=context, step=1, description="Longest completion, in tokens"
        ),
        "temperature": Number(default=0.8, min=0, max=2, step=0.01, description="0 always takes the likeliest token"),
        "top_p": Number(
            default=0.95, min=0, max=1, step=0.01, description="Share of the probability that tokens are drawn from"
        ),
        "seed": Number(default=0, min=0, max=MAX_SEED, step=1, description="The same seed gives the same text"),
    }
    outputs: dict[str, DataType] = {
        "completion": Text(description="What the model wrote after the prompt"),
        "finish_reason": Text(description='"stop" at an end of text, "length" at max_tokens, "cancelled"'),
        "tokens": Number(min=0, step=1, description="Tokens written"),
        "tokens_per_second": Number(min=0, description="Speed of writing"),
    }
    complete = Command(
        name="complete",
        inputs=inputs,
        outputs=outputs,
        description="Go on from a prompt",
        streaming=True,
    )
    precision = Category(
        choices=list(PRECISIONS), default="auto", description="Arithmetic: int8 is small and fast on CPUs"
    )
    return Interface(options={"precision": precision}, commands={"complete": complete})
