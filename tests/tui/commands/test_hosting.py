"""`tarmac host`, `deployments` and `gateway`: what they print, refuse and leave behind. The gateway is no process."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from core.errors import Refused
from core.hosting import process
from core.hosting.deployments import Deployments
from core.hosting.process import GatewayStatus
from core.hosting.request_log import RequestLog
from core.hosting.spread.endpoints import Endpoint
from core.hosting.tokens import Verifier, digest
from core.runs.plan import Resources, RunPlan
from core.runs.store import Runs
from tui.cli import main

MODEL = "starter/gpt2-python"


class FakeGateway:
    """Stands for the process: what was asked of it, and what it says."""

    def __init__(self) -> None:
        self.runs = False
        self.starts = self.stops = 0
        self.refuses: Refused | None = None

    def status(self, data_dir: Path | None = None) -> GatewayStatus:
        settings = Deployments(data_dir).gateway_settings()
        port = settings.port or 8600
        state = "running" if self.runs else "stopped"
        return GatewayStatus(state, f"{settings.scheme}://127.0.0.1:{port}", settings.host, port)  # type: ignore[arg-type]

    def start(self, data_dir: Path | None = None) -> GatewayStatus:
        if self.refuses is not None:
            raise self.refuses
        self.starts += not self.runs
        self.runs = True
        return self.status(data_dir)

    def stop(self, data_dir: Path | None = None) -> GatewayStatus:
        self.stops += self.runs
        self.runs = False
        return self.status(data_dir)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    fake = FakeGateway()
    monkeypatch.setattr(process, "gateway_status", fake.status)
    monkeypatch.setattr(process, "start_blocking", fake.start)
    monkeypatch.setattr(process, "stop_blocking", fake.stop)
    return fake


@pytest.fixture
def store(home: Path, gateway: FakeGateway) -> Deployments:
    return Deployments(home / "data")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """stdout; of a refusal the line on stderr."""
    assert main(arguments) == code
    told = capsys.readouterr()
    if code:
        assert told.out == ""
        assert told.err.count("\n") == 1
        return told.err
    return told.out


def data(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    return json.loads(said(capsys, *arguments, "--json"))


def test_hosting_prints_name_address_and_token_once(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    made = data(capsys, "host", "gpt2-python", "--name", "gen", "--option", "precision=int8", "--sleep-after", "60")
    assert isinstance(made, dict)
    assert set(made) == {"name", "url", "token"}
    assert (made["name"], made["url"]) == ("gen", "http://127.0.0.1:8600/gen/v1")
    assert Verifier(store.tokens("gen")).match(digest(made["token"])) is not None
    deployment = store.get("gen")
    assert (deployment.model, deployment.private, deployment.sleep_after) == (MODEL, True, 60.0)
    assert deployment.options == {"precision": "int8"}
    assert gateway.starts == 1
    for arguments in (("list",), ("show", "gen"), ("token", "gen")):
        assert made["token"] not in said(capsys, "deployments", *arguments)
        assert made["token"] not in said(capsys, "deployments", *arguments, "--json")


def test_without_a_name_a_free_one_is_made_and_a_public_one_has_no_token(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data(capsys, "host", MODEL, "--public") == {
        "name": "gpt2-python",
        "url": "http://127.0.0.1:8600/gpt2-python/v1",
        "token": None,
    }
    assert main(["host", MODEL]) == 0
    told = capsys.readouterr()
    url, token = told.out.splitlines()
    assert url == "http://127.0.0.1:8600/gpt2-python-2/v1"
    assert token.startswith("tm_")
    assert "shown this once" in told.err
    assert gateway.starts == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("gpt2-python", "--name", "A_b"), "a deployment cannot be called 'A_b'"),
        (("gpt2-python", "--name", "livez"), "the gateway has an address of that name itself"),
        (("nothing", "--name", "gen"), "no model is called 'nothing'"),
        (("gpt2-python", "--name", "gen", "--command", "draw"), "there is no command 'draw'"),
        (("gpt2-python", "--name", "gen", "--option", "size=1"), "there is no input 'size'"),
        (("gpt2-python", "--name", "gen", "--replicas", "0"), "replicas cannot be 0"),
        (("gpt2-python", "--name", "gen", "--bind", "everywhere"), "the gateway cannot listen on 'everywhere'"),
        (("gpt2-python", "--name", "gen", "--port", "70000"), "port cannot be 70000"),
        (("gpt2-python", "--name", "gen", "--cert", "none.pem"), "there is no file"),
        (("gpt2-python", "--name", "gen", "--bind", "0.0.0.0", "--public"), "gen cannot be public"),
    ],
)
def test_what_cannot_be_hosted_leaves_nothing(
    store: Deployments,
    gateway: FakeGateway,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    assert sentence in said(capsys, "host", *arguments, code=2)
    assert store.hosted() == []
    assert gateway.starts == 0


def test_a_gateway_that_cannot_start_leaves_no_deployment(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.refuses = Refused("port 8600 is taken", "another program listens there")
    assert "port 8600 is taken" in said(capsys, "host", MODEL, "--name", "gen", code=2)
    assert store.hosted() == []


def test_a_gateway_that_runs_is_moved_only_by_a_restart(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "gateway", "start", "--port", "8611")
    assert "tarmac gateway restart" in said(capsys, "host", MODEL, "--name", "gen", "--port", "8612", code=2)
    assert "tarmac gateway restart" in said(capsys, "gateway", "start", "--bind", "0.0.0.0", code=2)
    assert store.hosted() == []
    said(capsys, "host", MODEL, "--name", "gen", "--port", "8611", "--public")
    assert "gen can be used without a token" in said(capsys, "gateway", "restart", "--bind", "0.0.0.0", code=2)
    assert gateway.stops == 0
    moved = data(capsys, "gateway", "restart", "--port", "8612")
    assert isinstance(moved, dict)
    assert (moved["state"], moved["port"], gateway.stops, gateway.starts) == ("running", 8612, 1, 2)


def test_deployments_are_listed_paused_and_deleted(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data(capsys, "deployments", "list") == []
    assert "nothing is hosted" in said(capsys, "deployments", "list")
    said(capsys, "host", MODEL, "--name", "gen")
    [listed] = data(capsys, "deployments", "list")  # type: ignore[misc]
    expected = {"name": "gen", "model": MODEL, "command": "complete", "private": True, "active": True, "queue": 0}
    assert expected.items() <= listed.items()
    assert listed["url"] == "http://127.0.0.1:8600/gen/v1"
    assert said(capsys, "deployments", "stop", "gen") == "gen inactive\n"
    assert store.get("gen").active is False
    gateway.runs = False
    assert data(capsys, "deployments", "start", "gen")["active"] is True  # type: ignore[index]
    assert gateway.starts == 2
    assert "no deployment is called 'gan'" in said(capsys, "deployments", "show", "gan", code=2)
    assert said(capsys, "deployments", "rm", "gen") == "deleted gen\n"
    assert store.hosted() == []


def test_tokens_are_made_renewed_and_revoked(store: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "host", MODEL, "--name", "gen")
    made = data(capsys, "deployments", "token", "gen", "--new", "laptop")
    assert isinstance(made, dict)
    verifier = Verifier(store.tokens("gen"))
    assert (match := verifier.match(digest(made["token"]))) is not None
    assert match.label == "laptop"
    renewed = said(capsys, "deployments", "token", "gen", "--rotate", "laptop").strip()
    verifier = Verifier(store.tokens("gen"))
    assert verifier.match(digest(made["token"])) is None
    assert verifier.match(digest(renewed)) is not None
    assert [each["label"] for each in data(capsys, "deployments", "token", "gen")] == ["first", "laptop"]  # type: ignore[attr-defined]
    assert data(capsys, "deployments", "token", "gen", "--revoke", "first") == {"name": "gen", "label": "first"}
    assert "first" not in said(capsys, "deployments", "token", "gen", "list")
    assert "there is a token called laptop" in said(capsys, "deployments", "token", "gen", "--new", "laptop", code=2)
    assert "a token cannot be called" in said(capsys, "deployments", "token", "gen", "--new", "", code=2)


def test_the_log_is_told_whole_or_its_end(store: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "host", MODEL, "--name", "gen")
    assert said(capsys, "deployments", "log", "gen") == ""
    log = RequestLog(store.log_path("gen"))
    log.tell("first", "127.0.0.1", "POST", "/v1/query", 200, 38.12)
    log.tell("–", "127.0.0.1", "GET", "/v1/info", 401, 0.2, "a valid token is needed")
    log.flush()
    lines = data(capsys, "deployments", "log", "gen")
    assert isinstance(lines, list)
    assert [line["status"] for line in lines] == [200, 401]
    told = said(capsys, "deployments", "log", "gen", "--lines", "1")
    assert "a valid token is needed" in told
    assert "/v1/query" not in told


def test_the_gateway_is_told_of_and_has_a_unit(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "host", MODEL, "--name", "gen")
    assert said(capsys, "gateway", "status") == "running on http://127.0.0.1:8600; deployments 1; awake 0\n"
    assert said(capsys, "gateway", "stop") == "stopped\n"
    found = data(capsys, "gateway", "status")
    assert isinstance(found, dict)
    assert {"state": "stopped", "deployments": 1, "awake": 0, "port": 8600}.items() <= found.items()
    assert "ExecStart=" in said(capsys, "gateway", "unit")
    assert said(capsys, "gateway", "token").startswith("tm_")


# -- settings that are changed


def test_settings_are_changed_and_what_is_not_named_stays(
    store: Deployments, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "host", MODEL, "--name", "gen", "--option", "precision=int8", "--timeout", "90s")
    before = store.get("gen")
    assert (before.limits.timeout, before.sleep_after) == (90, 300)
    told = said(capsys, "deployments", "set", "gen", "--replicas", "2", "--sleep", "10m", "--timeout", "2m")
    assert told.splitlines() == [
        "replicas 1 → 2", "sleeps after 5 min → after 10 min", "time limit 1 min 30 s → 2 min",
    ]  # fmt: skip
    after = store.get("gen")
    assert after == before.changed(replicas=2, sleep_after=600.0, limits=after.limits)
    assert after.limits.timeout == 120
    assert said(capsys, "deployments", "set", "gen", "--replicas", "2") == "nothing is different\n"
    changed = data(
        capsys, "deployments", "set", "gen", "--sleep-after", "never", "--max-queue", "8", "--max-body", "4096"
    )
    assert changed == {
        "name": "gen",
        "changed": ["sleeps after 10 min → never", "queue 256 → 8", "largest request 34 MB → 4.1 kB"],
        "token": None,
    }
    assert "2 min a request, 4.1 kB at most; 8 may wait" in said(capsys, "deployments", "show", "gen")


def test_options_are_changed_one_by_one_and_brought_back(
    store: Deployments, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "host", MODEL, "--name", "gen")
    assert said(capsys, "deployments", "set", "gen", "--option", "precision=int8") == "precision default → int8\n"
    assert store.get("gen").options == {"precision": "int8"}
    assert said(capsys, "deployments", "set", "gen", "--option", "precision=") == "precision int8 → default\n"
    assert store.get("gen").options == {}
    assert "there is no input 'size'" in said(capsys, "deployments", "set", "gen", "--option", "size=", code=2)
    assert "precision" in said(capsys, "deployments", "set", "gen", "--option", "precision=many", code=2)


def test_another_model_is_served_at_the_same_address(store: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "host", MODEL, "--name", "gen", "--option", "precision=int8")
    tokens = store.tokens("gen")
    told = said(capsys, "deployments", "set", "gen", "--model", "portraits").splitlines()
    assert told == [
        f"model {MODEL} → starter/portraits", "command complete → generate", "precision int8 → default",
    ]  # fmt: skip
    made = store.get("gen")
    assert (made.model, made.command, made.options) == ("starter/portraits", "generate", {})
    assert store.tokens("gen") == tokens
    assert "no model is called" in said(capsys, "deployments", "set", "gen", "--model", "nothing", code=2)
    assert "belongs to a training run" in said(capsys, "deployments", "set", "gen", "--checkpoint", "5", code=2)
    assert store.get("gen") == made


def test_access_is_changed_with_a_word_of_warning_and_a_token_where_there_is_none(
    store: Deployments, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "host", MODEL, "--name", "gen", "--public")
    assert main(["deployments", "set", "gen", "--private"]) == 0
    told = capsys.readouterr()
    line, token = told.out.splitlines()
    assert line == "access public → private"
    assert Verifier(store.tokens("gen")).match(digest(token)) is not None
    assert "refused from now on" in told.err
    assert "shown this once" in told.err
    assert main(["deployments", "set", "gen", "--public"]) == 0
    told = capsys.readouterr()
    assert told.out == "access private → public\n"
    assert "every web page that a browser of this machine opens" in told.err
    assert main(["deployments", "set", "gen", "--private"]) == 0
    told = capsys.readouterr()
    assert told.out == "access public → private\n"  # it has its token still
    assert "They need its token from now on." in told.err
    store.set_gateway(host="0.0.0.0")
    assert "gen cannot be public" in said(capsys, "deployments", "set", "gen", "--public", code=2)
    assert store.get("gen").private


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--replicas", "0"), "replicas cannot be 0"),
        (("--sleep", "soon"), "'soon' is no time"),
        (("--timeout", "never"), "timeout cannot be 0"),
        (("--max-queue", "0"), "max_queue cannot be 0"),
        (("--command", "draw"), "there is no command 'draw'"),
    ],
)
def test_what_cannot_be_set_changes_nothing(
    store: Deployments, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    said(capsys, "host", MODEL, "--name", "gen")
    before = store.get("gen")
    assert sentence in said(capsys, "deployments", "set", "gen", *arguments, code=2)
    assert store.get("gen") == before


def test_a_gateway_is_not_stopped_for_a_port_that_is_taken(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "gateway", "start", "--port", "8611")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        told = said(capsys, "gateway", "restart", "--port", str(port), code=2)
    assert f"the gateway cannot move to port {port} of 127.0.0.1: another program listens there" in told
    assert (gateway.stops, store.gateway_settings().port) == (0, 8611)
    said(capsys, "gateway", "restart", "--port", str(port))
    assert (gateway.stops, store.gateway_settings().port) == (1, port)


def test_the_status_says_who_reaches_it(
    store: Deployments, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "gateway", "start", "--port", "8611", "--bind", "0.0.0.0")
    told = said(capsys, "gateway", "status")
    assert told.startswith("running on http://127.0.0.1:8611, listening on 0.0.0.0: other machines reach it; ")


def test_processes_elsewhere_are_told(store: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "host", MODEL, "--name", "gen")
    runs = Runs(store.data_dir)
    for role in ("front", "replica"):
        options: dict[str, object] = {"deployment": "gen", "role": role, "address": "127.0.0.1"}
        options |= {"port": 8700} if role == "front" else {}
        made = runs.create(RunPlan(f"{role} gen", "serve", "", "", 1, options, resources=Resources()), check=False)
    Endpoint(made.id, "127.0.0.1", 40123, "gpu7").write(store.path("gen"))
    told = " ".join(said(capsys, "deployments", "show", "gen").split())
    assert "spread 1 of 1 process takes requests" in told
    assert "http://127.0.0.1:8700/gen/v1 divides requests among them" in told
    assert "gpu7 127.0.0.1:40123" in told
    shown = data(capsys, "deployments", "show", "gen")
    assert isinstance(shown, dict)
    assert [each["run"] for each in shown["spread"]["replicas"]] == [made.id]
