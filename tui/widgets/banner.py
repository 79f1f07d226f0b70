"""One calm line over a model's pane while it loads, and the sentence of its death with the key that starts it again."""

from __future__ import annotations

import time

from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from core.errors import TarmacError


class Banner(Static):
    """Hidden while all is well."""

    DEFAULT_CSS = """
    Banner {
        height: auto;
        max-height: 4;
        padding: 0 1;
        display: none;
        &.-loading, &.-dead { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._began = 0.0
        self._timer: Timer | None = None
        self._what = ""
        self._error: TarmacError | None = None

    def wait_for(self, what: str) -> None:
        """Say what is awaited, and for how long."""
        if not self.has_class("-loading"):
            self._began = time.monotonic()
        self._what, self._error = what, None
        self.set_classes("-loading")
        self._count()
        if self._timer is None:
            self._timer = self.set_interval(1.0, self._count)

    def dead(self, error: TarmacError) -> None:
        """Say how it ended and which key starts it again."""
        self._rest()
        self.set_classes("-dead")
        self._error = error
        self._tell_death()
        # Where the focus is decides how the key is reached.
        self.watch(self.screen, "focused", self._tell_death, init=False)

    def _tell_death(self) -> None:
        if self._error is None:
            return
        focused = self.screen.focused
        typing = focused is not None and focused.check_consume_key("R", "R")
        keys: list[tuple[str, str] | str] = [("esc", "bold $accent"), (", then ", "$text")] if typing else []
        text, lost = str(self._error).rstrip("."), "Nothing you typed is lost."
        self.update(
            Content.assemble(
                ("✕ ", "bold $error"),
                (f"{text}. {lost} ", "$text"),
                *keys,
                ("R", "bold $accent"),
                (" starts it again", "$text"),
            )
        )

    def clear(self) -> None:
        """All is well."""
        self._rest()
        self._error = None
        self.set_classes("")
        self.update("")

    def _count(self) -> None:
        waited = int(time.monotonic() - self._began)
        for_long = f" · {waited} s" if waited else ""
        self.update(Content.styled(f"◐ {self._what}{for_long}", "$warning"))

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
