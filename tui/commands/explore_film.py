"""`tarmac explore --walk`: a film of a walk, drawn in batches and written as it is drawn."""

from __future__ import annotations

import argparse
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from tui.commands.common import Progress, print_json, run_async, running
from tui.commands.explore import fitted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.exports.film import FilmOptions
    from core.interface import Command
    from core.latent.journey import View
    from core.latent.walk import Way
    from core.library.models import Model

DEFAULT_RATE = Fraction(25)
"""Forty milliseconds a frame, which every format can say exactly."""

SECONDS_A_STEP = 2
_NUMBER = r"-?\d{1,12}(?:\.\d{1,6})?"


def write_film(options: argparse.Namespace, model: Model, command: Command, view: View) -> int:
    """Make the film and print its name."""
    from core.exports import notes
    from core.exports.film import BEST, ENDINGS, FilmOptions, check_size
    from core.library.fingerprint import checkpoint
    from tui.commands.values import check_folder

    ending = options.out.suffix.lower()
    if ending not in ENDINGS:
        raise InvalidInput(f"--out is {str(options.out)[:80]!r}", f"a film's name must end in {', '.join(ENDINGS)}")
    if options.quality is not None and ending == ".gif":
        raise InvalidInput("--quality is not for GIFs", "they have 256 colours a frame", "Write .webp or .mp4")
    way = parse_way(options.walk, view, command, closed=options.loop, eased=options.ease)
    rate = DEFAULT_RATE if options.fps is None else parse_rate(options.fps)
    FilmOptions(rate, quality=BEST if options.quality is None else options.quality).check(ending)
    count = frame_count(way, rate, options.frames, options.seconds)
    width, height = _size(command, options.tile)
    check_size(count, width or 1, height or 1)
    check_folder(options.out)
    if options.out.exists() and not options.out.is_file():
        raise InvalidInput(f"cannot write a film to {options.out}", "it is not a file")
    facts = notes.facts(
        "film",
        model=model.id,
        model_name=model.name,
        checkpoint=checkpoint(model.folder),
        view=view,
        truncation="truncation" in command.inputs,
        walk=way.to_json(),
        frames=count,
        fps=str(rate),
        loop=way.closed,
    )
    written = FilmOptions(
        rate=rate,
        loop=way.closed,
        quality=BEST if options.quality is None else options.quality,
        title=f"{model.name}, a walk",
        notes=notes.dumps(facts),
    )
    width, height = run_async(_shoot(options, model, command, view, way, count, written))
    if options.json:
        size = {"width": width, "height": height, "seconds": round(float(count / rate), 3)}
        print_json({"file": str(options.out), **size, **facts})
    else:
        print(options.out)
    return 0


def parse_way(text: str, view: View, command: Command, *, closed: bool = False, eased: bool = False) -> Way:
    """The walk that --walk names.

    Raises:
        InvalidInput: None; says what can be given.
    """
    from core.latent.walk import Circle, Moment, Walk

    if text.startswith("circle:"):
        radius = text.removeprefix("circle:")
        if not re.fullmatch(r"\d{1,7}(\.\d{1,6})?", radius):
            raise InvalidInput(f"--walk is {text[:60]!r}", "a circle has a radius in tiles, as circle:2")
        return Circle(view.plane, view.cursor, float(radius), view.truncation)
    if text == "pins":
        if len(view.plane.pins) < 2:
            found = len(view.plane.pins)
            raise InvalidInput("--walk pins needs two pins", f"there are {found}", "Give --like with a picture of such")
        vectors = [pin.z for pin in view.plane.pins]
    elif text.startswith("seeds:"):
        vectors = [_seeded(seed, command) for seed in text.removeprefix("seeds:").split(",")]
    else:
        vectors = list(view.plane.vectors([_tile(place) for place in text.split()] or [(0, 0)]))
    return Walk([Moment(z, view.truncation) for z in vectors], closed=closed, eased=eased)


def frame_count(way: Way, rate: Fraction, frames: int | None, seconds: float | None) -> int:
    """How many frames the film has.

    Raises:
        InvalidInput: The length is not possible.
    """
    if frames is not None:
        return frames  # checked with the size
    if seconds is not None:
        if not 0 < seconds < 1e6:
            raise InvalidInput(f"--seconds is {seconds:g}", "it must be above 0")
        return max(1, round(Fraction(seconds) * rate))
    # The last key of an open walk is a frame of its own.
    return max(1, round(way.steps * SECONDS_A_STEP * rate)) + (not way.closed)


async def _shoot(
    options: argparse.Namespace,
    model: Model,
    command: Command,
    view: View,
    way: Way,
    count: int,
    written: FilmOptions,
) -> tuple[int, int]:
    """Draws and writes; gives width and height."""
    from core.exports.drawing import Drawing, pictures, shoot
    from core.exports.film import FilmWriter, check_size

    progress = Progress()
    shape: tuple[int, ...] = ()
    mask = os.umask(0)
    os.umask(mask)
    film = FilmWriter(Path(options.out), written, mode=0o666 & ~mask)
    async with running(model, options.device, progress) as session:
        drawing = Drawing.of(session.interface or model.interface, command, view.style)

        async def draw(numbers: range) -> list[NDArray[np.uint8]]:
            nonlocal shape
            moments = [way.frame(number, count) for number in numbers]
            found = [fitted(pixels, options.tile) for pixels in await pictures(session, drawing, moments)]
            if not shape:
                shape = found[0].shape
                check_size(count, shape[1], shape[0])
            return found

        def tell(done: int) -> None:
            progress(f"frame {done} of {count}", done / count)

        await shoot(film, count, draw, tell)
    return shape[1], shape[0]


def _size(command: Command, tile: int | None) -> tuple[int | None, int | None]:
    """Width and height of a frame as far as the declaration tells."""
    from core.interface import Image

    image = next(kind for kind in command.outputs.values() if isinstance(kind, Image))
    width, height = image.width, image.height
    if tile is None or not width or not height:
        return (width or None, height or None) if tile is None else (tile, None)
    return tile, max(1, round(tile * height / width))


def _tile(text: str) -> tuple[float, float]:
    match = re.fullmatch(rf"({_NUMBER}),({_NUMBER})", text)
    if match is None:
        raise InvalidInput(
            f"--walk has {text[:40]!r}", "it takes tiles as '0,0 3,1 5,-2', or seeds:1,2,3, circle:R or pins"
        )
    return float(match[1]), float(match[2])


def _seeded(seed: str, command: Command) -> NDArray[np.float32]:
    from tui.commands.values import read_value

    name, kind = next((name, kind) for name, kind in command.inputs.items() if kind.type_name == "vector")
    vector: NDArray[np.float32] = read_value(name, kind, f"seed:{seed.strip()}")  # type: ignore[assignment]
    return vector


def parse_rate(text: str) -> Fraction:
    """Frames a second that --fps names.

    Raises:
        InvalidInput: None.
    """
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6}|/[1-9]\d{0,5})?", text):
        raise InvalidInput(f"--fps is {text[:40]!r}", "it must be a number, or a fraction as 30000/1001")
    return Fraction(text)
