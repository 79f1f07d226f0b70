"""What can be done to a run, from the list and from its page alike: stop, resume, extend, branch, delete, open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.messages import HostModel, LibraryChanged, ShowModel
from tui.runs.watch import moment

if TYPE_CHECKING:
    from textual.screen import Screen

    from core.runs.view import RunView
    from tui.studio import TarmacApp

    _Base = Screen[str | None]
else:
    _Base = object

_MOST_STEPS = 10_000_000


class Steering(_Base):
    """For screens with a `view`: the run that the keys are about."""

    app: TarmacApp

    @property
    def view(self) -> RunView | None:
        """The run that is meant; None when there is none."""
        raise NotImplementedError

    def now(self) -> float:
        """Unix seconds."""
        return moment()

    def can(self, action: str) -> bool:
        """Whether an action would do something now."""
        view = self.view
        if action in ("stop", "resume", "extend", "branch", "delete", "workspace", "host") and view is None:
            return False
        if view is None:
            return True
        if action == "stop":
            return view.state in ("queued", "starting", "running")
        if action == "resume":
            return not view.active and view.state != "finished"
        if action == "branch":
            return bool(view.checkpoints)
        if action == "delete":
            return not view.active
        if action in ("workspace", "host"):
            return bool(view.model or view.checkpoints)
        return True

    def action_stop(self) -> None:
        """Wish that the run saves and ends."""
        view = self.view
        if view is not None:
            self._steer(lambda: self.app.services.training.stop(view.id), f"stopping {view.plan.name}")
            self.notify(f"{view.plan.name} saves a checkpoint and stops; r goes on from it.", timeout=5, markup=False)

    def action_resume(self) -> None:
        """Go on from the last checkpoint; where something less was offered after a failure, ask which."""
        from tui.runs.facts import in_words, offered
        from tui.screens.chooser import Choice, Chooser

        view = self.view
        if view is None:
            return
        offer = offered(view)
        if not offer:
            self._start(view.id, view.plan.name)
            return

        def taken(answer: str | None) -> None:
            if answer is not None:
                self._start(view.id, view.plan.name, offer if answer == "less" else None)

        memory = view.end is not None and "memory" in view.end.what
        choices = [
            Choice("less", f"with {in_words(offer)}", "takes less memory" if memory else "as was offered"),
            Choice("same", "as it was"),
        ]
        self.app.push_screen(Chooser(f"Go on with {view.plan.name}", choices), taken)

    def action_extend(self) -> None:
        """Ask for another number of steps; a run that is over goes on."""
        from tui.screens.ask_text import AskText

        view = self.view
        if view is None:
            return

        def check(text: str) -> None:
            number = _whole(text)
            if number is None or not max(1, view.step) < number <= _MOST_STEPS:
                raise InvalidInput(f"steps is {text!r:.20}", f"a whole number above {max(1, view.step):,}")

        def taken(text: str | None) -> None:
            number = _whole(text or "")
            if number is not None:
                training = self.app.services.training
                self._steer(
                    lambda: training.extend(view.id, number),
                    f"extending {view.plan.name}",
                    then="" if view.active else view.id,
                )

        more = view.plan.steps + max(1, view.plan.steps // 2)
        about = f"Steps in all; {view.step:,} are done, {view.plan.steps:,} were planned."
        if not view.active:
            about += " The run goes on at once."
        self.app.push_screen(AskText("Extend", about, str(more), check), taken)

    def action_branch(self) -> None:
        """Ask for the checkpoint, then for a name, and start a new run from it."""
        view = self.view
        if view is not None:
            self.run_worker(self._branch(view), group="branch", exclusive=True, exit_on_error=False, description="")

    def branch_step(self) -> int | None:
        """The step that one looks at: the checkpoint there or before it is offered first."""
        return None

    async def _branch(self, view: RunView) -> None:
        from tui.screens.ask_text import AskText
        from tui.screens.chooser import Choice, Chooser

        steps = [checkpoint.step for checkpoint in view.checkpoints]
        looked_at = self.branch_step()
        near = max((step for step in steps if looked_at is None or step <= looked_at), default=steps[0])
        choices = [
            Choice(
                str(checkpoint.step),
                f"step {checkpoint.step:,}",
                "the best by its score" if checkpoint.best else "the last" if checkpoint.step == max(steps) else "",
            )
            for checkpoint in reversed(view.checkpoints)
        ]
        taken = await self.app.push_screen_wait(Chooser("Branch from a checkpoint", choices, current=str(near)))
        if taken is None:
            return
        step = int(taken)

        def check(text: str) -> None:
            if not text.strip() or len(text) > 80:
                raise InvalidInput("the name", "1 to 80 characters")

        about = f"A new run that goes on from step {step:,} of {view.plan.name}, with its settings. It starts at once."
        name = await self.app.push_screen_wait(
            AskText("Name of the branch", about, f"{view.plan.name}, from {step:,}"[:80], check)
        )
        if name is None:
            return
        run_id = await asyncio.to_thread(self.app.services.training.branch, view.id, step, name.strip())
        self._start(run_id, name.strip())

    def action_delete(self) -> None:
        """Delete the run's folder, once the user said so."""
        from tui.screens.confirm import Confirm

        view = self.view
        if view is None:
            return
        lost = (
            f"Its samples, curves, log and {len(view.checkpoints)} checkpoints in {view.folder} will be gone for ever."
        )
        if view.model:
            lost += " The model that it made stays in the library."

        def answer(yes: bool | None) -> None:
            if yes:
                self._steer(lambda: self.app.services.training.remove(view.id), f"deleting {view.plan.name}")
                self.run_deleted()

        self.app.push_screen(Confirm(f"Delete {view.plan.name}?", lost, "delete it"), answer)

    def run_deleted(self) -> None:
        """The run is being deleted."""

    def action_workspace(self) -> None:
        """Open the model that the run has made; while it has made none, that of its best checkpoint."""
        view = self.view
        if view is None:
            return
        if view.model:
            self.post_message(ShowModel(view.model))
        elif view.checkpoints:
            step = max(view.checkpoints, key=lambda checkpoint: (checkpoint.best, checkpoint.step)).step
            doing = f"taking the model of step {step:,}"
            self.run_worker(
                self._adopt(view, step), group="adopt", exclusive=True, exit_on_error=False, description=doing
            )

    def action_host(self) -> None:
        """Serve the model that the run has made; while it has made none, that of its best checkpoint."""
        view = self.view
        if view is None:
            return
        if view.model:
            self.post_message(HostModel(view.model))
        elif view.checkpoints:
            step = max(view.checkpoints, key=lambda checkpoint: (checkpoint.best, checkpoint.step)).step
            doing = f"taking the model of step {step:,}"
            work = self._adopt(view, step, HostModel)
            self.run_worker(work, group="adopt", exclusive=True, exit_on_error=False, description=doing)

    async def _adopt(self, view: RunView, step: int, then: type[ShowModel] | type[HostModel] = ShowModel) -> None:
        services = self.app.services
        model = await asyncio.to_thread(services.training.adopt_checkpoint, services.library, view, step)
        self.notify(f"Step {step:,} of {view.plan.name} is a model of the library now.", timeout=6, markup=False)
        self.post_message(LibraryChanged(model))
        self.post_message(then(model))

    # -- in threads

    def _steer(self, work: Callable[[], Any], doing: str, then: str = "") -> None:
        """Something that touches the run's folder, perhaps the start of a run after it, then a look at what changed."""

        async def steered() -> None:
            await asyncio.to_thread(work)
            if then:
                await self.app.services.training.start(then)
            self._look()

        self.run_worker(steered(), group="steer", exit_on_error=False, description=doing)

    def _start(self, run_id: str, name: str, changes: Mapping[str, object] | None = None) -> None:
        async def started() -> None:
            await self.app.services.training.start(run_id, changes)
            self._look()

        self.run_worker(started(), group="steer", exit_on_error=False, description=f"starting {name}")

    def _look(self) -> None:
        if self.app.run_watch is not None:
            self.app.run_watch.look_now()


def _whole(text: str) -> int | None:
    digits = text.strip().replace(",", "").replace("_", "")
    return int(digits) if digits.isdecimal() and len(digits) < 10 else None
