"""The network panel of a model in the workspace: its local address, its routes, what they take and give, on and off."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.errors import TarmacError

if TYPE_CHECKING:
    from core.hosting.local_api import LocalApi
    from tui.studio import TarmacApp


class NetworkScreen(ModalScreen[None]):
    """Shows and switches the local API of one model.

    Args:
        api: The model's.
        title: What its tab is called.
    """

    CSS_PATH = "network.tcss"
    AUTO_FOCUS = "#network-routes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,N,q", "close", "Close", id="network.close", tooltip="Back; what is on stays on"),
        Binding("o,enter,space", "switch", "On or off", id="network.switch", tooltip="Let other programs ask, or not"),
        Binding("y", "copy", "Copy address", id="network.copy", tooltip="The address to your clipboard (OSC 52)"),
        Binding("c", "copy_call", "Copy a call", id="network.copy-call", tooltip="A query with curl (OSC 52)"),
    ]

    app: TarmacApp

    def __init__(self, api: LocalApi, title: str) -> None:
        super().__init__()
        self._api, self._title = api, title
        self._shown: object = None

    def compose(self) -> ComposeResult:
        with Vertical(id="network") as pane:
            pane.border_title = f" Network · {self._title} "
            pane.border_subtitle = " o on/off  y copy address  c copy a call  esc close "
            yield Static(id="network-state", markup=False)
            with VerticalScroll(id="network-routes"):
                yield Static(self._routes(), markup=False)
            yield Static(id="network-told", markup=False)

    def on_mount(self) -> None:
        """Show how it stands, and go on showing it."""
        self._tell()
        self.set_interval(1.0, self._tell)

    def _tell(self) -> None:
        api = self._api
        shown = (api.on, api.port, api.queries)
        if shown == self._shown:
            return
        self._shown = shown
        if api.on:
            count = f"{api.queries} {'query' if api.queries == 1 else 'queries'}"
            state = Content.assemble(
                ("● on   ", "bold $success"), (api.url, "bold $text"), (f"   {count} so far", "$muted"), "\n",
                ("Programs of this machine may ask the model, pages in its browsers too. ", "$muted"),
                ("It is off again when the studio ends.", "$muted"),
            )  # fmt: skip
        else:
            state = Content.assemble(
                ("○ off  ", "bold $muted"), ("nobody but you can ask this model", "$text"), "\n",
                ("o", "bold $accent"),
                (" lets programs of this machine ask it, by HTTP as Runway's local API.", "$muted"),
            )  # fmt: skip
        self.query_one("#network-state", Static).update(state)

    def _routes(self) -> Content:
        """The routes, with what /query takes and gives."""
        from core.hosting.skeletons import skeleton

        command = self._api.command
        lines: list[tuple[str, str] | str] = []
        for verb, path, about in (
            ("POST", "/query", "inputs in, outputs out"),
            ("GET", "/data", "the outputs of the last query"),
            ("GET", "/error", "the error of the last query that failed, or null"),
            ("GET", "/info", "what it takes and gives"),
        ):
            pad = " " * (8 - cell_len(path))
            lines += [(f"{verb:<5}", "$muted"), (f"{path}{pad}", "bold $text"), (f"{about}\n", "$muted")]
        lines += ["\n", ("takes ", "$muted"), (f"{skeleton(command.inputs)}\n", "$text")]
        lines += [("gives ", "$muted"), (skeleton(command.outputs), "$text")]
        return Content.assemble(*lines)

    # -- keys

    def action_switch(self) -> None:
        """On if it is off, and the other way round."""
        self.run_worker(self._switch(), group="network", exclusive=True, exit_on_error=False)

    async def _switch(self) -> None:
        try:
            await (self._api.close() if self._api.on else self._api.open())
        except TarmacError as error:
            self._say(f"✕ {error}", "$error")
        else:
            self._say("", "$muted")
        self._tell()

    def action_copy(self) -> None:
        """The address."""
        if not self._api.on:
            return self._say("It has an address once it is on: o", "$warning")
        self.app.copy_to_clipboard(self._api.url)
        self._say("The address was copied", "$success")

    def action_copy_call(self) -> None:
        """A query with curl that works as it is, but for pictures."""
        if not self._api.on:
            return self._say("It can be called once it is on: o", "$warning")
        self.app.copy_to_clipboard(call(self._api))
        self._say("A call with curl was copied", "$success")

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)

    def _say(self, text: str, tone: str) -> None:
        self.query_one("#network-told", Static).update(Content.styled(text, tone))


def call(api: LocalApi) -> str:
    """A query with curl: its inputs are the defaults, zeros for a vector, and "..." where only you know."""
    from core.interface import Vector

    inputs: dict[str, object] = {}
    for name, kind in api.command.inputs.items():
        default = kind.default_value()
        if isinstance(kind, Vector):
            inputs[name] = [0.0] * (kind.length or 1)
        else:
            inputs[name] = kind.to_json(default) if default is not None else "..."
    body = json.dumps(inputs).replace("'", "\\u0027")
    return f"curl {api.url}/query -H 'Content-Type: application/json' -d '{body}'"
