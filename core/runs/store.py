"""The runs on disk: listed, made, started, steered, deleted. Each is a folder that appears and goes by one rename."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from core import notify
from core.errors import InvalidInput, NotFound, Refused, TarmacError
from core.library.folders import claim, delete, discard, stage
from core.library.naming import find, slug
from core.paths import data_dir as default_data_dir
from core.paths import storage_errors
from core.runs.branching import carry_over
from core.runs.changes import check_changes
from core.runs.events import Changed, Ended, Extended, Queued
from core.runs.folder import RunFolder, write_json
from core.runs.journal import Journal
from core.runs.kinds import settled
from core.runs.launchers import Handle, launcher
from core.runs.plan import RunPlan
from core.runs.plan_file import check_options, check_plan, read_plan, write_plan
from core.runs.reading import UNREAD, Follower
from core.runs.view import RunView


class Runs:
    """The training runs of this user. May be used by several threads.

    Args:
        data_dir: Folder that holds runs/; by default `core.paths.data_dir()`.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir if data_dir is not None else default_data_dir()
        self.folder = self.data_dir / "runs"
        self._followers: dict[str, Follower] = {}
        self._lock = threading.Lock()

    def runs(self) -> list[RunView]:
        """Every run, the newest first. Reads what is new on the disk: call it in a thread. Never raises."""
        with self._lock:
            names = sorted(_names(self.folder), reverse=True)
            for gone in self._followers.keys() - set(names):
                del self._followers[gone]
            return [self._follower(name).poll() for name in names]

    def get(self, id_or_name: str) -> RunView:
        """The run with this id, else the newest of this name, else the only one whose id starts like this.

        Raises:
            NotFound: No such run; names the nearest ones.
        """
        return find(self.runs(), id_or_name, "run")[0]

    def create(self, plan: RunPlan, *, check: bool = True) -> RunView:
        """A new run of `plan`, not started yet.

        Args:
            plan: What to do.
            check: Whether to refuse a plan whose dataset, base or launcher is not there.

        Raises:
            TarmacError: The plan cannot be carried out; the sentence says where.
            StorageError: The disk said no; there is no new run.
        """
        return self._create(plan, check=check)

    def remove(self, id_or_name: str) -> RunView:
        """Delete a run for ever: its checkpoints and samples too, but not the model that the library has of it.

        Raises:
            NotFound: No such run.
            Refused: It is running.
            StorageError: The disk said no.
        """
        run = self.get(id_or_name)
        if (run.active and (run.folder / "supervisor.json").exists()) or _runs_unread(run):
            state = run.state if run.active else "running"
            raise Refused(f"the run {run.plan.name} cannot be deleted", f"it is {state}", "Stop it first")
        if not discard(run.folder, self.folder):
            raise NotFound(f"the run {run.plan.name} is gone already")
        return run

    def stop(self, id_or_name: str) -> RunView:
        """Wish that a run saves and ends. Returns at once; the run does it at its next step.

        Raises:
            NotFound: No such run.
            StorageError: The disk said no.
        """
        run = self.get(id_or_name)
        if run.active or run.state == "lost" or _runs_unread(run):
            RunFolder(run.folder).desire(wish="stop")
        return self.get(run.id)

    def extend(self, id_or_name: str, steps: int) -> RunView:
        """Train up to `steps` steps in all. A run that has ended goes on when it is started again.

        Raises:
            NotFound: No such run.
            InvalidInput: It has come that far already.
            StorageError: The disk said no.
        """
        run = self.get(id_or_name)
        if steps <= run.step:
            raise InvalidInput(f"steps is {steps}", f"the run has come to {run.step} already", "Give a larger number")
        RunFolder(run.folder).desire(steps=steps)
        _tell(run.folder, Extended(steps))
        return self.get(run.id)

    def branch(
        self,
        id_or_name: str,
        step: int,
        *,
        name: str | None = None,
        steps: int | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> RunView:
        """A new run that begins from a checkpoint of another, with its history up to there; not started yet.

        Args:
            id_or_name: The run to branch from.
            step: One of its checkpoints.
            name: Of the new run; by default the old one's with the step.
            steps: How far to train in all; by default as far as the old one.
            changes: Options that differ.

        Raises:
            NotFound: No such run, or it has no such checkpoint (names those that there are).
            InvalidInput: A change that may not be.
            StorageError: The disk said no; there is no new run.
        """
        run = self.get(id_or_name)
        there = [each.step for each in run.checkpoints]
        if step not in there:
            known = f"There are {', '.join(map(str, there))}" if there else "It has none yet"
            raise NotFound(f"the run {run.plan.name} has no checkpoint of step {step}", "", known)
        total = steps if steps is not None else run.plan.steps
        if total <= step:
            raise InvalidInput(f"steps is {total}", f"the branch begins at {step}", "Give a larger number")
        plan = replace(
            run.plan,
            name=name or f"{run.plan.name} from {step}",
            steps=total,
            options={**run.plan.options, **check_options(run.plan.kind, changes or {})},
            parent=run.id,
            parent_step=step,
            created=datetime.now(UTC).replace(microsecond=0),
        )
        return self._create(plan, check=True, parent=run)

    async def ask_engines(self) -> None:
        """Ask the clusters' engines about the runs that they carry, once each; `runs` and `get` then know it.

        An engine that does not answer changes nothing.
        """
        views = await asyncio.to_thread(self.runs)
        handles: dict[str, list[tuple[str, Handle]]] = {}
        for view in views:
            launch = RunFolder(view.folder).launch() if view.state not in ("finished", "failed", "stopped") else {}
            if launch:
                handle = Handle(str(launch.get("launcher", "")), str(launch.get("id", "")), view.folder)
                handles.setdefault(handle.launcher, []).append((view.id, handle))
        for name, pairs in handles.items():
            with contextlib.suppress(TarmacError):
                answers = await launcher(name).poll([handle for _, handle in pairs])
                with self._lock:
                    for id_, handle in pairs:
                        if handle.id in answers and id_ in self._followers:
                            self._followers[id_].hear(handle.id, answers[handle.id].state)

    async def start(self, run: RunView | str, *, changes: Mapping[str, object] | None = None) -> RunView:
        """As `start`, among these runs."""
        return await start(run if isinstance(run, str) else run.id, data_dir=self.data_dir, changes=changes)

    # -- inside

    def _follower(self, name: str) -> Follower:
        if name not in self._followers:
            self._followers[name] = Follower(self.folder / name)
        return self._followers[name]

    def _create(self, plan: RunPlan, *, check: bool, parent: RunView | None = None) -> RunView:
        plan = check_plan(plan)
        if check:
            plan = settled(plan, self.data_dir, branched=parent is not None)
            launcher(plan.resources.launcher).check(plan)
            if plan.notify:
                notify.check(plan.notify)
        building = stage(self.folder)
        with storage_errors(building):
            try:
                for part in ("samples", "checkpoints", "attempts"):
                    (building / part).mkdir(mode=0o700)
                write_plan(building, plan)
                write_json(building / "desired.json", {"wish": "run", "steps": 0})
                if parent is not None:
                    carry_over(parent.folder, building, plan.parent_step)
                place = claim(building, self.folder, slug(plan.name))
            except BaseException:
                delete(building)
                raise
        return self.get(place.name)


async def start(
    run: RunView | str, *, data_dir: Path | None = None, changes: Mapping[str, object] | None = None
) -> RunView:
    """Start a run, or let one go on that was stopped, has failed or is lost; returns when an engine has it.

    Args:
        run: The run, or its id or name.
        data_dir: Folder that holds runs/; by default the run's own, else `core.paths.data_dir()`.
        changes: Options that differ from now on (see changes.py).

    Raises:
        NotFound: No such run.
        InvalidInput: A change that may not be.
        Refused: It is running already, or finished, or cannot be trained with the changes.
        TarmacError: The engine did not take it; the run is as it was, and can be tried again.
    """
    if isinstance(run, RunView):
        data_dir = run.folder.parent.parent
    store = Runs(data_dir)
    view = await asyncio.to_thread(store.get, run if isinstance(run, str) else run.id)
    with _alone(view.folder):
        await store.ask_engines()
        return await _start(store, await asyncio.to_thread(store.get, view.id), changes or {})


async def _start(store: Runs, view: RunView, changes: Mapping[str, object]) -> RunView:
    """Alone with the run."""
    await asyncio.to_thread(_may_start, view)
    if changes:
        view = await asyncio.to_thread(_change, store, view, changes)
    engine = launcher(view.plan.resources.launcher)
    folder = RunFolder(view.folder)
    await asyncio.to_thread(folder.desire, "run")
    (view.folder / "launch.json").unlink(missing_ok=True)
    _tell(view.folder, Queued(engine.name))
    try:
        handle = await engine.submit(view.folder, view.plan)
    except TarmacError as error:
        if folder.supervisor() is None or folder.supervisor().gone:  # type: ignore[union-attr]
            _tell(view.folder, Ended("failed", view.step, error.what, error.why, error.do))
        raise
    if handle.id:
        _tell(view.folder, Queued(engine.name, handle.id))
    return await asyncio.to_thread(store.get, view.id)


async def cancel(id_or_name: str, *, data_dir: Path | None = None) -> RunView:
    """Wish that a run saves and ends, and tell the engine too if a cluster carries it.

    Raises:
        NotFound: No such run.
        TarmacError: The wish could not be written.
    """
    store = Runs(data_dir)
    view = await asyncio.to_thread(store.stop, id_or_name)
    launch = RunFolder(view.folder).launch()
    if launch and view.state in ("stopping", "stopped", "lost"):
        handle = Handle(str(launch.get("launcher", "")), str(launch.get("id", "")), view.folder)
        await launcher(handle.launcher).cancel(handle)
    return await asyncio.to_thread(store.get, view.id)


async def revive(data_dir: Path | None = None) -> list[RunView]:
    """Let every lost run of this machine go on whose wish is still to run; returns those that were started.

    For every start of a studio: the machine may have been restarted, or a supervisor killed, meanwhile. A job that a
    cluster has lost is not submitted again without being asked: somebody may have cancelled it there. Never raises.
    """
    store = Runs(data_dir)
    await store.ask_engines()
    started: list[RunView] = []
    for view in await asyncio.to_thread(store.runs):
        if view.state == "lost" and view.plan.resources.launcher == "local":
            with contextlib.suppress(TarmacError, OSError):
                started.append(await start(view))
    return started


def _runs_unread(view: RunView) -> bool:
    """Whether somebody looks after a run whose plan cannot be read any more: what it began with it goes on with."""
    supervisor = RunFolder(view.folder).supervisor()
    return view.plan.kind == UNREAD and supervisor is not None and supervisor.here and not supervisor.gone


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of several that start a run at once one goes on.

    Raises:
        Refused: We are not the one.
        StorageError: The disk said no.
    """
    with storage_errors(folder):
        handle = os.open(folder / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("the run cannot be started", "somebody else is starting it") from None
        yield
    finally:
        os.close(handle)


def _may_start(view: RunView) -> None:
    read_plan(view.folder)
    if view.state == "finished" and view.step >= view.plan.steps:
        why = f"it has trained its {view.plan.steps} steps"
        raise Refused(f"the run {view.plan.name} is finished", why, "Extend it to train more")
    supervisor = RunFolder(view.folder).supervisor()
    if view.state == "stopping":
        raise Refused(f"the run {view.plan.name} is stopping", "", "Wait until it has stopped")
    if view.active and (supervisor is not None or RunFolder(view.folder).launch()):
        raise Refused(f"the run {view.plan.name} is {view.state} already")


def _change(store: Runs, view: RunView, changes: Mapping[str, object]) -> RunView:
    """Let a run go on with other options, if it can be trained so."""
    begun = bool(view.checkpoints)
    options = check_changes(view.plan, changes, begun=begun)
    options = {name: value for name, value in options.items() if view.plan.options.get(name) != value}
    if not options:
        return view
    settled(replace(view.plan, options={**view.plan.options, **options}), store.data_dir, branched=begun)
    RunFolder(view.folder).desire(options=options)
    _tell(view.folder, Changed(view.checkpoints[-1].step if begun else 0, options))
    return store.get(view.id)


def _tell(folder: Path, event: Queued | Extended | Ended | Changed) -> None:
    journal = Journal(folder)
    try:
        journal.tell(event)
    finally:
        journal.close()


def _names(folder: Path) -> Sequence[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".") and (folder / name).is_dir()]
    except OSError:
        return []
