"""The handle on a worker: start, run, cancel, stop; what it is doing, and how it died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from core.errors import Cancelled, InvalidInput, TarmacError, WorkerDied
from core.interface import Interface
from core.workers.adapter import Target
from core.workers.call import Call, Partial
from core.workers.death import death
from core.workers.process import WorkerProcess
from core.workers.spare import Spare
from core.workers.wire import Message, WireError

__all__ = ["Call", "Partial", "Session", "State", "Target"]

State = Literal["new", "starting", "ready", "stopping", "stopped", "dead"]


class Session:
    """One model in one worker process, for as long as somebody wants it.

    States: new -> starting -> ready -> stopping -> stopped; dead from starting and ready. `start` works again from
    stopped and dead. Everything here belongs to one event loop.

    Attributes:
        target: Which model it is.
        state: Where it stands.
        death: Why it is dead: what stopped the start, or how the process ended.
        interface: What the model takes and gives, from the first time it was ready.
        info: Plain data about the loaded model (device, dtype, parameters, ...).
        on_change: Called with the session on the event loop whenever `state` has changed.
    """

    def __init__(
        self, target: Target, *, log: Path | None = None, spare: Spare | None = None, grace: float = 1.0
    ) -> None:
        """
        Args:
            target: The model to run.
            log: File that gets what the model prints; a temporary one without it.
            spare: Where a start may take a waiting worker from.
            grace: Seconds that each step of the stop ladder waits for.
        """
        self.target = target
        self.log = log
        self.state: State = "new"
        self.death: TarmacError | None = None
        self.interface: Interface | None = None
        self.info: dict[str, object] = {}
        self.on_change: list[Callable[[Session], None]] = []
        self._grace = grace
        self._spare = spare
        self._process: WorkerProcess | None = None
        self._calls: dict[int, Call] = {}
        self._numbers: dict[Call, int] = {}
        self._next = 0
        self._starting: asyncio.Task[None] | None = None
        self._outcome: asyncio.Future[TarmacError | None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._waiting = 0
        self._end: WorkerDied | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> int:
        """How many calls are in flight."""
        return len(self._calls)

    async def start(self) -> None:
        """Start the worker and load the model; returns when the worker says that it is ready.

        Starting twice waits for the one start. When the task that waits is cancelled, the start is given up, unless
        others wait for it too.

        Raises:
            TarmacError: What stopped it: the worker's own reason, a `WorkerDied`, or `Cancelled` after `stop`.
        """
        if self._stopping is not None:
            await asyncio.shield(self._stopping)
        if self.state == "ready":
            return
        if self._starting is None:
            self.death = self._end = None
            self._outcome = asyncio.get_running_loop().create_future()
            self._starting = asyncio.create_task(self._start(self._outcome))
            # Somebody may have given up waiting for what it raises.
            self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._set("starting")
        self._waiting += 1
        try:
            await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            if self._waiting == 1 and self.state == "starting":
                await self.stop()
            raise
        finally:
            self._waiting -= 1

    def run(self, command: str | None, inputs: Mapping[str, object], *, parts: bool = True) -> Call:
        """Ask for `command` (None: the default one). Any number may be in flight; the worker joins what it can.

        Without `parts` a streaming command tells only once a second how far it is. Arrays among the inputs must not
        change before the call is done.

        Raises:
            InvalidInput: An input is not allowed.
            NotFound: There is no such command.
            WorkerDied: The worker is dead.
            TarmacError: It is not running.
        """
        return self._ask(command, [inputs], parts=parts)[0]

    def run_together(self, command: str | None, inputs: Sequence[Mapping[str, object]]) -> list[Call]:
        """Ask for `command` several times, in batches that hold these requests alone and depend on nothing else.

        What a model computes may differ in the last bit with the size of a batch. Requests of `run` are joined as they
        happen to wait; of these the worker makes the same batches every time, in their order, each as large as the
        model allows. Of a command that is not batchable each runs alone.

        Raises:
            As `run`; then none was asked for.
        """
        return self._ask(command, inputs, together=True)

    def _ask(
        self,
        command: str | None,
        inputs: Sequence[Mapping[str, object]],
        *,
        together: bool = False,
        parts: bool = True,
    ) -> list[Call]:
        process = self._process
        if self.state != "ready" or self.interface is None or process is None:
            raise self._not_ready()
        chosen = self.interface.command(command)
        items = [{"id": self._next + index, "inputs": chosen.check_inputs(one)} for index, one in enumerate(inputs)]
        self._next += len(items)
        try:
            process.send({"kind": "run", "command": chosen.name, "items": items, "together": together, "parts": parts})
        except WireError as error:
            raise InvalidInput(f"the inputs of {chosen.name} cannot be sent to the model", str(error)) from error
        calls = []
        for item in items:
            call = Call(chosen.name, self._cancel)
            number = cast(int, item["id"])
            self._calls[number] = call
            self._numbers[call] = number
            calls.append(call)
        return calls

    async def stop(self) -> None:
        """Stop the worker, by force if it must be; calls in flight end with `Cancelled`. Always succeeds."""
        if self._stopping is None:
            if self.state not in ("starting", "ready"):
                return
            self._set("stopping")
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    # -- starting

    async def _start(self, outcome: asyncio.Future[TarmacError | None]) -> None:
        try:
            error = await self._launch(outcome)
        finally:
            self._starting = None
        if self.state != "starting":
            raise Cancelled(f"the start of {self.target.title} was stopped")
        if error is not None:
            self._die(error)
            raise error
        self._set("ready")

    async def _launch(self, outcome: asyncio.Future[TarmacError | None]) -> TarmacError | None:
        """Start the process and wait for its word; returns what went wrong."""
        target = self.target
        try:
            spare = self._spare.take() if self._spare is not None else None
            if spare is None:
                process = await WorkerProcess.spawn(self.log, self._on_message, self._on_end)
            else:
                process = spare
                await process.adopt(self.log, self._on_message, self._on_end)
            self._process = process if process.pid is not None else None
        except TarmacError as problem:
            return problem
        except OSError as problem:
            return WorkerDied(f"the worker of {target.title} could not be started", str(problem))
        if self.state != "starting":
            await process.stop(self._grace)
        try:
            process.send(
                {
                    "kind": "load",
                    "adapter": target.adapter,
                    "path": str(target.path),
                    "options": dict(target.options),
                    "device": target.device,
                    "trusted_factory": target.trusted_factory,
                }
            )
        except WireError as problem:
            await process.stop(0)
            return InvalidInput(f"the options of {target.title} cannot be sent to the worker", str(problem))
        error = await outcome
        if error is not None:
            # It said why and is leaving; nothing of it may stay when the start has failed.
            await process.stop(self._grace)
        # It may have died between its word and our hearing it.
        return error or self._end

    def _on_message(self, message: Message) -> None:
        kind = message.get("kind")
        if kind == "answers":
            for item in cast("list[dict[str, object]]", message["items"]):
                call = self._calls.get(cast(int, item["id"]))
                if call is not None:
                    final = bool(item["final"])
                    if final:
                        self._forget(call)
                    call.give(cast("dict[str, object]", item["outputs"]), cast("float | None", item["progress"]), final)
        elif kind == "error":
            call = self._calls.get(cast(int, message["id"]))
            if call is not None:
                self._forget(call)
                call.fail(TarmacError.from_json(cast("dict[str, str]", message["error"])))
        elif kind == "ready":
            try:
                self.interface = Interface.from_spec(cast("dict[str, object]", message["interface"]))
            except TarmacError as error:
                return self._resolve(error)
            self.info = cast("dict[str, object]", message["info"])
            self._resolve(None)
        elif kind == "failed":
            self._resolve(TarmacError.from_json(cast("dict[str, str]", message["error"])))

    # -- ending

    def _on_end(self, code: int, lines: list[str]) -> None:
        """The process is gone, for whatever reason."""
        self._process = None
        self._end = death(self.target.title, code, lines)
        if self.state == "ready":
            self._die(self._end)
        self._resolve(self._end)

    async def _stop(self) -> None:
        try:
            self._fail_calls(Cancelled(f"{self.target.title} was stopped"))
            if self._process is not None:
                await self._process.stop(self._grace)
            if self._starting is not None:
                # The start ends by itself now that its worker is gone; its waiters are told that it was stopped.
                await asyncio.wait([self._starting])
        finally:
            self._stopping = None
            self._set("stopped")

    def _die(self, error: TarmacError) -> None:
        self.death = error
        self._fail_calls(error)
        self._set("dead")

    def _fail_calls(self, error: TarmacError) -> None:
        calls = list(self._calls.values())
        self._calls.clear()
        self._numbers.clear()
        for call in calls:
            call.fail(type(error)(error.what, error.why, error.do))

    def _cancel(self, call: Call) -> None:
        number = self._numbers.get(call)
        self._forget(call)
        if number is not None and self._process is not None:
            self._process.send({"kind": "cancel", "id": number})

    def _forget(self, call: Call) -> None:
        number = self._numbers.pop(call, None)
        if number is not None:
            self._calls.pop(number, None)

    def _resolve(self, error: TarmacError | None) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(error)

    def _not_ready(self) -> TarmacError:
        title = self.target.title
        if self.state == "dead":
            reason = self.death or WorkerDied(f"the worker of {title} died")
            return type(reason)(reason.what, reason.why, reason.do)
        if self.state == "starting":
            return TarmacError(f"{title} is still loading", "", "Wait until it is ready")
        return TarmacError(f"{title} is not running", "", "Start it first")

    def _set(self, state: State) -> None:
        if state != self.state:
            self.state = state
            for callback in list(self.on_change):
                try:
                    callback(self)
                except Exception as error:
                    # A listener's mistake is the listener's: the session goes on.
                    context = {"message": "a listener of a session failed", "exception": error}
                    asyncio.get_running_loop().call_exception_handler(context)
