"""Settings of a deployment that exists already, changed from a screen or by command; its name and address stay.

What is written here a running gateway takes over within a quarter of a second. Where the workers have to be others (the
model, its options, how many), those that run finish what they were given while new ones load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from tui import words

if TYPE_CHECKING:
    from core.hosting.deployment import Deployment
    from tui.hosting.services import HostingServices


@dataclass(frozen=True)
class Wanted:
    """What is to be different; None leaves a setting as it is. Fields as of `core.hosting.deployment.Deployment`.

    Attributes:
        options: All options of the model that differ from its defaults. With another model and without these, it has
            its defaults.
        timeout: Seconds that a request may take.
        max_queue: Requests that may wait.
        max_body: Bytes of a request's body.
    """

    model: str | None = None
    command: str | None = None
    options: Mapping[str, object] | None = None
    private: bool | None = None
    replicas: int | None = None
    sleep_after: float | None = None
    timeout: float | None = None
    max_queue: int | None = None
    max_body: int | None = None


@dataclass(frozen=True)
class Changed:
    """What became of it.

    Attributes:
        before, after: The deployment.
        token: A token that was made because there was none, nowhere kept; else None.
    """

    before: Deployment
    after: Deployment
    token: str | None = None


def change(hosting: HostingServices, name: str, wanted: Wanted) -> Changed:
    """Change a deployment. One that becomes private and has no token gets one. Reads and writes the disk.

    Raises:
        NotFound: There is no such deployment, model or command.
        InvalidInput: A value that is not allowed.
        Refused: It would be public and other machines can reach it; the command cannot be hosted; its folder is broken.
        StorageError: The disk said no.
    """
    from core.hosting.deployments import FIRST_LABEL

    store = hosting.store
    before = store.get(name)
    changes = _changes(hosting, before, wanted)
    after = store.change(name, **changes) if changes else before
    token = None
    if after.private and not before.private and not store.tokens(name):
        token = store.add_token(name, FIRST_LABEL)
    return Changed(before, after, token)


def _changes(hosting: HostingServices, before: Deployment, wanted: Wanted) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in ("private", "replicas", "sleep_after"):
        value = getattr(wanted, name)
        if value is not None and value != getattr(before, name):
            found[name] = value
    limits = {name: getattr(wanted, name) for name in ("timeout", "max_queue", "max_body")}
    limits = {name: value for name, value in limits.items() if value is not None}
    if (changed := replace(before.limits, **limits)) != before.limits:
        found["limits"] = changed
    model = before.model
    if wanted.model is not None:
        model = hosting.library().get(wanted.model).id
    command = wanted.command if wanted.command is not None else _kept(hosting, before, model)
    options = dict(wanted.options if wanted.options is not None else before.options if model == before.model else {})
    if (model, command, options) != (before.model, before.command, dict(before.options)):
        hosting.check(hosting.library(), model, command)
        found |= {"model": model, "command": command, "options": options}
    return found


def _kept(hosting: HostingServices, before: Deployment, model: str) -> str:
    """The command that goes on being served; another model may not have it, then its first."""
    if model == before.model:
        return before.command
    interface = hosting.library().get(model).interface
    return before.command if before.command in interface.commands else interface.command(None).name


def differences(before: Deployment, after: Deployment) -> list[str]:
    """What is different, for people: "replicas 1 → 2"."""
    told = [
        ("model", before.model, after.model),
        ("command", before.command or "its first", after.command or "its first"),
        ("access", _access(before.private), _access(after.private)),
        ("replicas", f"{before.replicas}", f"{after.replicas}"),
        ("sleeps", sleeps(before.sleep_after), sleeps(after.sleep_after)),
        ("time limit", time_of(before.limits.timeout), time_of(after.limits.timeout)),
        ("queue", f"{before.limits.max_queue:,}", f"{after.limits.max_queue:,}"),
        ("largest request", words.size(before.limits.max_body), words.size(after.limits.max_body)),
    ]
    names = sorted({*before.options, *after.options})
    told += [(n, f"{before.options.get(n, 'default')}", f"{after.options.get(n, 'default')}") for n in names]
    return [f"{what} {old} → {new}" for what, old, new in told if old != new]


def _access(private: bool) -> str:
    return "private" if private else "public"


def sleeps(seconds: float) -> str:
    """When a deployment sleeps: "after 5 min", "never"."""
    return f"after {time_of(seconds)}" if seconds else "never"


def time_of(seconds: float) -> str:
    """A time as a setting: "90 s" is told as "1 min 30 s", whole hours without minutes."""
    return f"{seconds:g} s" if seconds < 10 else words.duration(seconds).removesuffix(" 0 min")


def warning(before: Deployment, after: Deployment, tokens: int) -> str:
    """What to know before access changes; empty where nobody is hurt by it."""
    if before.private and not after.private:
        return (
            "Everybody on this machine can use it without a token then, and so can every web page that a browser of "
            "this machine opens. Its tokens stay, for when it is private again."
        )
    if after.private and not before.private:
        known = "its token" if tokens == 1 else f"one of its {tokens} tokens"
        who = f"They need {known} then." if tokens else "A token is made for them."
        return f"Programs that use it without a token are refused from then on. {who}"
    return ""


def seconds(text: str) -> float:
    """A time as people type it: "300", "90s", "10m", "2h", "1d", "never" for 0.

    Raises:
        InvalidInput: It is none.
    """
    plain = text.strip().lower()
    if plain == "never":
        return 0.0
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(plain[-1:])
    try:
        value = float(plain[:-1] if unit else plain) * (unit or 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise InvalidInput(f"{text[:40]!r} is no time", "allowed are seconds, or 90s, 10m, 2h, 1d, never")
    return value
