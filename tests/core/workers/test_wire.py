"""The wire carries plain data and arrays exactly, whatever the pieces it arrives in, and refuses everything else."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time

import msgpack
import numpy as np
import pytest

from core.workers import wire
from core.workers.wire import AsyncChannel, Channel, Message, Parser, WireError, decode, encode


def frame(message: Message) -> bytes:
    return b"".join(encode(message))


def parse(data: bytes, chance: random.Random | None = None, parser: Parser | None = None) -> list[Message]:
    """The messages in `data`, written into the parser in pieces of any size."""
    parser = parser or Parser()
    messages: list[Message] = []
    at = 0
    while at < len(data):
        buffer = parser.buffer()
        most = min(len(buffer), len(data) - at)
        count = most if chance is None else chance.randint(1, most)
        buffer[:count] = data[at : at + count]
        messages += parser.advance(count)
        at += count
    return messages


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        assert isinstance(a, np.ndarray)
        assert isinstance(b, np.ndarray)
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and a == b


def random_value(chance: random.Random, depth: int = 0) -> object:
    kind = chance.randrange(9 if depth < 4 else 7)
    if kind == 0:
        return chance.choice([None, True, False])
    if kind == 1:
        return chance.choice([0, -1, 2**63 - 1, -(2**63), chance.randint(-(10**6), 10**6)])
    if kind == 2:
        return chance.choice([0.0, -1.5, 1e300, chance.random()])
    if kind == 3:
        return "".join(chance.choice("aé👩\0\n") for _ in range(chance.randrange(40)))
    if kind == 4:
        return chance.randbytes(chance.randrange(100))
    if kind in (5, 6):
        dtype = np.dtype(chance.choice(["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]))
        shape = tuple(chance.randrange(0, 6) for _ in range(chance.randrange(4)))
        return np.random.default_rng(chance.randrange(1000)).integers(0, 100, shape).astype(dtype)
    if kind == 7:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(5))]
    return {f"k{number}": random_value(chance, depth + 1) for number in range(chance.randrange(5))}


def test_random_messages_in_random_pieces() -> None:
    chance = random.Random(1)
    for _ in range(300):
        messages: list[Message] = [{"v": random_value(chance)} for _ in range(chance.randint(1, 6))]
        if chance.random() < 0.1:
            messages.insert(0, {"large": np.arange(chance.randint(20_000, 90_000), dtype=np.int32), "end": "."})
        data = b"".join(map(frame, messages))
        parser = Parser()
        result = parse(data, chance, parser)
        assert same(result, messages)
        assert not parser.torn


def test_every_cut_of_a_frame_is_torn_and_gives_nothing() -> None:
    data = frame({"a": np.arange(5), "b": "text"})
    for cut in range(1, len(data)):
        parser = Parser()
        assert parse(data[:cut], parser=parser) == []
        assert parser.torn


def test_arrays_are_aligned_writable_and_their_own() -> None:
    messages = parse(frame({"a": np.arange(3, dtype=np.uint8), "b": np.arange(3.0)}) * 2)
    first, second = messages[0]["b"], messages[1]["b"]
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert first.flags.aligned
    first[0] = 7
    assert second[0] == 0


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24).reshape(2, 3, 4)[:, ::-1, ::2],
        np.arange(5, dtype=">i4"),
        np.array(3.5),
        np.empty((0, 3), np.float32),
        np.broadcast_to(np.uint8(7), (3, 2)),
    ],
    ids=["fortran", "strided", "big-endian", "0-d", "empty", "broadcast"],
)
def test_arrays_of_every_layout(array: np.ndarray) -> None:
    (message,) = parse(frame({"a": array}))
    result = message["a"]
    assert isinstance(result, np.ndarray)
    assert np.array_equal(result, array)
    assert result.shape == array.shape


def test_numbers_of_numpy_become_plain() -> None:
    assert parse(frame({"a": np.float32(0.5), "b": np.int64(3), "c": np.True_})) == [{"a": 0.5, "b": 3, "c": True}]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        lambda: None,
        2**70,
        "\ud800",
        np.array(["a"]),
        np.array([object()]),
        np.array([1j]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, [("a", "i4")]),
        np.zeros(2, np.longdouble),
        bytes(wire.MOST_MESSAGE + 1),
        np.broadcast_to(np.uint8(0), (wire.MOST_BUFFERS + 1,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_data_or_too_large_cannot_be_sent(value: object) -> None:
    with pytest.raises(WireError):
        encode({"v": value})


def test_a_value_that_contains_itself_cannot_be_sent() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(WireError):
        encode({"v": loop})


HEADER = struct.Struct(">4sIQ")


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        HEADER.pack(b"TMW0", 1, 0),
        HEADER.pack(b"TMW1", wire.MOST_MESSAGE + 1, 0),
        HEADER.pack(b"TMW1", 2**32 - 1, 0),
        HEADER.pack(b"TMW1", 1, wire.MOST_BUFFERS + 1),
        HEADER.pack(b"TMW1", 1, 2**64 - 1),
    ],
    ids=["http", "version", "message", "message most", "buffers", "buffers most"],
)
def test_a_header_that_is_none_or_asks_for_too_much_is_refused_at_once(header: bytes) -> None:
    with pytest.raises(WireError):
        parse(header)


def described(dtype: object, shape: object) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb((dtype, shape)))


@pytest.mark.parametrize(
    ("content", "payload"),
    [
        ([1], 0),
        ({"a": 1}, 16),
        ({"a": described("<f4", [4])}, 0),
        ({"a": described("<f4", [4])}, 32),
        ({"a": described("<f4", [-4])}, 16),
        ({"a": described("<f4", [2**62, 2**62])}, 16),
        ({"a": described("<f4", [True])}, 16),
        ({"a": described("|O", [2])}, 16),
        ({"a": described("<U4", [1])}, 16),
        ({"a": described("O", [0])}, 0),
        ({"a": described(["<f4"], [1])}, 16),
        ({"a": described("<f4", 4)}, 16),
        ({"a": described("<f4", [1] * 40)}, 16),
        ({"a": msgpack.ExtType(1, b"\xc1")}, 16),
        ({"a": msgpack.ExtType(1, b"")}, 0),
        ({"a": msgpack.ExtType(2, b"")}, 0),
        ({1: 2}, 0),
    ],
    ids=range(17),
)
def test_a_message_that_lies_about_its_arrays_is_refused(content: object, payload: int) -> None:
    with pytest.raises(WireError):
        decode(memoryview(msgpack.packb(content)), memoryview(bytearray(payload)))


def test_random_bytes_and_damaged_frames_raise_nothing_else() -> None:
    chance = random.Random(2)
    good = frame({"a": np.arange(40), "b": ["x", {"y": 1.5}], "c": np.zeros((2, 2), np.uint8)})
    damaged = 0
    for _ in range(5000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            # Mostly in the message, where the structure is.
            data[chance.randrange(min(len(data), 120))] = chance.randrange(256)
        try:
            parse(bytes(data), chance)
        except WireError:
            damaged += 1
    assert damaged > 1000
    refused = 0
    for _ in range(2000):
        body = chance.randbytes(chance.randrange(60))
        try:
            parse(HEADER.pack(b"TMW1", len(body), 0) + body)
        except WireError:
            refused += 1
    assert refused > 1900


def test_a_message_nested_too_deeply_is_refused() -> None:
    with pytest.raises(WireError):
        decode(memoryview(b"\x81\xa1a" + b"\x91" * 5000 + b"\xc0"), memoryview(b""))


# -- over sockets


def test_channels_talk_both_ways() -> None:
    ours, theirs = socket.socketpair()
    here, there = Channel(ours), Channel(theirs)
    large = np.arange(3_000_000, dtype=np.uint8)

    def echo() -> None:
        while (message := there.receive()) is not None:
            there.send(message)
        there.close()

    thread = threading.Thread(target=echo)
    thread.start()
    for value in (1, large, "ä", large[:70_000]):
        here.send({"v": value})
        answer = here.receive()
        assert answer is not None
        assert same(answer["v"], value)
    ours.shutdown(socket.SHUT_WR)
    assert here.receive() is None
    thread.join()
    here.close()


def test_a_channel_tells_a_torn_frame() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(frame({"a": 1}) + frame({"a": "torn"})[:-1])
    theirs.close()
    channel = Channel(ours)
    assert channel.receive() == {"a": 1}
    with pytest.raises(WireError, match="middle of a message"):
        channel.receive()
    channel.close()


class End:
    """One end of an asynchronous pair, with what it heard."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.failure: Exception | None = None
        self.closed = asyncio.Event()
        self.heard = asyncio.Condition()
        self.news = asyncio.Event()

    async def open(self, sock: socket.socket) -> End:
        self.channel = await AsyncChannel.open(sock, self._on_message, self._on_close)
        return self

    def _on_message(self, message: Message) -> None:
        self.messages.append(message)
        self.news.set()

    def _on_close(self, failure: Exception | None) -> None:
        self.failure = failure
        self.closed.set()

    async def expect(self, count: int) -> list[Message]:
        while len(self.messages) < count:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 10)
        return self.messages


