"""What every place of the studio has: the header, its body, the footer, and one way to tell failures."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from tui.messages import Trouble
from tui.widgets.footer import Footer
from tui.widgets.header import Header


class StudioScreen(Screen[str | None]):
    """A place with a number key, or a page over one, which may answer. Subclasses give `body`, `MODE` and `HELP`."""

    MODE = ""
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-one"), (100, "-two"), (160, "-three")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (32, "-tall")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield Header()
        yield from self.body()
        yield Footer()

    def body(self) -> ComposeResult:
        """The widgets between header and footer."""
        yield from ()

    def on_mount(self) -> None:
        """The header shows what the app knows of the machine."""
        header = self.query_one(Header)
        header.place = self.MODE
        self.watch(self.app, "status", lambda status: setattr(header, "status", status))
        self.watch(self.app, "workers_running", lambda count: setattr(header, "running", count))
        self.watch(self.app, "runs_active", lambda count: setattr(header, "training", count))
        self.watch(self.app, "deployments_awake", lambda count: setattr(header, "hosted", count))
        self.watch(self.app, "dataset_jobs_running", lambda count: setattr(header, "preparing", count))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """The one place where background work of a screen that failed is told."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            self.post_message(Trouble(error, event.worker.description))
