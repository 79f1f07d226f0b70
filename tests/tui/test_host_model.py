"""The host dialog: its name is checked as it is typed, enter takes what is filled in, the token is shown once."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from core.errors import Refused
from core.hosting.tokens import Verifier, digest
from tests.tui import training_stage
from tests.tui.hosting_stage import OWN, RUNNING, STOPPED, FakeHosting, HostingStage, stage
from tests.tui.stage import studio, text, until
from tests.tui.test_directory import of
from tests.tui.test_hosting import names
from tests.tui.test_training import offered
from tests.tui.training_stage import NOW, FakeTraining, run
from tui.messages import HostModel
from tui.screens.directory import DirectoryScreen
from tui.screens.host_model import HostDialog
from tui.screens.hosting import HostingScreen
from tui.screens.model_page import ModelPage
from tui.screens.run_page import RunPage
from tui.screens.secret import SecretShown
from tui.studio import TarmacApp
from tui.widgets.form import Form
from tui.widgets.table import Table


@pytest.fixture
def services(home: Path) -> HostingStage:
    return stage(home, filled=False)


def at(app: TarmacApp, kind: type[object]) -> bool:
    return isinstance(app.screen, kind)


async def test_enter_takes_what_is_filled_in_and_the_token_is_shown_once(services: HostingStage) -> None:
    services.fake.now = STOPPED
    store = services.fake.store
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query_one(Table).rows)
        app.screen.query_one(Table).cursor = [row.key for row in app.screen.query_one(Table).rows].index(OWN)
        await pilot.press("h")
        await until(pilot, lambda: at(app, HostDialog))
        assert app.screen.query_one(Input).value == "sneakers"
        await pilot.press("enter")
        await until(pilot, lambda: at(app, SecretShown))
        (token,) = store.tokens("sneakers")
        await pilot.press("y")
        assert Verifier((token,)).match(digest(app.clipboard)) is not None
        assert app.clipboard in text(app)
        assert "http://127.0.0.1:8600/sneakers/v1" in text(app)
        assert services.fake.asked == ["start"]
        await pilot.press("enter")
        await until(pilot, lambda: at(app, HostingScreen) and names(app) == ["sneakers"])
        assert app.clipboard not in text(app)
        made = store.get("sneakers")
        assert (made.model, made.command, made.private) == (OWN, "generate", True)
        assert (made.replicas, made.sleep_after) == (1, 300)


async def test_the_name_is_checked_as_it_is_typed(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="hosting", size=(120, 40)) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        app.post_message(HostModel("starter/gpt2-python"))
        await until(pilot, lambda: at(app, HostDialog))
        await until(pilot, lambda: "● http://127.0.0.1:8600/gpt2-python/v1" in text(app))
        app.screen.query_one(Input).value = "faces"
        await until(pilot, lambda: "✕ there is a deployment called faces already. Try faces-2" in text(app))
        app.screen.query_one(Input).value = "Faces!"
        await until(pilot, lambda: "✕ a deployment cannot be called 'Faces!'" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: not app.screen._making)  # type: ignore[attr-defined]
        assert at(app, HostDialog)
        assert len(services.fake.store.hosted()) == 3
        await pilot.press("escape")
        assert at(app, HostingScreen)


async def test_settings_are_chosen_by_keys(services: HostingStage) -> None:
    async with studio(services, size=(120, 40)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query_one(Table).rows)
        app.post_message(HostModel("starter/gpt2-python"))
        await until(pilot, lambda: at(app, HostDialog))
        await pilot.press("down")
        form = app.screen.query_one(Form)
        assert form.has_focus
        by_name = {field.name: index for index, field in enumerate(form.fields)}
        for name, keys in {"private": ["right"], "replicas": ["2"], "sleep_after": ["0"]}.items():
            await pilot.press(*["down"] * (by_name[name] - form.chosen), *keys)
        assert "never" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: at(app, SecretShown))
        assert "public: no token is needed" in text(app)
        made = services.fake.store.get("gpt2-python")
        assert (made.private, made.replicas, made.sleep_after) == (False, 2, 0)


async def test_what_is_refused_is_told_in_the_dialog_and_nothing_is_made(services: HostingStage) -> None:
    services.fake.now = STOPPED
    services.fake.failure = Refused("port 8600 is taken", "another program listens there")
    async with studio(services, size=(120, 40)) as (app, pilot, _):
        app.post_message(HostModel("starter/portraits"))
        await until(pilot, lambda: at(app, HostDialog))
        await pilot.press("enter")
        await until(pilot, lambda: "✕ port 8600 is taken" in text(app))
        assert services.fake.store.hosted() == []
        services.fake.failure = None
        await pilot.press("enter")
        await until(pilot, lambda: at(app, SecretShown))
        assert services.fake.gateway() == RUNNING


async def test_a_model_page_hosts_its_model(services: HostingStage) -> None:
    async with studio(services) as (app, pilot, messages):
        await until(pilot, lambda: app.screen.query_one(Table).rows)
        await pilot.press("home", "right")
        await until(pilot, lambda: at(app, ModelPage))
        await pilot.press("h")
        await until(pilot, lambda: of(messages, HostModel))
        await until(pilot, lambda: at(app, HostDialog))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: at(app, DirectoryScreen))
        assert services.fake.store.hosted() == []


async def test_a_broken_model_is_not_offered(services: HostingStage) -> None:
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query_one(Table).rows)
        await pilot.press("end")
        await until(pilot, lambda: "host" not in offered(app))
        await pilot.press("home")
        await until(pilot, lambda: "host" in offered(app))


class BothStage(training_stage.TrainingStage):
    """Runs and deployments."""

    hosted: FakeHosting

    @property
    def hosting(self) -> FakeHosting:  # type: ignore[override]
        return self.hosted


@pytest.mark.parametrize("finished", [True, False])
async def test_a_run_hosts_its_model_or_its_best_checkpoint(
    home: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    monkeypatch.setattr("tui.runs.steering.moment", lambda: NOW)
    base = stage(home, filled=False)
    services = BothStage(base.home, base.starters)
    services.fake = FakeTraining([run(home, state="finished", model="starter/portraits") if finished else run(home)])
    services.hosted = base.fake
    async with studio(services, start="training", size=(120, 40)) as (app, pilot, messages):
        await until(pilot, lambda: app.runs)
        await pilot.press("enter")
        await until(pilot, lambda: at(app, RunPage))
        await pilot.press("h")
        await until(pilot, lambda: at(app, HostDialog))
        assert of(messages, HostModel)[0].model_id == "starter/portraits"
        assert [asked[0] for asked in services.fake.asked if asked[0] == "adopt"] == ([] if finished else ["adopt"])
