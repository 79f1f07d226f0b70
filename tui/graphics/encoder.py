"""The helper process: composes and encodes pictures, so that the studio's event loop never does.

Started as `python -m tui.graphics.encoder FD` with one end of a socket pair; it answers one job after the other and
ends when the other end closes, which it does however the studio ends.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.workers.wire import Channel, Message, WireError
from tui.graphics import blocks, dots, files, iterm2, kitty, sixel, tmux_sixel
from tui.graphics.compose import Look, Scene, TileStore, compose
from tui.graphics.layout import Geometry, Rect
from tui.graphics.palette import Fittings, Palette
from tui.graphics.quality import FULL, Quality

Draw = Callable[[Rect | None, int], NDArray[np.uint8]]
"""From a rectangle of cells (None: all) and a scale to its pixels."""


def main() -> int:
    """Serve jobs from the socket whose descriptor is the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a ctrl+c in the terminal is for the studio
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    tiles = TileStore()
    fittings = Fittings()
    try:
        while (message := channel.receive()) is not None:
            answer = serve(message, tiles, fittings)
            if answer is not None:
                channel.send(answer)
    except (OSError, WireError):
        return 0  # the studio is gone
    return 0


def serve(message: dict[str, Any], tiles: TileStore, fittings: Fittings) -> Message | None:
    """Do one job; the answer to a frame, None for the others.

    Jobs: `{do: "tile", key, pixels}`, `{do: "forget", keys}`, `{do: "frame", ticket, ...}` as `frame_job` makes it.
    """
    match message["do"]:
        case "tile":
            tiles.put(message["key"], message["pixels"])
            return None
        case "forget":
            tiles.forget(message["keys"])
            return None
        case _:
            begun = time.perf_counter()
            made = _frame(message, tiles, fittings)
            return {"ticket": message["ticket"], "seconds": time.perf_counter() - begun, **made}


def frame_job(
    scene: Scene,
    look: Look,
    *,
    protocol: str,
    width: int,
    height: int,
    cell: tuple[int, int],
    rects: list[Rect],
    quality: Quality = FULL,
    depth: str = "truecolor",
    canvas: int = 0,
    images: list[int] | None = None,
    drop: list[int] | None = None,
    tmux: bool = False,
) -> Message:
    """The message that asks for a frame.

    Args:
        protocol: "kitty", "kitty-direct", "sixel", "iterm2" or "blocks".
        width, height: Pixels of the whole area; for blocks two pixels a cell, one above the other.
        cell: Pixels of a cell.
        rects: Rectangles of cells to be drawn; for kitty and blocks they are as wide as the area.
        quality: How well.
        depth: Colours of half-blocks.
        canvas: Tells canvases apart.
        images: kitty's ids: one for each of `rects`, or the one of a placed picture.
        drop: kitty's ids to be deleted once this frame shows.
        tmux: Wrap what tmux would swallow.
    """
    return {
        "do": "frame",
        "scene": {
            "columns": scene.columns,
            "rows": scene.rows,
            "tiles": [[*place, key] for place, key in scene.tiles.items()],
            "waiting": None if scene.waiting is None else [list(place) for place in scene.waiting],
            "cursor": None if scene.cursor is None else list(scene.cursor),
            "pins": [list(place) for place in scene.pins],
        },
        "look": [list(look.background), list(look.waiting), list(look.accent), list(look.outline)],
        "protocol": protocol,
        "area": [width, height],
        "cell": list(cell),
        "rects": [list(rect) for rect in rects],
        "quality": asdict(quality),
        "depth": depth,
        "canvas": canvas,
        "images": list(images or ()),
        "drop": list(drop or ()),
        "tmux": tmux,
    }


