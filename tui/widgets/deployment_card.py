"""A deployment at a glance: what it does and who may use it, programs that call it, its newest requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui import words
from tui.hosting import changes as hosting_changes
from tui.hosting import facts as hosting_facts
from tui.hosting import spread as hosting_spread
from tui.widgets.table import Column, Row, Table
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.hosting.process import GatewayStatus
    from core.hosting.spread.scaling import Scaled
    from tui.hosting.services import Seen
    from tui.status import Status

_TONES = {"": "$text", "muted": "$muted", "good": "$success", "busy": "$warning", "bad": "$error", "accent": "$accent"}
_TOKENS = 4
"""Tokens that are told of; the others are counted."""
_PROCESSES = 8
"""The same of processes."""
_URGENT = {"bad": 0, "busy": 1, "muted": 2, "good": 3, "": 3}
REQUEST_COLUMNS = (
    Column("", 1),
    Column("time", 8),
    Column("status", 6, right=True, importance=8),
    Column("took", 7, right=True, importance=7),
    Column("token", 8, grow=True, importance=6),
    Column("request", 22, grow=True, importance=5),
    Column("", 12, grow=True, importance=4),
)


class DeploymentFacts(Titled, VerticalScroll, can_focus=False):
    """State, address, who may use it, the tunnel, the load."""

    DEFAULT_CSS = """
    DeploymentFacts { padding: 0 1; height: 1fr; }
    DeploymentFacts > Static { height: auto; }
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(classes="pane", **options)
        self._shown: tuple[Seen | None, GatewayStatus | None, Status | None] = None, None, None

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def show(self, seen: Seen | None, gateway: GatewayStatus | None, status: Status | None) -> None:
        """Show this deployment; None shows an empty pane."""
        self._shown = seen, gateway, status
        self.set_title(seen.name if seen is not None else "")
        self._fill()

    def on_resize(self, event: events.Resize) -> None:
        """Long lines break where the pane ends."""
        super().on_resize(event)
        self._fill()

    def _fill(self) -> None:
        seen, gateway, status = self._shown
        if seen is None or gateway is None:
            self.query_one(Static).update("")
            return
        width = max(24, (self.scrollable_content_region.width or 60) - 1)
        lines = fact_lines(seen, gateway, status, width)
        wide = max(len(label) for label, _, _ in lines)
        parts = []
        for label, text, tone in lines:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", _TONES[tone]))
        self.query_one(Static).update(Content.assemble(*parts))


def fact_lines(seen: Seen, gateway: GatewayStatus, status: Status | None, width: int) -> list[tuple[str, str, str]]:
    """(label, text, tone) of what is known, what matters most first; `width` cells for all of a line."""
    made, now = seen.hosted.deployment, seen.status
    glyph, word, tone = hosting_facts.state(seen)
    if seen.hosted.problem:
        return [("state", f"{glyph} {word}", tone), ("", seen.hosted.problem, "bad")]
    lines = [("state", f"{glyph} {word}", tone)]
    if now.sentence:
        lines.append(("", now.sentence, "bad" if now.state in ("failed", "down") else "muted"))
    host, user = (status.host, status.user) if status is not None else ("this-machine", "you")
    base = hosting_facts.reached_at(gateway, host)
    lines.append(("address", f"{base}/{seen.name}/v1" if base else "none before the gateway runs", "accent"))
    if made is not None and made.private:
        many = words.counted(len(seen.tokens), "token") if seen.tokens else "no tokens: nobody can use it"
        lines.append(("access", f"private, {many}", "" if seen.tokens else "busy"))
        lines += [
            ("", f"{each.label} …{each.hint}, made {hosting_facts.token_age(each.created)}", "muted")
            for each in seen.tokens[:_TOKENS]
        ]
        if len(seen.tokens) > _TOKENS:
            lines.append(("", f"and {len(seen.tokens) - _TOKENS} more", "muted"))
    else:
        lines.append(("access", "public: no token is needed", "busy"))
    if hosting_facts.local_only(gateway) and (tunnel := hosting_facts.ssh_line(gateway, user, host)):
        lines.append(("tunnel", tunnel, ""))
        lines.append(("", "on your own machine; then the address works there too", "muted"))
    if seen.spread is not None:
        lines += _spread_lines(seen.spread)
    room = max(8, width - 10)
    lines.append(("load", hosting_facts.sparkline(now.rate, min(60, room)), "accent" if any(now.rate) else "muted"))
    lines.append(("", hosting_facts.load(now.rate), "muted"))
    errors = f", {words.counted(now.errors_today, 'error')}" if now.errors_today else ""
    lines.append(("today", f"{words.counted(now.requests_today, 'request')}{errors}; {now.requests:,} in all", ""))
    if now.p50_ms is not None:
        latency = f"p50 {hosting_facts.milliseconds(now.p50_ms)}, p95 {hosting_facts.milliseconds(now.p95_ms)}"
        lines.append(("latency", f"{latency}, of the last 5 min", ""))
    if now.queue or now.running:
        lines.append(("queue", f"{now.queue:,} waiting, {now.running:,} under way", "busy" if now.queue else ""))
    command = f", {made.command}" if made is not None and made.command else ""
    lines.append(("model", f"{seen.model_name}{command}", "" if seen.model is not None else "bad"))
    if seen.model is None:
        lines.append(("", "it is gone from the library or broken; e, then m, serves another one here", "bad"))
    if made is not None:
        options = ", ".join(f"{name} {value}" for name, value in made.options.items())
        lines += [("options", options, "")] if options else []
        many, ending = f"{made.replicas} that", "s" if made.replicas == 1 else ""
        idle = f"sleep{ending} after {hosting_changes.time_of(made.sleep_after)} without a request"
        lines.append(("workers", f"{many} {idle if made.sleep_after else f'never sleep{ending}'}", "muted"))
    return lines


