"""Deployments on disk: made, refused with a sentence, changed, listed when broken; tokens, the gateway's address."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from core.errors import InvalidInput, NotFound, Refused
from core.hosting.deployment import Deployment, Limits
from core.hosting.deployments import Deployments
from core.hosting.settings import GatewaySettings
from core.hosting.status import Status, read_status, write_status
from core.hosting.tokens import Verifier, digest

STARTER = "starter/gpt2-python"


@pytest.fixture
def store(home: Path) -> Deployments:
    return Deployments(home / "data")


def test_a_deployment_comes_back_as_it_was_made(store: Deployments) -> None:
    limits = Limits(timeout=10, max_body=2000, max_queue=7)
    made, secret = store.create("my-gen", "gpt2-python", options={"precision": "int8"}, replicas=2, limits=limits)
    assert store.get("my-gen") == made
    assert (made.model, made.command, made.private, made.sleep_after) == (STARTER, "complete", True, 300.0)
    assert secret is not None
    assert Verifier(store.tokens("my-gen")).match(digest(secret)) is not None
    for file in ("deployment.toml", "tokens.json"):
        assert stat.S_IMODE((store.path("my-gen") / file).stat().st_mode) == 0o600
    assert secret not in (store.path("my-gen") / "tokens.json").read_text()


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a.b", "../x", "a" * 64, "livez", "v1", "ä", "a\n"])
def test_names_that_cannot_be(store: Deployments, name: str) -> None:
    with pytest.raises(InvalidInput, match="a deployment cannot be called"):
        store.create(name, STARTER)


def test_refusals_are_sentences(store: Deployments) -> None:
    store.create("gen", STARTER)
    with pytest.raises(InvalidInput, match=r"there is a deployment called gen already\. Try gen-2"):
        store.create("gen", STARTER)
    with pytest.raises(NotFound, match="no model is called 'gpt3-python'"):
        store.create("other", "gpt3-python")
    with pytest.raises(NotFound, match="there is no command 'draw'"):
        store.create("other", STARTER, command="draw")
    with pytest.raises(InvalidInput, match="has no option 'size'"):
        store.create("other", STARTER, options={"size": 1})
    with pytest.raises(InvalidInput, match="replicas cannot be 0"):
        store.create("other", STARTER, replicas=0)
    with pytest.raises(NotFound, match="no deployment is called 'gan'"):
        store.get("gan")
    assert [each.name for each in store.hosted()] == ["gen"]
    assert store.suggest("starter/Gen") == "gen-2"


def test_everything_but_the_name_can_be_changed(store: Deployments) -> None:
    store.create("gen", STARTER)
    assert store.set_active("gen", False).active is False
    assert store.change("gen", sleep_after=0, replicas=3) == store.get("gen")
    assert (store.get("gen").active, store.get("gen").replicas) == (False, 3)
    with pytest.raises(InvalidInput, match="cannot be changed"):
        store.change("gen", created=store.get("gen").created)
    with pytest.raises(NotFound):
        store.change("gen", model="nothing")
    store.remove("gen")
    assert store.hosted() == []
    store.create("gen", STARTER)


def test_tokens_are_added_rotated_and_revoked(store: Deployments) -> None:
    _, first = store.create("gen", STARTER)
    second = store.add_token("gen", "laptop")
    assert len({first, second}) == 2
    assert all(len(secret) == 25 and secret.startswith("tm_") for secret in (str(first), second))
    with pytest.raises(InvalidInput, match="there is a token called laptop already"):
        store.add_token("gen", "laptop")
    rotated = store.rotate_token("gen", "first")
    verifier = Verifier(store.tokens("gen"))
    assert verifier.match(digest(str(first))) is None
    assert [token.label for secret in (rotated, second) if (token := verifier.match(digest(secret)))] == [
        "first",
        "laptop",
    ]
    store.revoke_token("gen", "laptop")
    assert [token.label for token in store.tokens("gen")] == ["first"]
    with pytest.raises(NotFound, match="no token is called 'laptop'"):
        store.revoke_token("gen", "laptop")


def test_as_many_comparisons_for_no_token_as_for_some(store: Deployments) -> None:
    store.create("gen", STARTER)
    assert len(Verifier(())._digests) == len(Verifier(store.tokens("gen"))._digests) == 8


def test_broken_folders_are_listed_with_what_is_wrong(store: Deployments) -> None:
    store.create("gen", STARTER)
    file = store.path("gen") / "deployment.toml"
    good = file.read_text()
    for text, words in (
        ("x =", "not TOML"),
        (good.replace("format = 1", "format = 9"), "its format is 9, known is up to 1"),
        (good.replace('name = "gen"', 'name = "other"'), "it is called other and its folder gen"),
        (good.replace("replicas = 1", "replicas = true"), "replicas cannot be true"),
        (good.replace("private = true", 'private = "no"'), "private cannot be 'no'"),
    ):
        file.write_text(text)
        hosted = store.hosted()[0]
        assert hosted.deployment is None
        assert words in hosted.problem
        assert store.status("gen", True).state == "failed"
    file.unlink()
    assert "is missing" in store.hosted()[0].problem


def test_public_is_for_this_machine_only(store: Deployments) -> None:
    store.create("open", STARTER, private=False)
    assert store.tokens("open") == ()
    with pytest.raises(Refused, match=r"other machines reach that address, and open can be used without a token"):
        store.set_gateway(host="0.0.0.0")
    store.change("open", private=True)
    store.set_gateway(host="0.0.0.0")
    with pytest.raises(Refused, match="open cannot be public"):
        store.change("open", private=False)
    with pytest.raises(Refused, match="second cannot be public"):
        store.create("second", STARTER, private=False)
    with pytest.raises(InvalidInput, match="the gateway cannot listen on 'example'"):
        store.set_gateway(host="example")


def test_certificates_are_looked_at_before_they_are_needed(store: Deployments, tmp_path: Path) -> None:
    def make(name: str) -> tuple[Path, Path]:
        certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout {key} -out {certificate}"
        subprocess.run(command.split(), check=True, capture_output=True)
        return certificate, key

    one, two = make("one"), make("two")
    assert store.set_gateway(certificate=str(one[0]), key=str(one[1])).scheme == "https"
    junk = tmp_path / "junk"
    junk.write_text("junk")
    for certificate, key, words in (
        (one[0], two[1], "is the key of another certificate"),
        (tmp_path / "none", one[1], "there is no file"),
        (junk, one[1], "PEM file"),
        (one[0], junk, "PEM file"),
    ):
        with pytest.raises(Refused, match=words):
            store.set_gateway(certificate=str(certificate), key=str(key))
    assert GatewaySettings.read(store.folder).certificate == str(one[0])


def test_a_status_is_read_as_it_is_now(store: Deployments) -> None:
    store.create("gen", STARTER)
    assert store.status("gen", False).state == "down"
    assert store.status("gen", True).state == "asleep"
    write_status(store.path("gen"), Status("awake", requests=3, rate=(*(0,) * 59, 5), updated=0.0))
    found = read_status(store.path("gen"))
    assert found is not None
    assert (found.state, found.requests, sum(found.rate)) == ("awake", 3, 0)
    assert store.status("gen", False).state == "down"
    store.set_active("gen", False)
    assert store.status("gen", True).state == "inactive"
    (store.path("gen") / "status.json").write_text('{"format": 1, "rate": ["x"], "requests": -1, "p50_ms": "x"}')
    assert store.status("gen", True).requests == 0


def test_a_sparkline_moves_on_by_itself() -> None:
    status = Status("awake", rate=tuple(range(60)), updated=100.0)
    assert status.at(103.4).rate == (*range(3, 60), 0, 0, 0)
    assert status.at(100.9) is status


def test_reading_deployments_needs_no_server() -> None:
    import sys

    code = "import core.hosting.deployments, core.hosting.process, sys; print(sorted(sys.modules))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not [name for name in ("torch", "starlette", "uvicorn", "prometheus_client") if f"'{name}'" in names]


def test_the_same_workers_serve_on_when_only_limits_change() -> None:
    one = Deployment("a", "m")
    assert one.same_workers(one.changed(limits=Limits(timeout=5), private=False, sleep_after=1.0))
    assert not one.same_workers(one.changed(replicas=2))
