"""A gateway in a process of its own, serving the starters: found again, with TLS, as a unit; and Runway's client."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from core.errors import TarmacError
from core.hosting import process
from core.hosting.deployments import Deployments
from tests.e2e.npm import runway_client

TEXT, FACES = "starter/gpt2-python", "starter/portraits"


@pytest.fixture
def store(home: Path, unused_port: int) -> Iterator[Deployments]:
    deployments = Deployments(home / "data")
    deployments.set_gateway(port=unused_port, drain=20)
    yield deployments
    process.stop_blocking(deployments.data_dir)


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def ask(
    url: str, token: str | None = None, data: object = None, tls: ssl.SSLContext | None = None
) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, None if data is None else json.dumps(data).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60, context=tls) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def until(condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_hosted_model_answers_and_comes_back_after_a_restart(store: Deployments) -> None:
    _, token = store.create("gen", TEXT)
    assert process.gateway_status(store.data_dir).state == "stopped"
    first = process.start_blocking(store.data_dir)
    assert (first.state, process.start_blocking(store.data_dir)) == ("running", first)
    status, answer = ask(f"{first.url}/gen/v1/query", token, {"prompt": "def add(a, b):", "max_tokens": 8})
    assert status == 200
    assert isinstance(answer["completion"], str)
    assert ask(f"{first.url}/gen/v1/query", None, {})[0] == 401
    until(lambda: store.status("gen", True).requests == 1)
    stopped = process.stop_blocking(store.data_dir)
    assert (stopped.state, stopped.url) == ("stopped", first.url)
    assert store.status("gen", stopped.runs).state == "down"
    again = process.start_blocking(store.data_dir)
    assert again.url == first.url
    assert ask(f"{again.url}/gen/v1/info", token)[0] == 200
    assert store.status("gen", True).requests == 1
    assert ask(f"{again.url}/gen/v1/info", process.studio_key(store.data_dir))[0] == 200


def test_a_taken_port_is_a_sentence(store: Deployments) -> None:
    port = store.gateway_settings().port
    with socket.create_server(("127.0.0.1", port)), pytest.raises(TarmacError, match=f"port {port} is taken"):
        process.start_blocking(store.data_dir)
    assert process.start_blocking(store.data_dir).port == port


def test_two_starts_at_once_make_one_gateway(store: Deployments) -> None:
    async def both() -> list[object]:
        return await asyncio.gather(
            process.start(store.data_dir), process.start(store.data_dir), return_exceptions=True
        )

    outcomes = asyncio.run(both())
    running = [each for each in outcomes if isinstance(each, process.GatewayStatus)]
    refused = [str(each) for each in outcomes if isinstance(each, TarmacError)]
    assert len({status.pid for status in running}) == 1
    assert all("a gateway runs already" in text for text in refused)


def test_with_a_certificate_it_speaks_tls(store: Deployments, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    store.set_gateway(certificate=str(certificate), key=str(key))
    gateway = process.start_blocking(store.data_dir)
    assert gateway.url.startswith("https://")
    trusted = ssl.create_default_context(cafile=str(certificate))
    assert ask(f"{gateway.url}/livez", tls=trusted) == (200, {"status": "ok"})
    certificate.write_text("junk")
    process.stop_blocking(store.data_dir)
    with pytest.raises(TarmacError, match="the certificate cannot be used"):
        process.start_blocking(store.data_dir)


def test_the_unit_runs_the_gateway(store: Deployments) -> None:
    text = process.unit(store.data_dir)
    command = next(line for line in text.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
    child = subprocess.Popen(command, shell=True, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        until(lambda: process.gateway_status(store.data_dir).runs)
    finally:
        process.stop_blocking(store.data_dir)
        child.wait(30)


# -- Runway's client, as it came from npm

_SCRIPT = """
const { HostedModel } = require('@runwayml/hosted-models');
const [url, token, wrong] = process.argv.slice(2);
const say = async (work) => { try { return await work(); } catch (error) { return 'ERROR ' + error.message; } };
(async () => {
  const model = new HostedModel(token ? { url, token } : { url });
  const out = {};
  out.wait = await say(async () => { await model.waitUntilAwake(100); return 'awake'; });
  out.awake = await say(() => model.isAwake());
  out.info = await say(() => model.info());
  out.query = await say(() => model.query({ prompt: 'def add(a, b):', max_tokens: 4, seed: 3 }));
  out.bad = await say(() => model.query({ prompt: 7 }));
  out.nothing = await say(() => model.query(null));
  out.denied = await say(() => new HostedModel({ url, token: 'tm_wrong' }).info());
  console.log(JSON.stringify(out));
})();
"""


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unmodified npm package and a script that uses it."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "node_modules").symlink_to(runway_client() / "node_modules")
    (folder / "use.js").write_text(_SCRIPT)
    return folder


def use(client: Path, url: str, token: str, environment: Mapping[str, str] | None = None) -> dict[str, object]:
    known = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    done = subprocess.run(
        ["node", "use.js", url, token],
        cwd=client,
        env={**known, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_runways_unmodified_client_reaches_us_in_every_way(store: Deployments, client: Path) -> None:
    _, token = store.create("gen", TEXT, sleep_after=0)
    store.create("open", TEXT, private=False)
    gateway = process.start_blocking(store.data_dir)
    domain = "hosted-models.runwayml.cloud"
    ways = [
        (f"{gateway.url}/gen.{domain}/v1", token, {}),
        (f"{gateway.url}/gen.{domain}/v1/", token, {}),
        (f"http://gen.{domain}/v1", token, {"http_proxy": gateway.url}),
        (f"https://gen.{domain}/v1", token, {"https_proxy": gateway.url}),
        (f"{gateway.url}/open.{domain}/v1", "", {}),
    ]
    answers = set()
    for url, secret, environment in ways:
        said = use(client, url, secret or "", environment)
        assert (said["wait"], said["awake"]) == ("awake", True), url
        info, query = said["info"], said["query"]
        assert isinstance(info, dict)
        assert isinstance(query, dict)
        assert (info["name"], query["tokens"]) == ("complete", 4), url
        answers.add(query["completion"])
        assert "Double-check" in str(said["bad"]), said["bad"]
        assert "Double-check" in str(said["nothing"]), said["nothing"]
        if secret:
            assert "ermission" in str(said["denied"]), said["denied"]
    assert len(answers) == 1
    store.set_active("gen", False)
    until(lambda: ask(f"{gateway.url}/gen/v1/", token)[0] == 404)
    gone = use(client, ways[0][0], str(token), {})
    assert "ERROR" in str(gone["info"])
