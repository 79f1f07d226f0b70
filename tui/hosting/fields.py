"""How a deployment is served, as lines of a form: the same when it is made and when it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.hosting.changes import time_of
from tui.interface_fields import option_field
from tui.training.options import Field, Value

if TYPE_CHECKING:
    from core.hosting.deployment import Deployment
    from core.interface import Command, Interface
    from core.library.models import Library, Model

_OPTION = "option:"
_COMMAND_ABOUT = "What Runway's API and the page serve; a model's other commands are not reachable."
_YEAR = 365 * 24 * 3600


class Seconds(Field):
    """A time: typed in seconds, told in words too where those are many."""

    def shown(self, value: Value) -> str:
        """ "300 (5 min)"."""
        plain = super().shown(value)
        return f"{plain} ({time_of(value)})" if isinstance(value, int | float) and value >= 60 else plain


@dataclass(frozen=True)
class Filled:
    """What was filled in; fields as of `core.hosting.deployment.Deployment`, `options` those that are not defaults."""

    command: str
    options: dict[str, object]
    private: bool
    replicas: int
    sleep_after: float
    timeout: float


def fields(interface: Interface | None, commands: tuple[Command, ...]) -> list[Field]:
    """What can be set: the command where there are several, the model's own options, then who, how many, how long.

    Args:
        interface: Of the model; None where it is gone.
        commands: Those that can be served, the model's first one first.
    """
    found: list[Field] = []
    if len(commands) > 1:
        choices = tuple((each.name, each.description or "") for each in commands)
        found.append(Field("command", "command", commands[0].name, _COMMAND_ABOUT, choices=choices))
    for name, kind in interface.options.items() if interface is not None else ():
        field = option_field(f"{_OPTION}{name}", name.replace("_", " "), kind)
        if field is not None:
            found.append(field)
    return [
        *found,
        Field("private", "private", True, "Private: a token is needed. Public only where no other machine gets to it."),
        Field("replicas", "replicas", 1, "Workers that run at once, one a GPU where there are several.", 1, 64),
        Seconds(
            "sleep_after", "sleep after, s", 300,
            "Seconds without a request after which the workers end and give their memory back; the next request wakes "
            "them and is held until they are there.",
            0, _YEAR, zero="never",
        ),
        Seconds("timeout", "time limit, s", 300, "Seconds that a request may take, once its model is awake.", 1, 86400),
    ]  # fmt: skip


def filled(chosen: Mapping[str, Value], values: Mapping[str, Value], command: str) -> Filled:
    """What a form holds.

    Args:
        chosen: Every field's value by its name.
        values: Those that are not defaults.
        command: What is served where there is no choice.
    """
    options = {key.removeprefix(_OPTION): value for key, value in values.items() if key.startswith(_OPTION)}
    return Filled(
        str(chosen.get("command", command)),
        dict(options),
        bool(chosen["private"]),
        int(chosen["replicas"]),
        float(chosen["sleep_after"]),
        float(chosen["timeout"]),
    )


def today(made: Deployment, lines: list[Field]) -> dict[str, Value]:
    """The values of a deployment that differ from the defaults of `lines`."""
    now: dict[str, object] = {f"{_OPTION}{name}": value for name, value in made.options.items()}
    now |= {"private": made.private, "replicas": made.replicas, "command": made.command}
    now |= {"sleep_after": made.sleep_after, "timeout": made.limits.timeout}
    found: dict[str, Value] = {}
    for each in lines:
        value = now.get(each.name)
        if isinstance(value, float) and value.is_integer() and isinstance(each.default, int):
            value = int(value)
        if each.choices and value not in [choice for choice, _ in each.choices]:
            continue  # the model has changed since
        if isinstance(value, bool | int | float | str) and value not in ("", each.default):
            found[each.name] = value
    return found


def unseen(made: Deployment, lines: list[Field], chosen: Mapping[str, Value]) -> dict[str, object]:
    """Options of a deployment that have no line, or say what is the default anyway: they stay as they are."""
    shown = {each.name for each in lines}
    return {
        name: value
        for name, value in made.options.items()
        if (line := f"{_OPTION}{name}") not in shown or chosen[line] == value
    }


def servable(library: Library, model_id: str) -> tuple[Model, tuple[Command, ...]]:
    """A model and its commands that can be served; none where all of them take files of this machine. Reads the disk.

    Raises:
        NotFound: There is no such model.
        Refused: It is broken.
    """
    from core.hosting.guard import usable

    model = library.get(model_id)
    return model, tuple(each for each in model.interface.commands.values() if usable(each))
