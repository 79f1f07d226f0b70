"""`tarmac runs film`: the history of runs as a film, their sample sheets fading into each other."""

from __future__ import annotations

import argparse
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.commands.common import Progress, harmless, json_flag, print_json, run_async

if TYPE_CHECKING:
    from core.exports.film import FilmOptions
    from core.exports.history import HistoryFilm


def add(verbs: Any) -> None:
    """Declare the arguments."""
    film = verbs.add_parser(
        "film",
        help="its samples from the first to the last, as a film",
        description="Writes a film of the sample sheets of a run, each fading into the next. Of several runs one "
        "follows the other: portraits become cars, cars become sneakers.",
    )
    film.add_argument("ids", metavar="ID", nargs="+", help="id or name of a run; several follow each other")
    film.add_argument("--out", metavar="FILE", type=Path, required=True, help="where to: .mp4, .webp or .gif")
    film.add_argument("--columns", type=int, metavar="N", help="tiles of a sheet across (default: all)")
    film.add_argument("--rows", type=int, metavar="N", help="tiles of a sheet down (default: all)")
    film.add_argument("--scale", type=int, metavar="N", help="times as large (default: to about 1024 pixels, MP4)")
    film.add_argument("--seconds", type=float, metavar="S", help="of the whole film (default: 0.4 a sheet, and holds)")
    film.add_argument("--hold", type=float, metavar="S", default=1.0, help="still at each run's ends (default: 1)")
    film.add_argument("--fps", metavar="F", default="25", help="frames a second, as 25 or 30000/1001 (default: 25)")
    film.add_argument("--quality", type=int, metavar="1-100", help="of MP4 and WebP (default: 100)")
    film.add_argument("--loop", action="store_true", help="play again and again (WebP and GIF)")
    film.add_argument("--no-caption", action="store_true", help="do not draw run and step into a corner")
    json_flag(film)
    film.set_defaults(run=_film)


def _film(options: argparse.Namespace) -> int:
    from core.exports import notes
    from core.exports.film import BEST, ENDINGS, FilmOptions, check_size
    from core.exports.history import HistoryFilm, cut, facts, title
    from core.runs.history import history
    from core.runs.store import Runs
    from tui.commands.explore_film import parse_rate
    from tui.commands.values import check_folder

    ending = options.out.suffix.lower()
    if ending not in ENDINGS:
        raise InvalidInput(f"--out is {str(options.out)[:80]!r}", f"a film's name must end in {', '.join(ENDINGS)}")
    if options.quality is not None and ending == ".gif":
        raise InvalidInput("--quality is not for GIFs", "they have 256 colours a frame", "Write .webp or .mp4")
    rate = parse_rate(options.fps)
    quality = BEST if options.quality is None else options.quality
    FilmOptions(rate, quality=quality).check(ending)
    seconds, hold = (_seconds(name, getattr(options, name)) for name in ("seconds", "hold"))
    check_folder(options.out)
    if options.out.exists() and not options.out.is_file():
        raise InvalidInput(f"cannot write a film to {options.out}", "it is not a file")
    runs = Runs()
    views = [runs.get(name) for name in options.ids]
    sheets = history(views)
    made = cut(
        sheets,
        rate,
        ending,
        columns=options.columns,
        rows=options.rows,
        scale=options.scale,
        seconds=seconds,
        hold=hold or Fraction(0),
        caption=not options.no_caption,
    )
    check_size(made.frames, *made.size)
    told = facts(sheets, made, rate)
    written = FilmOptions(rate, options.loop, quality, title=title(sheets), notes=notes.dumps(told))
    run_async(_shoot(options.out, written, HistoryFilm(sheets, made)))
    for leap in (sheet.name for sheet in sheets if sheet.leap):
        print(harmless(f"tarmac: {leap} does not go on from the run before it: the film fades over"), file=sys.stderr)
    if options.json:
        width, height = (side + side % 2 if ending == ".mp4" else side for side in made.size)
        size = {"width": width, "height": height, "seconds": round(float(made.frames / rate), 3)}
        print_json({"file": str(options.out), "bytes": options.out.stat().st_size, **size, **told})
    else:
        print(options.out)
    return 0


def _seconds(name: str, value: float | None) -> Fraction | None:
    if value is None:
        return None
    if not 0 <= value < 1e6 or (name == "seconds" and not value):
        least = "above 0" if name == "seconds" else "at least 0"
        raise InvalidInput(f"--{name} is {value:g}", f"it must be {least}, in seconds")
    return Fraction(str(value))


async def _shoot(path: Path, options: FilmOptions, film: HistoryFilm) -> None:
    from core.exports.drawing import shoot
    from core.exports.film import FilmWriter
    from core.exports.history import draw_with

    progress = Progress()
    count = film.cut.frames
    mask = os.umask(0)
    os.umask(mask)
    try:
        await shoot(
            FilmWriter(path, options, mode=0o666 & ~mask),
            count,
            draw_with(film),
            lambda done: progress(f"frame {done} of {count}", done / count),
        )
    finally:
        progress.clear()
