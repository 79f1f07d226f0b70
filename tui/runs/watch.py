"""All training runs, followed while the studio is open: what changed goes to the screens, what ended is told.

The folders are read in a thread: every second while something runs, else seldom, since another terminal may start one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from core.errors import TarmacError
from tui import words
from tui.graphics.notices import notice_for
from tui.runs.facts import lasted, latest_score, main_scores

if TYPE_CHECKING:
    from core.runs.view import RunView
    from tui.studio import TarmacApp

_ACTIVE_SECONDS = 1.0
_IDLE_SECONDS = 4.0
_ENGINE_SECONDS = 60.0
"""Between two questions to a cluster: its engine answers everybody."""


class RunWatch:
    """Keeps `app.runs` and `app.runs_active` as the folders tell them.

    Attributes:
        problem: Why the runs cannot be read; None while they can.
    """

    def __init__(self, app: TarmacApp) -> None:
        self._app = app
        self._news = asyncio.Event()
        self._marks: dict[str, tuple[object, ...]] | None = None
        self._engines_asked = 0.0
        self.problem: TarmacError | None = None

    def look_now(self) -> None:
        """Something was done to a run: do not wait for the next time."""
        self._news.set()

    async def follow(self) -> None:
        """Look again and again. What was lost while nobody looked goes on first."""
        await self._look()
        await self._revive()
        while True:
            self._news.clear()
            await self._look()
            self._ask_engines()
            seconds = _ACTIVE_SECONDS if self._app.runs_active else _IDLE_SECONDS
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        try:
            views = await asyncio.to_thread(self._app.services.training.look)
        except TarmacError as error:
            if self.problem is None or str(error) != str(self.problem):
                self.problem, self._marks = error, None
                self._app.mutate_reactive(type(self._app).runs)  # what was read last stays, and the reason is told
            return
        mended, self.problem = self.problem is not None, None
        before, self._marks = self._marks, {view.id: _mark(view) for view in views}
        if before == self._marks:
            return  # nothing happened: nothing is painted
        known = {view.id: view for view in self._app.runs or ()}
        self._app.runs = tuple(views)
        if mended:
            self._app.mutate_reactive(type(self._app).runs)  # what is shown may be the same, the trouble is over
        self._app.runs_active = sum(view.active for view in views)
        for view in views:
            if not view.active and view.id in known and known[view.id].active:
                self._ended(view)

    async def _revive(self) -> None:
        if not any(view.state == "lost" and view.plan.resources.launcher == "local" for view in self._app.runs or ()):
            return
        try:
            revived = await self._app.services.training.revive()
        except TarmacError:
            return  # the list says that it is lost, and which key goes on
        if revived:
            text = "\n".join(f"{view.plan.name}, from step {view.step:,}" for view in revived)
            self._app.notify(text, title="Training goes on again", timeout=12, markup=False)

    def _ask_engines(self) -> None:
        """In the background, and seldom: what a cluster carries it tells nobody unasked."""
        carried = [view for view in self._app.runs or () if view.plan.resources.launcher != "local"]
        if not any(view.active or view.state == "lost" for view in carried):
            return
        now = time.monotonic()
        if self._engines_asked and now - self._engines_asked < _ENGINE_SECONDS:
            return
        self._engines_asked = now
        self._app.run_worker(self._asked(), group="engines", exclusive=True, exit_on_error=False, description="")

    async def _asked(self) -> None:
        try:
            await self._app.services.training.ask_engines()
        except TarmacError:
            return  # what was known holds
        self.look_now()

    def _ended(self, view: RunView) -> None:
        title, text, good = told(view)
        self._app.notify(text, title=title, severity="information" if good else "error", timeout=12, markup=False)
        way = self._app.services.config.settings.notify
        if way == "off":
            return
        terminal, driver = self._app.terminal, self._app._driver
        if way == "auto" and terminal is not None and driver is not None and (data := notice_for(terminal, title)):
            driver.write(data)
        self._app.bell()


def told(view: RunView) -> tuple[str, str, bool]:
    """(title, text, whether it is good news) of a run that ended."""
    took = f"after {words.duration(lasted(view))}" if view.started else ""
    reached = latest_score(main_scores(view)).rstrip(" ▲▼")
    at = f"{view.step:,} of {view.plan.steps:,} steps"
    if view.state == "finished":
        text = " · ".join(filter(None, (at, took, reached)))
        return f"{view.plan.name} has finished", f"{text}. 3 shows it.", True
    if view.state == "stopped":
        return f"{view.plan.name} has stopped", " · ".join(filter(None, (at, took, reached))), True
    why = view.end.what.rstrip(". ") if view.end is not None else "nothing of it can be found running"
    return f"{view.plan.name} has ended early", f"{at}: {why or 'no reason was told'}. 3 shows what to do.", False


def _mark(view: RunView) -> tuple[object, ...]:
    """Another one whenever anything of a run has changed; cheap to compare, unlike its curves."""
    return (
        *(view.state, view.step, view.phase, view.attempt, view.changed, view.plan.steps, view.model, view.eta),
        *(len(view.samples), len(view.scores), len(view.checkpoints), len(view.warnings), view.end),
    )


def moment() -> float:
    """Unix seconds; a name of its own, so that a test can stop the clock of the screens alone."""
    return time.time()