def _spread_lines(spread: Scaled) -> list[tuple[str, str, str]]:
    """The processes besides the gateway's workers, those that need somebody first."""
    told, tone = hosting_spread.summary(spread)
    lines = [("spread", told, tone)]
    if spread.url:
        lines.append(("", f"{spread.url}/v1 divides requests among them", "accent"))
    processes = sorted(map(hosting_spread.process_line, spread.replicas), key=lambda each: _URGENT[each[1]])
    lines += [("", text, "" if tone == "good" else tone) for text, tone in processes[:_PROCESSES]]
    if len(processes) > _PROCESSES:
        lines.append(("", f"and {len(processes) - _PROCESSES} more: tarmac deployments scale {spread.name}", "muted"))
    return lines


class SnippetsPane(Titled, Vertical):
    """Programs that call the deployment, one at a time."""

    DEFAULT_CSS = """
    SnippetsPane { height: 1fr; padding: 0 1; }
    SnippetsPane > .snippet-tabs { height: auto; }
    SnippetsPane > VerticalScroll { height: 1fr; margin-top: 1; }
    SnippetsPane > VerticalScroll > Static { height: auto; }
    """

    chosen: reactive[int] = reactive(0, init=False)

    def __init__(self, **options: Any) -> None:
        super().__init__(classes="pane", **options)
        self._programs: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        yield Static(classes="snippet-tabs", markup=False)
        with VerticalScroll(can_focus=False):
            yield Static(classes="snippet", markup=False)

    def on_mount(self) -> None:
        """The title does not change."""
        self.set_title("programs that call it", "the token in $TOKEN")

    def show(self, programs: Mapping[str, str]) -> None:
        """Show these programs by title; the chosen one stays chosen."""
        if dict(programs) != self._programs:
            before = self.title
            self._programs = dict(programs)
            self.set_reactive(SnippetsPane.chosen, next((at for at, each in enumerate(programs) if each == before), 0))
            self._fill()

    @property
    def title(self) -> str:
        """Which program is shown; empty without any."""
        titles = list(self._programs)
        return titles[self.chosen] if self.chosen < len(titles) else ""

    @property
    def program(self) -> str:
        """The program that is shown."""
        return self._programs.get(self.title, "")

    def turn(self, by: int) -> None:
        """Another one."""
        if self._programs:
            self.chosen = (self.chosen + by) % len(self._programs)

    def watch_chosen(self) -> None:
        """Another program."""
        self._fill()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def scroll_on(self) -> None:
        """A page further down; from the end to the top."""
        pane = self.query_one(VerticalScroll)
        if pane.is_vertical_scroll_end:
            pane.scroll_home(animate=False)
        else:
            pane.scroll_page_down(animate=False)

    def _fill(self) -> None:
        parts: list[tuple[str, str] | str] = []
        for title in self._programs:
            here = title == self.title
            parts += [(f"[{title}]" if here else f" {title} ", "bold $accent" if here else "$muted"), " "]
        self.query_one(".snippet-tabs", Static).update(Content.assemble(*parts))
        self.query_one(".snippet", Static).update(Content(self.program.expandtabs(4).rstrip("\n")))


class RequestsPane(Titled, Vertical):
    """The newest requests, the newest first."""

    DEFAULT_CSS = """
    RequestsPane { height: 1fr; }
    RequestsPane > Static { height: auto; padding: 0 1; color: $muted; }
    RequestsPane > Table { height: 1fr; }
    """

    def __init__(self, *, focusable: bool = False, **options: Any) -> None:
        super().__init__(classes="pane", **options)
        self._focusable = focusable

    def compose(self) -> ComposeResult:
        table = Table(REQUEST_COLUMNS)
        table.can_focus = self._focusable
        yield table
        yield Static(markup=False)

    def show(self, lines: Sequence[Mapping[str, object]]) -> None:
        """Show these lines of the log, given the oldest first."""
        rows = [Row(str(at), hosting_facts.request_cells(line)) for at, line in enumerate(lines)]
        self.query_one(Table).set_rows(rows[::-1])
        self.query_one(Static).update("" if rows else "no requests yet")
        self.set_title("requests", f"{len(rows):,}" if rows else "")
