"""A deployment on two processes behind HAProxy: one is killed under load, one is taken away, all of them go; TLS."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, IncompleteRead
from pathlib import Path

import pytest

from core.errors import NotFound, Refused, TarmacError
from core.hosting.deployments import Deployments
from core.hosting.spread import haproxy, scaling
from core.hosting.spread.haproxy import Front, HAProxy
from core.runs.folder import RunFolder
from core.runs.store import Runs
from tests.core.hosting.serving import deploy
from tests.core.hosting.spread.test_haproxy import certificate
from tests.e2e.test_hosting import FACES, TEXT, ask, until
from tui.commands import scale as command


@pytest.fixture
def store(home: Path) -> Deployments:
    if shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        if os.environ.get("TARMAC_REQUIRE_HAPROXY") == "1":
            pytest.fail("haproxy is missing")
        pytest.skip("haproxy is missing")
    return Deployments(home / "data")


@pytest.fixture
def stubs(store: Deployments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployments:
    """Deployments whose replicas, wherever they are started, serve the test adapters."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(STUBS_IN_REPLICAS)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{Path(__file__).resolve().parents[2]}")
    store.folder.mkdir(parents=True)
    return store


STUBS_IN_REPLICAS = """\
import sys

if "core.runs.train" in sys.orig_argv:
    from core.hosting import served
    from tests.core.hosting.serving import resolve

    served.from_library = lambda data_dir: resolve
"""
STUB = {"flat": 1, "plain": 1, "length": 4, "resolution": 8, "delay": 0.02}


