"""What schemathesis loads before it fuzzes: pictures for the inputs that are pictures, whole ones and damaged ones; and
requests for texts that a small model can answer."""

from __future__ import annotations

import base64
import io
import re

import schemathesis
from hypothesis import strategies
from PIL import Image

from core.hosting.openai.request import MOST_TEXTS
from core.library.interfaces import MOST_BIASED


@strategies.composite
def _pictures(draw: strategies.DrawFn) -> str:
    width, height = draw(strategies.integers(1, 40)), draw(strategies.integers(1, 40))
    if draw(strategies.booleans()):
        width, height = 20, 10  # what the labels of the adapter want
    mode = draw(strategies.sampled_from(["L", "RGB", "RGBA", "P", "1", "LA", "I;16"]))
    form = draw(strategies.sampled_from(["PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG"]))
    color = draw(strategies.sampled_from([0, 3, 7, 255]))
    wanted = {"GIF": "P", "BMP": "RGB", "WEBP": "RGBA", "JPEG": "RGB"}.get(form, mode)
    file = io.BytesIO()
    Image.new("L", (width, height), color).convert(wanted).save(file, form)
    data = bytearray(file.getvalue())
    if draw(strategies.integers(0, 3)) == 0:
        for _ in range(draw(strategies.integers(1, 8))):
            data[draw(strategies.integers(0, len(data) - 1))] = draw(strategies.integers(0, 255))
        data = data[: draw(strategies.integers(0, len(data)))]
    return f"data:image/{form.lower()};base64,{base64.b64encode(bytes(data)).decode()}"


schemathesis.openapi.format("picture-data-uri", _pictures())


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: object) -> object:
    """A schema cannot say which fields of a request for texts fit to each other, nor how short a model's context is, so
    nearly none would be answered: bring three of four within it. What a schema forbids stays as it is."""
    if not isinstance(body, dict) or not str(getattr(context.operation, "path", "")).endswith("/v1/completions"):
        return body
    if len(repr(body)) % 4 == 0:
        return body
    found = dict(body)
    for name, most, allowed in (("max_tokens", 24, 2**20), ("n", 4, MOST_TEXTS), ("best_of", 4, MOST_TEXTS)):
        if _whole(found.get(name), most, allowed):
            found[name] = found[name] % most + 1
    n, best_of = found.get("n"), found.get("best_of")
    if _whole(n, 0, 4) and _whole(best_of, 0, 4) and best_of < n:
        found["best_of"] = n
    if _whole(found.get("max_tokens"), -1, 0) and _no(found.get("echo")):
        found["echo"] = True
    options = found.get("stream_options")
    if _no(found.get("stream")) and (isinstance(options, dict) or len(repr(body)) % 4 == 1):
        found["stream"] = True
    if found.get("stream") is True and _whole(best_of, 0, MOST_TEXTS):
        del found["best_of"]
    if "prompt" in found:
        found["prompt"] = _within(found["prompt"])
    bias = found.get("logit_bias")
    if isinstance(bias, dict) and len(bias) <= MOST_BIASED and all(re.fullmatch("[0-9]{1,8}", key) for key in bias):
        found["logit_bias"] = {str(int(key) % 26): bias[key] for key in bias}
    return found


def _within(prompt: object) -> object:
    """A prompt that fits a short context, in token ids that a small model has."""
    if isinstance(prompt, str):
        return prompt[:40] if len(prompt) <= 10_000 else prompt
    if isinstance(prompt, list) and len(prompt) <= MOST_TEXTS:
        return [_within(each) for each in prompt]
    return prompt % 26 if _whole(prompt, -1, 2**24 - 1) else prompt


def _whole(value: object, above: int, most: int) -> bool:
    return type(value) is int and above < value <= most


def _no(value: object) -> bool:
    """Whether a field that may be true is left out, null or false; 0 is none of that."""
    return value is None or value is False
