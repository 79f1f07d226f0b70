"""A pickle interpreter that can only build plain containers and what a vocabulary allows.

The standard unpickler runs whatever a file names. This one has no import, no attribute access and no call of anything
but the stand-ins of its `Vocabulary`; opcodes that weights never need are refused. It counts what it does, so that
crafted files (self-copying memos, deep nesting, huge lengths) end early with bounded memory. Opcodes: Python's
`pickletools`.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Protocol

from core.ml.checkpoints.problems import (
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_OPCODES,
    MAX_STACK,
    MAX_TEXT,
    Unreadable,
    shown,
    truncated,
)


class StandIn:
    """What a global name of a pickle becomes. The base class refuses everything."""

    def call(self, arguments: tuple[object, ...]) -> object:
        """What REDUCE makes of it."""
        raise Unreadable("it calls something that weights never call")

    def new(self, arguments: tuple[object, ...]) -> object:
        """What NEWOBJ makes of it."""
        raise Unreadable("it makes an object that weights never hold")


class Buildable:
    """An inert object that BUILD may give a state."""

    def build(self, state: object) -> None:
        """Take the state; raise `Unreadable` if it is not what it should be."""
        raise NotImplementedError


class Vocabulary(Protocol):
    """The names and persistent ids that a kind of file may use."""

    def find(self, module: str, name: str) -> StandIn:
        """The stand-in of a global; raises `Unreadable` for all that are not listed."""
        ...

    def persistent(self, identity: object) -> object:
        """What a persistent id stands for; raises `Unreadable` if the kind of file has none."""
        ...


class Budget:
    """What is left of the limits; shared by a pickle and those nested in it."""

    def __init__(self) -> None:
        self.opcodes = MAX_OPCODES
        self.text = MAX_TEXT


def interpret(data: memoryview, start: int, vocabulary: Vocabulary, budget: Budget) -> tuple[object, int]:
    """Read the pickle that begins at `start`.

    Returns:
        The object (dict, list, tuple, set, str, int, float, bool, None, memoryview for bytes, stand-ins and what
        they made) and the offset behind the pickle.

    Raises:
        Unreadable: Truncated, damaged, or it asks for something outside the vocabulary or the limits.
    """
    return _Machine(data, start, vocabulary, budget).run()


class _Machine:
    def __init__(self, data: memoryview, start: int, vocabulary: Vocabulary, budget: Budget) -> None:
        self.data, self.position, self.end = data, start, len(data)
        self.vocabulary, self.budget = vocabulary, budget
        self.stack: list[object] = []
        self.below: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def run(self) -> tuple[object, int]:
        data, budget = self.data, self.budget
        try:
            while True:
                code = data[self.position]
                self.position += 1
                budget.opcodes -= 1
                if budget.opcodes < 0:
                    raise Unreadable("it has more instructions than weights need")
                if code == _STOP:
                    return self.stack[-1], self.position
                action = _ACTIONS.get(code)
                if action is None:
                    raise Unreadable(f"it holds the pickle instruction {_name(code)}, which weights never need")
                action(self)
                if len(self.stack) > MAX_STACK:
                    raise Unreadable("it piles up more objects than weights need")
        except IndexError:
            if self.position >= self.end:
                raise truncated() from None
            raise Unreadable("it is a damaged pickle") from None
        except (struct.error, UnicodeDecodeError, KeyError):
            raise Unreadable("it is a damaged pickle", "Download or copy it again") from None

    # reading

    def take(self, count: int) -> memoryview:
        begin, stop = self.position, self.position + count
        if stop > self.end:
            raise truncated()
        self.position = stop
        return self.data[begin:stop]

    def number(self, layout: struct.Struct) -> int:
        return int(layout.unpack(self.take(layout.size))[0])

    def line(self) -> str:
        window = bytes(self.data[self.position : self.position + 256])
        length = window.find(b"\n")
        if length < 0:
            if self.position + len(window) >= self.end:
                raise truncated()
            raise Unreadable("it holds a name of more than 255 characters")
        self.position += length + 1
        return window[:length].decode("ascii")

    # the stack

    def push(self, value: object) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        if len(self.below) >= MAX_DEPTH:
            raise Unreadable("it is nested deeper than weights are")
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[object]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError
        items = tuple(self.stack[-count:])
        self.stack[-count:] = [items]

    # values

    def text(self, length: int) -> None:
        self.budget.text -= length
        if self.budget.text < 0:
            raise Unreadable("it holds more text than weights need")
        # surrogatepass is how pickle writes strings that came from undecodable file names
        self.push(bytes(self.take(length)).decode("utf-8", "surrogatepass"))

    def integer(self, length: int) -> None:
        if not 0 <= length <= MAX_INTEGER:
            raise Unreadable("it holds an integer longer than weights need")
        self.push(int.from_bytes(self.take(length), "little", signed=True))

    # containers

    def append(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise Unreadable("it is a damaged pickle")
        target.extend(items)

    def set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise Unreadable("it is a damaged pickle")
        target.update(pairs(items))

    def add_items(self) -> None:
        items = self.since_mark()
        target = self.stack[-1]
        if type(target) is not set:
            raise Unreadable("it is a damaged pickle")
        target.update(key(item) for item in items)

    def append_one(self) -> None:
        item = self.stack.pop()
        self.append([item])

    def set_one(self) -> None:
        value = self.stack.pop()
        self.set_items([self.stack.pop(), value])

    # the memo

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.push(self.memo[index])

    # objects

    def named(self) -> None:
        module = self.line()
        self.push(self.vocabulary.find(module, self.line()))

    def named_by_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise Unreadable("it is a damaged pickle")
        self.push(self.vocabulary.find(module, name))

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.push(_stand_in(function).call(_arguments(arguments)))

    def new_object(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        self.push(_stand_in(kind).new(_arguments(arguments)))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Buildable):
            target.build(state)
        elif type(target) is not dict:  # the attributes of an OrderedDict say nothing about weights
            raise Unreadable("it gives a state to something that has none")

    def persistent(self) -> None:
        self.push(self.vocabulary.persistent(self.stack.pop()))


def key(value: object) -> object:
    """`value` if it may be a key: short plain values only, whose hashes cannot be made to collide or to recurse.

    Raises:
        Unreadable: It may not.
    """
    if value is None or type(value) in (str, bool):
        return value
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise Unreadable("it holds a dictionary key that weights never have")


def pairs(items: list[object]) -> dict[object, object]:
    """Keys and values in turn, as a dict.

    Raises:
        Unreadable: An odd number, or a key that may not be one.
    """
    if len(items) % 2:
        raise Unreadable("it is a damaged pickle")
    return {key(items[index]): items[index + 1] for index in range(0, len(items), 2)}


def _stand_in(value: object) -> StandIn:
    if not isinstance(value, StandIn):
        raise Unreadable("it calls something that is not callable")
    return value


def _arguments(value: object) -> tuple[object, ...]:
    if type(value) is not tuple:
        raise Unreadable("it is a damaged pickle")
    return value


def _name(code: int) -> str:
    return next((name for name in _NAMES if getattr(pickle, name) == bytes([code])), f"0x{code:02x}")


_NAMES = (
    *("INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "NEWOBJ_EX", "NEXT_BUFFER", "READONLY_BUFFER", "FROZENSET"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "INT", "LONG", "FLOAT", "GET", "PUT"),
)
_U1, _U2, _I4, _U4, _U8, _F8 = (struct.Struct(layout) for layout in ("<B", "<H", "<i", "<I", "<Q", ">d"))


def _protocol(machine: _Machine) -> None:
    if machine.number(_U1) > pickle.HIGHEST_PROTOCOL:
        raise Unreadable("it is a pickle of an unknown protocol")


def _frame(machine: _Machine) -> None:
    if machine.number(_U8) > machine.end - machine.position:
        raise truncated()


def _list(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.push(items)


def _tuple(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.push(tuple(items))


def _dict(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.push(pairs(items))


def _append_all(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.append(items)


def _set_all(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.set_items(items)


def _sized(layout: struct.Struct, method: Callable[[_Machine, int], None]) -> Callable[[_Machine], None]:
    return lambda machine: method(machine, machine.number(layout))


def _bytes(machine: _Machine, length: int) -> None:
    machine.push(machine.take(length))


def _code(opcode: bytes) -> int:
    return opcode[0]


_STOP = _code(pickle.STOP)
_ACTIONS: dict[int, Callable[[_Machine], None]] = {
    _code(opcode): action
    for opcode, action in (
        (pickle.PROTO, _protocol),
        (pickle.FRAME, _frame),
        (pickle.MARK, _Machine.mark),
        (pickle.POP, _Machine.pop),
        (pickle.POP_MARK, lambda machine: (machine.since_mark(), None)[1]),
        (pickle.DUP, lambda machine: machine.push(machine.stack[-1])),
        (pickle.NONE, lambda machine: machine.push(None)),
        (pickle.NEWTRUE, lambda machine: machine.push(True)),
        (pickle.NEWFALSE, lambda machine: machine.push(False)),
        (pickle.BININT, lambda machine: machine.push(machine.number(_I4))),
        (pickle.BININT1, lambda machine: machine.push(machine.number(_U1))),
        (pickle.BININT2, lambda machine: machine.push(machine.number(_U2))),
        (pickle.LONG1, _sized(_U1, _Machine.integer)),
        (pickle.LONG4, _sized(_I4, _Machine.integer)),
        (pickle.BINFLOAT, lambda machine: machine.push(_F8.unpack(machine.take(8))[0])),
        (pickle.SHORT_BINUNICODE, _sized(_U1, _Machine.text)),
        (pickle.BINUNICODE, _sized(_U4, _Machine.text)),
        (pickle.BINUNICODE8, _sized(_U8, _Machine.text)),
        (pickle.SHORT_BINBYTES, _sized(_U1, _bytes)),
        (pickle.BINBYTES, _sized(_U4, _bytes)),
        (pickle.BINBYTES8, _sized(_U8, _bytes)),
        (pickle.BYTEARRAY8, _sized(_U8, _bytes)),
        (pickle.EMPTY_LIST, lambda machine: machine.push([])),
        (pickle.EMPTY_TUPLE, lambda machine: machine.push(())),
        (pickle.EMPTY_DICT, lambda machine: machine.push({})),
        (pickle.EMPTY_SET, lambda machine: machine.push(set())),
        (pickle.LIST, _list),
        (pickle.TUPLE, _tuple),
        (pickle.TUPLE1, lambda machine: machine.tuple_of(1)),
        (pickle.TUPLE2, lambda machine: machine.tuple_of(2)),
        (pickle.TUPLE3, lambda machine: machine.tuple_of(3)),
        (pickle.DICT, _dict),
        (pickle.APPEND, _Machine.append_one),
        (pickle.APPENDS, _append_all),
        (pickle.SETITEM, _Machine.set_one),
        (pickle.SETITEMS, _set_all),
        (pickle.ADDITEMS, _Machine.add_items),
        (pickle.MEMOIZE, lambda machine: machine.remember(len(machine.memo))),
        (pickle.BINPUT, _sized(_U1, _Machine.remember)),
        (pickle.LONG_BINPUT, _sized(_U4, _Machine.remember)),
        (pickle.BINGET, _sized(_U1, _Machine.recall)),
        (pickle.LONG_BINGET, _sized(_U4, _Machine.recall)),
        (pickle.GLOBAL, _Machine.named),
        (pickle.STACK_GLOBAL, _Machine.named_by_stack),
        (pickle.REDUCE, _Machine.reduce),
        (pickle.NEWOBJ, _Machine.new_object),
        (pickle.BUILD, _Machine.build),
        (pickle.BINPERSID, _Machine.persistent),
    )
}


def describe_global(module: str, name: str) -> Unreadable:
    """The refusal of a name that is on no list."""
    return Unreadable(
        f"it asks for {shown(module, 40)}.{shown(name, 40)}, which weights never need",
        "If you trust it, save its weights as safetensors where it came from",
    )