class Load:
    """Clients that ask without a pause until they are told to stop."""

    def __init__(self, url: str, token: str, clients: int, ask_for: Callable[[int], object] | None = None) -> None:
        self.answers: list[tuple[int, str]] = []
        """Who asked, and the first output of the answer."""
        self.lost: list[str] = []
        self.cut: list[str] = []
        """Answers that had begun: their head was here, the rest is not."""
        self._url, self._token = url, token
        self._ask_for = ask_for or (lambda number: {"z": [40 * number, 0, 0, 0]})
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _client(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                status, answer = ask(self._url, self._token, self._ask_for(number))
                if status == 200:
                    self.answers.append((number, str(next(iter(answer.values())))))
                else:
                    self.lost.append(f"{status} {answer}")
            except IncompleteRead as error:
                self.cut.append(repr(error))
            except (OSError, HTTPException) as error:
                self.lost.append(repr(error))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def test_two_processes_one_killed_under_load(stubs: Deployments) -> None:
    store, token = stubs, deploy(stubs.folder, "gen", options=STUB)
    load = None
    try:
        found = asyncio.run(scaling.scale("gen", 2, data_dir=store.data_dir))
        assert found.listening == 2
        assert found.url.startswith("http://127.0.0.1:87")
        query = f"{found.url}/v1/query"
        assert ask(query, None, {})[0] == 401
        assert ask(query, "tm_wrong", {})[0] == 401
        assert ask(f"{found.url}/v1/info", store.add_token("gen", "phone"))[0] == 200  # a token of this very moment
        load = Load(query, token, 6)
        until(lambda: len(load.answers) >= 20, 60)
        victim = _trainer(store, found.replicas[0].run)
        before = len(load.answers)
        os.killpg(victim, signal.SIGKILL)
        until(lambda: len(load.answers) >= before + 60, 90)
        assert (load.lost, load.cut) == ([], [])
        # It is started again by its supervisor, and found again by the front.
        until(lambda: _trainer(store, found.replicas[0].run) not in (0, victim), 60)
        until(lambda: len(_busy(store)) == 2, 60)
        # One less: no request is lost either.
        fewer = asyncio.run(scaling.scale("gen", 1, data_dir=store.data_dir))
        assert (fewer.listening, fewer.url) == (1, found.url)
        before = len(load.answers)
        until(lambda: len(load.answers) >= before + 10, 60)
        # HAProxy itself dies: the front starts it again.
        load.stop()
        assert (load.lost, load.cut) == ([], [])
        proxy = HAProxy(_front(store) / "haproxy")
        os.kill(proxy.pid(), signal.SIGKILL)
        until(lambda: proxy.pid() and len(_busy(store)) == 1)
        assert ask(query, token, {"z": [0] * 4})[0] == 200
        assert len(set(load.answers)) == 6  # each client had its own answer, whoever gave it
    finally:
        if load is not None:
            load.stop()
        gone = asyncio.run(scaling.scale("gen", 0, data_dir=store.data_dir))
    assert (gone.url, list(gone.replicas)) == ("", [])
    assert HAProxy(_front(store) / "haproxy").pid() == 0
    assert [each.state for each in Runs(store.data_dir).runs()] == ["stopped"]  # the front, for its port
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{found.url}/livez", timeout=5)


@pytest.mark.parametrize(
    ("model", "ask_for"),
    [
        (FACES, lambda number: {"z": [((number * 7 + place) % 11 - 5) / 5 for place in range(64)]}),
        (TEXT, lambda number: {"prompt": f"def function_{number}(", "max_tokens": 12, "temperature": 0}),
    ],
    ids=["pictures", "text"],
)
def test_real_models_one_process_killed_under_load(
    store: Deployments, model: str, ask_for: Callable[[int], object]
) -> None:
    """Runs as they are in truth: supervisors, trainers that load the starters, HAProxy."""
    _, token = store.create("gen", model, options={"precision": "int8"} if model == TEXT else {}, sleep_after=0)
    load = None
    try:
        found = asyncio.run(scaling.scale("gen", 2, data_dir=store.data_dir))
        assert found.listening == 2
        query = f"{found.url}/v1/query"
        load = Load(query, token, 4, ask_for)
        until(lambda: len(load.answers) >= 12, 60)
        os.killpg(_trainer(store, found.replicas[1].run), signal.SIGKILL)
        before = len(load.answers)
        until(lambda: len(load.answers) >= before + 24, 60)
        until(lambda: all(_answered(store, each.run) for each in found.replicas), 60)  # it is back, and has its part
        load.stop()
        assert (load.lost, load.cut) == ([], [])
        kinds = {number: {answer for who, answer in load.answers if who == number} for number in range(4)}
        if model == FACES:  # which may differ by a rounding, from batch to batch
            assert all(answer.startswith("data:image/") for answers in kinds.values() for answer in answers)
            assert len(set.union(*kinds.values())) >= 4
            return
        assert all(len(answers) == 1 for answers in kinds.values())
        whole = ask(f"{found.url}/v1/completions", token, {"prompt": "def add(", "max_tokens": 12, "temperature": 0})
        assert whole[0] == 200
        assert _streamed(f"{found.url}/v1/completions", token) == whole[1]["choices"][0]["text"]  # type: ignore[index]
    finally:
        if load is not None:
            load.stop()
        asyncio.run(scaling.scale("gen", 0, data_dir=store.data_dir))


def _answered(store: Deployments, run: str) -> int:
    """Queries that a process has answered well, by its own log."""
    log = store.data_dir / "runs" / run / "served" / "requests.log"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return sum(line["status"] == 200 for line in lines)


def _streamed(url: str, token: str) -> str:
    body = {"prompt": "def add(", "max_tokens": 12, "temperature": 0, "stream": True}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        events = [line[6:] for line in reply.read().decode().splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert len(events) > 3
    return "".join(choice["text"] for event in events[:-1] for choice in json.loads(event)["choices"])


def test_the_front_has_the_gateways_certificate_or_another(stubs: Deployments, tmp_path: Path) -> None:
    store, token = stubs, deploy(stubs.folder, "gen", options=STUB)
    (tmp_path / "other").mkdir()
    chain, key = certificate(tmp_path)
    other, other_key = certificate(tmp_path / "other")
    store.set_gateway(certificate=chain, key=key)
    trusted = ssl.create_default_context(cafile=chain)
    try:
        found = asyncio.run(scaling.scale("gen", 1, data_dir=store.data_dir))
        assert found.url.startswith("https://127.0.0.1:87")
        assert ask(f"{found.url}/v1/query", token, {"z": [0] * 4}, trusted)[0] == 200
        with pytest.raises(Refused, match="is the key of another certificate"):
            asyncio.run(scaling.scale("gen", 1, data_dir=store.data_dir, certificate=chain, key=other_key))
        assert asyncio.run(scaling.scale("gen", 1, data_dir=store.data_dir)).url == found.url  # kept
        moved = asyncio.run(scaling.scale("gen", 1, data_dir=store.data_dir, certificate=other, key=other_key))
        assert [each.run for each in moved.replicas] == [each.run for each in found.replicas]  # they go on
        until(lambda: len(_busy(store)) == 1)
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(f"{moved.url}/livez", tls=trusted)
        assert ask(f"{moved.url}/livez", tls=ssl.create_default_context(cafile=other))[0] == 200
    finally:
        asyncio.run(scaling.scale("gen", 0, data_dir=store.data_dir))


def _trainer(store: Deployments, run: str) -> int:
    folder = RunFolder(store.data_dir / "runs" / run)
    owner = folder.owner(folder.newest_attempt())
    return owner.pid if owner is not None else 0


def _front(store: Deployments) -> Path:
    return next(each.folder for each in Runs(store.data_dir).runs() if each.plan.options.get("role") == "front")


def _busy(store: Deployments) -> list[str]:
    """The slots that take requests, as HAProxy says."""
    try:
        lines = HAProxy(_front(store) / "haproxy").ask("show stat").splitlines()
    except OSError:
        return []
    rows = [line.split(",") for line in lines if line.startswith("replicas,r")]
    return [row[1] for row in rows if row[17].startswith("UP")]


def test_a_taken_port_and_a_missing_program_are_sentences(
    store: Deployments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        Front("127.0.0.1", port, 300).write(tmp_path)
        with pytest.raises(TarmacError, match=rf"HAProxy does not start: .*127.0.0.1:{port}"):
            HAProxy(tmp_path).start()
    monkeypatch.setattr(haproxy.shutil, "which", lambda *_, **__: None)
    store.create("gen", TEXT)
    with pytest.raises(NotFound, match="apt install haproxy"):
        asyncio.run(scaling.scale("gen", 2, data_dir=store.data_dir))


def test_what_is_public_is_not_spread_to_other_machines(store: Deployments) -> None:
    store.create("open", TEXT, private=False)
    with pytest.raises(Refused, match="needs no token"):
        asyncio.run(scaling.scale("open", 1, data_dir=store.data_dir, address="0.0.0.0"))
    store.set_active("open", False)
    with pytest.raises(Refused, match="not active"):
        asyncio.run(scaling.scale("open", 1, data_dir=store.data_dir))
    assert Runs(store.data_dir).runs() == []


def test_the_command_tells_how_it_stands(store: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    store.create("gen", TEXT)
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["scale", "gen"])
    assert options.run(options) == 0
    assert capsys.readouterr().out == "gen is served by the gateway alone\n"
