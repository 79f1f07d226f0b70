"""Settings of a deployment changed while it is under load: the gateway takes them over, and no request is lost."""

from __future__ import annotations

import json
import socket
from collections import Counter

import pytest

from core.hosting import process
from core.hosting.deployments import Deployments
from tests.core.hosting.serving import deploy
from tests.e2e.test_hosting import ask, store, until, unused_port  # noqa: F401 - fixtures
from tests.e2e.test_hosting_kills import STUB, Load, shade, stubs, workers  # noqa: F401 - fixtures
from tui.hosting.changes import Wanted, change
from tui.hosting.services import HostingServices


def test_workers_and_limits_changed_under_load_cost_no_request(stubs: Deployments) -> None:  # noqa: F811
    token = deploy(stubs.folder, "stub", options={**STUB, "delay": 0.05, "batch": 2})
    hosting = HostingServices(stubs.data_dir)
    gateway = process.start_blocking(stubs.data_dir)
    load = Load(f"{gateway.url}/stub/v1/query", token, clients=6, each=16)
    changes = [Wanted(replicas=2), Wanted(timeout=60.0, max_queue=64), Wanted(replicas=3), Wanted(replicas=1)]
    for number, wanted in enumerate(changes, 1):
        until(lambda number=number: len(load.answers) >= 14 * number)
        changed = change(hosting, "stub", wanted)
        assert changed.before != changed.after
    load.wait()
    assert load.lost == []
    assert Counter(status for _, status, _ in load.answers) == {200: 96}
    assert [shade(answer) for _, _, answer in load.answers] == [wanted for wanted, _, _ in load.answers]
    until(lambda: stubs.status("stub", True).requests == 96)
    now = stubs.status("stub", True)
    assert (now.errors, now.replicas, now.state) == (0, 1, "awake")
    until(lambda: len(workers(gateway)) == 1)
    assert stubs.get("stub").limits.timeout == 60


def test_a_request_whose_body_comes_after_the_change_is_answered_by_the_new_workers(
    stubs: Deployments,  # noqa: F811
) -> None:
    token = deploy(stubs.folder, "stub", options=STUB)
    gateway = process.start_blocking(stubs.data_dir)
    assert ask(f"{gateway.url}/stub/v1/query", token, {"z": [9, 0, 0, 0]})[0] == 200
    before = workers(gateway)
    body = json.dumps({"z": [7, 0, 0, 0]}).encode()
    head = f"POST /stub/v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
        change(HostingServices(stubs.data_dir), "stub", Wanted(replicas=2))
        until(lambda: len(set(workers(gateway)) - set(before)) == 2 and not set(workers(gateway)) & set(before))
        sock.sendall(body[5:])
        reply = b""
        while piece := sock.recv(65536):
            reply += piece
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert shade(json.loads(reply.partition(b"\r\n\r\n")[2])) == 7


def test_what_becomes_private_needs_a_token_at_once_and_the_other_way_round(
    stubs: Deployments,  # noqa: F811
) -> None:
    deploy(stubs.folder, "stub", options=STUB, private=False)
    hosting = HostingServices(stubs.data_dir)
    hosting.store.revoke_token("stub", "first")
    gateway = process.start_blocking(stubs.data_dir)
    query = f"{gateway.url}/stub/v1/query"
    assert ask(query, None, {"z": [0] * 4})[0] == 200
    pids = workers(gateway)
    made = change(hosting, "stub", Wanted(private=True))
    assert made.token is not None
    until(lambda: ask(query, None, {"z": [0] * 4})[0] == 401)
    assert ask(query, made.token, {"z": [0] * 4})[0] == 200
    assert change(hosting, "stub", Wanted(private=False)).token is None
    until(lambda: ask(query, None, {"z": [0] * 4})[0] == 200)
    assert change(hosting, "stub", Wanted(private=True)).token is None  # it has one
    until(lambda: ask(query, None, {"z": [0] * 4})[0] == 401)
    assert ask(query, made.token, {"z": [0] * 4})[0] == 200
    assert workers(gateway) == pids  # nothing was loaded anew for it


@pytest.mark.parametrize("way", ["wake", "sleep"])
def test_how_long_it_stays_awake_is_taken_over(stubs: Deployments, way: str) -> None:  # noqa: F811
    token = deploy(stubs.folder, "stub", options=STUB, sleep_after=0 if way == "sleep" else 300)
    gateway = process.start_blocking(stubs.data_dir)
    assert ask(f"{gateway.url}/stub/v1/query", token, {"z": [0] * 4})[0] == 200
    pids = workers(gateway)
    hosting = HostingServices(stubs.data_dir)
    if way == "sleep":
        change(hosting, "stub", Wanted(sleep_after=0.5))
        until(lambda: not workers(gateway))
        assert ask(f"{gateway.url}/stub/v1/query", token, {"z": [0] * 4})[0] == 200
    else:
        # Other workers are awake again before anybody asks.
        change(hosting, "stub", Wanted(replicas=2))
        until(lambda: stubs.status("stub", True).replicas_ready == 2)
        assert not set(pids) & set(workers(gateway))