async def test_async_channels_keep_the_order_and_never_hold_the_loop() -> None:
    ours, theirs = socket.socketpair()
    here, there = await End().open(ours), await End().open(theirs)
    large = np.random.default_rng(0).integers(0, 256, 40_000_000, np.uint8)
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            # Processor time of this thread: how busy the machine is with others is not the channel's doing.
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    heart = asyncio.create_task(beat())
    sent: list[Message] = [{"n": n, "v": large if n in (3, 7) else np.arange(n)} for n in range(12)]
    for message in sent:
        here.channel.send(message)
    assert same(await there.expect(12), sent)
    heart.cancel()
    assert longest < 0.010
    here.channel.close()
    await asyncio.wait_for(there.closed.wait(), 10)
    there.channel.close()
    await asyncio.wait_for(here.closed.wait(), 10)
    here.channel.send({"into": "the void"})


async def test_an_async_channel_closes_on_what_is_no_frame() -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", frame({"a": "torn"})[:-1]):
        ours, theirs = socket.socketpair()
        end = await End().open(ours)
        theirs.sendall(data)
        theirs.close()
        await asyncio.wait_for(end.closed.wait(), 10)
        assert isinstance(end.failure, WireError)
        assert end.messages == []


async def test_a_reader_that_stalls_costs_no_one_anything_but_memory() -> None:
    ours, theirs = socket.socketpair()
    end = await End().open(ours)
    message: Message = {"v": np.arange(100_000)}
    for _ in range(20):
        end.channel.send(message)
    channel = Channel(theirs)
    received = await asyncio.to_thread(lambda: [channel.receive() for _ in range(20)])
    assert same(received, [message] * 20)
    end.channel.close()
    await asyncio.wait_for(end.closed.wait(), 10)
    channel.close()
