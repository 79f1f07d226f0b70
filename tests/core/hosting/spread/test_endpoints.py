"""Replicas that register, live, fall silent and leave; and what a front makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.hosting.spread import endpoints
from core.hosting.spread.endpoints import Endpoint, Watch, read_endpoints
from core.hosting.spread.haproxy import HAProxy
from core.hosting.spread.serve_run import _Slots


class Recorded(HAProxy):
    """Remembers what it is told."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.told: list[tuple[str, int]] = []

    def put(self, slot: int, endpoint: Endpoint) -> None:
        self.told.append((f"put {endpoint.port}", slot))

    def drain(self, slot: int) -> None:
        self.told.append(("drain", slot))

    def take(self, slot: int) -> None:
        self.told.append(("take", slot))

    def news(self) -> list[tuple[str, int]]:
        found, self.told = self.told, []
        return found


def test_an_endpoint_is_read_as_it_was_written_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    Endpoint("one", "127.0.0.1", 4000, "gpu7").write(tmp_path)
    folder = tmp_path / "endpoints"
    for name, text in {
        "a": "",
        "b": "[]",
        "c": '{"address": "evil; disable server", "port": 1}',
        "d": '{"address": "127.0.0.1", "port": 70000}',
        "e": '{"address": "127.0.0.1", "port": true}',
        "f": '{"address": "127.0.0.1\\nshutdown", "port": 80}',
        "g": "[" * 100_000,
    }.items():
        (folder / f"{name}.json").write_text(text)
    found = read_endpoints(tmp_path)
    assert [endpoint for endpoint, _ in found.values()] == [Endpoint("one", "127.0.0.1", 4000, "gpu7")]
    assert read_endpoints(tmp_path / "nothing") == {}


def test_one_without_a_heartbeat_is_gone_and_comes_back_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(endpoints.time, "monotonic", lambda: now[0])
    one = Endpoint("one", "127.0.0.1", 4000)
    one.write(tmp_path)
    watch = Watch(tmp_path)
    assert list(watch.look()) == ["one"]
    now[0] += endpoints.SILENT
    assert watch.look() == {}
    one.beat(tmp_path)
    assert list(watch.look()) == ["one"]
    one.remove(tmp_path)
    assert watch.look() == {}
    one.beat(tmp_path)  # somebody else removed it: it is there again
    assert list(watch.look()) == ["one"]


def test_a_deployment_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    Endpoint("one", "127.0.0.1", 4000).beat(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_slots_follow_the_replicas(tmp_path: Path) -> None:
    proxy = Recorded()
    slots = _Slots(proxy, Watch(tmp_path))
    slots.look()
    assert {what for what, _ in proxy.news()} == {"take"}  # what one before us left is emptied
    one, two = Endpoint("one", "127.0.0.1", 4001), Endpoint("two", "127.0.0.1", 4002)
    one.write(tmp_path)
    two.write(tmp_path)
    slots.look()
    assert proxy.news() == [("put 4001", 1), ("put 4002", 2)]
    slots.look()
    assert proxy.news() == []
    Endpoint("one", "127.0.0.1", 4003).write(tmp_path)  # it died and was started again
    slots.look()
    assert proxy.news() == [("put 4003", 1)]
    Endpoint("two", "127.0.0.1", 4002, stopping=True).write(tmp_path)
    slots.look()
    slots.look()
    assert proxy.news() == [("drain", 2)]
    two.remove(tmp_path)
    slots.look()
    assert proxy.news() == [("take", 2)]
    slots.forget()
    slots.look()
    assert proxy.news() == [("put 4003", 1)]
    assert json.loads((tmp_path / "endpoints" / "one.json").read_text())["port"] == 4003
