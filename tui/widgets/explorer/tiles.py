"""Pictures for the explorer: asked of the worker one by one, the most wanted first, and kept as long as there is room.

What is wanted is said anew whenever the view changes; requests that nobody wants any more are cancelled, and only as
many are in flight as keep the worker busy, so that a new view never waits behind an old one. While nothing is missing,
pictures that may be wanted next are made ahead, a few at a time.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.errors import Cancelled, TarmacError, WorkerDied
from core.interface import Command
from core.latent.style import COMMAND, PLAIN, Style
from core.workers.session import Call, Session

Pixels = NDArray[np.uint8]

MOST_BYTES = 256 * 2**20
"""Pixels kept in this process; a 64-pixel tile takes 12 kB, a 1024-pixel one 3 MB."""

_BATCH = 8
"""How many the worker runs together, where it does not say."""


_SHARE_AHEAD = 4
"""What is made ahead takes this part of a batch at a time, so that what is seen next never waits for long."""

_keys = itertools.count(1)


def new_key() -> int:
    """A picture's name for the canvases: never the same twice, since one helper draws for all explorers of a studio."""
    return next(_keys)


@dataclass(frozen=True)
class Wish:
    """A tile that should be seen: its vector and how it is drawn. Equal wishes are one picture.

    Attributes:
        z: The vector's bytes, float32 little-endian.
        truncation: 0 to 1; None for a model that has none.
        style: Drawn by the command `styled` unless it is plain.
    """

    z: bytes
    truncation: float | None
    style: Style = PLAIN
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Looked up several times a frame: hashed once.
        object.__setattr__(self, "_hash", hash((self.z, self.truncation, self.style)))

    def __hash__(self) -> int:
        return self._hash

    @staticmethod
    def of(z: NDArray[np.float32], truncation: float | None, style: Style = PLAIN) -> Wish:
        """The wish for a vector, float32 [dim]."""
        return Wish(z.astype("<f4", copy=False).tobytes(), truncation, style)

    @property
    def vector(self) -> NDArray[np.float32]:
        """float32 [dim], read-only."""
        return np.frombuffer(self.z, "<f4")


@dataclass(frozen=True)
class Tile:
    """A picture that was made.

    Attributes:
        key: Its name for the canvas, unique in this process.
        pixels: uint8 [H, W, C].
        milliseconds: From the request to the answer.
    """

    key: int
    pixels: Pixels
    milliseconds: float


