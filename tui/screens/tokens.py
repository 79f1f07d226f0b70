"""The tokens of a deployment: made with a label, renewed, revoked; a secret is shown once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.errors import InvalidInput, TarmacError
from tui.hosting import facts as hosting_facts
from tui.widgets.table import Column, Row, Table

if TYPE_CHECKING:
    from core.hosting.tokens import Token
    from tui.hosting.services import Seen
    from tui.studio import TarmacApp

_COLUMNS = (Column("label", 20, grow=True), Column("ends in", 8), Column("made", 14))


class TokensScreen(ModalScreen[None]):
    """A list of labels; nothing in it opens anything."""

    CSS_PATH = "hosting_dialogs.tcss"
    AUTO_FOCUS = "Table"
    HELP = (
        "Who may use the deployment: one token for each program or person, so that each can be revoked alone. A token "
        "is shown when it is made; only its hash is kept. r gives one a new secret, and the old one opens nothing."
    )
    HELP_TITLE = "Tokens"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new", id="tokens.new", tooltip="A token with a label of its own"),
        Binding("r", "rotate", "renew", id="tokens.rotate", tooltip="A new secret; the old one opens nothing any more"),
        Binding("x,delete", "revoke", "revoke", id="tokens.revoke", tooltip="Make the token worthless"),
        Binding("escape,t", "close", "close", id="tokens.close", tooltip="Back to the deployments"),
    ]

    app: TarmacApp

    def __init__(self, name: str) -> None:
        super().__init__()
        self.deployment = name

    def compose(self) -> ComposeResult:
        with Vertical(classes="hosting-dialog") as pane:
            pane.border_title = f" Tokens of {self.deployment} "
            pane.border_subtitle = " n new  r renew  x revoke  esc close "
            yield Table(_COLUMNS)
            yield Static(id="tokens-told", markup=False)

    def on_mount(self) -> None:
        """Stay as the folder is."""
        self.watch(self.app, "hosting", self._fill)

    @property
    def seen(self) -> Seen | None:
        """The deployment as it stands."""
        found = self.app.hosting.deployments if self.app.hosting is not None else ()
        return next((seen for seen in found if seen.name == self.deployment), None)

    @property
    def token(self) -> Token | None:
        """The token under the cursor."""
        label = self.query_one(Table).current
        return next((each for each in self.seen.tokens if each.label == label), None) if self.seen else None

    def _fill(self) -> None:
        seen = self.seen
        if seen is None:
            return
        rows = [
            Row(
                each.label,
                ((each.label, ""), (f"…{each.hint}", "muted"), (hosting_facts.token_age(each.created), "muted")),
            )
            for each in seen.tokens
        ]
        self.query_one(Table).set_rows(rows)
        made = seen.hosted.deployment
        if made is not None and not made.private:
            told = "The deployment is public: it is used without a token."
        elif not seen.tokens:
            told = "No tokens: nobody can use it. n makes one."
        else:
            told = "Sent as: Authorization: Bearer TOKEN"
        self.query_one("#tokens-told", Static).update(Content.styled(told, "$muted"))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        return self.token is not None if action in ("rotate", "revoke") and self.is_mounted else True

    def action_new(self) -> None:
        """Ask for a label, make a token, show it once."""
        self.run_worker(self._new(), group="token", exclusive=True, exit_on_error=False, description="making a token")

    async def _new(self) -> None:
        from core.hosting.tokens import check_label
        from tui.screens.ask_text import AskText

        taken = {each.label for each in self.seen.tokens} if self.seen else set()

        def check(text: str) -> None:
            if check_label(text) in taken:
                raise InvalidInput(f"there is a token called {text} already", "", "Choose another label, or renew it")

        number = next(count for count in range(1, 1000) if f"token {count}" not in taken)
        about = "Who or what it is for, so that it can be told apart and revoked alone."
        label = await self.app.push_screen_wait(AskText("Label of the token", about, f"token {number}", check))
        if label is not None:
            await self._make("add_token", label)

    def action_rotate(self) -> None:
        """A new secret for the token under the cursor, once the user said so."""
        token = self.token
        if token is not None:
            lost = f"Programs that use {token.label} (…{token.hint}) are refused until they have the new one."
            self._ask(f"Renew {token.label}?", lost, "renew it", "rotate_token", token.label)

    def action_revoke(self) -> None:
        """Make the token under the cursor worthless, once the user said so."""
        token = self.token
        if token is not None:
            lost = f"Programs that use {token.label} (…{token.hint}) are refused from now on."
            self._ask(f"Revoke {token.label}?", lost, "revoke it", "revoke_token", token.label)

    def _ask(self, question: str, lost: str, yes: str, method: str, label: str) -> None:
        from tui.screens.confirm import Confirm

        def answer(sure: bool | None) -> None:
            if sure:
                work = self._make(method, label)
                self.run_worker(work, group="token", exclusive=True, exit_on_error=False, description="")

        self.app.push_screen(Confirm(question, lost, yes), answer)

    async def _make(self, method: str, label: str) -> None:
        from tui.screens.secret import SecretShown

        store = self.app.services.hosting.store
        try:
            secret = await asyncio.to_thread(getattr(store, method), self.deployment, label)
        except TarmacError as error:
            self.notify(str(error), severity="error", timeout=10, markup=False)
            return
        if self.app.hosting_watch is not None:
            self.app.hosting_watch.look_now()
        if secret is not None:
            await self.app.push_screen_wait(
                SecretShown("A new token", secret, [("for", f"{self.deployment}, {label}")])
            )

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)
