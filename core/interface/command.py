"""What a model can be asked to do: commands with typed inputs and outputs, and the set-up options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.errors import InvalidInput, NotFound
from core.interface.base import DataType, nearest, shorten


@dataclass(frozen=True)
class Command:
    """One thing a model does. Every command can be cancelled.

    Attributes:
        name: What it is called by.
        inputs: Declared inputs by name, in order.
        outputs: Declared outputs by name, in order.
        description: One line for people.
        streaming: It gives partial outputs before the final ones.
        batchable: Several requests may run as one batch.
    """

    name: str
    inputs: dict[str, DataType]
    outputs: dict[str, DataType]
    description: str = ""
    streaming: bool = False
    batchable: bool = False

    def check_inputs(self, values: Mapping[str, object]) -> dict[str, object]:
        """`values` validated and complete, in declared order.

        Raises:
            InvalidInput: An input is unknown, missing without a default, or has a value that is not allowed.
        """
        return check_values(self.inputs, values, "input", self.name)

    def inputs_from_json(self, data: Mapping[str, object]) -> dict[str, object]:
        """As `check_inputs`, from JSON forms."""
        return check_values(self.inputs, data, "input", self.name, from_json=True)

    def check_outputs(self, values: Mapping[str, object], partial: bool = False) -> dict[str, object]:
        """Outputs validated; all of them must be there unless they are `partial`."""
        return check_values(self.outputs, values, "output", self.name, partial=partial)

    def outputs_to_json(self, values: Mapping[str, object]) -> dict[str, object]:
        """Validated outputs in their JSON forms."""
        return {name: self.outputs[name].to_json(value) for name, value in values.items()}

    def spec(self) -> dict[str, object]:
        """The command as JSON: Runway's name, description, inputs and outputs; our two flags where they are set."""
        flags = {"streaming": self.streaming, "batchable": self.batchable}
        return {
            "name": self.name,
            "description": self.description or None,
            "inputs": [kind.spec(name) for name, kind in self.inputs.items()],
            "outputs": [kind.spec(name) for name, kind in self.outputs.items()],
            **{key: True for key, value in flags.items() if value},
        }

    @staticmethod
    def from_spec(spec: Mapping[str, object]) -> Command:
        """The command that `spec` declares.

        Raises:
            InvalidInput: The spec is not one.
        """
        if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str) or not spec["name"]:
            raise InvalidInput(f"a command cannot be {shorten(spec)}", "allowed is an object with name and inputs")
        description = spec.get("description")
        return Command(
            name=str(spec["name"]),
            inputs=types_from_specs(spec.get("inputs")),
            outputs=types_from_specs(spec.get("outputs")),
            description=description if isinstance(description, str) else "",
            streaming=spec.get("streaming") is True,
            batchable=spec.get("batchable") is True,
        )


@dataclass(frozen=True)
class Interface:
    """A model's declaration: options fixed when it starts, and commands. The first command is the default one."""

    options: dict[str, DataType] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)

    @property
    def default(self) -> Command:
        """The first command.

        Raises:
            NotFound: There is none.
        """
        return self.command(None)

    def command(self, name: str | None = None) -> Command:
        """The command called `name`, or the default one.

        Raises:
            NotFound: There is no such command.
        """
        if name is None and self.commands:
            return next(iter(self.commands.values()))
        if name is None or name not in self.commands:
            raise NotFound(f"there is no command {shorten(name or '')}", "", nearest(name or "", self.commands))
        return self.commands[name]

    def check_options(self, values: Mapping[str, object]) -> dict[str, object]:
        """Set-up options validated and complete.

        Raises:
            InvalidInput: An option is unknown, missing without a default, or has a value that is not allowed.
        """
        return check_values(self.options, values, "option", "the model")

    def spec(self) -> dict[str, object]:
        """The interface as JSON, as Runway's `RW_META` prints it."""
        return {
            "options": [kind.spec(name) for name, kind in self.options.items()],
            "commands": [command.spec() for command in self.commands.values()],
        }

    @staticmethod
    def from_spec(spec: Mapping[str, object]) -> Interface:
        """The interface that `spec` declares.

        Raises:
            InvalidInput: The spec is not one.
        """
        if not isinstance(spec, Mapping):
            raise InvalidInput(
                f"an interface cannot be {shorten(spec)}", "allowed is an object of options and commands"
            )
        commands = [Command.from_spec(item) for item in _objects(spec.get("commands"), "commands")]
        return Interface(types_from_specs(spec.get("options")), {command.name: command for command in commands})


def check_values(
    types: Mapping[str, DataType],
    values: Mapping[str, object],
    role: str,
    owner: str,
    *,
    from_json: bool = False,
    partial: bool = False,
) -> dict[str, object]:
    """`values` validated against `types`, in their order; defaults fill what is missing, unless `partial`.

    Raises:
        InvalidInput: A name is unknown, a value is missing or not allowed.
    """
    for name in values:
        if name not in types:
            raise InvalidInput(f"{owner} has no {role} {shorten(name)}", "", nearest(str(name), types))
    checked: dict[str, object] = {}
    for name, kind in types.items():
        if name in values:
            value = values[name]
            checked[name] = kind.from_json(name, value) if from_json else kind.validate(name, value)
        elif not partial:
            default = kind.default_value() if role != "output" else None
            if default is None:
                raise InvalidInput(f"{role} {name} of {owner} is missing", f"allowed is {kind.allowed()}")
            # A default is checked when it is used: a file may be gone since.
            checked[name] = kind.validate(name, default)
    return checked


def types_from_specs(specs: object) -> dict[str, DataType]:
    """Data types by name from a list of specs."""
    types: dict[str, DataType] = {}
    for spec in _objects(specs, "inputs and outputs"):
        name = spec.get("name")
        if not isinstance(name, str) or not name or name in types:
            raise InvalidInput(f"a data type cannot be called {shorten(name)}", "allowed is a name used once")
        types[name] = DataType.from_spec(spec)
    return types


def _objects(items: object, what: str) -> Iterable[Mapping[str, object]]:
    if items is None:
        return ()
    if not isinstance(items, list | tuple) or not all(isinstance(item, Mapping) for item in items):
        raise InvalidInput(f"the {what} cannot be {shorten(items)}", "allowed is a list of objects")
    return items
