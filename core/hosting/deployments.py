"""The deployments on disk: made, listed, changed, their tokens, what they are doing. Cheap, without any framework.

What is changed here a running gateway sees within a quarter of a second; it needs not run for any of it.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InvalidInput, NotFound, Refused, TarmacError
from core.hosting import tokens as token_file
from core.hosting.deployment import Deployment, Limits, check_name
from core.hosting.settings import GatewaySettings
from core.hosting.status import Status, read_status
from core.hosting.tokens import Token, read_tokens, write_tokens
from core.interface.base import nearest, shorten
from core.library.folders import delete, discard, folders, stage
from core.library.manifest import clean_line
from core.library.models import Library
from core.paths import data_dir as default_data_dir
from core.paths import private_dir, storage_errors

__all__ = ["Deployment", "Deployments", "Hosted", "Limits", "Status", "Token"]

FIRST_LABEL = "first"
"""Label of the token that a private deployment is made with."""


@dataclass(frozen=True)
class Hosted:
    """One deployment as a list shows it. A broken folder is one too: then `problem` says what is wrong with it."""

    name: str
    folder: Path
    deployment: Deployment | None
    problem: str = ""


class Deployments:
    """The deployments of this user.

    Args:
        data_dir: Folder that holds deployments/ and models/; by default `core.paths.data_dir()`.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir if data_dir is not None else default_data_dir()
        self.folder = self.data_dir / "deployments"

    # -- deployments

    def hosted(self) -> list[Hosted]:
        """All of them by name, broken ones too. Reads the disk; never raises."""
        return [self._look(folder) for folder in sorted(folders(self.folder))]

    def get(self, name: str) -> Deployment:
        """The deployment called `name`.

        Raises:
            NotFound: There is none; names the nearest.
            Refused: Its folder is broken.
        """
        return Deployment.read(self.path(name))

    def path(self, name: str) -> Path:
        """The folder of the deployment called `name`.

        Raises:
            NotFound: There is none; names the nearest.
        """
        known = [each.name for each in folders(self.folder)]
        if name not in known:
            hint = nearest(clean_line(name), known) if known else "Host a model first: tarmac host MODEL --name NAME"
            raise NotFound(f"no deployment is called {shorten(clean_line(name))}", "", hint)
        return self.folder / name

    def check_new_name(self, name: str) -> None:
        """Whether a deployment can be made under `name`; for a field that is checked as it is typed.

        Raises:
            InvalidInput: It is not allowed, or taken.
        """
        check_name(name)
        if (self.folder / name).exists():
            raise InvalidInput(f"there is a deployment called {name} already", "", f"Try {self.suggest(name)}")

    def suggest(self, text: str) -> str:
        """A free name made of `text` (a model's name, say)."""
        stem = re.sub(r"[^a-z0-9]+", "-", text.lower().rpartition("/")[2]).strip("-")[:50].rstrip("-") or "model"
        for attempt in range(1, 10_000):
            name = stem if attempt == 1 else f"{stem}-{attempt}"
            try:
                check_name(name)
            except InvalidInput:
                continue
            if not (self.folder / name).exists():
                return name
        return stem

    def create(
        self,
        name: str,
        model: str,
        *,
        command: str = "",
        options: Mapping[str, object] | None = None,
        private: bool = True,
        replicas: int = 1,
        sleep_after: float = 300.0,
        active: bool = True,
        limits: Limits | None = None,
    ) -> tuple[Deployment, str | None]:
        """Host a model: make its deployment; returns it and, if it is private, its first token, shown this once.

        Args:
            name: Permanent name.
            model: Id or name of a model of the library.
            command: The command that Runway's API serves; empty for the model's first.
            options: Set-up options of the model.
            private: Whether a token is needed.
            replicas: Workers that run at once.
            sleep_after: Seconds without a request after which the workers end; 0 for never.
            active: Whether it is served from now on.
            limits: What one request may cost.

        Raises:
            InvalidInput: A name that is taken or not allowed, an option that the model does not have.
            NotFound: There is no such model or command.
            Refused: The model is broken, or the deployment would be public and other machines can reach the gateway.
            StorageError: The disk said no; nothing was made.
        """
        self.check_new_name(name)
        found = Library(self.data_dir).get(model)
        interface = found.interface
        chosen = interface.command(command or None).name
        options = dict(options or {})
        interface.check_options(options)
        deployment = Deployment(
            name=name,
            model=found.id,
            command=chosen,
            options=options,
            private=private,
            replicas=replicas,
            sleep_after=float(sleep_after),
            active=active,
            limits=limits or Limits(),
        )
        self.check_public(deployment)
        secret: str | None = None
        building = stage(self.folder)
        try:
            deployment.write(building)
            if private:
                tokens, secret = token_file.add((), FIRST_LABEL)
                write_tokens(building, tokens)
            with storage_errors(self.folder / name):
                try:
                    os.rename(building, self.folder / name)  # refuses where there is another
                except OSError as error:
                    if (self.folder / name).exists():
                        raise InvalidInput(f"there is a deployment called {name} already") from error
                    raise
        except BaseException:
            delete(building)
            raise
        return deployment, secret

    def change(self, name: str, **changes: object) -> Deployment:
        """Change settings of a deployment: anything but its name.

        Raises:
            NotFound: There is no such deployment, model or command.
            InvalidInput: A value that is not allowed.
            Refused: It would be public and other machines can reach the gateway.
            StorageError: The disk said no.
        """
        with self._editing():
            folder = self.path(name)
            changed = Deployment.read(folder).changed(**changes)
            if {"model", "command", "options"} & changes.keys():
                model = Library(self.data_dir).get(changed.model)
                model.interface.command(changed.command or None)
                model.interface.check_options(changed.options)
                changed = replace(changed, model=model.id)
            self.check_public(changed)
            changed.write(folder)
        return changed

    def set_active(self, name: str, active: bool) -> Deployment:
        """Serve a deployment, or stop serving it.

        Raises:
            As `change`.
        """
        return self.change(name, active=active)

    def remove(self, name: str) -> None:
        """Delete a deployment with its tokens and its log for ever; its model stays.

        Raises:
            NotFound: There is no such deployment.
            StorageError: The disk said no.
        """
        discard(self.path(name), self.folder)

    # -- tokens

    def tokens(self, name: str) -> tuple[Token, ...]:
        """The tokens of a deployment, the oldest first.

        Raises:
            NotFound: There is no such deployment.
            Refused: Their file is broken.
        """
        return read_tokens(self.path(name))

    def add_token(self, name: str, label: str) -> str:
        """A new token, shown this once.

        Raises:
            NotFound: There is no such deployment.
            InvalidInput: The label is taken or not allowed.
            StorageError: The disk said no.
        """
        with self._editing():
            folder = self.path(name)
            tokens, secret = token_file.add(read_tokens(folder), label)
            write_tokens(folder, tokens)
        return secret

    def rotate_token(self, name: str, label: str) -> str:
        """A new secret for a token; the old one opens nothing any more.

        Raises:
            NotFound: There is no such deployment or token.
            StorageError: The disk said no.
        """
        with self._editing():
            folder = self.path(name)
            tokens, secret = token_file.rotate(read_tokens(folder), label)
            write_tokens(folder, tokens)
        return secret

    def revoke_token(self, name: str, label: str) -> None:
        """Make a token worthless.

        Raises:
            NotFound: There is no such deployment or token.
            StorageError: The disk said no.
        """
        with self._editing():
            folder = self.path(name)
            write_tokens(folder, token_file.revoke(read_tokens(folder), label))

    def gateway_token(self, label: str = "metrics") -> str:
        """A new token for what concerns all deployments, /metrics and /readyz; the old one of that label is void.

        Raises:
            StorageError: The disk said no.
        """
        private_dir(self.folder)
        with self._editing():
            tokens = read_tokens(self.folder)
            there = any(each.label == token_file.check_label(label) for each in tokens)
            tokens, secret = (token_file.rotate if there else token_file.add)(tokens, label)
            write_tokens(self.folder, tokens)
        return secret

    # -- what they are doing

    def status(self, name: str, gateway_runs: bool) -> Status:
        """What a deployment is doing.

        Args:
            name: The deployment.
            gateway_runs: Whether `core.hosting.process.gateway_status` says so; without a gateway nothing is awake.

        Raises:
            NotFound: There is no such deployment.
        """
        hosted = self._look(self.path(name))
        status = read_status(hosted.folder) or Status("asleep")
        if hosted.deployment is None:
            return replace(status, state="failed", sentence=hosted.problem)
        if not hosted.deployment.active:
            return replace(status, state="inactive", sentence="", queue=0, running=0, replicas_ready=0)
        if not gateway_runs:
            why = "The gateway is not running"
            return replace(status, state="down", sentence=why, queue=0, running=0, replicas_ready=0)
        if status.state == "inactive":
            return replace(status, state="asleep", replicas=hosted.deployment.replicas)
        return status

    def log_path(self, name: str) -> Path:
        """The request log of a deployment, JSON Lines; `requests.log.1` beside it is what came before.

        Raises:
            NotFound: There is no such deployment.
        """
        return self.path(name) / "requests.log"

    # -- the gateway's settings

    def gateway_settings(self) -> GatewaySettings:
        """Where the gateway listens.

        Raises:
            Refused: gateway.toml is broken.
        """
        return GatewaySettings.read(self.folder)

    def set_gateway(self, **changes: object) -> GatewaySettings:
        """Change where the gateway listens; it has to be started again for that.

        Raises:
            InvalidInput: A value that is not allowed.
            Refused: Certificate files that are none, or another address while a deployment is public.
            StorageError: The disk said no.
        """
        private_dir(self.folder)
        with self._editing():
            settings = dataclasses.replace(self.gateway_settings(), **changes)  # type: ignore[arg-type]
            settings.tls()
            self.check_address(settings)
            settings.write(self.folder)
        return settings

    def check_address(self, settings: GatewaySettings) -> None:
        """Whether the gateway may listen there.

        Raises:
            Refused: Other machines would reach it, and a deployment is public.
        """
        public = [] if settings.loopback else self.public_names()
        if public:
            raise Refused(
                f"the gateway cannot listen on {settings.host}",
                f"other machines reach that address, and {', '.join(public[:5])} can be used without a token",
                "Make them private (tarmac deployments set NAME --private), or listen on 127.0.0.1",
            )

    def public_names(self) -> list[str]:
        """Names of the deployments that can be used without a token."""
        return [each.name for each in self.hosted() if each.deployment is not None and not each.deployment.private]

    # -- small things

    def _look(self, folder: Path) -> Hosted:
        name = clean_line(folder.name)
        try:
            return Hosted(name, folder, Deployment.read(folder))
        except TarmacError as error:
            return Hosted(name, folder, None, str(error))

    def check_public(self, deployment: Deployment) -> None:
        """Whether a deployment may be as public as it is.

        Raises:
            Refused: It needs no token, and other machines can reach the gateway.
        """
        if deployment.private:
            return
        settings = self.gateway_settings()
        if not settings.loopback:
            raise Refused(
                f"{deployment.name} cannot be public",
                f"the gateway listens on {settings.host}, which other machines reach",
                "Keep it private, or let the gateway listen on 127.0.0.1",
            )

    @contextmanager
    def _editing(self) -> Iterator[None]:
        """One at a time: read, change, write. Held for milliseconds."""
        private_dir(self.folder)
        path = self.folder / ".edit.lock"
        with storage_errors(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
