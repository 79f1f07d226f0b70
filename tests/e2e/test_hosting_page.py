"""The page in a real Chromium, and Runway's client in its browser build and as the snippet that we show for it."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.hosting import process
from core.hosting.deployments import Deployments
from core.hosting.snippets import snippets
from core.interface.images import Image
from core.library.models import Library
from tests.e2e.npm import runway_client
from tests.terminals import need
from tests.web_terminal import Page

TEXT, FACES = "starter/gpt2-python", "starter/portraits"


@pytest.fixture
def store(home: Path) -> Iterator[Deployments]:
    deployments = Deployments(home / "data")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = int(sock.getsockname()[1])
    deployments.set_gateway(port=port, drain=1)
    yield deployments
    process.stop_blocking(deployments.data_dir)


@pytest.fixture
def page() -> Iterator[Page]:
    need("chromium")
    opened = Page()
    yield opened
    opened.close()


def until(page: Page, script: str, seconds: float = 90) -> Any:
    """The value of a script once it is true; scripts may look at what is not there yet."""
    end = time.monotonic() + seconds
    while not (value := page.run(f"(() => {{ try {{ return {script} }} catch {{ return null }} }})()")):
        assert time.monotonic() < end, (script, page.run("document.querySelector('main').innerText.slice(0, 1500)"))
        time.sleep(0.05)
    return value


def visit(page: Page, url: str) -> None:
    page.do("Page.navigate", url=url)
    until(page, f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")


def test_a_private_model_is_opened_filled_in_and_drawn(store: Deployments, page: Page) -> None:
    _, token = store.create("faces", FACES)
    url = process.start_blocking(store.data_dir).url
    page.do("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
    visit(page, f"{url}/faces")
    until(page, "!document.getElementById('door').hidden")
    assert page.run("location.pathname") == "/faces/"
    shown = page.run("document.body.innerText")
    assert "portraits" not in shown
    for given, wanted in (
        ("tm_wrong", "document.getElementById('door-problem').textContent"),
        (token, "about && true"),
    ):
        page.run(f"document.getElementById('token').value = {json.dumps(given)}; 0")
        page.run("document.getElementById('door').requestSubmit(); 0")
        until(page, wanted)
    until(page, "!document.getElementById('model').hidden")
    assert "asleep" in page.run("document.getElementById('state').textContent")
    # Every field has a label of its own, and nothing is wider than the phone.
    unnamed = "[...document.querySelectorAll('#form input, #form select, #form textarea')]"
    assert page.run(f"{unnamed}.filter(each => !each.labels.length && !each.ariaLabel).map(each => each.id)") == []
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    # By key: from the first field to the button and on.
    page.run("document.querySelector('#form input').focus(); 0")
    page.do("Input.dispatchKeyEvent", type="rawKeyDown", key="Enter", windowsVirtualKeyCode=13, modifiers=2)
    page.do("Input.dispatchKeyEvent", type="keyUp", key="Enter", windowsVirtualKeyCode=13, modifiers=2)
    first = until(
        page, "document.querySelector('#answer img')?.naturalWidth === 64 && document.querySelector('#answer img').src"
    )
    picture = Image().from_json("picture", first)
    assert picture.std() > 10
    until(page, "document.getElementById('time').textContent.startsWith('took ')")
    # The same seed draws the same picture, another one another.
    for press, same in ((False, True), (True, False)):
        page.run("document.querySelector('#answer').replaceChildren(); 0")
        if press:
            page.run("document.querySelector('#fields button').click(); 0")
        page.run("document.getElementById('form').requestSubmit(); 0")
        again = until(page, "document.querySelector('#answer img')?.src")
        assert (again == first) is same
    until(page, "!document.getElementById('run').disabled")
    # What is not allowed is a sentence.
    page.run("document.getElementById('input-1').value = 7; document.getElementById('form').requestSubmit(); 0")
    problem = until(page, "document.querySelector('#answer .problem')?.textContent")
    assert problem == "Truncation cannot be 7: allowed is a number from 0 to 1 in steps of 0.01."
    # The snippets know the address that this browser knows; the token is nowhere but in the tab's own storage.
    assert page.run("document.getElementById('code').textContent").startswith(f"curl -sS --fail-with-body {url}/faces/")
    assert token not in page.run("location.href + document.cookie + JSON.stringify(localStorage)")
    assert page.run("Object.keys(sessionStorage)") == ["tarmac token /faces/"]
    # It is still open after a reload, until the token is void.
    visit(page, f"{url}/faces/")
    until(page, "!document.getElementById('model').hidden")
    store.rotate_token("faces", "first")
    time_is_up = "document.getElementById('form').requestSubmit(), !document.getElementById('door').hidden"
    until(page, time_is_up)


def test_a_completion_streams_into_the_page(store: Deployments, page: Page) -> None:
    store.create("writer", TEXT, private=False)
    url = process.start_blocking(store.data_dir).url
    visit(page, f"{url}/writer/")
    until(page, "!document.getElementById('model').hidden")
    page.run("document.getElementById('input-0').value = 'def add(a, b):'; 0")
    page.run("document.getElementById('input-1').value = 30; document.getElementById('input-4').value = 3; 0")
    page.run(
        "window.seen = new Set(); new MutationObserver(() => { const at = document.getElementById('written');"
        " if (at) seen.add(at.textContent.length); }).observe(document.getElementById('answer'),"
        " {childList: true, subtree: true, characterData: true}); 0"
    )
    page.run("document.getElementById('form').requestSubmit(); 0")
    until(page, "document.getElementById('time').textContent.startsWith('took ')")
    written = page.run("document.getElementById('written').textContent")
    assert written.startswith("def add(a, b):")
    assert len(written) > 20
    assert page.run("seen.size") > 3
    # With a setting that OpenAI's API does not have, the query answers: the same text, all at once.
    page.run("document.getElementById('input-5').value = 1; document.getElementById('form').requestSubmit(); 0")
    until(page, "!document.getElementById('run').disabled && !!document.querySelector('#answer figure')")
    assert "Finish Reason" in page.run("document.getElementById('answer').innerText")
    assert "OpenAI" in page.run("document.getElementById('tabs').textContent")


def test_nothing_that_a_model_declares_becomes_markup(store: Deployments, page: Page) -> None:
    """Chromium itself tells what the policy forbids: the script that is put into the page does not run."""
    store.create("writer", TEXT, private=False)
    visit(page, f"{process.start_blocking(store.data_dir).url}/writer/")
    until(page, "!document.getElementById('model').hidden")
    page.run(
        "const made = document.createElement('script'); made.textContent = 'window.broken = 1';"
        " document.body.append(made); 0"
    )
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.broken = 2\">'); 0")
    page.run("document.getElementById('about-title').textContent = '<b>x</b>'; 0")
    assert page.run("fetch('https://example.invalid/').then(() => 'went', error => error.name)") == "TypeError"
    assert page.run("window.broken ?? null") is None


_BROWSER = """
(async () => {
  const model = new rw.HostedModel({ url: %s, token: %s });
  const say = async (work) => { try { return await work(); } catch (error) { return 'ERROR ' + error.message; } };
  await say(() => model.waitUntilAwake(100));
  return {
    awake: await say(() => model.isAwake()),
    info: await say(() => model.info()),
    query: await say(() => model.query({ prompt: 'def add(a, b):', max_tokens: 4, seed: 3 })),
    bad: await say(() => model.query({ prompt: 7 })),
    denied: await say(() => new rw.HostedModel({ url: %s, token: 'tm_wrong' }).info()),
  };
})()
"""


@pytest.mark.parametrize("build", ["hosted-models.js", "hosted-models.min.js"])
def test_runways_client_in_a_browser(store: Deployments, page: Page, build: str, tmp_path: Path) -> None:
    """Another origin than ours, a private deployment: preflights, and errors that the page may read."""
    package = runway_client() / "node_modules" / "@runwayml" / "hosted-models"
    _, token = store.create("gen", TEXT, sleep_after=0)
    url = process.start_blocking(store.data_dir).url
    (tmp_path / "page.html").write_text("<!doctype html><title>elsewhere</title>")
    visit(page, (tmp_path / "page.html").as_uri())
    page.run((package / "dist" / build).read_text() + "; 0")
    address = json.dumps(f"{url}/gen.hosted-models.runwayml.cloud/v1")
    said = page.run(_BROWSER % (address, json.dumps(token), address))
    assert said["awake"] is True
    assert said["info"]["name"] == "complete"
    assert said["query"]["tokens"] == 4
    assert "Double-check" in said["bad"]
    assert "ermission" in said["denied"]


def test_the_snippet_for_runways_client_runs(store: Deployments, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(runway_client() / "node_modules")
    _, token = store.create("faces", FACES)
    url = process.start_blocking(store.data_dir).url
    text = snippets("faces", url, Library(store.data_dir).get(FACES).interface)["Runway"]
    (tmp_path / "snippet.js").write_text(text)
    known = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    line = ["node", "snippet.js"]
    subprocess.run(line, cwd=tmp_path, env={**known, "TOKEN": str(token)}, check=True, timeout=120)
    data = base64.b64encode((tmp_path / "image.jpg").read_bytes()).decode()
    assert Image().from_json("picture", data).shape == (64, 64, 3)


def test_the_snippet_for_openais_client_runs(store: Deployments, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    _, token = store.create("gen", TEXT)
    url = process.start_blocking(store.data_dir).url
    text = snippets("gen", url, Library(store.data_dir).get(TEXT).interface, text_model=True)["OpenAI"]
    import sys

    known = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment = {**known, "TOKEN": str(token)}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 1
