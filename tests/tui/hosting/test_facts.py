"""What is told of deployments: the line that reaches them, their load, their latencies, what a log says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.hosting.deployments import Hosted
from core.hosting.process import GatewayStatus
from core.hosting.status import Status
from tests.tui.hosting_stage import DIED, RUNNING, STOPPED
from tui.hosting import facts as hosting_facts
from tui.hosting.services import Hosting, Seen


@pytest.mark.parametrize(
    ("host", "connection", "line"),
    [
        ("127.0.0.1", "", "ssh -L 8600:127.0.0.1:8600 you@gpu7"),
        ("localhost", "", "ssh -L 8600:localhost:8600 you@gpu7"),
        ("0.0.0.0", "", "ssh -L 8600:127.0.0.1:8600 you@gpu7"),
        ("::1", "", "ssh -L 8600:[::1]:8600 you@gpu7"),
        ("127.0.0.1", "10.1.2.3 50000 10.0.0.5 22", "ssh -L 8600:127.0.0.1:8600 you@gpu7"),
        ("127.0.0.1", "10.1.2.3 50000 10.0.0.5 2222", "ssh -L 8600:127.0.0.1:8600 -p 2222 you@gpu7"),
        ("127.0.0.1", "10.1.2.3 50000 8.8.4.4 22", "ssh -L 8600:127.0.0.1:8600 you@8.8.4.4"),
        ("127.0.0.1", "nonsense", "ssh -L 8600:127.0.0.1:8600 you@gpu7"),
    ],
)
def test_the_tunnel_has_the_right_host_and_port(host: str, connection: str, line: str) -> None:
    gateway = replace(RUNNING, host=host)
    assert hosting_facts.ssh_line(gateway, "you", "gpu7", {"SSH_CONNECTION": connection}) == line


def test_without_a_port_there_is_no_tunnel_and_no_page() -> None:
    none = GatewayStatus("stopped")
    assert hosting_facts.ssh_line(none, "you", "gpu7", {}) == ""
    assert hosting_facts.page(seen("gen"), none, "gpu7") == ""


@pytest.mark.parametrize(
    ("host", "address", "local"),
    [
        ("127.0.0.1", "http://127.0.0.1:8600", True),
        ("0.0.0.0", "http://gpu7:8600", False),
        ("::", "http://gpu7:8600", False),
        ("10.0.0.5", "http://10.0.0.5:8600", False),
        ("fd00::5", "http://[fd00::5]:8600", False),
    ],
)
def test_others_reach_it_by_the_tunnel_or_where_it_listens(host: str, address: str, local: bool) -> None:
    gateway = replace(RUNNING, host=host)
    assert hosting_facts.reached_at(gateway, "gpu7") == address
    assert hosting_facts.page(seen("gen"), gateway, "gpu7") == f"{address}/gen/"
    assert hosting_facts.local_only(gateway) is local


def test_the_load_fits_and_the_newest_is_at_the_right() -> None:
    rate = (0,) * 58 + (1, 8)
    assert hosting_facts.sparkline(rate, 60) == "▁" * 58 + "▂█"
    assert hosting_facts.sparkline(rate, 30) == "▁" * 29 + "█"
    assert hosting_facts.sparkline(rate, 7) == "▁" * 6 + "█"
    assert hosting_facts.sparkline((0,) * 60, 20) == "▁" * 20
    assert hosting_facts.load(rate) == "9 requests in 60 s, at most 8 a second"
    assert hosting_facts.load((0,) * 60) == "no requests for 60 s"


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (0.24, "0.2 ms"), (38.2, "38 ms"), (999.4, "999 ms"), (999.6, "1.0 s"), (125_000, "125 s")],
)
def test_latencies(value: float | None, told: str) -> None:
    assert hosting_facts.milliseconds(value) == told


def seen(name: str, state: str = "asleep", **facts: object) -> Seen:
    return Seen(Hosted(name, Path("/nowhere"), None), Status(state, **facts))  # type: ignore[arg-type]


def test_workers_are_told_only_where_they_should_run() -> None:
    assert hosting_facts.replicas(seen("gen", "awake", replicas=2, replicas_ready=1)) == "1/2"
    assert hosting_facts.replicas(seen("gen", "asleep", replicas=2)) == "–"


def test_the_gateway_is_told_of_when_something_is_amiss() -> None:
    assert hosting_facts.gateway_line(None) == ("", "")
    assert hosting_facts.gateway_line(Hosting(RUNNING)) == ("", "")
    assert hosting_facts.gateway_line(Hosting(STOPPED)) == ("", "")
    text, tone = hosting_facts.gateway_line(Hosting(DIED))
    assert (text.endswith("the machine was started anew."), tone) == (True, "bad")
    assert hosting_facts.gateway_line(Hosting(replace(RUNNING, state="stopping")))[1] == "busy"


def test_a_log_line_is_harmless_whatever_stands_in_it() -> None:
    cells = hosting_facts.request_cells(
        {"time": 7, "status": "x", "ms": None, "client": "a\x1b[31m", "error": ["\x07"]}
    )
    texts = [text for text, _ in cells]
    assert texts[1:4] == ["–", "–", "–"]
    assert all(text.isprintable() for text in texts)
