"""What the studio's tests stand on: a library on disk with models whose workers need no framework, a frozen machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from textual._xterm_parser import XTermParser
from textual.message import Message
from textual.pilot import Pilot

from core.interface import Interface
from core.library.interfaces import image_gan_interface, text_interface
from core.library.manifest import Manifest
from core.library.models import Library, Model
from core.workers.session import Session, Target
from core.workers.spare import Spare
from tui.opening import Place
from tui.services import Services
from tui.status import Status
from tui.studio import TarmacApp

STATUS = Status("you", "gpu7", "H200", 38 * 2**30, 139 * 2**30, 0.41)
LONG_AGO = datetime(2020, 1, 2, 3, 4, tzinfo=UTC)


class StageServices(Services):
    """The real core on a folder of its own; workers run test adapters instead of the models' weights."""

    def __init__(self, home: Path, starters: Path) -> None:
        self.home, self.starters = home, starters
        self.options: dict[str, dict[str, object]] = {"text": {}, "image-gan": {}}
        self.sessions: list[Session] = []

    @cached_property
    def library(self) -> Library:
        """Starters and a library under the test's folder."""
        return Library(self.home / "data", starters=self.starters)

    @cached_property
    def spare(self) -> Spare | None:
        """None waits: test adapters start at once."""
        return None

    def status(self) -> Status:
        """A machine that never changes."""
        return STATUS

    def session(self, model: Model) -> Session:
        """A worker that runs a test adapter of the model's kind."""
        options = self.options.get(model.kind, {})
        factory = "tests.tui.writer:Writer" if model.kind == "text" else "tests.adapters:Stub"
        target = Target("test", model.folder, options, trusted_factory=factory, name=model.name)
        session = Session(target)
        self.sessions.append(session)
        return session


def put_model(
    folder: Path, name: str, kind: str, *, author: str = "tarmac", licence: str = "OFL-1.1", size: int = 7_000_000
) -> None:
    """A model folder that reads as whole."""
    interface: Interface
    if kind == "text":
        interface, adapter, weights = text_interface(256), "causal-lm", "config.json"
        settings: dict[str, object] = {"name": "gpt2", "n_layer": 6, "n_positions": 256, "parameters": 5_100_000}
    else:
        interface, adapter, weights = image_gan_interface(16, 64), "stylegan2", "weights.safetensors"
        settings = {"name": "stylegan2", "img_resolution": 64, "parameters": 24_800_000}
    folder.mkdir(parents=True)
    Manifest(
        name=name,
        kind=kind,
        adapter=adapter,
        interface=interface.spec(),
        author=author,
        licence=licence,
        created=LONG_AGO,
        description="Drawn from an openly licensed font." if kind != "text" else "Writes Python.",
        architecture=settings,
        scores={"fid_10k": 12.5} if kind != "text" else {"perplexity": 8.9},
    ).write(folder)
    with (folder / weights).open("wb") as file:
        file.truncate(size)


def furnish(home: Path) -> StageServices:
    """Two starters, one model of the user's, one broken folder."""
    starters = home / "starters"
    put_model(starters / "portraits", "portraits", "image-gan")
    put_model(starters / "gpt2-python", "gpt2-python", "text", licence="PSF-2.0", size=12_300_000)
    library = home / "data" / "models"
    put_model(library / "20200102-030405-sneakers", "sneakers", "image-gan", author="you", licence="", size=95_000_000)
    (library / "20200102-030406-torn").mkdir(parents=True)
    (library / "20200102-030406-torn" / "model.toml").write_text("format = 1\nname = ", encoding="utf-8")
    return StageServices(home, starters)


@asynccontextmanager
async def studio(
    services: Services,
    *,
    size: tuple[int, int] = (100, 30),
    start: str | None = "directory",
    opening: Place | None = None,
) -> AsyncIterator[tuple[TarmacApp, Pilot[int], list[Message]]]:
    """The running app, its pilot and every message that was handled."""
    messages: list[Message] = []
    app = TarmacApp(services, start=start, opening=opening)
    async with app.run_test(size=size, message_hook=messages.append) as pilot:
        yield app, pilot, messages
        workspace = app.workspace
        if workspace is not None:
            await workspace.close()


async def until(pilot: Pilot[int], condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until `condition()` holds; fails the test when it does not within the time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        await asyncio.sleep(0.01)
        await pilot.pause()


def lines(app: TarmacApp) -> list[str]:
    """The screen as text."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in app.screen._compositor.render_strips()]


def text(app: TarmacApp) -> str:
    """The screen as one text."""
    return "\n".join(lines(app))


def burst(app: TarmacApp, typed: str) -> None:
    """What a terminal sends for `typed`, all of it in one read; nobody waits in between."""
    for event in XTermParser().feed(typed):
        app.post_message(event)
