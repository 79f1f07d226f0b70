"""What schemathesis loads before it fuzzes: pictures for the inputs that are pictures, whole ones and damaged ones."""

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
