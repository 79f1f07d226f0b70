"""The place Hosting: every deployment, what it does, how it is called; and the gateway, also when it is gone."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import var
from textual.widgets import Static

from core.errors import TarmacError
from tui.hosting import facts as hosting_facts
from tui.hosting.steering import HostingSteering
from tui.screens.base import StudioScreen
from tui.widgets.deployment_card import DeploymentFacts, RequestsPane, SnippetsPane
from tui.widgets.table import Column, Row, Table
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from tui.hosting.services import Seen
    from tui.studio import TarmacApp

_COLUMNS = (
    Column("", 1),
    Column("name", 12, grow=True),
    Column("state", 11, importance=8),
    Column("model", 14, grow=True, importance=5),
    Column("url", 34, grow=True, importance=3),
    Column("today", 7, right=True, importance=7),
    Column("errors", 6, right=True, importance=6),
    Column("p50", 7, right=True, importance=6),
    Column("p95", 7, right=True, importance=2),
    Column("queue", 5, right=True, importance=4),
    Column("workers", 7, right=True, importance=1),
)
_TONES = {"": "$text", "muted": "$muted", "good": "$success", "busy": "$warning", "bad": "$error"}
_LOG_LINES = 100
_STEP = Binding.Group("program", compact=True)


def _import_ahead() -> None:
    """What the keys will need, while the user still reads the list."""
    for name in ("query", "tokens", "request_log", "qr_code", "host_model", "deployment_settings", "secret"):
        importlib.import_module(f"tui.screens.{name}")
    importlib.import_module("core.hosting.snippets")


class HostedPane(Titled, Vertical):
    """The table and what is said where it is empty."""


class HostingScreen(HostingSteering, StudioScreen):
    """A list of deployments that stays as the folders are; below it the one under the cursor."""

    MODE = "hosting"
    CSS_PATH = "hosting.tcss"
    AUTO_FOCUS = "Table"
    HELP = (
        "Models behind URLs that programs can call. A gateway in a process of its own answers for all of them and goes "
        "on when the studio closes. A deployment sleeps when nobody asks, and the next request wakes it. Enter asks it "
        "from here, e changes how it is served; left and right choose a program that calls it, y copies that."
    )
    HELP_TITLE = "Hosting"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="hosting.open", tooltip="The deployment, with programs that call it"),
        Binding("enter", "ask", "ask", id="hosting.ask", tooltip="Ask the deployment from here, as a program would"),
        Binding("left", "turn(-1)", "Program before", id="hosting.before", group=_STEP, tooltip="The program before"),
        Binding("right", "turn(1)", "Next program", id="hosting.next", group=_STEP, tooltip="The next program"),
        Binding("y", "copy", "copy", id="hosting.copy", tooltip="The program to your own clipboard (OSC 52)"),
        Binding("t", "tokens", "tokens", id="hosting.tokens", tooltip="Make, renew and revoke tokens"),
        Binding("e", "settings", "settings", id="hosting.settings", tooltip="Replicas, sleep, access, options, model"),
        Binding("p", "pause", "pause", id="hosting.pause", tooltip="Serve it no longer, or again"),
        Binding("l", "log", "log", id="hosting.log", tooltip="Its requests"),
        Binding("n", "new", "host another", id="hosting.new", tooltip="Choose a model and serve it"),
        Binding("o", "gateway", "gateway on/off", id="hosting.gateway", tooltip="Start the gateway, or stop it"),
        Binding("c", "code", "QR code", id="hosting.code", tooltip="The address of its page for a phone's camera"),
        Binding("x,delete", "delete", "delete", id="hosting.delete", tooltip="Delete the deployment; its model stays"),
        Binding("a", "copy_address", "Copy address", id="hosting.address", show=False, tooltip="Its URL (OSC 52)"),
        Binding("s", "copy_tunnel", "Copy tunnel", id="hosting.tunnel", show=False, tooltip="The ssh -L line (OSC 52)"),
        Binding("space", "more", "More", id="hosting.more", show=False, tooltip="The program's next lines"),
        Binding("escape", "list", "list", id="hosting.list", tooltip="Back to the list"),
    ]

    detail: var[bool] = var(False)
    """Where there is room for one pane: whether it is the deployment, not the list."""

    app: TarmacApp

    def __init__(self) -> None:
        super().__init__()
        self._wanted: str | None = None
        self._programs: tuple[object, dict[str, str]] = (None, {})
        self._logged: object = None

    def body(self) -> ComposeResult:
        yield Static(id="gateway-told", markup=False)
        with Vertical(id="hosting"):
            with HostedPane(id="hosted", classes="pane"):
                yield Table(_COLUMNS)
                yield Static(id="hosted-state", markup=False)
            with Horizontal(id="deployment"):
                yield DeploymentFacts()
                yield SnippetsPane()
                yield RequestsPane()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(HostedPane).set_title("Deployments")
        self.run_worker(_import_ahead, thread=True, group="ahead", exit_on_error=False, description="importing")
        self.watch(self.app, "hosting", self._changed)
        self.watch(self.app, "status", lambda _: self._show(), init=False)

    def on_screen_resume(self) -> None:
        """From now on it is looked at every second."""
        if self.app.hosting_watch is not None:
            self.app.hosting_watch.look_now()

    def on_resize(self, event: events.Resize) -> None:
        """The panes know their widths only when the style sheet has seen the screen's."""
        self.call_after_refresh(self._fit)

    # -- the list

    @property
    def seen(self) -> Seen | None:
        """The deployment under the cursor."""
        key = self.query_one("#hosted Table", Table).current
        found = self.app.hosting.deployments if self.app.hosting is not None else ()
        return next((seen for seen in found if seen.name == key), None)

    def select(self, name: str) -> None:
        """Go to this deployment, now or as soon as it is seen."""
        self._wanted = name
        self._changed()

    def _changed(self) -> None:
        hosting = self.app.hosting
        looked = self.app.hosting_watch is not None and self.app.hosting_watch.looked
        found = hosting.deployments if hosting is not None else ()
        wanted = self._wanted if any(seen.name == self._wanted for seen in found) else None
        if wanted is not None:
            self._wanted = None
        self.query_one("#hosted Table", Table).set_rows([_row(seen) for seen in found], wanted)
        pane = self.query_one(HostedPane)
        self.set_class(not found, "-empty")
        told = []
        if hosting is not None and hosting.gateway.runs:
            told.append(hosting.gateway.url)
            told.append(f"● {hosting.awake} awake" if hosting.awake else "none awake")
        pane.set_title("Deployments", " · ".join(told))
        self._tell_state(found, bool(looked))
        self.tell_gateway()
        self._fit()
        self._show()

    def _tell_state(self, found: tuple[Seen, ...], looked: bool) -> None:
        state = self.query_one("#hosted-state", Static)
        state.display = not found
        if not looked:
            state.update(Content.styled("◐ reading the deployments", "$warning"))
        elif not found:
            state.update(
                Content.assemble(
                    ("Nothing is hosted yet.\n\n", "$text"),
                    ("n", "bold $accent"),
                    (" chooses a model and serves it under a URL that programs can call: by Runway's API, ", "$muted"),
                    ("a text model by OpenAI's too.\n", "$muted"),
                    ("It goes on when this window closes. ", "$muted"),
                    ("h", "bold $accent"),
                    (" on a model in the directory or on a training run does the same.", "$muted"),
                )
            )

    def tell_gateway(self) -> None:
        told = self.query_one("#gateway-told", Static)
        text, tone = hosting_facts.gateway_line(self.app.hosting)
        if self.refused and tone == "bad":
            text = f"✕ {self.refused}"
        if self.doing:
            text, tone = self.doing, "busy"
        told.display = bool(text)
        parts: list[tuple[str, str]] = [(text, _TONES[tone])]
        if tone == "bad":
            parts += [("  o", "bold $accent"), (" starts it, with every deployment and token as before.", "$text")]
        told.update(Content.assemble(*parts))

    def _fit(self) -> None:
        """The list is as high as its rows, within limits; the rest is the deployment's."""
        rows = len(self.query_one("#hosted Table", Table).rows)
        pane = self.query_one(HostedPane)
        one = self.size.width < 100
        pane.styles.height = "1fr" if one or not rows else min(rows + 3, max(6, self.size.height * 2 // 5))
        self.set_class(self.detail and bool(rows), "-detail")

    @on(Table.Moved, "#hosted Table")
    def _moved(self) -> None:
        self._show()

    @on(Table.Clicked, "#hosted Table")
    def _clicked(self) -> None:
        if self.size.width < 100 and not self.detail:
            self.action_open()
        else:
            self.action_ask()

    # -- the deployment

    def _show(self) -> None:
        hosting, seen = self.app.hosting, self.seen
        self.query_one(DeploymentFacts).show(seen, hosting.gateway if hosting is not None else None, self.app.status)
        self.query_one(SnippetsPane).show(self._snippets())
        self._show_log()
        self.refresh_bindings()

    def _snippets(self) -> dict[str, str]:
        """The programs of the deployment under the cursor; made when something changed that is in them."""
        hosting, seen = self.app.hosting, self.seen
        if hosting is None or seen is None or seen.model is None or seen.hosted.deployment is None:
            return {}
        host = self.app.status.host if self.app.status is not None else "localhost"
        base = hosting_facts.reached_at(hosting.gateway, host)
        made = seen.hosted.deployment
        mark = (seen.name, base, seen.model.id, made.command, made.private)
        if seen.command is None or not base:
            return {}
        if mark != self._programs[0]:
            from core.hosting.snippets import snippets

            text = seen.model.kind == "text"
            programs = snippets(
                seen.name, base, seen.model.interface, made.command, private=made.private, text_model=text
            )
            self._programs = mark, programs
        return self._programs[1]

    def _show_log(self) -> None:
        """Read the newest requests, in a thread, when there are new ones and they are seen."""
        seen = self.seen
        if seen is None or not self.has_class("-three"):
            return
        mark = (seen.name, seen.status.requests, seen.status.updated)
        if mark != self._logged:
            self._logged = mark
            self.run_worker(self._read_log(seen.name), group="log", exclusive=True, exit_on_error=False, description="")

    async def _read_log(self, name: str) -> None:
        try:
            lines = await asyncio.to_thread(self.app.services.hosting.log, name, _LOG_LINES)
        except TarmacError:
            return  # removed meanwhile
        self.query_one("#deployment RequestsPane", RequestsPane).show(lines)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if not self.is_mounted or action not in _ABOUT_ONE:
            return True
        listed = self.size.width < 100 and not self.detail
        if action == "list":
            return self.detail and self.size.width < 100
        if action == "open" and not listed:
            return False
        if action == "ask" and listed:
            return False
        seen = self.seen
        if seen is None:
            return False
        if action in ("turn", "copy", "more"):  # what is not seen is not turned
            return bool(self.query_one(SnippetsPane).program) and not listed
        if action in ("copy_address", "copy_tunnel", "code"):
            return bool(seen.url)
        if action in ("tokens", "pause", "settings"):
            return seen.hosted.deployment is not None
        return True

    def action_open(self) -> None:
        """Where one pane has room: from the list to the deployment."""
        self.detail = True
        self._fit()
        self.refresh_bindings()

    def action_ask(self) -> None:
        """The page that asks it."""
        from tui.screens.query import QueryPage

        seen = self.seen
        if seen is None:
            return
        if seen.command is None or seen.model is None:
            self.notify("Its model is gone from the library or broken.", severity="error", markup=False)
            return
        self.app.hold_keys()  # what is typed meanwhile is for the page
        self.app.push_screen(QueryPage(seen.name))

    def deployment_deleted(self) -> None:
        """There is nothing to show any more."""
        self.detail = False

    def action_list(self) -> None:
        """Back to the list."""
        self.detail = False
        self._fit()
        self.refresh_bindings()

    def action_turn(self, by: int) -> None:
        """Another program."""
        self.query_one(SnippetsPane).turn(by)

    def action_more(self) -> None:
        """Scroll the program."""
        self.query_one(SnippetsPane).scroll_on()

    def action_copy(self) -> None:
        """The program that is shown to the clipboard."""
        pane = self.query_one(SnippetsPane)
        self._copy(pane.program, f"the {pane.title} program")

    def action_copy_address(self) -> None:
        """The URL to the clipboard."""
        hosting, seen = self.app.hosting, self.seen
        if hosting is not None and seen is not None:
            host = self.app.status.host if self.app.status is not None else "localhost"
            self._copy(f"{hosting_facts.reached_at(hosting.gateway, host)}/{seen.name}/v1", "the address")

    def action_copy_tunnel(self) -> None:
        """The line that reaches the gateway from one's own machine to the clipboard."""
        status = self.app.status
        if self.app.hosting is not None and status is not None:
            self._copy(hosting_facts.ssh_line(self.app.hosting.gateway, status.user, status.host), "the ssh line")

    def _copy(self, text: str, what: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(f"Copied {what}", timeout=2, markup=False)

    def action_tokens(self) -> None:
        """Make, renew and revoke tokens."""
        from tui.screens.tokens import TokensScreen

        if self.seen is not None:
            self.app.push_screen(TokensScreen(self.seen.name))

    def action_log(self) -> None:
        """All its requests."""
        from tui.screens.request_log import RequestLogPage

        if self.seen is not None:
            self.app.push_screen(RequestLogPage(self.seen.name))

    def action_code(self) -> None:
        """The address of its page as a QR code."""
        from tui.screens.qr_code import QrCode

        hosting, seen = self.app.hosting, self.seen
        if hosting is None or seen is None:
            return
        host = self.app.status.host if self.app.status is not None else "localhost"
        about = "needs the tunnel on the phone" if hosting_facts.local_only(hosting.gateway) else ""
        self.app.push_screen(QrCode(hosting_facts.page(seen, hosting.gateway, host), about))


_ABOUT_ONE = frozenset(
    {"open", "ask", "turn", "copy", "more", "copy_address", "copy_tunnel", "code"}
    | {"tokens", "settings", "pause", "log", "delete", "list"}
)


def _row(seen: Seen) -> Row:
    glyph, word, tone = hosting_facts.state(seen)
    status = seen.status
    return Row(
        seen.name,
        (
            (glyph, tone),
            (seen.name, "bad" if seen.hosted.problem else ""),
            (word, tone),
            (seen.model_name, "muted"),
            (seen.url or "–", "muted"),
            (f"{status.requests_today:,}", ""),
            (f"{status.errors_today:,}", "bad" if status.errors_today else "muted"),
            (hosting_facts.milliseconds(status.p50_ms), ""),
            (hosting_facts.milliseconds(status.p95_ms), "muted"),
            (f"{status.queue:,}", "busy" if status.queue else "muted"),
            (hosting_facts.replicas(seen), "muted"),
        ),
    )
