"""`tarmac explore`: a grid of the latent plane as one picture, the same tiles that the studio's explorer shows."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.commands.common import Progress, device_flag, json_flag, print_json, run_async, running

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from core.interface import Command
    from core.latent.journey import View
    from core.library.models import Model

MOST_TILES = 10_000
MOST_PIXELS = 16384 * 16384 // 4
_IN_FLIGHT = 64  # requests; enough to fill batches, few enough to keep memory small


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "explore",
        help="write a grid of pictures from a model's latent space",
        description="Writes one PNG with the tiles around a place of the latent plane, as the studio shows them. "
        "Model, seed and options are in its metadata. Prints the file's name.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name of a model that makes pictures from vectors")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which plane (default 0)")
    parser.add_argument("--grid", type=_pair_of("x"), default=(8, 6), metavar="WxH", help="tiles (default 8x6)")
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="size of a tile (default: the model's own)")
    parser.add_argument(
        "--distance", type=float, default=0.5, metavar="D", help="0.01: neighbours alike, 1: strangers (default 0.5)"
    )
    parser.add_argument("--truncation", type=float, metavar="T", help="0: typical, 1: varied (default: the model's)")
    parser.add_argument(
        "--at", type=_pair_of(","), default=(0, 0), metavar="X,Y", help="middle tile, as --at=-3,1 (default 0,0)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    device_flag(parser)
    json_flag(parser)
    parser.set_defaults(run=_explore)


def latent_command(model: Model) -> Command:
    """The first command that makes one picture from one vector and needs nothing else.

    Raises:
        InvalidInput: The model has none.
    """
    for command in model.interface.commands.values():
        vectors = [name for name, kind in command.inputs.items() if kind.type_name == "vector"]
        images = [name for name, kind in command.outputs.items() if kind.type_name == "image"]
        rest = [kind for name, kind in command.inputs.items() if name not in vectors]
        if len(vectors) == len(images) == 1 and all(kind.default_value() is not None for kind in rest):
            return command
    raise InvalidInput(f"{model.name} cannot be explored", "it does not make a picture from one vector")


def _explore(options: argparse.Namespace) -> int:
    from core.interface import Vector
    from core.latent.journey import View
    from core.latent.plane import Plane
    from core.library.models import Library
    from tui.commands.values import check_folder, png, write

    model = Library().get(options.model)
    command = latent_command(model)
    dim = next(kind.length for kind in command.inputs.values() if isinstance(kind, Vector) and kind.length)
    inputs = _shared_inputs(model, command, options.truncation)
    tile = _check(options, command)
    if options.out.suffix.lower() != ".png":
        raise InvalidInput(f"--out is {str(options.out)[:80]!r}", "its name must end in .png")
    check_folder(options.out)
    plane = Plane(dim, options.seed, options.distance)
    truncation = inputs.get("truncation", 1.0)
    view = View(plane, options.at, float(truncation) if isinstance(truncation, int | float) else 1.0)
    picture = run_async(_draw(model, command, view, options.grid, tile, inputs, options.device))
    facts = {
        "format": 1,
        "program": "tarmac",
        "model": model.id,
        "seed": options.seed,
        "distance": options.distance,
        "position": list(options.at),
        "grid": list(options.grid),
        "tile": picture.shape[1] // options.grid[0],
        **({"truncation": view.truncation} if "truncation" in inputs else {}),
        "view": view.to_json(),
    }
    title = f"{model.name}, seed {options.seed}, {options.grid[0]} by {options.grid[1]} tiles"
    write(options.out, png(picture, {"tarmac": json.dumps(facts), "Title": title, "Software": "Tarmac"}))
    if options.json:
        print_json({"file": str(options.out), "width": picture.shape[1], "height": picture.shape[0], **facts})
    else:
        print(options.out)
    return 0


async def _draw(
    model: Model,
    command: Command,
    view: View,
    grid: tuple[int, int],
    tile: int | None,
    inputs: dict[str, object],
    device: str | None,
) -> NDArray[uint8]:
    """The grid, uint8 [H, W, C]; rows go down as y grows."""
    import asyncio

    import numpy as np

    columns, rows = grid
    left, top = view.cursor[0] - columns // 2, view.cursor[1] - rows // 2
    vectors = view.plane.vectors([(left + x, top + y) for y in range(rows) for x in range(columns)])
    vector_name = next(name for name, kind in command.inputs.items() if kind.type_name == "vector")
    image_name = next(name for name, kind in command.outputs.items() if kind.type_name == "image")
    progress = Progress()
    picture: NDArray[uint8] | None = None
    async with running(model, device, progress) as session:
        for start in range(0, len(vectors), _IN_FLIGHT):
            calls = [
                session.run(command.name, {**inputs, vector_name: vector})
                for vector in vectors[start : start + _IN_FLIGHT]
            ]
            for index, outputs in enumerate(await asyncio.gather(*calls), start):
                pixels = _fit(np.asarray(outputs[image_name]), tile)
                side_y, side_x = pixels.shape[:2]
                if picture is None:
                    _check_pixels(columns * side_x * rows * side_y)
                    picture = np.zeros((rows * side_y, columns * side_x, pixels.shape[2]), np.uint8)
                y, x = divmod(index, columns)
                picture[y * side_y : (y + 1) * side_y, x * side_x : (x + 1) * side_x] = pixels
            progress("drawing", min(start + _IN_FLIGHT, len(vectors)) / len(vectors))
    assert picture is not None
    return picture


def _fit(pixels: NDArray[uint8], tile: int | None) -> NDArray[uint8]:
    """The picture [H, W, C] scaled to a tile's width; as it is without one."""
    if tile is None or tile == pixels.shape[1]:
        return pixels
    import numpy as np
    from PIL import Image

    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    height = max(1, round(tile * pixels.shape[0] / pixels.shape[1]))
    scaled = np.asarray(Image.fromarray(flat).resize((tile, height), Image.Resampling.LANCZOS))
    return scaled[:, :, None] if scaled.ndim == 2 else scaled


def _shared_inputs(model: Model, command: Command, truncation: float | None) -> dict[str, object]:
    """What every tile is asked with, but for its vector."""
    inputs = {name: kind.default_value() for name, kind in command.inputs.items() if kind.type_name != "vector"}
    if truncation is not None:
        if "truncation" not in inputs:
            raise InvalidInput(f"{model.name} has no truncation")
        inputs["truncation"] = command.inputs["truncation"].validate("truncation", truncation)
    return inputs


def _check(options: argparse.Namespace, command: Command) -> int | None:
    columns, rows = options.grid
    if columns < 1 or rows < 1 or columns * rows > MOST_TILES:
        raise InvalidInput(f"--grid is {columns}x{rows}", f"it must have 1 to {MOST_TILES:,} tiles")
    if options.tile is None:
        return None
    if not 1 <= options.tile <= 4096:
        raise InvalidInput(f"--tile is {options.tile}", "it must be from 1 to 4096 pixels")
    _check_pixels(columns * rows * options.tile**2)
    return int(options.tile)


def _check_pixels(count: int) -> None:
    if count > MOST_PIXELS:
        raise InvalidInput(f"the picture would have {count:,} pixels", f"at most {MOST_PIXELS:,} are written")


def _pair_of(sign: str) -> Any:
    def pair(text: str) -> tuple[int, int]:
        match = re.fullmatch(rf"(-?\d{{1,9}}){sign}(-?\d{{1,9}})", text)
        if match is None:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not two whole numbers with {sign!r} between them")
        return int(match[1]), int(match[2])

    return pair
