"""The completion pane: a prompt above, what the model writes below, every sample kept with what it went on from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message

from core.errors import InvalidInput, TarmacError
from core.interface.types import Number
from tui.samples import MOST_KEPT, Sample, ancestors, asked, history_from_state, place_of
from tui.widgets.completion.calls import growing
from tui.widgets.completion.compare import Beside
from tui.widgets.completion.keys import KEYS
from tui.widgets.completion.output import Output
from tui.widgets.completion.probabilities import Probabilities
from tui.widgets.completion.sides import Sides
from tui.widgets.completion.tree import TreePane
from tui.widgets.options import OptionsPanel
from tui.widgets.prompt import PromptEditor

if TYPE_CHECKING:
    from core.library.models import Model
    from core.workers.session import Call, Session

_PAINT_SECONDS = 0.07
_TEXT_ACTIONS = frozenset({"complete", "next_sample", "continue", "edit", "copy", "copy_all", "probabilities", "tree"})

_SAMPLES = Number(default=1, min=1, max=16, step=1, description="Completions at once, each with the next seed")


class CompletionPane(Sides, Vertical):
    """A text model at work: any model whose command takes a text first and streams a text.

    Args:
        session: The model's worker; the pane waits for it to be ready and never starts or stops it.
        model: The library's model.
        state: What `state` gave before.
    """

    HELP = (
        "Write a prompt, press enter, and the model goes on from it. Every completion is kept below what it went on "
        "from; t shows them as a tree. p tells how likely each token was, v puts a second model beside the first."
    )
    HELP_TITLE = "Completion"
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

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
        self._calls: dict[int, Call] = {}
        self._wanted: list[Sample] = []
        """What waits until the model has loaded."""
        self._source: int | None = None
        """Number of the sample that was taken into the editor."""
        self._error: TarmacError | None = None
        self._paint_due = False
        self._there = False
        self.beside: Beside | None = None
        self._kept_beside = kept.get("beside")

    def compose(self) -> ComposeResult:
        with Horizontal(id="completion-body"):
            with Vertical(id="completion-text"):
                yield PromptEditor(self._prompt_text)
                with Container(id="completion-outputs"):
                    yield Output(id="output", classes="pane")
                    yield Probabilities()
            yield TreePane()
            inputs = dict(self._command.inputs)
            if "seed" in inputs:  # else all samples would be the same
                inputs["samples"] = _SAMPLES
            yield OptionsPanel(inputs, self._options)

    async def on_mount(self) -> None:
        """Show the history where it was left."""
        self._there = True
        await self.restore_beside(self._kept_beside)
        self._show()
        self.told()

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
        """Whether a model is writing, or will as soon as it has loaded."""
        return bool(self._calls or self._wanted) or (self.beside is not None and self.beside.busy)

    def state(self) -> dict[str, object]:
        """What the workspace file keeps."""
        state: dict[str, object] = {
            "prompt": self.query_one(PromptEditor).text if self._there else self._prompt_text,
            "options": self.query_one(OptionsPanel).state() if self._there else self._options,
            "history": [sample.to_state() for sample in self.history[-MOST_KEPT:]],
            "index": self.index - max(0, len(self.history) - MOST_KEPT),
        }
        if self.beside is not None:
            state["beside"] = self.beside.state()
        elif not self._there and isinstance(self._kept_beside, Mapping):
            state["beside"] = self._kept_beside
        return state

    def settings_line(self) -> str:
        """The options in a line: "length 128 · temperature 0.80 · top-p 0.95 · seed 0"."""
        return self.query_one(OptionsPanel).settings_line()

    def session_changed(self) -> None:
        """The worker is in another state: what waited for it starts, what it was doing has ended."""
        if self._wanted and self.session.state == "ready":
            wanted, self._wanted = self._wanted, []
            self._start(wanted)
        elif self._wanted and self.session.state in ("dead", "stopped"):
            self._wanted = []
        self._show()

    async def close(self) -> None:
        """End what the pane itself has started."""
        if self.beside is not None:
            await self.beside.close()

    def told(self) -> None:
        """What the workspace file keeps is different."""
        self.post_message(self.StateChanged(self, self.settings_line()))

    # -- asking the model

    @on(PromptEditor.Completed)
    def action_complete(self) -> None:
        """Complete what is in the editor."""
        prompt = self.query_one(PromptEditor).text
        place = place_of(self.history, self._source) if self._source is not None else None
        source = self.history[place] if place is not None else None
        # What was taken into the editor and changed is a branch; another beginning is another prompt.
        self._ask(prompt, source.number if source is not None and prompt.startswith(source.prompt) else None)

    def action_next_sample(self) -> None:
        """The same prompt with seeds that it has not had."""
        panel = self.query_one(OptionsPanel)
        if "seed" in panel.kinds:
            try:
                panel.set_value("seed", panel.values["seed"] + panel.values.get("samples", 1))
            except InvalidInput:
                panel.set_value("seed", 0)
        self.action_complete()

    def action_continue(self) -> None:
        """Go on from where the sample on the screen ended."""
        sample = self.sample
        if sample is not None:
            self._ask(sample.prompt + sample.text, sample.number)

    def _ask(self, prompt: str, parent: int | None) -> None:
        if self.busy:
            return
        self._error = None
        self.close_probabilities()
        if not prompt:
            self._error = InvalidInput("there is nothing to go on from", "", "Write a prompt first")
            self._show()
            return
        self.focus_output()
        panel = self.query_one(OptionsPanel)
        options = {name: value for name, value in panel.values.items() if name != "samples"}
        count = int(panel.values.get("samples", 1))
        wanted = asked(self.history, prompt, parent, options, panel.lists.get("stop", []), count)
        if self.session.state == "ready":
            self._start(wanted)
        elif self.session.state in ("new", "starting"):
            self._wanted = wanted
            self._show()
        else:
            self._error = self.session.death or TarmacError(
                f"{self.model.name} is not running", "", "R starts it again"
            )
            self._show()

    def _start(self, samples: list[Sample]) -> None:
        lists = [{"stop": list(sample.stop)} if "stop" in self._command.inputs else {} for sample in samples]
        inputs = [{self._prompt_input: one.prompt, **one.options, **more} for one, more in zip(samples, lists)]
        try:
            calls = self.session.run_together(self._command.name, inputs)
        except TarmacError as error:
            self._error = error
            self._show()
            return
        self.history += samples
        del self.history[:-MOST_KEPT]
        self.index = place_of(self.history, samples[0].number) or 0
        self._calls = {sample.number: call for sample, call in zip(samples, calls)}
        for sample, call in zip(samples, calls):
            self.run_worker(self._follow(call, sample), group="complete", exit_on_error=False, description="completing")
        if self.beside is not None:
            self.beside.complete(samples)
        self.turned()

    async def _follow(self, call: Call, sample: Sample) -> None:
        try:
            async for sample in growing(call, sample, self._text_output):  # noqa: B020 (it is the same one, further on)
                self._keep(sample)
                self._paint_soon()
        except asyncio.CancelledError:
            self._keep(replace(sample, finish="stopped"))
            raise
        except TarmacError as error:
            self._error = error
            self._keep(replace(sample, finish="failed"))
            self.post_message(self.Failed(self, error))
        finally:
            self._calls.pop(sample.number, None)
            if self.is_attached:
                self._show()
                self.told()

    def _keep(self, sample: Sample) -> None:
        place = place_of(self.history, sample.number)
        if place is not None:
            self.history[place] = sample

    def action_stop(self) -> None:
        """Stop the models; what they wrote stays."""
        self._wanted = []
        for call in list(self._calls.values()):
            call.cancel()
        if self.beside is not None:
            self.beside.stop()
        self._show()

    @on(PromptEditor.Escaped)
    def _escaped(self) -> None:
        if self.busy:
            self.action_stop()
        else:
            self.focus_output()

    # -- showing

    def _paint_soon(self) -> None:
        if not self._paint_due:
            self._paint_due = True
            self.set_timer(_PAINT_SECONDS, self._paint)

    def _paint(self) -> None:
        self._paint_due = False
        self._show()

    def focus_output(self) -> None:
        """Give the keys to the text."""
        self.screen.set_focus(self.query_one("#output", Output))

    def turned(self) -> None:
        """Another sample is on the screen."""
        self._show()
        if self.beside is not None:
            self.beside.turn(self.sample.number if self.sample else None)

    def _show(self) -> None:
        if not (self._there and self.is_attached):
            return
        sample = self.sample
        self.query_one("#output", Output).show(
            sample,
            self._title(),
            before=self._before(sample) if sample else "",
            writing=len(self._calls) if sample and sample.number in self._calls else 0,
            waits_for=self.model.name if self._wanted else "",
            error=self._error,
        )
        if self.has_class("-tree"):
            self.query_one(TreePane).show(self.history, None)
        self.refresh_bindings()

    def _title(self) -> str:
        place = f"{self.index + 1} of {len(self.history)}" if self.sample else ""
        if self.beside is not None:  # two texts: each says whose it is
            return f"{self.model.name} {place}"
        return f"completion {place}"

    def _before(self, sample: Sample) -> str:
        """What stands between the first prompt and this sample."""
        chain = ancestors(self.history, sample)
        return sample.prompt[len(chain[0].prompt) :] if chain and sample.prompt.startswith(chain[0].prompt) else ""

    # -- what can be done with a sample

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action == "stop":
            return self.busy
        # In the tree the cursor is on another one than the text that these would act on.
        if action in _TEXT_ACTIONS and self.query_one(TreePane).has_focus:
            return False
        if action in ("complete", "next_sample"):
            return not self.busy
        if action in ("continue", "edit"):
            return self.sample is not None and not self.busy
        if action == "probabilities":
            return self.sample is not None and not self.busy and self.can_score
        if action == "beside":
            return not self.busy
        if action == "tree":
            return bool(self.history)
        if action in ("copy", "copy_all"):
            return self.sample is not None
        if action == "history":
            return len(self.history) > 1
        return True

    def action_edit(self) -> None:
        """Prompt and completion become the prompt."""
        if self.sample is not None:
            editor = self.query_one(PromptEditor)
            self._source = self.sample.number
            editor.text = self.sample.prompt + self.sample.text
            editor.move_cursor(editor.document.end)
            self.screen.set_focus(editor)
            self.told()

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
        self.turned()
        self.query_one("#output", Output).scroll_home(animate=False)
        self.told()

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
        self.focus_output()

    @on(OptionsPanel.Changed)
    def _options_changed(self) -> None:
        self.told()

    @on(PromptEditor.Changed)
    def _prompt_changed(self, event: PromptEditor.Changed) -> None:
        self.query_one(PromptEditor).fit(self.size.height // 2)
        self.told()
