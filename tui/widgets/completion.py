"""The completion pane: a prompt above, what the model writes below, every sample kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message

from core.errors import Cancelled, InvalidInput, TarmacError
from tui.samples import MOST_KEPT, Sample, history_from_state
from tui.widgets.completion_output import Output
from tui.widgets.options import OptionsPanel, label, shown
from tui.widgets.prompt import PromptEditor

if TYPE_CHECKING:
    from core.library.models import Model
    from core.workers.session import Call, Session

_PAINT_SECONDS = 0.07
_HISTORY = Binding.Group("history", compact=True)


class CompletionPane(Vertical):
    """A text model at work: any model whose command takes a text first and streams a text.

    Args:
        session: The model's worker; the pane waits for it to be ready and never starts or stops it.
        model: The library's model.
        state: What `state` gave before.
    """

    HELP = "Write a prompt, press enter, and the model goes on from it."
    HELP_TITLE = "Completion"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "complete", "complete", id="completion.complete", tooltip="Complete the prompt once more"),
        Binding("escape", "stop", "stop", id="completion.stop", tooltip="Stop; what is there stays"),
        Binding("n", "next_sample", "next sample", id="completion.next", tooltip="Another one, with the next seed"),
        Binding("c", "continue", "continue", id="completion.continue", tooltip="Go on from where it ended"),
        Binding("e", "edit", "edit as prompt", id="completion.edit", tooltip="Prompt and completion into the editor"),
        Binding("y", "copy", "copy", id="completion.copy", tooltip="The completion to your own clipboard (OSC 52)"),
        Binding("Y", "copy_all", "Copy all", id="completion.copy-all", show=False, tooltip="Prompt and completion"),
        Binding("left,h", "history(-1)", "Earlier", id="completion.back", group=_HISTORY, tooltip="The sample before"),
        Binding("right,l", "history(1)", "Later", id="completion.forward", group=_HISTORY, tooltip="The sample after"),
        Binding("o", "options", "options", id="completion.options", tooltip="Length, temperature, top-p, seed"),
        Binding("i,tab", "write", "prompt", id="completion.write", tooltip="Back into the prompt"),
    ]

    @dataclass
    class StateChanged(Message):
        """Something that the workspace file keeps is different; `line` tells the options."""

        pane: CompletionPane
        line: str

    @dataclass
    class Failed(Message):
        """The model could not do what was asked."""

        pane: CompletionPane
        error: TarmacError

    def __init__(self, session: Session, model: Model, state: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.session, self.model = session, model
        kept = state or {}
        prompt, options = kept.get("prompt"), kept.get("options")
        self._prompt_text = prompt if isinstance(prompt, str) else ""
        self._options = dict(options) if isinstance(options, Mapping) else {}
        self.history = history_from_state(kept.get("history"))
        index = kept.get("index")
        last = len(self.history) - 1
        self.index = min(max(index, 0), last) if isinstance(index, int) else last
        self._command = next(iter(model.interface.commands.values()))
        self._prompt_input = next(name for name, kind in self._command.inputs.items() if kind.type_name == "text")
        self._text_output = next(name for name, kind in self._command.outputs.items() if kind.type_name == "text")
        self._call: Call | None = None
        self._waiting = False
        self._error: TarmacError | None = None
        self._progress: float | None = None
        self._paint_due = False
        self._there = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="completion-body"):
            with Vertical(id="completion-text"):
                yield PromptEditor(self._prompt_text)
                yield Output(id="output", classes="pane")
            yield OptionsPanel(self._command.inputs, self._options)

    def on_mount(self) -> None:
        """Show the history where it was left."""
        self._there = True
        self._show()
        self._tell_state()

    def focus_first(self) -> None:
        """Put the cursor where one starts: in the prompt."""
        self.screen.set_focus(self.query_one(PromptEditor))

    # -- state

    @property
    def sample(self) -> Sample | None:
        """The sample on the screen."""
        return self.history[self.index] if 0 <= self.index < len(self.history) else None

    @property
    def busy(self) -> bool:
        """Whether the model is writing, or will as soon as it has loaded."""
        return self._call is not None or self._waiting

    def state(self) -> dict[str, object]:
        """What the workspace file keeps."""
        return {
            "prompt": self.query_one(PromptEditor).text if self._there else self._prompt_text,
            "options": dict(self._values),
            "history": [sample.to_state() for sample in self.history[-MOST_KEPT:]],
            "index": self.index - max(0, len(self.history) - MOST_KEPT),
        }

    @property
    def _values(self) -> dict[str, float]:
        return self.query_one(OptionsPanel).values if self._there else self._options

    def settings_line(self) -> str:
        """The options in a line: "length 128 · temperature 0.80 · top-p 0.95 · seed 0"."""
        panel = self.query_one(OptionsPanel)
        return " · ".join(f"{label(name)} {shown(kind, panel.values[name])}" for name, kind in panel.kinds.items())

    def session_changed(self) -> None:
        """The worker is in another state: what waited for it starts, what it was doing has ended."""
        if self._waiting and self.session.state == "ready":
            self._waiting = False
            self._start(self._wanted_prompt, self._wanted_sample)
        elif self._waiting and self.session.state in ("dead", "stopped"):
            self._waiting = False
        self._show()

    def _tell_state(self) -> None:
        self.post_message(self.StateChanged(self, self.settings_line()))

    # -- asking the model

    @on(PromptEditor.Completed)
    def action_complete(self) -> None:
        """Complete what is in the editor."""
        prompt = self.query_one(PromptEditor).text
        self._ask(prompt, Sample(prompt, options=dict(self._values)))

    def action_next_sample(self) -> None:
        """The same prompt with the next seed."""
        panel = self.query_one(OptionsPanel)
        if "seed" in panel.kinds:
            try:
                panel.set_value("seed", panel.values["seed"] + 1)
            except InvalidInput:
                panel.set_value("seed", 0)
        self.action_complete()

    def action_continue(self) -> None:
        """Go on from where the sample on the screen ended."""
        sample = self.sample
        if sample is not None:
            self._ask(sample.prompt + sample.text, replace(sample, options=dict(self._values)))

    def _ask(self, prompt: str, sample: Sample) -> None:
        if self.busy:
            return
        self._error = None
        if not prompt:
            self._error = InvalidInput("there is nothing to go on from", "", "Write a prompt first")
            self._show()
            return
        self.screen.set_focus(self.query_one(Output))
        self._wanted_prompt, self._wanted_sample = prompt, sample
        if self.session.state == "ready":
            self._start(prompt, sample)
        elif self.session.state in ("new", "starting"):
            self._waiting = True
            self._show()
        else:
            self._error = self.session.death or TarmacError(
                f"{self.model.name} is not running", "", "R starts it again"
            )
            self._show()

    def _start(self, prompt: str, sample: Sample) -> None:
        try:
            self._call = self.session.run(self._command.name, {self._prompt_input: prompt, **sample.options})
        except TarmacError as error:
            self._error = error
            self._show()
            return
        if sample.text:  # a continuation takes the place of what it continues
            self.history[self.index] = replace(sample, finish="")
        else:
            self.history.append(sample)
            del self.history[:-MOST_KEPT]
            self.index = len(self.history) - 1
        self._progress = 0.0
        self.run_worker(self._follow(self._call), group="complete", exit_on_error=False, description="completing")
        self._show()

    async def _follow(self, call: Call) -> None:
        place, base = self.index, self.history[self.index]
        began = time.monotonic()
        finish = "failed"
        try:
            async for part in call:
                text = part.outputs.get(self._text_output)
                tokens, rate = part.outputs.get("tokens"), part.outputs.get("tokens_per_second")
                count = tokens if isinstance(tokens, int) else self._count_from(part.progress, base)
                passed = time.monotonic() - began
                speed = float(rate) if isinstance(rate, int | float) else count / passed if passed > 0.2 else 0.0
                self._progress = part.progress
                self.history[place] = base.grown(base.text + str(text or ""), count, speed)
                self._paint_soon()
                if call.done and part.progress == 1.0:
                    finish = str(part.outputs.get("finish_reason") or "stop")
        except Cancelled:
            finish = "stopped"
        except asyncio.CancelledError:
            finish = "stopped"
            raise
        except TarmacError as error:
            self._error = error
            self.post_message(self.Failed(self, error))
        finally:
            self.history[place] = replace(self.history[place], finish=finish)
            self._call = None
            self._progress = None
            if self.is_attached:
                self._show()
                self._tell_state()

    @staticmethod
    def _count_from(progress: float | None, sample: Sample) -> int:
        return round((progress or 0.0) * sample.options.get("max_tokens", 0))

    def action_stop(self) -> None:
        """Stop the model; what it wrote stays."""
        if self._call is not None:
            self._call.cancel()
        self._waiting = False
        self._show()

    @on(PromptEditor.Escaped)
    def _escaped(self) -> None:
        if self.busy:
            self.action_stop()
        else:
            self.screen.set_focus(self.query_one(Output))

    # -- showing

    def _paint_soon(self) -> None:
        if not self._paint_due:
            self._paint_due = True
            self.set_timer(_PAINT_SECONDS, self._paint)

    def _paint(self) -> None:
        self._paint_due = False
        self._show()

    def _show(self) -> None:
        if not (self._there and self.is_attached):
            return
        self.query_one(Output).show(
            self.sample,
            f"{self.index + 1} of {len(self.history)}" if self.sample else "",
            writing=self._call is not None,
            waits_for=self.model.name if self._waiting else "",
            error=self._error,
        )
        self.refresh_bindings()

    # -- what can be done with a sample

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action == "stop":
            return self.busy
        if action in ("complete", "next_sample"):
            return not self.busy
        if action in ("continue", "edit"):
            return self.sample is not None and not self.busy
        if action in ("copy", "copy_all"):
            return self.sample is not None
        if action == "history":
            return len(self.history) > 1 and not self.busy
        return True

    def action_edit(self) -> None:
        """Prompt and completion become the prompt."""
        if self.sample is not None:
            editor = self.query_one(PromptEditor)
            editor.text = self.sample.prompt + self.sample.text
            editor.move_cursor(editor.document.end)
            self.screen.set_focus(editor)
            self._tell_state()

    def action_copy(self) -> None:
        """The completion to the clipboard of the user's own terminal."""
        if self.sample is not None:
            self._copy(self.sample.text)

    def action_copy_all(self) -> None:
        """Prompt and completion to the clipboard."""
        if self.sample is not None:
            self._copy(self.sample.prompt + self.sample.text)

    def _copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        self.notify(f"Copied {lines} {'line' if lines == 1 else 'lines'}", timeout=2)

    def action_history(self, by: int) -> None:
        """The sample before or after."""
        self.index = max(0, min(len(self.history) - 1, self.index + by))
        self._error = None
        self._show()
        self.query_one(Output).scroll_home(animate=False)
        self._tell_state()

    def action_write(self) -> None:
        """Back into the prompt."""
        self.screen.set_focus(self.query_one(PromptEditor))

    @on(PromptEditor.OptionsWanted)
    def action_options(self) -> None:
        """Open the options."""
        self.add_class("-options")
        self.screen.set_focus(self.query_one(OptionsPanel))

    @on(OptionsPanel.Left)
    def _options_left(self) -> None:
        self.remove_class("-options")
        self.screen.set_focus(self.query_one(Output))

    @on(OptionsPanel.Changed)
    def _options_changed(self) -> None:
        self._tell_state()

    @on(PromptEditor.Changed)
    def _prompt_changed(self, event: PromptEditor.Changed) -> None:
        self._fit_prompt(event.text_area.text)
        self._tell_state()

    def _fit_prompt(self, text: str) -> None:
        """The prompt takes the room that it needs, from three lines to half of the pane."""
        editor = self.query_one(PromptEditor)
        width = max(10, editor.size.width - 3)
        lines = sum(1 + max(0, cell_len(line) - 1) // width for line in text.split("\n")[:200])
        most = max(4, self.size.height // 2)
        editor.styles.height = max(4, min(most, lines + 2))
