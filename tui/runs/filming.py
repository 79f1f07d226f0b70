"""The films that a run's page writes while it is looked at: of the finished model, and of the samples so far."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import TarmacError
from tui.messages import Trouble

if TYPE_CHECKING:
    from textual.screen import Screen

    from core.runs.view import RunView
    from tui.studio import TarmacApp

    _Base = Screen[str | None]
else:
    _Base = object


class Filming(_Base):
    """For a screen with a `view`: the run that is filmed.

    Attributes:
        film: Frames written and frames in all of the film that is being written; None while there is none.
        film_of: What it shows, for people.
    """

    app: TarmacApp
    film: tuple[int, int] | None = None
    film_of: str = ""

    @property
    def view(self) -> RunView | None:
        """The run that is meant; None when there is none."""
        raise NotImplementedError

    def film_told(self) -> None:
        """It has come further."""

    def film_over(self) -> None:
        """It has begun, or is over."""

    def can_film(self, action: str) -> bool:
        """Whether "film" (of the model) or "history" could be written now."""
        view = self.view
        if view is None or view.plan.kind != "image" or self.film is not None:
            return False
        return bool(view.model) if action == "film" else len(view.samples) > 1

    def action_film(self) -> None:
        """Write a film of the model into the exports."""
        view = self.view
        if view is not None and view.model:
            from tui.runs.film import write_film

            model = view.model
            self._begin_film("the model", lambda progress: write_film(self.app.services, model, progress))

    def action_history(self) -> None:
        """Write a film of the samples into the exports."""
        view = self.view
        if view is not None:
            from tui.runs.film import write_history

            self._begin_film("the history", lambda progress: write_history(view, progress))

    def stop_film(self) -> None:
        """Leave it; nothing of it stays."""
        self.workers.cancel_group(self, "film")

    def _begin_film(self, of: str, write: Callable[[Callable[[int, int], None]], Awaitable[Path]]) -> None:
        self.film, self.film_of = (0, 0), of
        self.app.losses["run-film"] = f"A film of {of} of a run is being written; it would not be kept."
        self.run_worker(self._write_film(write), group="film", exclusive=True, exit_on_error=False)
        self.film_over()

    async def _write_film(self, write: Callable[[Callable[[int, int], None]], Awaitable[Path]]) -> None:
        def progress(done: int, count: int) -> None:
            self.film = (done, count)
            self.film_told()

        try:
            path = await write(progress)
        except TarmacError as error:
            self.post_message(Trouble(error, "writing a film"))
        else:
            self.app.notify(str(path), title="Film written", timeout=10, markup=False)
        finally:
            self.film = None
            self.app.losses.pop("run-film", None)
            self.film_over()
