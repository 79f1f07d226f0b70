"""What strangers are told and what is written down: no contents, no token, no path, no terminal escape."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.errors import InvalidInput, NotFound, Refused, TarmacError, WorkerDied
from core.hosting.deployment import Deployment
from core.hosting.discretion import discreet, logged
from core.hosting.errors import Unauthorized, Unavailable
from core.hosting.exchange import MOST_LISTS, parse_json
from core.hosting.tokens import read_tokens
from tests.core.hosting.serving import STUDIO, deploy, error, gateway, until


async def test_a_workers_last_words_are_for_its_owner(home: Path) -> None:
    async with gateway(home, {"crash": {"model": "Crasher"}}) as stage:
        reply = await stage.query("crash", {"how": "kill"})
        assert reply.status == 503
        assert error(reply).startswith("the worker of Crasher died: killed by SIGKILL")
        assert "last words" not in error(reply)
        mine = await stage.ask("/crash/v1/query", STUDIO, {"how": "kill"})
        assert "its last lines: the last words" in error(mine)


async def test_an_answer_that_was_not_declared_is_no_fault_of_the_client(home: Path) -> None:
    async with gateway(home, {"liar": {"model": "Liar"}}) as stage:
        reply = await stage.query("liar", {"how": "nan"})
        assert (reply.status, error(reply)[:60]) == (
            500,
            "the model's answer to lie is not what it declares: score can",
        )


async def test_the_log_keeps_no_contents(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}, "crash": {"model": "Crasher"}}) as stage:
        token = stage.tokens["echo"]
        await stage.query("echo", {"SECRET\x1b[31m": 1})
        await stage.query("crash", {"how": "raise"})
        for path in ("/echo/SECRET%1b%5b31m", f"/echo/v1/info?token={token}", "/echo/v1/query"):
            await stage.ask(path, token)
        await stage.ask("/echo/v1/info", "SECRET")
        await stage.ask("/echo/v1/info", token, headers={"user-agent": "SECRET"})
        assert (await stage.ask("/echo/v1/info", token, headers={"user-agent": "\x1b]0;owned\x07"})).status == 400
        logs = [home / name / "requests.log" for name in ("echo", "crash")]
        await until(lambda: logs[0].exists() and len(logs[0].read_text().splitlines()) == 6 and logs[1].exists())
        text = "".join(log.read_text() for log in logs)
        assert "SECRET" not in text
        assert token not in text
        assert all(line.isprintable() for line in text.splitlines())
        errors = [json.loads(line).get("error") for line in text.splitlines()]
        assert errors[0] == "bad input"
        assert errors[-1] == "the model failed on crash: ValueError"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (InvalidInput("prompt cannot be 'SECRET'"), "bad input"),
        (NotFound("there is nothing at /SECRET"), "no such address"),
        (TarmacError("the model failed on x", "ValueError: SECRET"), "the model failed on x: ValueError"),
        (TarmacError("the model failed on x", "SECRET words"), "the model failed on x"),
        (WorkerDied("it died", "killed; its last lines: SECRET", "Again"), "it died: killed"),
        (Unauthorized(), "a valid token is needed. Send it as: Authorization: Bearer TOKEN"),
        (Unavailable("the queue is full", "8 wait", "Later"), "the queue is full: 8 wait. Later"),
    ],
)
def test_what_a_log_keeps(given: TarmacError, wanted: str) -> None:
    assert logged(given) == wanted


def test_strangers_learn_no_path_and_keep_the_rest(tmp_path: Path) -> None:
    lost = Unavailable(f"{tmp_path}/models/x is missing", f"see {tmp_path}", "Ask again", 7)
    told = discreet(lost, [tmp_path])
    assert isinstance(told, Unavailable)
    assert (told.what, told.why, told.do) == ("models/x is missing", f"see {tmp_path.name}", "Ask again")
    assert (told.retry_after, told.status, str(lost).count(str(tmp_path))) == (7, 503, 2)
    plain = InvalidInput("a", "b", "c")
    assert discreet(plain, [tmp_path]) is plain


def test_json_that_would_fill_the_memory_is_not_parsed() -> None:
    with pytest.raises(InvalidInput, match="too many values"):
        parse_json(b"[" + b"[]," * MOST_LISTS + b"[]]")
    with pytest.raises(InvalidInput, match="too many values"):
        parse_json(b"[" + b"1," * 4_000_000 + b"1]")
    assert parse_json(b'"' + b"x" * 3_000_000 + b'"') == "x" * 3_000_000


async def test_large_bodies_share_a_bounded_memory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.hosting import exchange

    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        monkeypatch.setattr(exchange, "MOST_HELD", 2 * 2**20)
        large = await stage.query("echo", {"value": "x" * 3 * 2**20})
        assert (large.status, large.headers["retry-after"]) == (503, "2")
        assert (await stage.query("echo", {"value": 1})).status == 200
        await until(lambda: stage.gateway.held == 0)
        assert (await stage.query("echo", {"value": "x" * 2**20})).status == 200


async def test_links_and_pipes_are_not_deployments(home: Path, tmp_path: Path) -> None:
    """The folder is its owner's alone; what leads out of it, or never ends, is a mistake and stops nothing."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        token = deploy(elsewhere, "linked", "Echo")
        (home / "linked").symlink_to(elsewhere / "linked")
        (home / "pipe").mkdir()
        os.mkfifo(home / "pipe" / "deployment.toml")
        (home / "file").mkdir()
        (home / "file" / "deployment.toml").symlink_to("/etc/passwd")
        assert (await stage.ask("/linked/v1/info", token)).status == 401
        later = deploy(home, "later", "Echo")
        assert (await stage.ask("/later/v1/info", later)).status == 200
        assert set(stage.registry.entries) == {"echo", "later"}
    for name, words in (("linked", "a link"), ("pipe", "no|not a plain file"), ("file", "not a plain file")):
        with pytest.raises(Refused, match=words):
            Deployment.read(home / name)
    os.mkfifo(home / "pipe" / "tokens.json")
    with pytest.raises(Refused, match="not a plain file"):
        read_tokens(home / "pipe")
