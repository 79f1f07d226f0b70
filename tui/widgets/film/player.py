"""A film in the explorer's place: it plays, stops, goes frame by frame, and is written to a file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from core.errors import TarmacError
from core.exports import notes
from core.exports.drawing import Drawing, pictures, shoot
from core.exports.film import FilmOptions
from core.exports.film_process import FilmProcess
from core.interface import Command
from core.latent.journey import View
from core.latent.walk import Moment, Way
from core.library.fingerprint import checkpoint
from core.workers.session import Session
from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene
from tui.graphics.pictures import Pictures
from tui.widgets.explorer.saving import free_path
from tui.widgets.film.bar import bar, told_time
from tui.widgets.film.reel import Reel

if TYPE_CHECKING:
    from core.exports.film import Pixels
    from core.library.models import Model

RATE = Fraction(25)
SECONDS_A_STEP = 2
_TICK = 1 / 30
_TOLD_EVERY = 0.2
"""Seconds between changes of the text: it costs bytes, and nobody reads faster."""

MOST_BYTES_A_SECOND = 1_000_000
"""Of pictures, however fast the link is."""

SPEEDS = (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)

_FRAME = Binding.Group("frame", compact=True)
_KEY = Binding.Group("key", compact=True)
_SPEED = Binding.Group("speed", compact=True)


class FilmPlayer(Vertical, can_focus=True):
    """Plays a walk, round and round, on time: frames that are not there yet are left out.

    Args:
        session: The model's worker.
        model: The model of the library.
        command: Takes one vector and gives one image.
        view: From where the film was asked for; its style is that of every frame.
        way: The walk.
        title: What it goes through.
    """

    HELP_TITLE = "Film"
    HELP = (
        "A walk through pinned or bookmarked pictures, or around one. It plays on time from the beginning: where the "
        "model draws slower than the film runs, frames are left out at first and filled in with every round. x writes "
        "the whole film to a file, with every frame, at the speed that is set."
    )
    DEFAULT_CSS = """
    FilmPlayer { height: 1fr; }
    FilmPlayer > Static { height: 1; padding: 0 1; color: $text-muted; }
    ExplorerPane.-film #explorer-body, ExplorerPane.-film #explorer-line { display: none; }
    """
    SCOPED_CSS = False  # the explorer's own parts give way
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", id="film.pause", tooltip="Stop, or go on"),
        Binding("left,h", "frame(-1)", "Frame before", id="film.back", group=_FRAME, tooltip="One frame back"),
        Binding("right,l", "frame(1)", "Next frame", id="film.forward", group=_FRAME, tooltip="One frame on"),
        Binding("minus", "speed(-1)", "Slower", id="film.slower", group=_SPEED, tooltip="Slower, longer"),
        Binding("plus,equals_sign", "speed(1)", "Faster", id="film.faster", group=_SPEED, tooltip="Faster, shorter"),
        Binding("x", "export", "write", id="film.export", tooltip="Write an MP4, WebP or GIF"),
        Binding("escape,w", "close", "back", id="film.close", tooltip="Stop writing; else back to the grid"),
        Binding("shift+left,H", "key(-1)", "Key before", id="film.key-back", group=_KEY, tooltip="To the key before"),
        Binding("shift+right,L", "key(1)", "Next key", id="film.key-forward", group=_KEY, tooltip="To the next key"),
    ]

    @dataclass
    class Closed(Message):
        """The film is over."""

        player: FilmPlayer

    @dataclass
    class Written(Message):
        """A file was written."""

        player: FilmPlayer
        path: Path

    @dataclass
    class Failed(Message):
        """Something could not be done."""

        player: FilmPlayer
        error: TarmacError

    def __init__(self, session: Session, model: Model, command: Command, view: View, way: Way, title: str) -> None:
        super().__init__()
        self.session, self.model, self.view, self.way = session, model, view, way
        self.command = command
        self._title = title
        # The last key of an open walk is a frame of its own.
        self.count = way.steps * round(SECONDS_A_STEP * RATE) + (not way.closed)
        self.reel: Reel | None = None
        self.playing = True
        self.speed = 1.0
        self._position, self._since = 0.0, time.monotonic()
        self._told_at, self._told = 0.0, ""
        self._painted, self._sent = 0, 0
        self._cost, self._free_at = 0.0, 0.0  # seconds of the link that a frame takes, and when it is free again
        self._timer: Timer | None = None
        self.written: tuple[int, int, str] | None = None
        """While a file is written: frames written, of how many, its name."""

    # -- where the film is

    @property
    def position(self) -> float:
        """In frames from the beginning."""
        passed = (time.monotonic() - self._since) * self.pace if self.playing else 0.0
        return (self._position + passed) % self.count

    @property
    def pace(self) -> float:
        """Frames a second."""
        return float(RATE) * self.speed

    @property
    def number(self) -> int:
        """The frame that is due."""
        return int(self.position)

    @property
    def shown(self) -> int | None:
        """The frame that is seen."""
        return None if self.reel is None else self.reel.nearest(self.number)

    def _go(self, position: float) -> None:
        self._position, self._since = position % self.count, time.monotonic()
        self._tick()

    # -- Textual

    def compose(self) -> ComposeResult:
        yield Static(id="film-title", markup=False)
        yield GridCanvas(id="film-canvas")
        yield Static(id="film-bar", markup=False)

    def on_mount(self) -> None:
        """Have the frames drawn, and begin."""
        self.session.on_change.append(self._session_told)
        self._timer = self.set_interval(_TICK, self._tick)
        self.run_worker(self._begin(), group="film", exit_on_error=False)
        self._tell()

    async def _begin(self) -> None:
        count, way = self.count, self.way
        # A long walk takes a moment to compute.
        moments: Sequence[Moment] = await asyncio.to_thread(
            lambda: [way.frame(number, count) for number in range(count)]
        )
        self.reel = Reel(
            self.session,
            self._drawing(),
            moments,
            on_frame=self._tick,
            on_error=self._failed,
            on_forget=self._forget,
        )
        self._go(0)

    def _drawing(self) -> Drawing:
        return Drawing.of(self.session.interface or self.model.interface, self.command, self.view.style)

    def on_unmount(self) -> None:
        """Give up what is in flight."""
        if self._session_told in self.session.on_change:
            self.session.on_change.remove(self._session_told)
        if self.reel is not None:
            self.reel.stop()

    def on_resize(self, event: events.Resize) -> None:
        """The bar is as wide as the film."""
        self._tell()

    def _session_told(self, _session: Session) -> None:
        if self.reel is not None:
            self.reel.drawing = self._drawing()  # what it can do is known once it is ready
            self.reel.ask()

    def _failed(self, error: TarmacError) -> None:
        self.post_message(self.Failed(self, error))

    def _forget(self, keys: list[int]) -> None:
        # Not by the canvas: at the end it is gone before we are.
        Pictures.of(self.app).helper.forget(keys)

    # -- playing

    def _tick(self) -> None:
        reel = self.reel
        if reel is None or not self.is_attached:
            return
        if self.playing and (self.app.screen is not self.screen or not self.region):
            self._position, self._since = self._position, time.monotonic()  # nobody sees it: it waits
            return
        reel.follow(self.number, self.pace if self.playing else 0.0)
        shown = self.shown
        canvas = self.query_one("#film-canvas", GridCanvas)
        if shown is not None and (key := reel.key(shown)) is not None:
            scene = Scene(1, 1, {(0, 0): key})
            if scene != canvas.scene and self._may_send():
                canvas.set_scene(scene, reel.by_key)
        if not self.playing or time.monotonic() - self._told_at > _TOLD_EVERY:
            self._tell()

    def _may_send(self) -> bool:
        """Whether another frame keeps the film within `MOST_BYTES_A_SECOND`; one that stands always may."""
        pictures, now = Pictures.of(self.app), time.monotonic()
        if pictures.frames > self._painted:
            self._cost = (pictures.bytes - self._sent) / (pictures.frames - self._painted) / MOST_BYTES_A_SECOND
            self._painted, self._sent = pictures.frames, pictures.bytes
        if self.playing and now < self._free_at:
            return False
        self._free_at = now + self._cost
        return True

    def _tell(self) -> None:
        if not self.is_attached:
            return
        self._told_at = time.monotonic()
        width = self.query_one("#film-bar", Static).size.width
        made = [] if self.reel is None else self.reel.made
        number = self.number
        line = bar(width, number, self.count, made, self.way.steps, self.playing, self.pace)
        title = self._line(width, number, len(made))
        told = f"{title.plain}\n{line.plain}\n{line.spans}"
        if told != self._told:
            self._told = told
            self.query_one("#film-title", Static).update(title, layout=False)
            self.query_one("#film-bar", Static).update(line, layout=False)

    def _line(self, width: int, number: int, made: int) -> Content:
        """The line on top: what it is at the left, how far it is at the right."""
        if self.written is not None:
            done, count, name = self.written
            right = f"◐ {name} {done / count:.0%} · esc stops"
        else:
            parts = [f"frame {number + 1} of {self.count}"]
            if made < self.count:
                parts.append(f"{made} drawn")
            if self.speed != 1:
                parts.append(f"{self.speed:g} ×")
            right = " · ".join(parts)
        left = self._title[: max(0, width - len(right) - 2)]
        return Content.assemble(
            (left, "bold $text"),
            " " * max(1, width - len(left) - len(right)),
            (right, "$warning" if self.written else "$text-muted"),
        )

    # -- keys

    def action_pause(self) -> None:
        """Stop, or go on."""
        self._position, self._since = self.position, time.monotonic()
        self.playing = not self.playing
        self._tick()

    def action_frame(self, by: int) -> None:
        """One frame on or back; the film stands."""
        number = self.number
        self.playing = False
        self._go(number + by)

    def action_key(self, by: int) -> None:
        """To the next key, or the one before."""
        every = round(SECONDS_A_STEP * RATE)
        number = self.number
        place = number // every + 1 if by > 0 else -(-number // every) - 1
        self._go(place * every if 0 <= place * every < self.count else 0 if by > 0 else (self.way.steps - 1) * every)

    def action_speed(self, by: int) -> None:
        """Faster or slower; the file that is written has this speed too."""
        place = SPEEDS.index(self.speed) + by
        if 0 <= place < len(SPEEDS):
            position = self.position
            self.speed = SPEEDS[place]
            self._go(position)
            self._tell()

    def action_close(self) -> None:
        """Stop writing; if nothing is written, back to the grid."""
        if self.written is not None:
            self.workers.cancel_group(self, "film-export")
        else:
            self.post_message(self.Closed(self))

    def action_export(self) -> None:
        """Ask for the format and write the film."""
        from tui.screens.chooser import Choice, Chooser

        if self.written is not None:
            return
        if self.session.state != "ready":
            self.notify("The model is not running; a film can be written when it is.", severity="warning")
            return
        length = told_time(self._frames() / float(RATE))
        choices = [
            Choice(".mp4", "MP4", f"H.264, plays everywhere · {length}"),
            Choice(".webp", "WebP", f"lossless, for pages and chats · {length}"),
            Choice(".gif", "GIF", f"256 colours a frame, for what shows nothing else · {length}"),
        ]

        def write(ending: str | None) -> None:
            if ending is not None:
                self.run_worker(self._export(ending), group="film-export", exclusive=True, exit_on_error=False)

        self.app.push_screen(Chooser("Write the film as", choices), write)

    # -- writing

    def _frames(self) -> int:
        """Of the file, at the speed that is set."""
        return max(1, round(self.way.steps * SECONDS_A_STEP * RATE / Fraction(self.speed))) + (not self.way.closed)

    async def _export(self, ending: str) -> None:
        count, way = self._frames(), self.way
        path = free_path(self.model, f"film-{self.view.plane.seed}", ending)
        self.written = (0, count, path.name)
        if self.reel is not None:
            self.reel.resting = True  # the file needs the model more
        try:
            options = await asyncio.to_thread(self._options, count)
            drawing = self._drawing()

            async def draw(numbers: range) -> list[Pixels]:
                return await pictures(self.session, drawing, [way.frame(number, count) for number in numbers])

            await shoot(FilmProcess(path, options), count, draw, self._wrote)
        except asyncio.CancelledError:
            self.notify("Stopped; no file was written.", timeout=3)
            raise
        except TarmacError as error:
            self._failed(error)
        else:
            self.post_message(self.Written(self, path))
        finally:
            self.written = None
            if self.reel is not None:
                self.reel.resting = False
            self._tick()
            self._tell()

    def _options(self, count: int) -> FilmOptions:
        view, way = self.view, self.way
        facts = notes.facts(
            "film",
            model=self.model.id,
            model_name=self.model.name,
            checkpoint=checkpoint(self.model.folder),
            view=view,
            walk=way.to_json(),
            frames=count,
            fps=str(RATE),
            loop=way.closed,
        )
        return FilmOptions(RATE, way.closed, title=f"{self.model.name}, {self._title}", notes=notes.dumps(facts))

    def _wrote(self, done: int) -> None:
        if self.written is not None:
            self.written = (done, *self.written[1:])
            self._tell()
