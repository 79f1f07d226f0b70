"""What stands beside a completion when it is asked for: the history tree, the probabilities, a second model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from core.errors import Cancelled, TarmacError
from tui import text_models
from tui.samples import Sample, ancestors, place_of
from tui.widgets.completion.compare import Beside, samples_from_state
from tui.widgets.completion.probabilities import Probabilities, tokens_of
from tui.widgets.completion.tree import TreePane
from tui.widgets.prompt import PromptEditor

if TYPE_CHECKING:
    from textual.containers import Vertical

    from core.library.models import Model
    from core.workers.session import Session
    from tui.studio import TarmacApp

    _Base = Vertical
else:
    _Base = object

SCORE = "score"
"""The command that tells how likely a text is."""


class Sides(_Base):
    """For the completion pane."""

    app: TarmacApp
    session: Session
    model: Model
    history: list[Sample]
    index: int
    beside: Beside | None

    @property
    def sample(self) -> Sample | None:
        """The sample on the screen."""
        raise NotImplementedError

    def focus_output(self) -> None:
        """Give the keys to the text."""
        raise NotImplementedError

    def turned(self) -> None:
        """Another sample is on the screen."""
        raise NotImplementedError

    def told(self) -> None:
        """What the workspace file keeps is different."""
        raise NotImplementedError

    # -- the tree

    def action_tree(self) -> None:
        """Open the history as a tree."""
        self.add_class("-tree")
        tree = self.query_one(TreePane)
        tree.show(self.history, self.sample.number if self.sample else None)
        self.screen.set_focus(tree)

    # Handlers by name: a class that is no widget itself has no other way.

    def on_tree_pane_left(self) -> None:
        """The user is done with the tree."""
        self.remove_class("-tree")
        self.focus_output()

    def on_tree_pane_chosen(self, message: TreePane.Chosen) -> None:
        """A completion comes to the screen, a prompt into the editor."""
        branch = message.branch
        self.remove_class("-tree")
        if branch.sample is None:
            editor = self.query_one(PromptEditor)
            editor.text = branch.prompt
            editor.move_cursor(editor.document.end)
            self.screen.set_focus(editor)
            self.told()
            return
        place = place_of(self.history, branch.sample.number)
        if place is not None:
            self.index = place
            self.turned()
        self.focus_output()

    # -- probabilities

    def action_probabilities(self) -> None:
        """Ask the model how likely it finds what is on the screen."""
        sample = self.sample
        if sample is not None:
            self.add_class("-chances")
            view = self.query_one(Probabilities)
            view.wait()
            self.screen.set_focus(view)
            self.run_worker(self._score(sample), group="score", exclusive=True, exit_on_error=False)

    async def _score(self, sample: Sample) -> None:
        text = sample.prompt + sample.text
        view = self.query_one(Probabilities)
        try:
            outputs = await self.session.run(SCORE, {"text": text, "top": 5})
        except Cancelled:
            return
        except TarmacError as error:
            view.fail(error)
            return
        chain = [*ancestors(self.history, sample), sample]
        before = max(0, len(sample.prompt) - len(chain[0].prompt))
        view.show(text, tokens_of(outputs.get("logprobs"), len(text)), len(sample.prompt), before)

    def on_probabilities_left(self) -> None:
        """The user is done with them."""
        self.close_probabilities()
        self.focus_output()

    def close_probabilities(self) -> None:
        """Back to the text."""
        self.remove_class("-chances")

    @property
    def can_score(self) -> bool:
        """Whether the model knows how likely a text is."""
        interface = self.session.interface
        return self.session.state == "ready" and interface is not None and SCORE in interface.commands

    # -- a second model

    def action_beside(self) -> None:
        """Choose a second model, or send it away."""
        if self.beside is not None:
            self.run_worker(self._dismiss(), group="beside-choice", exit_on_error=False)
        else:
            self.run_worker(self._choose(), group="beside-choice", exclusive=True, exit_on_error=False)

    async def _choose(self) -> None:
        from tui.screens.chooser import Chooser

        choices = await asyncio.to_thread(text_models.choices, self.app.services, self.model)
        if not choices:
            self.notify("There is no other text model yet. Import or train one, then compare.", timeout=5)
            return
        reference = await self.app.push_screen_wait(Chooser("Compare with", choices))
        if reference is not None:
            await self.show_beside(reference, {})
            self.told()

    async def show_beside(self, reference: str, samples: dict[int, Sample]) -> None:
        """Put a second model beside the first; its worker starts with its first text."""
        self.beside = Beside(self.app.services, reference, samples)
        self.add_class("-beside")
        await self.query_one("#completion-outputs").mount(self.beside)
        self.turned()

    async def _dismiss(self) -> None:
        beside, self.beside = self.beside, None
        self.remove_class("-beside")
        if beside is not None:
            if beside.has_focus:
                self.focus_output()
            await beside.remove()  # which stops its worker
        self.told()

    async def restore_beside(self, kept: Any) -> None:
        """The second model that the workspace file names."""
        if isinstance(kept, dict) and isinstance(kept.get("model"), str) and kept["model"]:
            await self.show_beside(kept["model"], samples_from_state(kept.get("samples")))

    def on_beside_changed(self) -> None:
        """The second model began or ended a text."""
        self.refresh_bindings()
        self.told()
