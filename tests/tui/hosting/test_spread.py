"""Deployments on several processes: which runs belong to one, and what is said of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Static

from core.hosting.deployments import Hosted
from core.hosting.spread import scaling
from core.hosting.spread.endpoints import Endpoint
from core.hosting.spread.scaling import Replica, Scaled
from core.hosting.status import Status
from core.runs.plan import Resources, RunPlan
from core.runs.store import Runs
from tests.tui.hosting_stage import HostingStage, stage
from tests.tui.stage import studio, text, until
from tests.tui.test_hosting import names
from tests.tui.test_training import rows
from tui.hosting import facts as hosting_facts
from tui.hosting import spread as hosting_spread
from tui.hosting.services import Seen
from tui.hosting.spread import Spreads
from tui.widgets.deployment_card import DeploymentFacts

HERE = Endpoint("one", "127.0.0.1", 40123, "gpu7")
SPREAD = Scaled(
    "js-gen",
    "http://127.0.0.1:8700/js-gen",
    [
        Replica("one", "running", "local", HERE, host="gpu7"),
        Replica("two", "queued", "slurm", None),
        Replica("three", "failed", "slurm", None, "the model could not be loaded: not enough memory", "node3"),
    ],
    "running",
)


def serve(runs: Runs, name: str, role: str) -> str:
    """A run that serves, made and not started; its id."""
    options: dict[str, object] = {"deployment": name, "role": role, "address": "127.0.0.1"}
    options |= {"port": 8700} if role == "front" else {}
    plan = RunPlan(f"{role} {name}", "serve", "", "", 1, options, resources=Resources())
    return runs.create(plan, check=False).id


def test_the_runs_of_each_deployment_are_found_as_they_come_and_go(home: Path) -> None:
    services = stage(home)
    data = services.fake.data
    spreads, runs = Spreads(data), Runs(data)
    store = services.fake.store
    spreads.look()
    assert spreads.of("js-gen", store.path("js-gen")) is None
    serve(runs, "js-gen", "front")
    ids = [serve(runs, "js-gen", "replica") for _ in range(2)] + [serve(runs, "faces", "replica")]
    replace(HERE, id=ids[0]).write(store.path("js-gen"))
    spreads.look()
    found = spreads.of("js-gen", store.path("js-gen"))
    assert found == scaling.scaled("js-gen", data)
    assert found is not None
    assert [each.run for each in found.replicas] == ids[:2]
    assert (found.listening, found.front) == (1, "queued")
    other = spreads.of("faces", store.path("faces"))
    assert other is not None
    assert len(other.replicas) == 1
    assert spreads.of("sneakers", store.path("sneakers")) is None
    seen = {each.name: each.spread for each in services.fake.look().deployments}  # type: ignore[union-attr]
    assert (seen["js-gen"], seen["sneakers"]) == (found, None)
    for each in ids:
        runs.remove(each)
    spreads.look()
    assert spreads.of("js-gen", store.path("js-gen")) is None


@pytest.mark.parametrize(
    ("changes", "told", "tone"),
    [
        ({}, "1 of 3 processes take requests", "busy"),
        ({"replicas": SPREAD.replicas[:1]}, "1 of 1 process takes requests", "good"),
        ({"replicas": SPREAD.replicas[1:]}, "0 of 2 processes take requests", "bad"),
        ({"url": "", "front": "stopped"}, "1 of 3 processes take requests, but nothing divides them: ", "bad"),
        ({"url": "", "front": "failed", "sentence": "no HAProxy"}, "divides them failed: no HAProxy", "bad"),
    ],
)
def test_how_it_stands_in_a_line(changes: dict[str, object], told: str, tone: str) -> None:
    line, found = hosting_spread.summary(replace(SPREAD, **changes))  # type: ignore[arg-type]
    assert told in line
    assert found == tone


def test_a_deployment_that_others_serve_is_not_told_as_asleep() -> None:
    seen = Seen(Hosted("js-gen", Path("/nowhere"), None), Status("asleep"), spread=SPREAD)
    assert hosting_facts.state(seen) == ("●", "spread ×1", "good")
    assert hosting_facts.replicas(seen) == "– +1"
    nobody = replace(seen, spread=replace(SPREAD, replicas=SPREAD.replicas[1:]))
    assert hosting_facts.state(nobody)[1] == "asleep"
    assert hosting_facts.state(replace(seen, status=Status("awake")))[1] == "awake"


def test_each_process_says_where_it_is_and_how_it_stands() -> None:
    lines = [hosting_spread.process_line(each) for each in SPREAD.replicas]
    assert lines == [
        ("● serving · gpu7 127.0.0.1:40123", "good"),
        ("○ waits · slurm", "muted"),
        ("✕ failed · node3 · slurm · the model could not be loaded: not enough memory", "bad"),
    ]
    leaving = replace(SPREAD.replicas[0], endpoint=replace(HERE, stopping=True))
    assert hosting_spread.process_line(leaving) == ("◐ leaving · gpu7 127.0.0.1:40123", "busy")
    loading = replace(SPREAD.replicas[0], endpoint=None)
    assert hosting_spread.process_line(loading) == ("◐ loading · gpu7", "busy")


async def test_the_screen_shows_them(home: Path) -> None:
    services: HostingStage = stage(home)
    services.fake.spreads = {"js-gen": SPREAD}
    async with studio(services, start="hosting", size=(160, 50)) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press(*["down"] * names(app).index("js-gen"))
        await until(pilot, lambda: "1 of 3 processes take requests" in text(app))
        assert rows(app)[1][-1] == "2/2 +1"
        shown = " ".join(str(app.screen.query_one(DeploymentFacts).query_one(Static).render()).split())
        for part in ("http://127.0.0.1:8700/js-gen/v1 divides", "● serving · gpu7 127.0.0.1:40123", "○ waits · slurm"):
            assert part in shown, part
        assert shown.index("✕ failed · node3") < shown.index("● serving · gpu7")
