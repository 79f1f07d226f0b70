"""What happens to a hosted model and to those who use it when something is killed, full, or gone.

The gateway is its own process and the workers are real. Most tests let it serve the test adapters, which start in a
moment and tell whose answer they give: a stub's picture is grey, and as bright as the vector that was sent.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from core.errors import StorageError, TarmacError
from core.hosting import process
from core.hosting.deployments import Deployments
from core.library.models import Library
from tests import stub_gateway
from tests.core.hosting.serving import deploy
from tests.e2e.test_hard_training import fill, mounted
from tests.e2e.test_hosting import ask, store, until, unused_port  # noqa: F401 - fixtures

FACES, TEXT = "starter/portraits", "starter/gpt2-python"
STUB: Mapping[str, object] = {"flat": 1, "plain": 1, "length": 4, "resolution": 8}


@pytest.fixture
def stubs(store: Deployments, monkeypatch: pytest.MonkeyPatch) -> Deployments:  # noqa: F811 - a fixture
    """Deployments whose gateway serves the test adapters."""
    monkeypatch.setattr(process, "gateway_command", stub_gateway.command)
    store.folder.mkdir(parents=True, exist_ok=True)
    return store


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def workers(gateway: process.GatewayStatus) -> list[int]:
    return [child.pid for child in psutil.Process(gateway.pid).children(recursive=True)]


def pixels(answer: Mapping[str, object]) -> np.ndarray:
    """The picture of an answer: float32 [height, width, 3], 0 to 255."""
    data = base64.b64decode(str(answer["image"]).partition(",")[2])
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"), np.float32)


def shade(answer: Mapping[str, object]) -> int:
    """How bright the picture of a stub is: the number that was asked for."""
    return round(float(pixels(answer).mean()))


class Load:
    """Clients that ask one after the other, each of them on a thread of its own, each for a shade of its own."""

    def __init__(self, url: str, token: str, clients: int, each: int) -> None:
        self.answers: list[tuple[int, int, dict[str, object]]] = []
        self.lost: list[str] = []
        self._url, self._token = url, token
        self._threads = ThreadPoolExecutor(clients)
        self._jobs: list[Future[None]] = [self._threads.submit(self._client, number, each) for number in range(clients)]

    def _client(self, number: int, each: int) -> None:
        for index in range(each):
            wanted = 10 + number * each + index
            try:
                status, answer = ask(self._url, self._token, {"z": [wanted, 0, 0, 0]})
                self.answers.append((wanted, status, answer))
            except (OSError, HTTPException) as error:
                self.lost.append(repr(error))

    def wait(self) -> None:
        for job in self._jobs:
            job.result(60)
        self._threads.shutdown()


def test_a_worker_killed_in_mid_load_costs_no_request(stubs: Deployments) -> None:
    token = deploy(stubs.folder, "stub", options={**STUB, "delay": 0.1, "batch": 2}, replicas=2)
    gateway = process.start_blocking(stubs.data_dir)
    load = Load(f"{gateway.url}/stub/v1/query", token, clients=8, each=6)
    killed: list[int] = []
    for answered in (4, 20):
        until(lambda answered=answered: len(load.answers) >= answered)
        victim = next(pid for pid in workers(gateway) if pid not in killed)
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)
    load.wait()
    assert load.lost == []
    assert Counter(status for _, status, _ in load.answers) == {200: 48}
    assert [shade(answer) for _, _, answer in load.answers] == [wanted for wanted, _, _ in load.answers]
    until(lambda: stubs.status("stub", True).requests == 48)
    assert stubs.status("stub", True).errors == 0
    until(lambda: stubs.status("stub", True).replicas_ready == 2)
    assert not set(killed) & set(workers(gateway))


def test_the_starters_worker_killed_in_mid_load_costs_no_request(store: Deployments) -> None:  # noqa: F811
    _, token = store.create("faces", FACES)
    assert token is not None
    gateway = process.start_blocking(store.data_dir)
    url = f"{gateway.url}/faces/v1/query"
    length = int(Library(store.data_dir).get(FACES).interface.command(None).inputs["z"].length)  # type: ignore[attr-defined]
    places = np.random.default_rng(5).standard_normal((5, length)).tolist()
    answers: list[tuple[int, int, dict[str, object]]] = []

    def client(number: int) -> None:
        for _ in range(2):
            answers.append((number, *ask(url, token, {"z": places[number]})))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) >= 2, 60)
    os.kill(workers(gateway)[0], signal.SIGKILL)
    for thread in threads:
        thread.join(120)
    assert [status for _, status, _ in answers] == [200] * 10, answers
    # The same vector gives the same picture, but for the last bits of another batch; another gives another.
    first: dict[int, np.ndarray] = {}
    for number, _, answer in sorted(answers, key=lambda each: each[0]):
        drawn = pixels(answer)
        assert np.abs(first.setdefault(number, drawn) - drawn).mean() < 2, number
    assert min(np.abs(first[number] - first[number + 1]).mean() for number in range(4)) > 4


def test_a_killed_gateway_says_so_and_comes_back_as_it_was(stubs: Deployments) -> None:
    token = deploy(stubs.folder, "stub", options={**STUB, "delay": 0.2, "batch": 1})
    second = stubs.add_token("stub", "phone")
    deploy(stubs.folder, "off", options=STUB, active=False)
    gateway = process.start_blocking(stubs.data_dir)
    url = f"{gateway.url}/stub/v1/query"
    assert ask(url, token, {"z": [7, 0, 0, 0]})[0] == 200
    until(lambda: stubs.status("stub", True).requests == 1)
    left = workers(gateway)
    assert left
    load = Load(url, token, clients=4, each=3)
    until(lambda: len(load.answers) >= 1)
    os.kill(gateway.pid, signal.SIGKILL)
    load.wait()  # nobody hangs: what was not answered failed at once
    assert load.lost
    until(lambda: all(ended(pid) for pid in left))
    until(lambda: process.gateway_status(stubs.data_dir).state == "died")
    died = process.gateway_status(stubs.data_dir)
    assert (died.url, died.port) == (gateway.url, gateway.port)
    assert "The gateway died" in died.sentence
    assert "Start it: tarmac gateway start" in died.sentence
    assert stubs.status("stub", died.runs).state == "down"

    again = process.start_blocking(stubs.data_dir)
    assert (again.state, again.url) == ("running", gateway.url)
    assert again.pid != gateway.pid
    for secret in (token, second):
        status, answer = ask(url, secret, {"z": [99, 0, 0, 0]})
        assert (status, shade(answer)) == (200, 99)
    assert ask(url, "tm_wrong", {})[0] == 401
    assert ask(f"{gateway.url}/off/v1/info", process.studio_key(stubs.data_dir))[0] == 404
    assert [each.label for each in stubs.tokens("stub")] == ["first", "phone"]
    until(lambda: stubs.status("stub", True).requests >= 3)  # counted on, not anew


def test_sigterm_lets_accepted_requests_finish(stubs: Deployments) -> None:
    token = deploy(stubs.folder, "stub", options={**STUB, "delay": 0.5, "batch": 1})
    gateway = process.start_blocking(stubs.data_dir)
    url = f"{gateway.url}/stub/v1/query"
    assert ask(url, token, {"z": [7, 0, 0, 0]})[0] == 200
    load = Load(url, token, clients=6, each=1)
    until(lambda: (found := stubs.status("stub", True)).requests + found.running + found.queue == 7)
    os.kill(gateway.pid, signal.SIGTERM)
    until(lambda: process.gateway_status(stubs.data_dir).state in ("stopping", "stopped"))
    load.wait()
    assert load.lost == []
    assert [status for _, status, _ in load.answers] == [200] * 6
    until(lambda: process.gateway_status(stubs.data_dir).state == "stopped")
    until(lambda: ended(gateway.pid))


def test_a_full_disk_stops_no_answer_and_is_a_sentence_where_something_must_be_kept(
    home: Path, stubs: Deployments
) -> None:
    settings = stubs.gateway_settings()
    with mounted(home / "data", "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        stubs.folder.mkdir(parents=True)
        settings.write(stubs.folder)
        token = deploy(stubs.folder, "stub", options=STUB)
        deploy(stubs.folder, "other", options=STUB)
        gateway = process.start_blocking(stubs.data_dir)
        url = f"{gateway.url}/stub/v1/query"
        assert ask(url, token, {"z": [7, 0, 0, 0]})[0] == 200
        ballast = fill(home / "data")
        for number in (8, 9):
            status, answer = ask(url, token, {"z": [number, 0, 0, 0]})
            assert (status, shade(answer)) == (200, number)
        with pytest.raises(StorageError, match="No space left"):
            stubs.add_token("stub", "phone")
        assert [each.label for each in stubs.tokens("stub")] == ["first"]
        # A model that sleeps wakes on a full disk too, or says in a sentence why not.
        process.stop_blocking(stubs.data_dir)
        try:
            again = process.start_blocking(stubs.data_dir)
        except TarmacError as error:
            assert "No space left" in str(error), error  # noqa: PT017 - either way is right
        else:
            assert ask(url, token, {"z": [10, 0, 0, 0]})[0] in (200, 503)
            assert again.url == gateway.url
        ballast.unlink()
        assert process.start_blocking(stubs.data_dir).url == gateway.url
        assert shade(ask(url, token, {"z": [11, 0, 0, 0]})[1]) == 11
        until(lambda: stubs.status("stub", True).requests >= 2)
        process.stop_blocking(stubs.data_dir)


def test_a_model_deleted_while_it_is_hosted_is_a_sentence(store: Deployments) -> None:  # noqa: F811
    library, model = Library(store.data_dir), "20260101-000000-small"
    shutil.copytree(library.get(TEXT).folder, store.data_dir / "models" / model)
    _, token = store.create("small", model)
    gateway = process.start_blocking(store.data_dir)
    url, body = f"{gateway.url}/small/v1/query", {"prompt": "abc", "max_tokens": 1}
    assert ask(url, token, body)[0] == 200
    library.remove(model)
    assert ask(url, token, body)[0] == 200  # what is loaded goes on
    os.kill(workers(gateway)[0], signal.SIGKILL)
    until(lambda: store.status("small", True).state == "failed")
    status, answer = ask(url, token, body)
    assert (status, answer["error"]) == (503, f"no model is called {model!r}. See `tarmac models list`")
    assert store.status("small", True).sentence == answer["error"]
    # The way out: another model under the same address.
    store.change("small", model=TEXT)
    until(lambda: store.status("small", True).state != "failed")
    assert ask(url, token, body)[0] == 200
