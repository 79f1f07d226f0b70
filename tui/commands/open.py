"""`tarmac open`: back to where a picture, sheet or film was saved; without a terminal, what the file says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.common import json_flag, print_json

if TYPE_CHECKING:
    from tui.opening import Place


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "open",
        help="go back to where a saved picture was found",
        description="Opens the studio at the place of a picture, contact sheet or film that Tarmac saved. With --json, "
        "or where input or output is no terminal, prints what the file says instead. Only the notes in the file are "
        "read.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help=".png, .webp, .gif or .mp4 from Tarmac")
    json_flag(parser)
    parser.set_defaults(run=_open)


def _open(options: argparse.Namespace) -> int:
    from core.library.models import Library
    from tui.opening import find

    place = find(options.file.expanduser(), Library())
    if options.json:
        print_json(summary(place))
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("\n".join(lines(place)))
        return 0
    from tui.cli import open_studio

    return open_studio(options.images, place)


def summary(place: Place) -> dict[str, object]:
    """What the file says, and what there is of it here."""
    notes, view = place.notes, place.notes.view
    return {
        "file": str(place.path),
        "kind": notes.kind,
        "model": notes.model,
        "model_name": notes.model_name,
        "checkpoint": notes.checkpoint,
        "opens_with": place.model.id if place.model is not None else None,
        "told": list(place.told),
        "seed": view.plane.seed,
        "distance": view.plane.distance,
        "truncation": view.truncation,
        "position": list(view.cursor),
        "dim": view.plane.dim,
        "pins": len(view.plane.pins),
        "style": view.style.to_json(),
        "bookmarks": [
            {"number": number, "seed": mark.view.plane.seed, "position": list(mark.view.cursor)}
            for number, mark in enumerate(notes.marks, 1)
        ],
        **{name: notes.facts[name] for name in _TOLD if name in notes.facts},
        "view": view.to_json(),
    }


_TOLD = ("version", "z", "frames", "fps", "loop", "walk")
"""Further notes that are handed on as they stand."""


def lines(place: Place) -> list[str]:
    """The same for people."""
    notes, view = place.notes, place.notes.view
    x, y = view.cursor
    told = [
        f"{notes.kind}  {_plain(place.path.name)}",
        f"  model       {notes.model}",
        f"  checkpoint  {notes.checkpoint[:16] or '–'}",
        f"  seed        {view.plane.seed}",
        f"  position    {x}, {y}",
        f"  distance    {view.plane.distance:g}",
        f"  truncation  {view.truncation:g}",
    ]
    if view.plane.pins:
        told.append(f"  pins        {len(view.plane.pins)}")
    if not view.style.empty:
        told.append("  style       yes")
    for number, mark in enumerate(notes.marks, 1):
        told.append(f"  bookmark {number}  seed {mark.view.plane.seed} at {mark.view.cursor[0]}, {mark.view.cursor[1]}")
    told.append(f"  opens with  {place.model.id if place.model is not None else '–'}")
    return told + [f"  {line}" for line in place.told]


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
