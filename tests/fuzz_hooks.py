"""What schemathesis loads before it fuzzes: pictures for the inputs that are pictures, whole ones and damaged ones; and
requests for texts that a small model can answer."""

from __future__ import annotations

import base64
import io

import schemathesis
from hypothesis import strategies
from PIL import Image


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
    nearly none would be answered: bring three of four within it. Whatever else is wrong with them stays."""
    if not isinstance(body, dict) or not str(getattr(context.operation, "path", "")).endswith("/v1/completions"):
        return body
    if len(repr(body)) % 4 == 0:
        return body
    found = dict(body)
    for name, most in (("max_tokens", 24), ("n", 4), ("best_of", 4)):
        value = found.get(name)
        if type(value) is int and value > most:
            found[name] = value % most + 1
    if type(found.get("n")) is int and type(found.get("best_of")) is int and found["best_of"] < found["n"]:
        found["best_of"] = found["n"]
    if found.get("max_tokens") == 0:
        found["echo"] = True
    if len(repr(body)) % 4 == 1 and found.get("stream") in (None, False):
        found["stream"] = True
    if found.get("stream") is True and "best_of" in found:
        del found["best_of"]
    if found.get("stream") in (None, False) and found.get("stream_options") is not None:
        found["stream"] = True
        found.pop("best_of", None)
    if isinstance(prompt := found.get("prompt"), str):
        found["prompt"] = prompt[:40]
    if isinstance(prompt, list):
        found["prompt"] = [_known(each) for each in prompt[:8]]
    if isinstance(bias := found.get("logit_bias"), dict):
        found["logit_bias"] = {str(int(key) % 26) if key.isdecimal() else key: bias[key] for key in bias}
    return found


def _known(prompt: object) -> object:
    """Token ids that the model has."""
    if isinstance(prompt, list):
        return [_known(each) for each in prompt[:40]]
    return prompt % 26 if type(prompt) is int and prompt >= 0 else prompt[:40] if isinstance(prompt, str) else prompt
