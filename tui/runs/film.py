"""Films of a run, written to exports: once around a place of its model's plane, or how its samples came to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.runs.view import RunView
    from tui.services import Services

RATE = Fraction(25)
SECONDS = 12
RADIUS = 2.0
SEED = 7


async def write_film(services: Services, model_id: str, progress: Callable[[int, int], None]) -> Path:
    """Draw and write an MP4 around a place of the plane; returns where.

    Args:
        services: The core.
        model_id: An image model of the library.
        progress: Told frames written and frames in all.

    Raises:
        TarmacError: The model does not start, or the disk said no; no file is left.
    """
    from core.exports import notes
    from core.exports.drawing import Drawing, pictures, shoot
    from core.exports.film import FilmOptions
    from core.exports.film_process import FilmProcess
    from core.latent.journey import View
    from core.latent.plane import Plane
    from core.latent.walk import Circle
    from core.library.fingerprint import checkpoint
    from tui.model_facts import default_command
    from tui.widgets.explorer.saving import free_path

    model = await asyncio.to_thread(services.library.get, model_id)
    command = default_command(model)
    session = services.session(model)
    await session.start()
    try:
        interface = session.interface or model.interface
        assert command is not None  # a model that starts has one
        dim = next(kind.length for kind in command.inputs.values() if kind.type_name == "vector")  # type: ignore[attr-defined]
        view = View(Plane(dim, SEED))
        way, count = Circle(view.plane, view.cursor, RADIUS, view.truncation), round(SECONDS * RATE)
        facts = notes.facts(
            "film",
            model=model.id,
            model_name=model.name,
            checkpoint=await asyncio.to_thread(checkpoint, model.folder),
            view=view,
            walk=way.to_json(),
            frames=count,
            fps=str(RATE),
            loop=way.closed,
        )
        options = FilmOptions(RATE, way.closed, title=f"{model.name}, a walk", notes=notes.dumps(facts))
        drawing = Drawing.of(interface, command, view.style)

        async def draw(numbers: range) -> list[NDArray[np.uint8]]:
            return await pictures(session, drawing, [way.frame(number, count) for number in numbers])

        path = free_path(model, f"film-{SEED}", ".mp4")
        await shoot(FilmProcess(path, options), count, draw, lambda done: progress(done, count))
    finally:
        await session.stop()
    return path


async def write_history(view: RunView, progress: Callable[[int, int], None]) -> Path:
    """Write an MP4 of a run's sample sheets, each fading into the next; returns where.

    Args:
        view: The run, with at least two sheets.
        progress: Told frames written and frames in all.

    Raises:
        TarmacError: A sheet cannot be read, or the disk said no; no file is left.
    """
    from core.exports import notes
    from core.exports.drawing import shoot
    from core.exports.film import FilmOptions
    from core.exports.film_process import FilmProcess
    from core.exports.history import HistoryFilm, cut, draw_with, facts, title
    from core.runs.history import history
    from tui.widgets.explorer.saving import free_export

    sheets = await asyncio.to_thread(history, [view])
    made = cut(sheets, RATE, ".mp4")
    film = await asyncio.to_thread(HistoryFilm, sheets, made)
    options = FilmOptions(RATE, title=title(sheets), notes=notes.dumps(facts(sheets, made, RATE)))
    path = free_export(view.plan.name, "history", ".mp4")
    await shoot(
        FilmProcess(path, options), made.frames, draw_with(film), lambda done: progress(done, made.frames), group=4
    )
    return path