class TileMaker:
    """Gets tiles from a session and keeps the ones used last.

    Args:
        session: The worker; its command takes one vector and gives one image.
        command: That command.
        on_tile: Called when a wished-for tile has come.
        on_error: Called once with what went wrong with a request (not for cancelled ones or a dead worker, which
            the session tells by itself).
        on_forget: Called with the keys of tiles that were dropped.
    """

    def __init__(
        self,
        session: Session,
        command: Command,
        *,
        on_tile: Callable[[], None],
        on_error: Callable[[TarmacError], None],
        on_forget: Callable[[list[int]], None],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._session = session
        self._command = command.name
        self.vector_input = next(name for name, kind in command.inputs.items() if kind.type_name == "vector")
        self.image_output = next(name for name, kind in command.outputs.items() if kind.type_name == "image")
        self.has_truncation = "truncation" in command.inputs and command.inputs["truncation"].type_name == "number"
        self._on_tile, self._on_error, self._on_forget = on_tile, on_error, on_forget
        self._most_bytes = most_bytes
        self._tiles: OrderedDict[Wish, Tile] = OrderedDict()
        self._bytes = 0
        self._wanted: dict[Wish, None] = {}
        self._to_ask: deque[Wish] = deque()
        self._to_come: int | None = None
        self._ahead: deque[Wish] = deque()
        self._asked_ahead: set[Wish] = set()
        self._calls: dict[Wish, Call] = {}
        self._refused: set[Wish] = set()
        self.made = 0
        """How many pictures have come so far."""
        self.by_key: dict[int, Pixels] = {}
        """The pixels of every tile that is kept, for the canvases."""

    @property
    def missing(self) -> int:
        """How many wished-for tiles are still to come."""
        if self._to_come is None:  # asked several times a frame
            self._to_come = sum(wish not in self._tiles and wish not in self._refused for wish in self._wanted)
        return self._to_come

    @property
    def in_flight(self) -> int:
        """Requests that the worker has not answered."""
        return len(self._calls)

    def get(self, wish: Wish) -> Tile | None:
        """The tile if it is there; it counts as used."""
        tile = self._tiles.get(wish)
        if tile is not None:
            self._tiles.move_to_end(wish)
        return tile

    def want(self, wishes: Iterable[Wish]) -> None:
        """Say what should be seen now, the most urgent first. Forgets all earlier wishes."""
        self._wanted = dict.fromkeys(wishes)
        self._refused &= self._wanted.keys()
        self._to_come = None
        self._to_ask = deque(wish for wish in self._wanted if self._lacks(wish))
        if self.missing:
            self._ahead.clear()
            self._asked_ahead.clear()
        for wish, call in list(self._calls.items()):
            if wish not in self._wanted and wish not in self._asked_ahead:
                call.cancel()
        self.ask()

    def look_ahead(self, wishes: Iterable[Wish]) -> None:
        """Say what may be wanted next; made while nothing that is wanted is missing, as far as there is room for it.

        Does not count as missing, and is given up as soon as something is.
        """
        ahead = [wish for wish in dict.fromkeys(wishes) if wish not in self._tiles]
        if self._tiles:  # else nobody knows how large one is
            room = int(self._most_bytes * 0.8) // max(1, self._bytes // len(self._tiles)) - len(self._wanted)
            ahead = ahead[: max(0, room)]
        self._ahead = deque(ahead)
        self.ask()

    def ask(self) -> None:
        """Ask for what is wanted and missing, as far as the worker is ready and not busy enough."""
        if self._session.state != "ready":
            return
        told = self._session.info.get("max_batch")
        batch = told if isinstance(told, int) and told > 0 else _BATCH
        while self._to_ask and len(self._calls) < 2 * batch:
            wish = self._to_ask.popleft()
            if self._lacks(wish):
                self._request(wish)
        # Others' work comes first, too: a search for a picture runs for seconds.
        if self._ahead and self._session.running == len(self._calls) and not self.missing:
            while self._ahead and len(self._calls) < max(1, batch // _SHARE_AHEAD):
                wish = self._ahead.popleft()
                if self._lacks(wish):
                    self._asked_ahead.add(wish)
                    self._request(wish)

    def stop(self) -> None:
        """Want nothing any more."""
        self._ahead.clear()
        self._asked_ahead.clear()
        self.want([])

    def _lacks(self, wish: Wish) -> bool:
        return wish not in self._tiles and wish not in self._calls and wish not in self._refused

    def _request(self, wish: Wish) -> None:
        inputs: dict[str, object] = {self.vector_input: wish.vector}
        if wish.truncation is not None:
            inputs["truncation"] = wish.truncation
        command = self._command
        if wish.style != PLAIN:
            command = COMMAND
            inputs.update(wish.style.inputs())
        begun = time.monotonic()
        try:
            call = self._session.run(command, inputs)
        except TarmacError as error:
            self._failed(wish, error)
            return
        self._calls[wish] = call
        call.add_done_callback(lambda done: self._done(wish, done, begun))

    def _done(self, wish: Wish, call: Call, begun: float) -> None:
        if self._calls.get(wish) is call:
            del self._calls[wish]
            self._asked_ahead.discard(wish)
        if call.error is not None:
            self._failed(wish, call.error)
        else:
            self._keep(wish, call.outputs or {}, (time.monotonic() - begun) * 1000)
        self.ask()

    def _failed(self, wish: Wish, error: TarmacError) -> None:
        if isinstance(error, Cancelled | WorkerDied) or self._session.state != "ready":
            return
        # Not again for this view: what fails once would fail for ever, sixty times a second.
        first = not self._refused
        self._refused.add(wish)
        self._to_come = None
        if first:
            self._on_error(error)

    def _keep(self, wish: Wish, outputs: Mapping[str, object], milliseconds: float) -> None:
        pixels = outputs.get(self.image_output)
        if not isinstance(pixels, np.ndarray):
            return
        tile = Tile(new_key(), pixels, milliseconds)
        self.made += 1
        self._tiles[wish] = tile
        self._to_come = None
        self.by_key[tile.key] = pixels
        self._bytes += pixels.nbytes
        self._shrink()
        if wish in self._wanted:
            self._on_tile()

    def _shrink(self) -> None:
        if self._bytes <= self._most_bytes:
            return
        gone: list[int] = []
        for wish in list(self._tiles):
            if self._bytes <= self._most_bytes * 0.9:
                break
            if wish not in self._wanted:
                tile = self._tiles.pop(wish)
                self._bytes -= tile.pixels.nbytes
                del self.by_key[tile.key]
                gone.append(tile.key)
        if gone:
            self._on_forget(gone)
