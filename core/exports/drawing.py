"""What a model is asked for to draw a view's pictures, and frames of a film drawn ahead while others are written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from core.errors import InvalidInput
from core.exports.film import FilmWriter, Pixels
from core.interface import Command, Interface
from core.latent.style import COMMAND, PLAIN, Style
from core.latent.walk import Moment


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


async def shoot(
    film: FilmWriter,
    count: int,
    draw: Callable[[int], Awaitable[Pixels]],
    progress: Callable[[int], None],
    *,
    in_flight: int = 32,
) -> None:
    """Have all frames drawn and written, in order; encoding goes on in a thread beside.

    Args:
        film: An open film.
        count: Frames.
        draw: Gives frame `number`, from 0; cancelled when it is not needed any more.
        progress: Called with the number of frames written.
        in_flight: How many are asked for at once: enough to fill the worker's batches, few enough for the memory.
    """
    waiting: deque[asyncio.Task[Pixels]] = deque()
    asked = 0

    async def drawn(number: int) -> Pixels:
        return await draw(number)

    try:
        for number in range(count):
            while asked < count and len(waiting) < in_flight:
                waiting.append(asyncio.create_task(drawn(asked)))
                asked += 1
            pixels = await waiting[0]
            waiting.popleft()
            # To its end even when cancelled: the file must not be closed under the encoder.
            writing = asyncio.ensure_future(asyncio.to_thread(film.add, pixels))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait([writing])
                raise
            progress(number + 1)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
