"""`tarmac explore`: the latent plane without a screen: a grid of tiles, a film of a walk, a sheet of bookmarks.

Here are the arguments, and the grid; `film` and `sheet` write the other two.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
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
LARGEST_TILE = 4096
_TOGETHER = 64  # requests; enough to fill batches, few enough to keep memory small


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "explore",
        help="write pictures or a film from a model's latent space",
        description="Writes one PNG with the tiles around a place of the latent plane, as the studio shows them; with "
        "--walk a film; with --bookmarks a contact sheet. Model, seed and options are in the file's notes: `tarmac "
        "open FILE` goes back there. Prints the file's name.",
    )
    parser.add_argument("model", metavar="MODEL", help="id or name of a model that makes pictures from vectors")
    parser.add_argument("--seed", type=int, metavar="N", help="which plane (default 0)")
    parser.add_argument("--grid", type=_pair_of("x"), metavar="WxH", help="tiles (default 8x6)")
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="size of a picture (default: the model's own)")
    parser.add_argument(
        "--distance", type=float, metavar="D", help="0.01: neighbours alike, 1: strangers (default 0.5)"
    )
    parser.add_argument("--truncation", type=float, metavar="T", help="0: typical, 1: varied (default: the model's)")
    parser.add_argument("--at", type=_pair_of(","), metavar="X,Y", help="middle tile, as --at=-3,1 (default 0,0)")
    parser.add_argument(
        "--like", type=Path, metavar="FILE", help="begin where a picture of Tarmac was saved: its plane, place, style"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".png; a film .mp4, .webp or .gif")
    film = parser.add_argument_group("a film")
    film.add_argument(
        "--walk",
        metavar="WAY",
        help="through tiles, as '0,0 3,1 5,-2'; seeds:1,2,3 through the vectors of seeds; circle:R around --at, R "
        "tiles away; pins through those of --like",
    )
    length = film.add_mutually_exclusive_group()
    length.add_argument("--frames", type=int, metavar="N", help="length (default: two seconds from key to key)")
    length.add_argument("--seconds", type=float, metavar="S", help="length")
    film.add_argument("--fps", metavar="F", help="frames a second, a number or N/D (default 25)")
    film.add_argument("--loop", action="store_true", help="go on from the last key to the first, and play for ever")
    film.add_argument("--ease", action="store_true", help="come to rest at every key")
    film.add_argument("--quality", type=int, metavar="Q", help="1 to 100 (default 100: a WebP is lossless)")
    sheet = parser.add_argument_group("a contact sheet")
    sheet.add_argument("--bookmarks", metavar="WORKSPACE", help="the model's bookmarks in that workspace")
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
    from core.library.models import Library

    film_only = ("frames", "seconds", "fps", "loop", "ease", "quality")
    given = [name for name in film_only if getattr(options, name) not in (None, False)]
    if options.walk is None and given:
        raise InvalidInput(f"--{given[0]} belongs to a film", "", "Give --walk too")
    if options.bookmarks is not None and options.walk is not None:
        raise InvalidInput("--walk and --bookmarks cannot be given together", "one is a film, the other a sheet")
    if options.grid is not None and (options.walk is not None or options.bookmarks is not None):
        raise InvalidInput("--grid belongs to a picture of the plane", "", "Leave out --walk and --bookmarks")
    model = Library().get(options.model)
    command = latent_command(model)
    if options.tile is not None and not 1 <= options.tile <= LARGEST_TILE:
        raise InvalidInput(f"--tile is {options.tile}", f"it must be from 1 to {LARGEST_TILE} pixels")
    if options.walk is not None:
        from tui.commands.explore_film import write_film

        return write_film(options, model, command, view_of(options, command))
    if options.out.suffix.lower() != ".png":
        raise InvalidInput(f"--out is {str(options.out)[:80]!r}", "its name must end in .png", "A film needs --walk")
    if options.bookmarks is not None:
        from tui.commands.explore_sheet import write_sheet

        return write_sheet(options, model, command)
    return _write_grid(options, model, command, view_of(options, command))


def view_of(options: argparse.Namespace, command: Command) -> View:
    """Where to look: what was given, on top of --like where that is given."""
    from core.exports.reading import read_notes
    from core.interface import Vector
    from core.latent.journey import View
    from core.latent.plane import DEFAULT_DISTANCE, Plane

    dim = next(kind.length for kind in command.inputs.values() if isinstance(kind, Vector) and kind.length)
    truncation = options.truncation
    if truncation is not None:
        if "truncation" not in command.inputs:
            raise InvalidInput(f"{options.model} has no truncation")
        truncation = float(str(command.inputs["truncation"].validate("truncation", truncation)))
    if options.like is not None:
        view = read_notes(options.like).view
        if view.plane.dim != dim:
            raise InvalidInput(
                f"{options.like.name} cannot be followed with {options.model}",
                f"its vectors have {view.plane.dim} numbers, the model's {dim}",
            )
        if options.seed is not None:
            raise InvalidInput("--seed and --like cannot be given together", "the picture has a plane of its own")
        if options.distance is not None:
            view = replace(view, plane=view.plane.with_distance(options.distance, *view.cursor))
        cursor = options.at if options.at is not None else view.cursor
        return replace(view, cursor=cursor, truncation=view.truncation if truncation is None else truncation)
    if truncation is None:
        default = command.inputs["truncation"].default_value() if "truncation" in command.inputs else 1.0
        truncation = float(default) if isinstance(default, int | float) else 1.0
    distance = DEFAULT_DISTANCE if options.distance is None else options.distance
    return View(Plane(dim, options.seed or 0, distance), options.at or (0, 0), truncation)


def _write_grid(options: argparse.Namespace, model: Model, command: Command, view: View) -> int:
    from core.exports import notes
    from core.library.fingerprint import checkpoint
    from tui.commands.values import check_folder, write

    columns, rows = grid = options.grid or (8, 6)
    if columns < 1 or rows < 1 or columns * rows > MOST_TILES:
        raise InvalidInput(f"--grid is {columns}x{rows}", f"it must have 1 to {MOST_TILES:,} tiles")
    if options.tile is not None:
        _check_pixels(columns * rows * options.tile**2)
    check_folder(options.out)
    picture = run_async(_draw(model, command, view, grid, options.tile, options.device))
    facts = notes.facts(
        "grid",
        model=model.id,
        model_name=model.name,
        checkpoint=checkpoint(model.folder),
        view=view,
        truncation="truncation" in command.inputs,
        grid=list(grid),
        tile=picture.shape[1] // columns,
    )
    title = f"{model.name}, seed {view.plane.seed}, {columns} by {rows} tiles"
    write(options.out, notes.png(picture, facts, title))
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
    device: str | None,
) -> NDArray[uint8]:
    """The grid, uint8 [H, W, C]; rows go down as y grows."""
    import numpy as np

    from core.exports.drawing import Drawing, pictures
    from core.latent.walk import Moment

    columns, rows = grid
    left, top = view.cursor[0] - columns // 2, view.cursor[1] - rows // 2
    vectors = view.plane.vectors([(left + x, top + y) for y in range(rows) for x in range(columns)])
    progress = Progress()
    picture: NDArray[uint8] | None = None
    async with running(model, device, progress) as session:
        drawing = Drawing.of(session.interface or model.interface, command, view.style)
        for start in range(0, len(vectors), _TOGETHER):
            moments = [Moment(vector, view.truncation) for vector in vectors[start : start + _TOGETHER]]
            for index, found in enumerate(await pictures(session, drawing, moments), start):
                pixels = fitted(found, tile)
                side_y, side_x = pixels.shape[:2]
                if picture is None:
                    _check_pixels(columns * side_x * rows * side_y)
                    picture = np.zeros((rows * side_y, columns * side_x, pixels.shape[2]), np.uint8)
                y, x = divmod(index, columns)
                picture[y * side_y : (y + 1) * side_y, x * side_x : (x + 1) * side_x] = pixels
            progress("drawing", min(start + _TOGETHER, len(vectors)) / len(vectors))
    assert picture is not None
    return picture


def fitted(pixels: NDArray[uint8], tile: int | None) -> NDArray[uint8]:
    """The picture [H, W, C] scaled to a tile's width; as it is without one."""
    if tile is None or tile == pixels.shape[1]:
        return pixels
    import numpy as np
    from PIL import Image

    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    height = max(1, round(tile * pixels.shape[0] / pixels.shape[1]))
    scaled = np.asarray(Image.fromarray(flat).resize((tile, height), Image.Resampling.LANCZOS))
    return scaled[:, :, None] if scaled.ndim == 2 else scaled


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