def _frame(job: dict[str, Any], tiles: TileStore, fittings: Fittings) -> Message:
    said = job["scene"]
    scene = Scene(
        columns=said["columns"],
        rows=said["rows"],
        tiles={(column, row): key for column, row, key in said["tiles"]},
        waiting=None if said["waiting"] is None else frozenset((column, row) for column, row in said["waiting"]),
        cursor=None if said["cursor"] is None else (said["cursor"][0], said["cursor"][1]),
        pins=frozenset((column, row) for column, row in said["pins"]),
    )
    look = Look(*((red, green, blue) for red, green, blue in job["look"]))
    quality = Quality(**job["quality"])
    geometry = Geometry(job["area"][0], job["area"][1], scene.columns, scene.rows)

    drawn: dict[tuple[Rect, int], NDArray[np.uint8]] = {}

    def draw(rect: Rect | None, scale: int) -> NDArray[np.uint8]:
        part = (0, 0, geometry.width, geometry.height) if rect is None else _pixels(rect, *job["cell"])
        if (part, scale) not in drawn:
            drawn[part, scale] = compose(scene, geometry, tiles, look, part, scale)
        return drawn[part, scale]

    if job["protocol"] == "blocks":
        return _blocks(job, draw, quality)
    if job["protocol"] == "iterm2":
        return {"data": "".join(_iterm2(draw, rect, quality) for rect in job["rects"])}
    # The palette is for the whole picture, whatever part of it is due.
    always = (look.background, look.waiting, look.accent, look.outline)
    contents = sorted(scene.tiles.values())
    palette = fittings.palette_for(job["canvas"], contents, lambda: draw(None, quality.scale), always, quality)
    if job["protocol"] == "sixel":
        return {"data": "".join(_sixel(job, draw, rect, palette, quality.scale) for rect in job["rects"])}
    made = _kitty if job["protocol"] == "kitty" else _kitty_direct
    data = made(job, draw, palette, quality.scale) + "".join(kitty.delete(image) for image in job["drop"])
    return {"data": kitty.through_tmux(data) if job["tmux"] else data}


def _blocks(job: dict[str, Any], draw: Draw, quality: Quality) -> Message:
    """The rows of each rectangle one after the other: as text, and as pixels for whoever needs a part of a row."""
    parts = []
    for rect in job["rects"]:
        part, (_, _, width, height) = draw(rect, quality.scale), _pixels(rect, *job["cell"])
        if quality.scale > 1:
            part = part.repeat(quality.scale, axis=0).repeat(quality.scale, axis=1)[:height, :width]
        parts.append(part)
    pixels = np.concatenate(parts)
    if job["depth"] == "mono":
        return {"lines": dots.braille(pixels), "pixels": pixels[::2, ::2]}
    lines = blocks.encode(pixels, job["depth"], quality.step)
    exact = job["depth"] != "truecolor" and quality.step == blocks.FINEST
    return {"lines": lines, "pixels": pixels if exact else blocks.rounded(pixels, quality.step)}


def _sixel(job: dict[str, Any], draw: Draw, rect: Rect, palette: Palette, scale: int) -> str:
    encode = tmux_sixel.encode if job["tmux"] else sixel.encode
    return _at(rect) + encode(draw(rect, scale), palette, scale, _pixels(rect, *job["cell"])[2:]).decode("ascii")


def _iterm2(draw: Draw, rect: Rect, quality: Quality) -> str:
    return _at(rect) + iterm2.encode(files.jpeg(draw(rect, quality.scale), quality.jpeg), rect[2], rect[3])


def _kitty(job: dict[str, Any], draw: Draw, palette: Palette, scale: int) -> str:
    """A picture for each band of rows; the terminal spreads it over the band's placeholders, whatever its size."""
    data = []
    for image, rect in zip(job["images"], job["rects"]):
        png = files.paletted_png(draw(rect, scale), palette)
        data.append(kitty.send_virtual(image, png, rect[2], rect[3]))
    return "".join(data)


def _kitty_direct(job: dict[str, Any], draw: Draw, palette: Palette, scale: int) -> str:
    """One picture, and a placement of its part for each rectangle."""
    image, rects = job["images"][0], job["rects"]
    if len(rects) == 1:
        piece = draw(rects[0], scale)
        source = 0, 0, piece.shape[1], piece.shape[0]
        data = kitty.send(image, files.paletted_png(piece, palette))
        return data + _at(rects[0]) + kitty.place(image, 1, source, rects[0][2], rects[0][3])
    # Parts of a picture must begin on whole pixels: here it is sent in its full size.
    data = kitty.send(image, files.paletted_png(draw(None, 1), palette))
    for number, rect in enumerate(rects, 1):
        data += _at(rect) + kitty.place(image, number, _pixels(rect, *job["cell"]), rect[2], rect[3])
    return data


def _pixels(rect: Rect, cell_width: int, cell_height: int) -> Rect:
    x, y, width, height = rect
    return x * cell_width, y * cell_height, width * cell_width, height * cell_height


def _at(rect: Rect) -> str:
    """Stands for "move the cursor here": the studio puts in the place, which may have changed by then."""
    return f"\0{rect[0]};{rect[1]}\0"


if __name__ == "__main__":
    sys.exit(main())
