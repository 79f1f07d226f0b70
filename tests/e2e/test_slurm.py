"""Runs on a real cluster of two nodes: queued, trained, stopped, interrupted, requeued, and fenced off."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.hosting.deployments import Deployments
from core.hosting.spread import scaling
from core.runs.folder import RunFolder, write_json
from core.runs.plan import Resources, RunPlan
from core.runs.store import Runs, cancel
from core.runs.view import RunView
from tests import kills, slurm_cluster, toy_training
from tests.core.hosting.serving import deploy
from tests.e2e.test_hosting import ask
from tests.e2e.test_hosting_scale import STUB, STUBS_IN_REPLICAS

REQUIRED = os.environ.get("TARMAC_REQUIRE_SLURM") == "1"
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        bool(slurm_cluster.missing()) and not REQUIRED, reason=f"not installed: {', '.join(slurm_cluster.missing())}"
    ),
]
WAIT = 120.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_cluster.Cluster]:
    """One cluster for all tests here."""
    running = slurm_cluster.start(tmp_path_factory.mktemp("slurm"))
    yield running
    running.stop()


@pytest.fixture
def runs(cluster: slurm_cluster.Cluster, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """The runs of a home that knows the cluster and the kind "toy"."""
    site = toy_training.install(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{kills.REPOSITORY}")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    kills.toy_dataset(home, "numbers")
    store = Runs()
    yield store
    for run in store.runs():
        launch = RunFolder(run.folder).launch()
        if launch:
            subprocess.run(["scancel", str(launch["id"])], check=False, capture_output=True)


def plan(steps: int = 40, pause: float = 0.01, **resources: object) -> RunPlan:
    """A toy training for the cluster."""
    where = Resources(launcher="slurm", cpus=1, **resources)  # type: ignore[arg-type]
    return RunPlan("toy", "toy", "numbers", steps=steps, save_every=10, options={"pause": pause}, resources=where)


async def begin(runs: Runs, what: RunPlan) -> RunView:
    """A run that was taken by the cluster."""
    return await runs.start(runs.create(what))


async def until(runs: Runs, run: RunView, good: Callable[[RunView], bool]) -> RunView:
    """The run, as soon as `good` is true of it."""
    end = time.monotonic() + WAIT
    while not good(view := runs.get(run.id)):
        assert time.monotonic() < end, (view, (view.folder / "log.txt").read_text())
        await asyncio.sleep(0.1)
        await runs.ask_engines()
    return view


async def test_a_job_trains_and_ends_in_the_library(runs: Runs) -> None:
    run = await begin(runs, plan())
    assert run.state in ("queued", "starting", "running")
    job = RunFolder(run.folder).launch()["id"]
    view = await until(runs, run, lambda view: not view.active)
    assert view.state == "finished", (view.end, (view.folder / "log.txt").read_text())
    assert view.model
    assert RunFolder(run.folder).supervisor().job == job  # type: ignore[union-attr]
    assert (np.load(view.folder / "model" / "state.npy") == toy_training.weights_after(40)).all()


async def test_a_stop_saves_and_the_next_job_goes_on(runs: Runs, cluster: slurm_cluster.Cluster) -> None:
    run = await begin(runs, plan(steps=400, pause=0.02))
    await until(runs, run, lambda view: view.state == "running" and view.step > 12)
    await cancel(run.id)
    view = await until(runs, run, lambda view: not view.active)
    assert view.state == "stopped"
    assert view.checkpoints[-1].step == view.step >= 12
    runs.extend(run.id, view.step + 20)
    await runs.start(run.id)
    view = await until(runs, run, lambda view: not view.active)
    assert view.state == "finished", view.end
    assert (np.load(view.folder / "model" / "state.npy") == toy_training.weights_after(view.step)).all()


async def test_a_job_that_waits_is_queued_and_can_be_stopped(runs: Runs) -> None:
    wide = plan(steps=5000, pause=0.02, nodes=2)
    running = await begin(runs, wide)
    await until(runs, running, lambda view: view.state == "running")
    waiting = await begin(runs, wide)
    await runs.ask_engines()
    assert runs.get(waiting.id).state == "queued"
    assert (await cancel(waiting.id)).state == "stopped"
    await cancel(running.id)
    assert (await until(runs, running, lambda view: not view.active)).state == "stopped"


async def test_a_requeued_job_resumes_and_fences_the_old_one(runs: Runs, cluster: slurm_cluster.Cluster) -> None:
    run = await begin(runs, plan(steps=300, pause=0.02))
    await until(runs, run, lambda view: view.state == "running" and view.step > 25)
    job = str(RunFolder(run.folder).launch()["id"])
    cluster.call("scontrol", "requeue", job)
    # A requeued job waits two minutes; as the administrator, let it begin as soon as it is back in the queue.
    await until(runs, run, lambda view: "PENDING" in cluster.call("squeue", "-h", "-j", job, "-o", "%T"))
    cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now")
    view = await until(runs, run, lambda view: view.attempt == 2)
    view = await until(runs, run, lambda view: not view.active)
    assert view.state == "finished", view.end
    reasons = [json.loads(line).get("reason") for line in (run.folder / "journal.jsonl").read_text().splitlines()]
    assert [reason for reason in reasons if reason] == ["start", "requeue"]
    assert (np.load(view.folder / "model" / "state.npy") == toy_training.weights_after(300)).all()


async def test_a_job_begun_anew_while_its_node_is_out_of_sight_has_one_writer(
    runs: Runs, cluster: slurm_cluster.Cluster
) -> None:
    run = await begin(runs, plan(steps=400, pause=0.02))
    await until(runs, run, lambda view: view.state == "running" and view.step > 25)
    folder = RunFolder(run.folder)
    job, owner, supervisor = str(folder.launch()["id"]), folder.owner(1), folder.supervisor()
    assert owner is not None
    assert supervisor is not None
    node = cluster.call("squeue", "-h", "-j", job, "-o", "%N").strip()
    # Nobody here may know more of the old trainer than another machine would.
    write_json(folder.attempt(1) / "owner.json", {**owner.to_json(), "host": "elsewhere"})
    with cluster.out_of_sight(node, [owner.pid, supervisor.pid]):
        await until(runs, run, lambda view: "PENDING" in cluster.call("squeue", "-h", "-j", job, "-o", "%T"))
        cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now")
        begun = (await until(runs, run, lambda view: view.attempt == 2 and view.state == "running")).step
        await until(runs, run, lambda view: view.step > begun + 10)
        assert not owner.gone
        # The network comes back: the old trainer goes on where it stood, and sees that it is not wanted.
        owner.signal(signal.SIGCONT)
        await until(runs, run, lambda view: owner.gone)
        supervisor.signal(signal.SIGCONT)
        await until(runs, run, lambda view: supervisor.gone)
        assert folder.exit(1) == {}
        view = await until(runs, run, lambda view: not view.active)
    assert view.state == "finished", view.end
    assert view.attempt == 2  # the old supervisor has left the new attempt alone
    lines = [json.loads(line) for line in (run.folder / "journal.jsonl").read_text().splitlines()]
    second = next(index for index, line in enumerate(lines) if line.get("number") == 2)
    steps = [line["step"] for line in lines[second:] if line["event"] == "metrics"]
    assert steps == sorted(set(steps)), "two have told steps"
    assert (np.load(view.folder / "model" / "state.npy") == toy_training.weights_after(400)).all()


async def test_the_trainer_of_a_job_dies_and_is_begun_again_in_it(runs: Runs) -> None:
    run = await begin(runs, plan(steps=120, pause=0.02))
    view = await until(runs, run, lambda view: view.state == "running" and view.step > 15)
    owner = RunFolder(run.folder).owner(view.attempt)
    assert owner is not None
    assert owner.signal(signal.SIGKILL)
    view = await until(runs, run, lambda view: not view.active)
    assert view.state == "finished", view.end
    assert view.attempt == 2
    assert [warned.code for warned in toy_training.warned(view)] == ["died"]


async def test_two_nodes_train_pictures_together_are_stopped_and_go_on_to_the_bit(runs: Runs, home: Path) -> None:
    kills.picture_dataset(home, "slopes")
    options = {"batch": 4, "channels": 256, "threads": 1, "precision": "float32"}
    where = Resources(launcher="slurm", cpus=1, nodes=2)
    wide = RunPlan(
        "slopes", "image", "slopes", steps=5000, save_every=4, score_every=10_000, options=options, resources=where
    )
    run = await begin(runs, wide)
    await until(runs, run, lambda view: bool(view.checkpoints) and view.checkpoints[-1].step >= 4)
    await cancel(run.id)
    view = await until(runs, run, lambda view: not view.active)
    assert view.state == "stopped", view.end
    steps = view.step + 3
    runs.extend(run.id, steps)
    await runs.start(run.id)
    view = await until(runs, run, lambda view: not view.active)
    assert (view.state, view.attempt, view.step) == ("finished", 2, steps), view.end
    whole = await until(runs, await begin(runs, replace(wide, steps=steps)), lambda view: not view.active)
    assert (whole.state, whole.attempt) == ("finished", 1), whole.end
    assert kills.digest(view) == kills.digest(whole)


def test_gpus_are_handed_out(runs: Runs, cluster: slurm_cluster.Cluster) -> None:
    run = asyncio.run(begin(runs, plan(steps=2000, pause=0.02, gpus=1)))
    view = asyncio.run(until(runs, run, lambda view: view.state == "running"))
    job = str(RunFolder(run.folder).launch()["id"])
    assert "gpu:1" in cluster.call("squeue", "-h", "-j", job, "-o", "%b")
    owner = RunFolder(run.folder).owner(view.attempt)
    assert owner is not None
    variables = Path(f"/proc/{owner.pid}/environ").read_bytes().split(b"\0")
    assert any(each.startswith(b"CUDA_VISIBLE_DEVICES=") for each in variables)
    asyncio.run(cancel(run.id))
    assert asyncio.run(until(runs, run, lambda view: not view.active)).state == "stopped"


def test_the_command_line_asks_the_cluster(runs: Runs) -> None:
    run = asyncio.run(begin(runs, plan(steps=2000, pause=0.02)))
    asyncio.run(until(runs, run, lambda view: view.state == "running"))

    def tarmac(*words: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "tui.cli", "runs", *words, "--json"], capture_output=True, text=True, check=True
        )
        found: dict[str, object] = json.loads(done.stdout)
        return found

    assert tarmac("show", run.id)["state"] == "running"
    job = str(RunFolder(run.folder).launch()["id"])
    subprocess.run(["scancel", job], check=True)  # behind our back
    asyncio.run(until(runs, run, lambda view: view.state == "lost"))
    assert tarmac("show", run.id)["state"] == "lost"
    assert tarmac("resume", run.id)["state"] in ("queued", "starting", "running")
    assert tarmac("stop", run.id)["state"] in ("stopping", "stopped")


async def test_a_deployment_is_served_by_a_job(
    cluster: slurm_cluster.Cluster, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job registers where it listens, the front on this machine finds it, and ends with the wish."""
    if shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        if os.environ.get("TARMAC_REQUIRE_HAPROXY") == "1":
            pytest.fail("haproxy is missing")
        pytest.skip("haproxy is missing")
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(STUBS_IN_REPLICAS)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{kills.REPOSITORY}")
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    deployments = Deployments(home / "data")
    deployments.folder.mkdir(parents=True)
    token = deploy(deployments.folder, "gen", options=STUB)
    try:
        found = await scaling.scale("gen", 1, resources=Resources("slurm", cpus=1))
        end = time.monotonic() + WAIT
        while not found.listening:
            assert time.monotonic() < end, found
            await asyncio.sleep(0.2)
            found = await asyncio.to_thread(scaling.scaled, "gen")
        replica = found.replicas[0]
        assert (replica.launcher, replica.state) == ("slurm", "running")
        while (reply := await asyncio.to_thread(ask, f"{found.url}/v1/query", token, {"z": [9, 0, 0, 0]}))[0] == 503:
            assert time.monotonic() < end, reply  # the front has not looked yet
            await asyncio.sleep(0.2)
        assert reply[0] == 200, reply
        assert (await asyncio.to_thread(ask, f"{found.url}/v1/query", None, {}))[0] == 401
    finally:
        gone = await scaling.scale("gen", 0)
    assert (gone.url, list(gone.replicas)) == ("", [])
