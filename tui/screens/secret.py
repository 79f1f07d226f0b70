"""A token, shown this once, with a key that copies it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class SecretShown(ModalScreen[None]):
    """What is nowhere kept; closed only by a key that is meant.

    Args:
        title: What was made.
        secret: The token; empty for what needs none.
        lines: What to know about it: (label, text) each.
    """

    CSS_PATH = "hosting_dialogs.tcss"
    HELP = "The token is shown this once: only its hash is kept. y copies it to the clipboard of your own terminal."
    HELP_TITLE = "Token"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy", id="secret.copy", tooltip="The token to your own clipboard (OSC 52)"),
        Binding("escape,enter", "close", "close", id="secret.close", tooltip="It cannot be shown again"),
    ]

    def __init__(self, title: str, secret: str, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._secret, self._lines = title, secret, lines
        self._copied = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="hosting-dialog") as pane:
            pane.border_title = f" {self._title} "
            yield Static(id="secret", markup=False)

    def on_mount(self) -> None:
        """Show it."""
        self._draw()

    def _draw(self) -> None:
        wide = max(len(label) for label, _ in [*self._lines, ("token", "")])
        parts: list[tuple[str, str] | str] = []
        for label, text in self._lines:
            parts += [(f"{label:<{wide}}  ", "$muted"), (f"{text}\n", "$text")]
        if self._secret:
            parts += [(f"{'token':<{wide}}  ", "$muted"), (f"{self._secret}\n\n", "bold $accent")]
            parts.append(("The token is shown this once; only its hash is kept.\n\n", "$warning"))
            parts += [("y", "bold $accent"), (" copy    ", "$text")]
            if self._copied:
                parts.append(("● copied    ", "$success"))
        else:
            parts.append("\n")
        parts += [("⏎", "bold $accent"), (" close", "$muted")]
        self.query_one("#secret", Static).update(Content.assemble(*parts))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a token there is nothing to copy."""
        return bool(self._secret) if action == "copy" else True

    def action_copy(self) -> None:
        """The token to the clipboard of the user's own terminal."""
        self.app.copy_to_clipboard(self._secret)
        self._copied = True
        self._draw()

    def action_close(self) -> None:
        """It cannot be shown again."""
        self.dismiss(None)
