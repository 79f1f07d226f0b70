"""What a model is asked for to draw a view's pictures, and frames of a film drawn ahead while others are written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.errors import InvalidInput
from core.exports.film import FilmWriter, Pixels
from core.interface import Command, Interface
from core.latent.style import COMMAND, PLAIN, Style
from core.latent.walk import Moment

if TYPE_CHECKING:
    from core.exports.film_process import FilmProcess
    from core.workers.session import Session

GROUP = 16
"""Frames drawn together: the same ones every time, so that the same film has the same bits."""

_AHEAD = 3
"""Groups: one is encoded, one is drawn, one waits."""


@dataclass(frozen=True)
class Drawing:
    """How moments become requests.

    Attributes:
        command: Name of the command.
        vector: Its input that takes z.
        image: Its output.
        has_truncation: Whether it takes one.
        shared: Inputs that all requests have.
    """

    command: str
    vector: str
    image: str
    has_truncation: bool
    shared: Mapping[str, object] = field(default_factory=dict)

    @staticmethod
    def of(interface: Interface, command: Command, style: Style = PLAIN) -> Drawing:
        """The way to draw with a style where the model can; without one, or where it cannot, by the plain command.

        Args:
            interface: All that the model can do.
            command: The one that takes one vector and gives one image.
            style: Of the view.
        """
        vector = next(name for name, kind in command.inputs.items() if kind.type_name == "vector")
        image = next(name for name, kind in command.outputs.items() if kind.type_name == "image")
        shared: dict[str, object] = {}
        if not style.empty and COMMAND in interface.commands:
            command, shared = interface.commands[COMMAND], style.inputs()
        truncation = command.inputs.get("truncation")
        return Drawing(command.name, vector, image, truncation is not None and truncation.type_name == "number", shared)

    def inputs(self, moment: Moment) -> dict[str, object]:
        """The request for one picture."""
        truncation = {"truncation": moment.truncation} if self.has_truncation else {}
        return {**self.shared, **truncation, self.vector: moment.z}

    def pixels(self, outputs: Mapping[str, object]) -> Pixels:
        """The picture in an answer, uint8 [H, W, C].

        Raises:
            InvalidInput: There is none.
        """
        found = outputs.get(self.image)
        if not isinstance(found, np.ndarray) or found.ndim != 3 or found.dtype != np.uint8:
            raise InvalidInput("the model gave no picture")
        return found


async def pictures(session: Session, drawing: Drawing, moments: Sequence[Moment]) -> list[Pixels]:
    """The pictures of some moments, drawn together: the same bits every time. Given up together too.

    Raises:
        TarmacError: The model could not.
    """
    calls = session.run_together(drawing.command, [drawing.inputs(moment) for moment in moments])
    try:
        return [drawing.pixels(await call) for call in calls]
    finally:
        for call in calls:
            call.cancel()


async def shoot(
    film: FilmWriter | FilmProcess,
    count: int,
    draw: Callable[[range], Awaitable[Sequence[Pixels]]],
    progress: Callable[[int], None],
    *,
    group: int = GROUP,
) -> None:
    """Have all frames drawn and written, in order; the next are drawn while those before are encoded beside the loop.

    Args:
        film: A film that was not begun; it is finished here, or thrown away.
        count: Frames.
        draw: Gives the pictures of some frames, numbered from 0; cancelled when they are not needed any more.
        progress: Called with the number of frames written.
        group: Frames that are asked for together; three are on their way or in memory at once.

    Raises:
        TarmacError: The model or the disk could not; there is no file then.
    """
    waiting: deque[asyncio.Task[Sequence[Pixels]]] = deque()

    async def drawn(numbers: range) -> Sequence[Pixels]:
        return await draw(numbers)

    def write(found: Sequence[Pixels]) -> None:
        for pixels in found:
            film.add(pixels)

    try:
        await _to_its_end(film.__enter__)
    except asyncio.CancelledError as error:
        await _to_its_end(film.__exit__, type(error), error, None)
        raise
    try:
        for start in range(0, count, group):
            while len(waiting) < _AHEAD and (ahead := start + len(waiting) * group) < count:
                waiting.append(asyncio.create_task(drawn(range(ahead, min(count, ahead + group)))))
            found = await waiting[0]
            waiting.popleft()
            await _to_its_end(write, found)
            progress(min(count, start + group))
    except BaseException as error:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await _to_its_end(film.__exit__, type(error), error, None)
        raise
    await _to_its_end(film.__exit__, None, None, None)


async def _to_its_end(function: Callable[..., object], *given: object) -> None:
    """Run in a thread, to its end even when cancelled: a file must not be closed under its encoder."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *given))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
