"""The studio: an App that holds the places, the themes, the keys and the core; what is on a screen lives there."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Event, Key, Paste
from textual.geometry import Size
from textual.reactive import reactive
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from tui import places, themes
from tui.datasets.jobs import DatasetJobs
from tui.errands import Errands
from tui.graphics.brands import TerminalInfo
from tui.graphics.driver import picture_driver
from tui.key_order import KeyOrder, KeyPassed
from tui.messages import Trouble
from tui.screens import PLACES
from tui.services import Services
from tui.status import Status
from tui.troubles import told, write_log

if TYPE_CHECKING:
    from core.runs.view import RunView
    from tui.hosting.services import Hosting
    from tui.hosting.watch import HostingWatch
    from tui.opening import Place
    from tui.runs.watch import RunWatch

_STATUS_SECONDS = 3.0
_LAST_SECONDS = 1.0
_RESTS_AFTER = 0.25


class TarmacApp(Errands, App[int]):
    """The program in the terminal.

    Args:
        services: The core; by default the real one.
        start: Mode to open; by default where the user was last.
        terminal: What was found out about the terminal; None when nobody asked it (tests).
        opening: Where to go first.
    """

    TITLE = "Tarmac"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    MODES = places.SCREENS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                place.key,
                f"go('{place.mode}')",
                place.title,
                show=False,
                id=f"app.{place.mode}",
                tooltip=f"Go to the place {place.title}",
            )
            for place in PLACES
        ),
        Binding("question_mark,f1", "help", "help", id="app.help", tooltip="This screen and its keys"),
        Binding("ctrl+p,colon", "palette", "commands", id="app.palette", tooltip="Every action, by typing"),
        Binding("O", "open_picture", "Open a picture", show=False, id="app.open-picture", tooltip="Go to its place"),
        Binding("q,ctrl+q", "quit", "Quit", show=False, id="app.quit", tooltip="Save the workspace and leave"),
    ]

    # What an app's reactive repaints is the whole screen; the header paints itself.
    status: reactive[Status | None] = reactive(None, repaint=False)
    workers_running: reactive[int] = reactive(0, repaint=False)
    runs: reactive[tuple[RunView, ...] | None] = reactive(None, repaint=False)
    """Every training run, the newest first; None until they were read."""
    runs_active: reactive[int] = reactive(0, repaint=False)
    dataset_jobs_running: reactive[int] = reactive(0, repaint=False)
    hosting: reactive[Hosting | None] = reactive(None, repaint=False)
    """The gateway and every deployment; None until they were read, and where nothing was ever hosted."""
    deployments_awake: reactive[int] = reactive(0, repaint=False)

    def __init__(
        self,
        services: Services | None = None,
        *,
        start: str | None = None,
        terminal: TerminalInfo | None = None,
        opening: Place | None = None,
    ) -> None:
        self.services = services if services is not None else Services()
        self.terminal = terminal
        self._opening = opening
        self._repaint: Timer | None = None
        self._size_before: Size | None = None
        self.moving_bytes = 1000 * self.services.config.settings.link
        """Bytes a second that pictures may send while they move."""
        self.run_watch: RunWatch | None = None
        """Follows the runs, from the first rest on."""
        self.hosting_watch: HostingWatch | None = None
        """Follows the deployments, from the first rest on."""
        self.losses: dict[str, str] = {}
        """What would be lost by leaving now, by a name for each."""
        self.dataset_jobs = DatasetJobs(self)
        """What is being added and prepared, whichever place is seen."""
        self.DEFAULT_MODE = start or self.services.start_mode()  # type: ignore[misc]
        super().__init__(driver_class=picture_driver(terminal) if terminal is not None else None)
        self._key_order = KeyOrder(self, super().on_event)
        self.animation_level = "none"
        self._theme_files, self._theme_problems = themes.load()
        for entry in self._theme_files:
            self.register_theme(entry.theme)
        self._choose_theme(self.services.config.settings.theme)

    # -- starting and ending

    def on_mount(self) -> None:
        """Everything that can wait until something is seen, waits."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._told_to_end, number)
            except (ValueError, RuntimeError):  # not the main thread: an embedding program has its own ideas
                break
        self.call_after_refresh(self._settle)

    async def on_event(self, event: Event) -> None:
        """Keys and pastes go out one after the other."""
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            await self._key_order.take(event)
        else:
            await super().on_event(event)

    def on_resize(self) -> None:
        """Paint everything once more when the window rests: what was under way for another size may have come last."""
        if self._size_before in (None, self.size):  # the first ones tell the size that all was made for
            self._size_before = self.size
            return
        self._size_before = self.size
        if self._repaint is not None:
            self._repaint.stop()
        self._repaint = self.set_timer(_RESTS_AFTER, self._paint_anew)

    def _paint_anew(self) -> None:
        # Laid out anew too: a pane that two quick changes of width hid and showed again can be left without its parts.
        if self._screen_stacks.get(self._current_mode):
            self.screen.refresh(layout=True)

    async def on_key_passed(self, message: KeyPassed) -> None:
        """A key has done all that it does."""
        await self._key_order.passed(message.number)

    def hold_keys(self) -> None:
        """Keep what is typed until `release_keys`: the pane that it is for is being made."""
        self._key_order.hold()

    def release_keys(self) -> None:
        """The pane has the focus, or there will be none."""
        self._key_order.release()

    def _settle(self) -> None:
        gc.freeze()
        gc.enable()
        if self._theme_problems:
            self._warn("Themes that cannot be used", self._theme_problems)
        if self.services.config.problems:
            self._warn("Settings that cannot be used", [str(problem) for problem in self.services.config.problems])
        self._load_keymap()
        self.run_worker(self._watch_machine(), group="status", exclusive=True, exit_on_error=False)
        self._follow_runs()
        self._follow_hosting()
        if self._opening is not None:
            self.go_to(self._opening)
        if self.current_mode != "workspace":  # else the model that opens there needs the processor more
            self.prepare_spare()
            self.run_worker(
                places.import_ahead, thread=True, group="ahead", exit_on_error=False, description="importing"
            )

    def prepare_spare(self) -> None:
        """Have a worker waiting, so that the next model opens at once."""
        self.run_worker(self.services.prepare_spare(), group="spare", exit_on_error=False, description="making ready")

    def _follow_runs(self) -> None:
        from tui.runs.watch import RunWatch

        self.run_watch = RunWatch(self)
        work = self.run_watch.follow()
        self.run_worker(work, group="runs", exclusive=True, exit_on_error=False, description="following the runs")

    def _follow_hosting(self) -> None:
        from tui.hosting.watch import HostingWatch

        self.hosting_watch = HostingWatch(self)
        work = self.hosting_watch.follow()
        self.run_worker(work, group="hosting", exclusive=True, exit_on_error=False, description="following hosting")

    async def _watch_machine(self) -> None:
        while True:
            self.status = await asyncio.to_thread(self.services.status)
            await asyncio.sleep(_STATUS_SECONDS)

    def _told_to_end(self, number: int) -> None:
        # The terminal may be gone: what would write to it must not hold up the end, nor may a thread that Python waits
        # for after the loop. Workers end with this process.
        last = threading.Timer(_LAST_SECONDS, os._exit, [128 + number])
        last.daemon = True
        last.start()
        self._start_leaving(128 + number)

    async def _leave(self, code: int) -> None:
        workspace = self.workspace
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await self.dataset_jobs.close()
                if workspace is not None:
                    await workspace.close()
                await self.services.close()
        except TimeoutError:
            pass
        finally:
            self.exit(code, return_code=code)

    async def action_quit(self) -> None:
        """Leave; asks only when something would be lost."""
        if self.losses:
            from tui.screens.confirm import Confirm

            def answer(yes: bool | None) -> None:
                if yes:
                    self._start_leaving(0)

            self.push_screen(Confirm("Leave now?", "\n".join(self.losses.values()), "leave"), answer)
        else:
            self._start_leaving(0)

    def _start_leaving(self, code: int) -> None:
        self.run_worker(self._leave(code), group="leave", exclusive=True, exit_on_error=False, description="leaving")

    # -- places

    def action_go(self, mode: str) -> None:
        """Go to a place."""
        self.switch_mode(mode)

    # -- troubles

    def on_trouble(self, message: Trouble) -> None:
        """Something failed that has no place of its own on the screen."""
        text, expected = told(message.error, message.doing)
        if not expected:
            write_log(message.error)
        self.notify(text, severity="error", timeout=10, markup=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Background work of the app itself that failed."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.post_message(Trouble(event.worker.error, event.worker.description))

    # -- help, palette, themes, keys

    def action_help(self) -> None:
        """Show what this screen is for and which keys work now."""
        from tui.screens.help import HelpScreen, helped, purpose

        screen = self.screen
        title = next((place.title for place in PLACES if place.mode == self.current_mode), "")
        self.push_screen(HelpScreen(title, purpose(screen), helped(screen)))

    def action_palette(self) -> None:
        """Choose among all actions that apply now, by typing."""
        from tui.palette import actions
        from tui.screens.chooser import Chooser

        found = actions(self, self.screen)

        def run(value: str | None) -> None:
            if value is not None:
                self.call_later(found[int(value)].run)

        self.push_screen(Chooser("Commands", [entry.choice(str(i)) for i, entry in enumerate(found)]), run)

    @property
    def theme_names(self) -> Iterable[tuple[str, str]]:
        """(name, what it is) of the themes from files."""
        return [(entry.name, entry.about) for entry in self._theme_files]

    def set_theme(self, name: str) -> None:
        """Use a theme now and from now on."""
        self._choose_theme(name)
        self.run_worker(partial(self.services.remember_theme, name), thread=True, group="config", exit_on_error=False)

    def set_images(self, choice: str) -> None:
        """Draw pictures in another way now and from now on: "auto", "kitty", "sixel", "iterm2", "blocks" or "off"."""
        from tui.graphics.brands import choose
        from tui.graphics.pictures import Pictures

        pictures = Pictures.of(self)
        chosen = choose(pictures.info, choice)
        if self.terminal is not None:
            self.terminal = chosen
        pictures.show_by(chosen)
        work = partial(self.services.remember_images, choice)
        self.run_worker(work, thread=True, group="config", exit_on_error=False, description="saving the setting")

    def _choose_theme(self, name: str) -> None:
        if name not in self.available_themes:
            self._theme_problems.append(f"there is no theme {name!r}; using {themes.DEFAULT}")
            name = themes.DEFAULT
        self.theme = name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colours, for themes that are not from a file."""
        return dict(themes.VARIABLES)

    def _load_keymap(self) -> None:
        from tui import keymap

        if keymap.keymap_path().exists():
            from tui.palette import all_binding_ids

            good, problems = keymap.load(all_binding_ids())
            self.set_keymap(good)
            if problems:
                self._warn("Keys that cannot be used (keymap.toml)", problems)

    def _warn(self, title: str, lines: list[str]) -> None:
        self.notify("\n".join(lines), title=title, severity="warning", timeout=12, markup=False)
