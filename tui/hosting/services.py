"""What the studio and the command line ask of the core's hosting; imported when it is first asked.

Everything here reads or writes the disk, starts processes or asks the gateway: it belongs into a thread. Tests give the
studio a subclass that answers from memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Refused, TarmacError
from core.paths import data_dir
from tui.hosting.query import Asking
from tui.hosting.spread import Spreads

if TYPE_CHECKING:
    from core.hosting.deployments import Deployments, Hosted, Token
    from core.hosting.process import GatewayStatus
    from core.hosting.spread.scaling import Scaled
    from core.hosting.status import Status
    from core.interface import Command
    from core.library.models import Library, Model

_MODEL_SECONDS = 20.0
_LOG_BYTES = 256 * 1024
"""What is read of the end of a request log."""


@dataclass(frozen=True)
class Seen:
    """One deployment at one moment.

    Attributes:
        hosted: What the disk says; `hosted.deployment` is None where its folder is broken.
        status: What it does.
        url: Where programs reach it, "http://127.0.0.1:8600/gen/v1"; empty before a gateway has run for the first time.
        tokens: Its tokens, the oldest first.
        model: What it serves; None where that is gone or broken.
        spread: Its processes besides the gateway's workers; None where it has none.
    """

    hosted: Hosted
    status: Status
    url: str = ""
    tokens: tuple[Token, ...] = ()
    model: Model | None = None
    spread: Scaled | None = None

    @property
    def model_name(self) -> str:
        """What the model is called; its id where it is gone."""
        if self.model is None:
            return self.hosted.deployment.model if self.hosted.deployment is not None else "–"
        return self.model.id if self.model.source == "starter" else self.model.name

    @property
    def command(self) -> Command | None:
        """The command that is served; None where the model does not have it any more."""
        made = self.hosted.deployment
        if made is None or self.model is None or self.model.spec is None:
            return None
        commands = self.model.spec.commands
        return commands.get(made.command) if made.command else next(iter(commands.values()), None)

    @property
    def name(self) -> str:
        """Its permanent name."""
        return self.hosted.name


@dataclass(frozen=True)
class Hosting:
    """Everything that is hosted, at one moment: the gateway and the deployments by name."""

    gateway: GatewayStatus
    deployments: tuple[Seen, ...] = ()

    @property
    def awake(self) -> int:
        """Deployments whose workers run."""
        return sum(each.status.state in ("awake", "waking") for each in self.deployments)

    @property
    def wanted(self) -> int:
        """Deployments that should be served."""
        return sum(bool(each.hosted.deployment and each.hosted.deployment.active) for each in self.deployments)


@dataclass(frozen=True)
class Made:
    """A new deployment; its token is None where it is public, and nowhere kept. `model` is what people call it."""

    name: str
    url: str
    token: str | None
    model: str = ""


class HostingServices:
    """The core's hosting, as one thing to hold.

    Args:
        data_folder: Folder that holds deployments/ and models/; by default `core.paths.data_dir()`.
    """

    def __init__(self, data_folder: Path | None = None) -> None:
        self.data = data_folder if data_folder is not None else data_dir()
        self._models: dict[str, tuple[float, Model | None]] = {}
        self._spreads = Spreads(self.data)

    @cached_property
    def store(self) -> Deployments:
        """The deployments on disk."""
        from core.hosting.deployments import Deployments

        return Deployments(self.data)

    # -- looking

    def look(self) -> Hosting | None:
        """Everything that is hosted; None where nothing ever was, and nothing is imported for it."""
        if not (self.data / "deployments").is_dir():
            return None
        gateway = self.gateway()
        self._spreads.look()
        return Hosting(gateway, tuple(self._seen(each, gateway) for each in self.store.hosted()))

    def seen(self, name: str) -> Seen:
        """One deployment.

        Raises:
            NotFound: There is none; names the nearest.
        """
        self.store.path(name)
        self._spreads.look()
        return self._seen(next(each for each in self.store.hosted() if each.name == name), self.gateway())

    def _seen(self, hosted: Hosted, gateway: GatewayStatus) -> Seen:
        from core.hosting.status import Status

        try:
            status = self.store.status(hosted.name, gateway.runs)
            tokens = self.store.tokens(hosted.name)
        except TarmacError as error:  # removed meanwhile, or its tokens are broken
            status, tokens = Status("failed", str(error)), ()
        url = f"{gateway.url}/{hosted.name}/v1" if gateway.url else ""
        model = self._model(hosted.deployment.model) if hosted.deployment is not None else None
        return Seen(hosted, status, url, tokens, model, self._spreads.of(hosted.name, hosted.folder))

    def _model(self, model_id: str) -> Model | None:
        """A model of the library, looked up anew now and then: it may be deleted while it is hosted."""
        known = self._models.get(model_id)
        if known is None or time.monotonic() - known[0] > _MODEL_SECONDS:
            try:
                found = self.library().get(model_id)
                self._models[model_id] = time.monotonic(), found if found.problem is None else None
            except TarmacError:
                self._models[model_id] = time.monotonic(), None
        return self._models[model_id][1]

    def library(self) -> Library:
        """Where the models are."""
        from core.library.models import Library

        return Library(self.data)

    def gateway(self) -> GatewayStatus:
        """What is known of the gateway."""
        from core.hosting.process import gateway_status

        return gateway_status(self.data)

    def log(self, name: str, lines: int = 0) -> list[dict[str, object]]:
        """The newest requests of a deployment as its log has them, the oldest first; all that is kept, or `lines`.

        Raises:
            NotFound: There is no such deployment.
        """
        found: list[dict[str, object]] = []
        path = self.store.log_path(name)
        for each in (path.with_name(path.name + ".1"), path) if not lines else (path,):
            found += _log_lines(each, _LOG_BYTES if lines else None)
        return found[-lines:] if lines else found

    # -- hosting

    def host(
        self,
        model: str,
        name: str,
        *,
        command: str = "",
        options: Mapping[str, object] | None = None,
        private: bool = True,
        replicas: int = 1,
        sleep_after: float = 300.0,
        timeout: float = 300.0,
    ) -> Made:
        """Make a deployment, and start the gateway where none runs. If that cannot start, nothing was made.

        Raises:
            As `core.hosting.deployments.Deployments.create` and `core.hosting.process.start`.
        """
        from core.hosting.deployment import Limits

        self.check(self.library(), model, command)
        _, token = self.store.create(
            name,
            model,
            command=command,
            options=options,
            private=private,
            replicas=replicas,
            sleep_after=sleep_after,
            limits=Limits(timeout=timeout),
        )
        try:
            gateway = self.start_gateway()
        except BaseException:
            self.store.remove(name)
            raise
        return Made(name, f"{gateway.url}/{name}/v1", token, self.library().get(model).name)

    def check(self, library: Library, model: str, command: str = "") -> None:
        """Whether a model can be hosted with a command ("" for its first).

        Raises:
            NotFound: There is no such model or command.
            Refused: The command reads or writes files of this machine, which no stranger may name.
        """
        from core.hosting.guard import usable

        found = library.get(model)
        chosen = found.interface.command(command or None)
        if not usable(chosen):
            raise Refused(
                f"{found.name} cannot be hosted with {chosen.name}",
                "that command takes or gives files of this machine",
                _other_commands(found.interface.commands),
            )

    def suggest(self, model: Model) -> str:
        """A free name for a deployment of `model`."""
        return self.store.suggest(model.id if model.source == "starter" else model.name)

    def checkpoint(self, library: Library, run: str, step: int | None) -> str:
        """The model of a training run, brought into the library where it is a checkpoint; its id.

        Args:
            library: Where models are.
            run: Id or name of the run.
            step: The checkpoint's; None for the finished model, else the best checkpoint.

        Raises:
            NotFound: There is no such run or checkpoint.
            TarmacError: The checkpoint is not whole, or the disk said no.
        """
        from core.errors import NotFound
        from core.runs.store import Runs
        from tui.training.services import TrainingServices

        view = Runs(self.data).get(run)
        if step is None and view.model:
            return str(view.model)
        steps = [each.step for each in view.checkpoints]
        if not steps:
            raise Refused(f"{view.plan.name} cannot be hosted yet", "it has no checkpoint", "Wait for its first one")
        if step is None:
            step = max(view.checkpoints, key=lambda each: (each.best, each.step)).step
        if step not in steps:
            told = ", ".join(f"{each}" for each in steps)
            raise NotFound(f"{view.plan.name} has no checkpoint of step {step}", "", f"There are: {told}")
        return TrainingServices(self.data).adopt_checkpoint(library, view, step)

    # -- the gateway

    def start_gateway(self) -> GatewayStatus:
        """Start the gateway, unless it runs.

        Raises:
            TarmacError: It could not start; the sentence says why.
        """
        from core.hosting import process

        return process.start_blocking(self.data)

    def stop_gateway(self) -> GatewayStatus:
        """Stop the gateway; requests that run get their time.

        Raises:
            TarmacError: It could not be ended.
        """
        from core.hosting import process

        return process.stop_blocking(self.data)

    def asking(self, seen: Seen, command: Command) -> Asking:
        """A question to a deployment, not yet asked."""
        from core.hosting.process import studio_key

        name = seen.name if seen.model is not None and seen.model.kind == "text" else ""
        return Asking(seen.url, command, lambda: studio_key(self.data), name)


def _other_commands(commands: Mapping[str, Command]) -> str:
    from core.hosting.guard import usable

    names = [name for name, each in commands.items() if usable(each)]
    return f"Choose another command: {', '.join(names)}" if names else ""


def _log_lines(path: Path, most: int | None) -> list[dict[str, object]]:
    try:
        with path.open("rb") as file:
            if most is not None:
                size = file.seek(0, 2)
                file.seek(max(0, size - most))
                if size > most:
                    file.readline()  # a piece of one
            data = file.read()
    except OSError:
        return []
    found = []
    for line in data.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found
