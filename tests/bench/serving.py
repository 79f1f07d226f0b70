"""Hosting under load: the starter text model beside `transformers serve`, the starter image model, what we add to both.

The peer needs fastapi, uvicorn, openai, pydantic, rich and accelerate, and is run by `--python`, an interpreter that
has them (ours, where they are installed). All servers are asked over HTTP by the same client, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from core.hosting import process
from core.hosting.deployments import Deployments

TEXT, FACES = "starter/gpt2-python", "starter/portraits"
STARTERS = Path(__file__).parents[2] / "core" / "library" / "starters"
CLIENTS, LENGTH, PATIENCE = 32, 64, 60.0
NEEDED = "fastapi uvicorn openai pydantic rich accelerate"


@dataclass
class Load:
    """What came of many requests at once."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)
    """In the order of the requests; None for one that was lost."""

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return sum(answer is None for answer in self.answers)

    def at(self, share: float) -> float:
        """The latency in ms that this share of the answers kept."""
        ordered = sorted(self.latencies) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3


def main(arguments: Sequence[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable, help="interpreter that can run `transformers serve`")
    parser.add_argument("--soak", type=int, default=100_000, help="requests after which memory is compared")
    parser.add_argument("--only", nargs="+", choices=("text", "pictures", "overhead"))
    options = parser.parse_args(list(arguments))
    chosen = options.only or ("text", "pictures", "overhead")
    if "text" in chosen or "pictures" in chosen:
        with tempfile.TemporaryDirectory() as name, _hosted(Path(name)) as (port, tokens):
            if "text" in chosen:
                ours = asyncio.run(_ours(port, tokens["gen"]))
            if "pictures" in chosen:
                asyncio.run(_pictures(port, tokens["faces"]))
        if "text" in chosen:
            _peers(options.python, ours)
    if "overhead" in chosen:
        _overhead(options.soak)


# -- text


async def _ours(port: int, token: str) -> float:
    """Tokens a second; prints the table's first line."""
    bodies = [_body("gen", n, seed=n, temperature=1, logit_bias={"0": -100}) for n in range(CLIENTS)]
    await _ask_all(port, "/gen/v1/completions", bodies[:1], token)
    print(f"starter text model, {CLIENTS} clients, {LENGTH} tokens each\n")
    print(f"{'':40}{'tok/s':>8}{'lost':>6}{'crossed':>9}{'p50 ms':>9}{'p95 ms':>9}")
    best = 0.0
    for _ in range(3):
        load = await _ask_all(port, "/gen/v1/completions", bodies, token)
        speed = _speed(load)
        if speed > best:
            best, kept = speed, load
    alone = [(await _ask_all(port, "/gen/v1/completions", [body], token)).answers[0] for body in bodies]
    texts, singles = _texts(kept), [_text(answer) for answer in alone]
    crossed = sum(text in singles and singles.index(text) != place for place, text in enumerate(texts))
    other = sum(text != single for text, single in zip(texts, singles)) - crossed
    _line("tarmac", best, kept, str(crossed))
    likeliest = [{**body, "temperature": 0} for body in bodies]
    greedy = await _ask_all(port, "/gen/v1/completions", likeliest, token)
    _line("tarmac, greedy as the peers", _speed(greedy), greedy, "")
    stream = [{**body, "stream": True, "stream_options": {"include_usage": True}} for body in bodies]
    load = await _ask_all(port, "/gen/v1/completions", stream, token)
    same = sum(text == single for text, single in zip(_texts(load), singles))
    _line("tarmac, streamed", _speed(load), load, "")
    print(f"texts that differ from the single answer (rounding): {other} of {CLIENTS}; streamed: {CLIENTS - same}")
    one = await _ask_all(port, "/gen/v1/completions", bodies[:1], token)
    print(f"one client alone: {_speed(one):.0f} tok/s")
    return best


def _peers(python: str, ours: float) -> None:
    best = 0.0
    with tempfile.TemporaryDirectory() as name:
        model = _endless(Path(name) / "model")
        for label, flags in (("default", []), ("--continuous-batching", ["--continuous-batching"])):
            try:
                best = max(best, _peer(python, label, flags, model))
            except (OSError, RuntimeError) as error:
                print(f"transformers serve {label} could not be run: {error}\n  it needs: pip install {NEEDED}")
    if best:
        print(f"\ntarmac beside the better one: {ours / best:.2f}x (target 1.2x)")


def _peer(python: str, label: str, flags: list[str], model: str) -> float:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    code = "from transformers.cli.transformers import main; main()"
    command = [python, "-c", code, "serve", model, "--port", str(port), "--device", "cpu", *flags]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            _until_open(server, port, log)
            load = asyncio.run(_peer_load(port, model))
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()
    if load.lost == CLIENTS:
        raise RuntimeError("it gave no answer")
    speed = _speed(load)
    _line(f"transformers serve {label}", speed, load, "")
    return speed


async def _peer_load(port: int, model: str) -> Load:
    bodies = [_body(model, n, temperature=0) for n in range(CLIENTS)]
    for _ in range(3):  # its first answer may take minutes on a busy machine
        first = await _ask_all(port, "/v1/completions", bodies[:1])
        if not first.lost:
            break
    else:
        raise RuntimeError("it does not answer")
    return await _ask_all(port, "/v1/completions", bodies)


def _endless(folder: Path) -> str:
    """A copy of the starter that only a token ends which it never writes, so that the peer writes as long as we do."""
    shutil.copytree(STARTERS / "gpt2-python", folder)
    for name in ("config.json", "generation_config.json"):
        settings = json.loads((folder / name).read_text())
        settings["eos_token_id"] = json.loads((folder / "config.json").read_text())["vocab_size"] - 1
        (folder / name).write_text(json.dumps(settings))
    return str(folder)


def _until_open(server: subprocess.Popen[bytes], port: int, log: object) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if server.poll() is not None:
            log.seek(0)  # type: ignore[attr-defined]
            raise RuntimeError(log.read().decode().strip().splitlines()[-1][:200])  # type: ignore[attr-defined]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise RuntimeError("it did not open its port")


def _body(model: str, number: int, **more: object) -> dict[str, object]:
    return {"model": model, "prompt": f"def function_{number}(value, other):", "max_tokens": LENGTH, **more}


def _text(answer: object) -> str:
    return str(answer["choices"][0]["text"]) if isinstance(answer, dict) else ""


def _texts(load: Load) -> list[str]:
    return [_text(answer) for answer in load.answers]


def _speed(load: Load) -> float:
    """Tokens a second, by the servers' own count."""
    counts = [answer["usage"]["completion_tokens"] for answer in load.answers if isinstance(answer, dict)]
    return float(sum(counts) / load.seconds)


def _line(label: str, speed: float, load: Load, crossed: str) -> None:
    cells = f"{speed:8.0f}{load.lost:6}{crossed:>9}{load.at(0.5):9.0f}{load.at(0.95):9.0f}"
    print(f"{label:40}{cells}", flush=True)


# -- pictures


async def _pictures(port: int, token: str) -> None:
    def body(n: int) -> dict[str, object]:
        return {"z": [((n * 7 + place) % 11 - 5) / 5 for place in range(64)]}

    await _ask_all(port, "/faces/v1/query", [body(0)], token)
    print("\nstarter image model\n")
    print(f"{'':40}{'pictures/s':>12}{'p50 ms':>9}{'p95 ms':>9}")
    speeds = {}
    for clients in (1, 16):
        best = Load(float("inf"))
        for _ in range(3):
            load = await _ask_all(port, "/faces/v1/query", [body(n) for n in range(96)], token, clients)
            best = min(best, load, key=lambda each: each.seconds)
        speeds[clients] = 96 / best.seconds
        label = f"{clients} client{'s' * (clients > 1)}, lost {best.lost}"
        print(f"{label:40}{speeds[clients]:12.1f}{best.at(0.5):9.1f}{best.at(0.95):9.1f}", flush=True)
    print(f"16 clients beside one: {speeds[16] / speeds[1]:.2f}x")
    _batches()


def _batches() -> None:
    """What the model itself gains by a batch on this machine, without any server."""
    import numpy as np

    from core.ml.adapters import load
    from core.workers.adapter import Request

    model = load("stylegan2", STARTERS / "portraits", {}, "auto")
    command = model.interface.commands["generate"]
    random = np.random.default_rng(0)
    times = {}
    for size in (1, 16):
        requests = [
            Request(command.check_inputs({"z": random.standard_normal(64).astype(np.float32)}), lambda: False)
            for _ in range(size)
        ]
        best = float("inf")
        for _ in range(8):
            started = time.perf_counter()
            list(model.run("generate", requests))
            best = min(best, time.perf_counter() - started)
        times[size] = best / size
    print(
        f"the model alone on {model.info['device_name']}: a batch of 16 is {times[1] / times[16]:.2f}x as fast as one"
    )


# -- what the gateway adds


def _overhead(soak: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "tests.bench._stub_gateway", name]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            asyncio.run(_stub_load(told["port"], told["token"], psutil.Process(server.pid), soak))
        finally:
            server.terminate()
            server.wait(20)


async def _stub_load(port: int, token: str, server: psutil.Process, soak: int) -> None:
    def bodies(count: int) -> list[dict[str, object]]:
        return [{"value": n} for n in range(count)]

    async def ask(count: int, clients: int) -> Load:
        return await _ask_all(port, "/echo/v1/query", bodies(count), token, clients, keep=True)

    await ask(2000, 8)
    print("\na model that answers at once\n")
    one = await ask(2000, 1)
    print(f"one client: p50 {one.at(0.5):.2f} ms, p95 {one.at(0.95):.2f} ms (target: p50 under 3 ms)", flush=True)
    before = server.memory_info().rss
    seconds, lost, done = 0.0, 0, 0
    while done < soak:
        load = await ask(10_000, 16)
        seconds, lost, done = seconds + load.seconds, lost + load.lost, done + 10_000
    after = server.memory_info().rss
    print(f"{done:,} requests of 16 clients: {done / seconds:.0f}/s, {lost} lost")
    print(f"memory: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")


# -- the client


async def _ask_all(
    port: int,
    path: str,
    bodies: Sequence[Mapping[str, object]],
    token: str = "",
    clients: int = 0,
    *,
    keep: bool = False,
) -> Load:
    """Ask for everything at once, or by so many clients that each keep a connection; `keep` keeps no answers."""
    load = Load(answers=[None] * len(bodies))
    left = iter(enumerate(bodies))

    async def client() -> None:
        connection = None
        for place, body in left:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(PATIENCE):
                    connection = connection or await asyncio.open_connection("127.0.0.1", port)
                    answer = await _ask(connection, path, body, token)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                if connection is not None:
                    connection[1].close()
                connection = None
                continue
            load.latencies.append(time.perf_counter() - started)
            load.answers[place] = True if keep else answer
        if connection is not None:
            connection[1].close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients or len(bodies))))
    load.seconds = time.perf_counter() - began
    return load


