"""Notifications: through apprise to real servers where it is installed, and a sentence where it is not."""

from __future__ import annotations

import socket
import sys

import pytest

from core import notify
from core.errors import InvalidInput
from tests.receivers import post, web

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # apprise's own


@pytest.fixture
def installed() -> None:
    """Only where apprise is."""
    pytest.importorskip("apprise")


@pytest.mark.usefixtures("installed")
def test_a_web_service_is_told() -> None:
    title, body = notify.words("Cars", "failed", 1200, "the GPU does not answer", "it fell off", "See nvidia-smi")
    with web() as (port, given):
        assert notify.send([f"json://127.0.0.1:{port}/hook"], title, body) == ""
    assert given[0]["path"] == "/hook"
    assert given[0]["title"] == "Cars needs attention"
    assert given[0]["message"] == "It has failed at step 1,200. the GPU does not answer: it fell off. See nvidia-smi"


@pytest.mark.usefixtures("installed")
def test_ntfy_is_told() -> None:
    with web() as (port, given):
        assert notify.send([f"ntfy://127.0.0.1:{port}/cars"], *notify.words("Cars", "finished", 3000)) == ""
    assert given[0]["topic"] == "cars"
    assert given[0]["title"] == "Cars is finished"


@pytest.mark.usefixtures("installed")
def test_a_letter_is_sent() -> None:
    with post() as (port, letter):
        url = f"mailto://127.0.0.1:{port}/?from=tarmac@example.org&to=you@example.org"
        assert notify.send([url], "Cars is finished", "Trained 3,000 steps") == ""
    assert any("Cars is finished" in line for line in letter)


@pytest.mark.usefixtures("installed")
def test_what_cannot_be_told_is_a_sentence_without_secrets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    problem = notify.send([f"json://me:secret@127.0.0.1:{port}/"], "a", "b")
    assert problem.startswith("json: ")
    assert "secret" not in problem
    notify.check([f"json://127.0.0.1:{port}"])
    with pytest.raises(InvalidInput, match="nonsense://…") as caught:
        notify.check(["nonsense://me:secret@host"])
    assert "secret" not in str(caught.value)


def test_without_the_package_planning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    notify.check([])
    with pytest.raises(InvalidInput, match="need the package apprise"):
        notify.check(["json://localhost"])
    assert "not installed" in notify.send(["json://localhost"], "a", "b")
