"""Settings of a deployment, changed by keys: today's values are there, what follows is said, nothing else changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.hosting.tokens import Verifier, digest
from tests.tui.hosting_stage import FACES, OWN, TEXT, HostingStage, stage
from tests.tui.stage import studio, text, until
from tests.tui.test_hosting import names
from tests.tui.test_training import offered, rows
from tui.screens.chooser import Chooser
from tui.screens.confirm import Confirm
from tui.screens.deployment_settings import DeploymentSettings
from tui.screens.hosting import HostingScreen
from tui.screens.secret import SecretShown
from tui.studio import TarmacApp
from tui.widgets.form import Form

WIDE = (120, 40)


@pytest.fixture
def services(home: Path) -> HostingStage:
    return stage(home)


async def opened(app: TarmacApp, pilot: Pilot[int], name: str) -> Form:
    """The dialog of this deployment."""
    await until(pilot, lambda: app.hosting)
    await pilot.press("home", *["down"] * names(app).index(name), "e")
    await until(pilot, lambda: isinstance(app.screen, DeploymentSettings))
    return app.screen.query_one(Form)


async def to(pilot: Pilot[int], form: Form, name: str) -> None:
    """Go to the line of this field."""
    index = next(at for at, field in enumerate(form.fields) if field.name == name)
    await pilot.press(*["up"] * len(form.fields), *["down"] * index)


def flat(app: TarmacApp) -> str:
    """What the texts of the screen in front say, however their lines break."""
    return " ".join(" ".join(str(each.render()) for each in app.screen.query(Static)).split())


async def test_todays_values_are_there_and_only_what_differs_is_changed(services: HostingStage) -> None:
    store = services.fake.store
    store.change("js-gen", options={"precision": "int8"}, sleep_after=60)
    before = store.get("js-gen")
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        form = await opened(app, pilot, "js-gen")
        held = {field.name: form.value(field) for field in form.fields}
        assert held == {
            "command": "complete", "option:precision": "int8", "private": True, "replicas": 2, "sleep_after": 60,
            "timeout": 300,
        }  # fmt: skip
        assert "as it is now" in text(app)
        await to(pilot, form, "replicas")
        await pilot.press("3")
        await until(pilot, lambda: "replicas 2 → 3. New workers take over once they are awake" in flat(app))
        await to(pilot, form, "sleep_after")
        await pilot.press("0")
        await until(pilot, lambda: "sleeps after 1 min → never" in flat(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HostingScreen))
        await until(pilot, lambda: app._notifications)
        (told,) = app._notifications
        assert told.message == "js-gen: replicas 2 → 3 · sleeps after 1 min → never"
        assert store.get("js-gen") == before.changed(replicas=3, sleep_after=0)


async def test_nothing_changed_and_escape_leave_the_folder_alone(services: HostingStage) -> None:
    path = services.fake.store.path("faces") / "deployment.toml"
    before = path.stat()
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        form = await opened(app, pilot, "faces")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HostingScreen))
        form = await opened(app, pilot, "faces")
        await to(pilot, form, "replicas")
        await pilot.press("5", "escape")
        await until(pilot, lambda: isinstance(app.screen, HostingScreen))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_what_cannot_be_is_told_and_not_saved(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        form = await opened(app, pilot, "js-gen")
        await to(pilot, form, "replicas")
        await pilot.press("9", "9", "enter")
        await until(pilot, lambda: "✕ replicas is '99'" in text(app))
        assert isinstance(app.screen, DeploymentSettings)
        assert services.fake.store.get("js-gen").replicas == 2


async def test_public_is_asked_for_and_warned_of(services: HostingStage) -> None:
    store = services.fake.store
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        form = await opened(app, pilot, "js-gen")
        await to(pilot, form, "private")
        await pilot.press("right", "enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "Make js-gen public?" in text(app)
        assert "every web page that a browser of this machine opens" in flat(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DeploymentSettings))
        assert store.get("js-gen").private
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, HostingScreen))
        assert not store.get("js-gen").private
        assert len(store.tokens("js-gen")) == 2


async def test_public_where_other_machines_reach_it_is_refused(services: HostingStage) -> None:
    store = services.fake.store
    store.change("faces", private=True)
    store.set_gateway(host="0.0.0.0")
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        form = await opened(app, pilot, "js-gen")
        await to(pilot, form, "private")
        await pilot.press("right", "enter")
        await until(pilot, lambda: "✕ js-gen cannot be public: the gateway listens on 0.0.0.0" in flat(app))
        assert isinstance(app.screen, DeploymentSettings)
        assert store.get("js-gen").private


async def test_what_becomes_private_without_a_token_gets_one_that_is_shown_once(services: HostingStage) -> None:
    store = services.fake.store
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        form = await opened(app, pilot, "faces")
        await to(pilot, form, "private")
        await pilot.press("left", "enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "A token is made for them." in flat(app)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, SecretShown))
        await pilot.press("y")
        assert Verifier(store.tokens("faces")).match(digest(app.clipboard)) is not None
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HostingScreen))
        assert store.get("faces").private
        assert app.clipboard not in text(app)


async def test_a_model_that_is_gone_is_replaced_at_the_same_address(services: HostingStage) -> None:
    store = services.fake.store
    shutil.rmtree(services.fake.data / "models" / OWN)
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await opened(app, pilot, "sneakers")
        assert f"✕ {OWN} is gone or broken: m chooses another" in text(app)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, Chooser))
        await pilot.press(*"portraits")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DeploymentSettings) and f"→ {FACES}" in flat(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HostingScreen))
        await until(pilot, lambda: rows(app)[2][3] == FACES)
        made = store.get("sneakers")
        assert (made.model, made.command, made.sleep_after, len(store.tokens("sneakers"))) == (FACES, "generate", 0, 1)


async def test_another_kind_of_model_brings_its_own_options_and_command(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        form = await opened(app, pilot, "faces")
        await to(pilot, form, "timeout")
        await pilot.press("9", "0", "m")
        await until(pilot, lambda: isinstance(app.screen, Chooser))
        app.screen.query_one(Input).value = "gpt2"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DeploymentSettings) and "precision" in text(app))
        assert form.values == {"private": False, "timeout": 90}
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HostingScreen))
        made = services.fake.store.get("faces")
        assert (made.model, made.command, made.private, made.limits.timeout) == (TEXT, "complete", False, 90)


async def test_a_broken_folder_has_no_settings(services: HostingStage) -> None:
    (services.fake.store.path("faces") / "deployment.toml").write_text("format = 1\nname = ", encoding="utf-8")
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.pause()
        assert "settings" not in offered(app)
        await pilot.press("down")
        await pilot.pause()
        assert "settings" in offered(app)
