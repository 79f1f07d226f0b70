"""Random requests made from the gateway's own OpenAPI documents: `python -m tests.fuzz [REQUESTS]` (10,000).

Each deployment's document is read by schemathesis, which sends what it allows and what it forbids. A gateway in this
process answers with workers of the test adapters; at the end its own numbers say what was lost. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from core.hosting.openai.stream import Events
from tests.core.hosting.serving import STUDIO, Stage, gateway, until

_MODELS = {"all": "Everything", "faces": "Stub", "text": "Talker", "echo": "Echo", "gpt": "Writer"}
_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,ignored_auth"
)
_ACCEPTED = ",positive_data_acceptance"
"""Only where a schema says all. It cannot say that a picture must be whole, a box's left side left of its right, or a
whole number inside of anything short enough for the worker's wire."""

_EXACT = ("faces", "text")

_ROOT = Path(__file__).resolve().parents[1]
_SLOWEST = 10.0
"""Seconds after which a request counts as hanging; the slowest stub answers in a tenth of one."""


@dataclass
class Result:
    """What came of it.

    Attributes:
        requests: Requests that the fuzzer says it sent.
        seconds: How long it took.
        statuses: Answers by status, as the gateway counted those that it let in.
        texts: Those of /v1/completions among them.
        streams: Texts that were streamed to their end.
        failures: What the fuzzer found, in its words.
        deaths: Workers that died.
        megabytes: Memory of the gateway's process before and after.
    """

    requests: int = 0
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    streams: int = 0
    failures: list[str] = field(default_factory=list)
    deaths: int = 0
    megabytes: tuple[float, float] = (0.0, 0.0)


async def fuzz(folder: Path, requests: int, names: tuple[str, ...] = tuple(_MODELS), seed: int = 7) -> Result:
    """Send about `requests` random requests, split among the deployments `names`."""
    result = Result()
    settings: dict[str, dict[str, object]] = {
        name: {"model": _MODELS[name], "sleep_after": 0, "limits": {"timeout": 60.0}} for name in names
    }
    began = time.monotonic()
    send = Events.__call__

    async def counted(events: Events, *asgi: Any) -> None:
        await send(events, *asgi)
        result.streams += 1

    with mock.patch.object(Events, "__call__", counted):
        async with gateway(folder / "deployments", settings) as stage:
            await _all(stage, folder, requests, names, seed, result)
    result.seconds = round(time.monotonic() - began, 1)
    return result


async def _all(stage: Stage, folder: Path, requests: int, names: tuple[str, ...], seed: int, result: Result) -> None:
    for name in names:
        await stage.ask(f"/{name}/v1/", stage.tokens[name])
    await until(lambda: all(stage.registry.entries[name].state == "awake" for name in names), 60)
    before = psutil.Process().memory_info().rss
    for name in names:
        await _one(stage, folder, name, math.ceil(requests / len(names)), seed, result)
    result.deaths = sum(entry.pool.deaths for entry in stage.registry.entries.values() if entry.pool is not None)
    numbers = (await stage.ask("/metrics", STUDIO)).body.decode()
    result.statuses, result.texts = _statuses(numbers), _statuses(numbers, "/v1/completions")
    for name in names:
        assert (await stage.ask(f"/{name}/readyz", stage.tokens[name])).status == 200
    result.megabytes = (round(before / 2**20, 1), round(psutil.Process().memory_info().rss / 2**20, 1))


async def _one(stage: Stage, folder: Path, name: str, requests: int, seed: int, result: Result) -> None:
    document = (await stage.ask(f"/{name}/openapi.json", stage.tokens[name])).json()
    file, report = folder / f"{name}.json", folder / f"{name}.report.json"
    file.write_text(json.dumps(document))
    # Until the number is reached: how many a round sends depends on what it thinks of.
    sent, round_ = 0, 0
    while sent < requests:
        report.unlink(missing_ok=True)
        code, out = await _run(stage, name, file, report, max(5, (requests - sent) // 8), seed + round_)
        found = re.search(r"([\d,]+) generated", out)
        assert found is not None, out[-3000:]
        sent += int(found[1].replace(",", ""))
        round_ += 1
        if code:
            result.failures.append(f"{name}: {out[out.find('FAILURES') :][:6000]}")
            break
    result.requests += sent


async def _run(stage: Stage, name: str, file: Path, report: Path, most: int, seed: int) -> tuple[int, str]:
    known = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", str(file)),
        *("--url", f"http://127.0.0.1:{stage.port}/{name}"),
        *("--header", f"Authorization:Bearer {stage.tokens[name]}"),
        *(
            "--checks",
            _CHECKS + (_ACCEPTED if name in _EXACT else ""),
            "--phases",
            "coverage,fuzzing",
            "--max-examples",
            str(most),
            "--seed",
            str(seed),
        ),
        *("--suppress-health-check", "all", "--request-timeout", str(_SLOWEST), "--continue-on-failure", "--no-shrink"),
        *("--max-redirects", "0", "--warnings", "off"),
        cwd=file.parent,
        env={
            **known,
            **{"NO_COLOR": "1", "COLUMNS": "120", "PYTHONPATH": str(_ROOT), "SCHEMATHESIS_HOOKS": "tests.fuzz_hooks"},
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await child.communicate()
    return child.returncode or 0, out.decode(errors="replace")


def _statuses(metrics: str, route: str = "") -> dict[str, int]:
    counts: Counter[str] = Counter()
    pattern = r'^tarmac_requests_total\{.*route="([^"]*)",status="(\d+)"\} ([\d.]+)'
    for path, status, number in re.findall(pattern, metrics, re.MULTILINE):
        if route in ("", path):
            counts[status] += int(float(number))
    return dict(sorted(counts.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Random requests to a gateway.")
    parser.add_argument("requests", nargs="?", type=int, default=10_000, help="how many (default: 10000)")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        told = asyncio.run(fuzz(Path(place), wanted.requests))
    print(json.dumps(asdict(told), indent=1))
    sys.exit(bool(told.failures or told.deaths or any(status.startswith("5") for status in told.statuses)))