async def _ask(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, body: object, token: str
) -> object:
    """The JSON of the answer; of a stream, its texts as one.

    Raises:
        ValueError: An answer that is none, or tells an error.
    """
    reader, writer = connection
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(data)}\r\n" + (f"authorization: Bearer {token}\r\n" if token else "") + "\r\n"
    writer.write(head.encode() + data)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readexactly(2)
        content = b"".join(parts)
    else:
        content = await reader.readexactly(int(headers["content-length"]))
    if not lines[0].startswith("http/1.1 200"):
        raise ValueError(lines[0])
    if not headers.get("content-type", "").startswith("text/event-stream"):
        return json.loads(content)
    events = [line[6:] for line in content.split(b"\n") if line.startswith(b"data: ")]
    if events[-1] != b"[DONE]":
        raise ValueError("the stream broke off")
    found = [json.loads(event) for event in events[:-1]]
    texts = [choice["text"] for event in found for choice in event["choices"]]
    return {"choices": [{"text": "".join(texts)}], "usage": found[-1].get("usage")}


@contextlib.contextmanager
def _hosted(home: Path) -> Iterator[tuple[int, dict[str, str]]]:
    deployments = Deployments(home)
    tokens = {}
    for name, model in (("gen", TEXT), ("faces", FACES)):
        _, tokens[name] = deployments.create(name, model, sleep_after=0)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    deployments.set_gateway(port=port)
    process.start_blocking(home)
    try:
        yield port, tokens
    finally:
        process.stop_blocking(home)


if __name__ == "__main__":
    main(sys.argv[1:])
