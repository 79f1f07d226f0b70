"""The panel that looks for the user's own picture in the latent space: asks for the file, shows how near it is.

Beside the user's picture stands the best one so far; the worker goes on step by step until it has done them all or is
told to stop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.errors import Cancelled, InvalidInput, NotFound, Refused, TarmacError
from core.workers.session import Call, Session
from tui.graphics.pictures import Pictures as Pacemaker
from tui.widgets.explorer.panel import ExplorerPanel, panel_key
from tui.widgets.explorer.strip import PictureStrip
from tui.widgets.explorer.tiles import new_key
from tui.widgets.path_prompt import PathPrompt

Pixels = NDArray[np.uint8]

COMMAND = "project"
LARGEST = 1024
"""Pixels along an edge that a picture keeps: more would only take longer to send."""

_BAR = 24


class ProjectPanel(ExplorerPanel, can_focus=True):
    """Asks for a path, then follows the worker.

    Args:
        session: The model's worker; has the command `project`.
        truncation: What the pictures are drawn with; None for a model that has none.
    """

    HELP_TITLE = "Finding a picture"
    HELP = "The model looks for the vector whose picture comes nearest to yours. The result becomes a plane of its own."
    KEYS = ("project.leave", "explorer.left", "explorer.down", "explorer.up", "explorer.right")
    DEFAULT_CSS = """
    ProjectPanel PathPrompt { border-top: none; padding: 0; }
    ProjectPanel PictureStrip { display: none; }
    ProjectPanel.-runs PictureStrip { display: block; }
    ProjectPanel.-runs PathPrompt { display: none; }
    ProjectPanel > .keys { display: none; }
    ProjectPanel.-runs > .keys { display: block; }
    ProjectPanel #project-told { height: 1; display: none; }
    ProjectPanel.-runs #project-told { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        panel_key("escape", "leave", "close", "project.leave", "Stop the search, or close this"),
    ]

    @dataclass
    class Found(Message, namespace="explorer_panel"):
        """The search is over."""

        panel: ProjectPanel
        z: NDArray[np.float32]
        distance: float

    def __init__(self, session: Session, truncation: float | None) -> None:
        super().__init__()
        self._session, self._truncation = session, truncation
        self._call: Call | None = None
        self._pictures: dict[int, Pixels] = {}
        self._keys: list[int | None] = [None, None]
        self._words = ["yours", "best so far"]
        self.set_title("find a picture", "a file of yours; the model comes as near as it can")

    def compose(self) -> ComposeResult:
        prompt = PathPrompt("", "the path of a PNG, JPEG or WebP")
        prompt.remove_class("pane")
        yield prompt
        yield PictureStrip(2)
        yield Static(id="project-told", markup=False)
        yield Static(classes="keys", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Pictures as large as the room allows."""
        self.query_one(PictureStrip).fit(self.size.width, self.most_rows() + 2)

    def on_unmount(self) -> None:
        """Nobody waits any more: the worker stops before its next step."""
        if self._call is not None:
            self._call.cancel()
            Pacemaker.of(self.app).helper.forget(list(self._pictures))

    @property
    def prompt(self) -> PathPrompt:
        """Where the path is typed."""
        return self.query_one(PathPrompt)

    @property
    def asks(self) -> bool:
        """Whether a path is being typed."""
        return not self.has_class("-runs")

    @property
    def over(self) -> bool:
        """Whether the search has ended; what is shown stands in nobody's way."""
        return self._call is not None and self._call.done

    # -- the path

    @on(PathPrompt.Given)
    def _given(self, event: PathPrompt.Given) -> None:
        event.stop()
        self.prompt.tell("◐ reading", "$warning")
        self.run_worker(partial(self._begin, event.path), group="project", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    @on(PathPrompt.Left)
    def _left(self, event: PathPrompt.Left) -> None:
        event.stop()
        self.post_message(self.Done(self, False))

    def action_leave(self) -> None:
        """Stop, or close."""
        self.post_message(self.Done(self, False))

    # -- the search

    async def _begin(self, path: Path) -> None:
        try:
            picture = await asyncio.to_thread(read_picture, path)
            inputs: dict[str, object] = {"image": picture}
            if self._truncation is not None:
                inputs["truncation"] = self._truncation
            call = self._call = self._session.run(COMMAND, inputs)
        except TarmacError as error:
            self.prompt.tell(f"✕ {error}", "$error")
            return
        self.add_class("-runs")
        self._call_it("stop")
        # The prompt is gone: the keys are the panel's.
        self.screen.set_focus(self)
        self._put(0, picture[:, :, :3])
        self._tell(Content.styled("◐ the first steps", "$warning"))
        steps = self._steps()
        try:
            async for partial in call:
                image, distance = partial.outputs.get("image"), partial.outputs.get("distance")
                if isinstance(image, np.ndarray):
                    self._put(1, image)
                self._progress(partial.progress or 0.0, steps, distance if isinstance(distance, int | float) else None)
            found = await call
        except Cancelled:
            return
        except TarmacError as error:
            self._tell(Content.styled(f"✕ {error}", "$error"))
            self._call_it("close")
            return
        z, distance = found["z"], found["distance"]
        assert isinstance(z, np.ndarray)
        assert isinstance(distance, int | float)
        self._words[1] = "the nearest"
        self._tell(
            Content.assemble(
                ("● ", "$success"),
                (f"distance {distance:.1f}", "bold $text"),
                (" of 255, where 0 is the same; it is the middle of a new plane", "$muted"),
            )
        )
        self._call_it("close")
        self.post_message(self.Found(self, z, float(distance)))

    def _call_it(self, label: str) -> None:
        self.labels["project.leave"] = label
        self._tell_keys(self.screen)

    def _steps(self) -> int:
        """How many steps the worker takes by itself."""
        interface = self._session.interface
        declared = interface.commands[COMMAND].inputs.get("steps") if interface is not None else None
        steps = declared.default_value() if declared is not None else 0
        return steps if isinstance(steps, int) else 0

    def _put(self, place: int, pixels: Pixels) -> None:
        old, new = self._keys[place], new_key()
        self._pictures[new] = pixels
        self._keys[place] = new
        self._show()
        if old is not None:
            del self._pictures[old]
            self.query_one(PictureStrip).canvas.forget([old])

    def _show(self) -> None:
        self.query_one(PictureStrip).show(self._keys, self._pictures, self._words)

    def _progress(self, share: float, steps: int, distance: float | None) -> None:
        full = round(share * _BAR)
        counted = f" · step {round(share * steps)} of {steps}" if steps else ""
        near = "" if distance is None else f" · distance {distance:.1f}"
        self._tell(
            Content.assemble(
                ("━" * full, "$accent"),
                ("─" * (_BAR - full), "$muted"),
                (f" {share:.0%}{counted}{near}", "$muted"),
            )
        )
        self._show()

    def _tell(self, told: Content) -> None:
        self.query_one("#project-told", Static).update(told, layout=False)
        self._show()


def read_picture(path: Path) -> Pixels:
    """The middle square of a picture file, uint8 [side, side, 4], at most `LARGEST` pixels along an edge. Takes time.

    Raises:
        NotFound: There is no such file.
        Refused: It cannot be read or is no picture.
    """
    from PIL import Image

    from core.interface import pictures

    try:
        if path.stat().st_size > pictures.MOST_BYTES:
            raise Refused(f"{path.name} is too large", f"allowed are {pictures.MOST_BYTES // 2**20} MB")
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise Refused(f"{path.name} cannot be read", error.strerror or str(error)) from error
    try:
        pixels = pictures.decode(path.name, data, channels=4)
    except InvalidInput as error:
        raise Refused(f"{path.name} cannot be used", error.why or error.what, "Choose a PNG, JPEG or WebP") from error
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    if side > LARGEST:
        square = np.array(Image.fromarray(square).resize((LARGEST, LARGEST), Image.Resampling.LANCZOS))
    return square
