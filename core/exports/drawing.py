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
    film: FilmWriter,
    count: int,
    draw: Callable[[range], Awaitable[Sequence[Pixels]]],
    progress: Callable[[int], None],
    *,
    group: int = GROUP,
) -> None:
    """Have all frames drawn and written, in order; the next are drawn while those before are encoded in a thread.

    Args:
        film: An open film.
        count: Frames.
        draw: Gives the pictures of some frames, numbered from 0; cancelled when they are not needed any more.
        progress: Called with the number of frames written.
        group: Frames that are asked for together; three are on their way or in memory at once.
    """
    waiting: deque[asyncio.Task[Sequence[Pixels]]] = deque()

    async def drawn(numbers: range) -> Sequence[Pixels]:
        return await draw(numbers)

    def write(pictures: Sequence[Pixels]) -> None:
        for pixels in pictures:
            film.add(pixels)

    try:
        for start in range(0, count, group):
            while len(waiting) < _AHEAD and (ahead := start + len(waiting) * group) < count:
                waiting.append(asyncio.create_task(drawn(range(ahead, min(count, ahead + group)))))
            pictures = await waiting[0]
            waiting.popleft()
            # To its end even when cancelled: the file must not be closed under the encoder.
            writing = asyncio.ensure_future(asyncio.to_thread(write, pictures))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait([writing])
                raise
            progress(min(count, start + group))
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
