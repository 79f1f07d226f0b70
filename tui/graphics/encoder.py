"""The helper process: composes and encodes pictures, so that the studio's event loop never does.

Started as `python -m tui.graphics.encoder FD` with one end of a socket pair; it answers one job after the other and
ends when the other end closes, which it does however the studio ends.
"""

from __future__ import annotations

import signal
import socket
import sys
from typing import Any

from core.workers.wire import Channel, Message, WireError
from tui.graphics import blocks, dots, files, iterm2, kitty, sixel, tmux_sixel
from tui.graphics.compose import Look, Scene, TileStore, compose
from tui.graphics.layout import Geometry, Rect
from tui.graphics.palette import Fitting, fixed


def main() -> int:
    """Serve jobs from the socket whose descriptor is the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a ctrl+c in the terminal is for the studio
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    tiles = TileStore()
    fitting = Fitting()
    try:
        while (message := channel.receive()) is not None:
            answer = serve(message, tiles, fitting)
            if answer is not None:
                channel.send(answer)
    except (OSError, WireError):
        return 0  # the studio is gone
    return 0


def serve(message: dict[str, Any], tiles: TileStore, fitting: Fitting) -> Message | None:
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
            return {"ticket": message["ticket"], **_frame(message, tiles, fitting)}


def frame_job(
    scene: Scene,
    look: Look,
    *,
    protocol: str,
    width: int,
    height: int,
    cell: tuple[int, int],
    rects: list[Rect],
    colours: int = 0,
    depth: str = "truecolor",
    image: int = 0,
    replaces: int = 0,
    tmux: bool = False,
) -> Message:
    """The message that asks for a frame.

    Args:
        protocol: "kitty", "kitty-direct", "sixel", "iterm2" or "blocks".
        width, height: Pixels of the whole area; for blocks two pixels a cell, one above the other.
        cell: Pixels of a cell.
        rects: Rectangles of cells to be drawn.
        colours: Size of a fixed palette; 0 for one that is fitted to the picture.
        depth: Colours of half-blocks.
        image: kitty's id for this frame.
        replaces: kitty's id of the frame before, to be deleted once this one shows.
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
        "colours": colours,
        "depth": depth,
        "image": image,
        "replaces": replaces,
        "tmux": tmux,
    }


def _frame(job: dict[str, Any], tiles: TileStore, fitting: Fitting) -> Message:
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
    width, height = job["area"]
    picture = compose(scene, Geometry(width, height, scene.columns, scene.rows), tiles, look)
    cell_width, cell_height = job["cell"]
    columns, rows = -(-width // cell_width), -(-height // cell_height)
    if job["protocol"] in ("sixel", "kitty", "kitty-direct"):
        always = (look.background, look.waiting, look.accent, look.outline)
        palette = fixed(job["colours"]) if job["colours"] else fitting.palette_for(picture, always)
    match job["protocol"]:
        case "blocks" if job["depth"] == "mono":
            return {"lines": dots.braille(picture), "pixels": picture[::2, ::2]}
        case "blocks":
            shown = blocks.rounded(picture) if job["depth"] == "truecolor" else picture
            return {"lines": blocks.encode(picture, job["depth"]), "pixels": shown}
        case "kitty":
            data = kitty.send_virtual(job["image"], files.paletted_png(picture, palette), columns, rows)
            return {"data": kitty.through_tmux(data) if job["tmux"] else data}
        case "kitty-direct":
            sources = [_pixels(rect, cell_width, cell_height) for rect in job["rects"]]
            data = kitty.send(job["image"], files.paletted_png(picture, palette))
            for number, (rect, source) in enumerate(zip(job["rects"], sources), 1):
                data += _at(rect) + kitty.place(job["image"], number, source, rect[2], rect[3])
            return {"data": data + (kitty.delete(job["replaces"]) if job["replaces"] else "")}
    pieces = []
    for rect in job["rects"]:
        x, y, piece_width, piece_height = _pixels(rect, cell_width, cell_height)
        piece = picture[y : y + piece_height, x : x + piece_width]
        if job["protocol"] == "sixel":
            encode = tmux_sixel.encode if job["tmux"] else sixel.encode
            pieces.append(_at(rect) + encode(piece, palette).decode("ascii"))
        else:
            pieces.append(_at(rect) + iterm2.encode(files.jpeg(piece), rect[2], rect[3]))
    return {"data": "".join(pieces)}


def _pixels(rect: Rect, cell_width: int, cell_height: int) -> Rect:
    x, y, width, height = rect
    return x * cell_width, y * cell_height, width * cell_width, height * cell_height


def _at(rect: Rect) -> str:
    """Stands for "move the cursor here": the studio puts in the place, which may have changed by then."""
    return f"\0{rect[0]};{rect[1]}\0"


if __name__ == "__main__":
    sys.exit(main())
