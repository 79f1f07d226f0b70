"""The wizard: six keys to a running training, back and forth without losing anything, what is refused and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.errors import Refused
from core.runs.plan import RunPlan
from tests.tui.stage import put_model, studio, text, until
from tests.tui.test_directory import of
from tests.tui.training_stage import PORTRAITS, RAW, SMALL, UNDRAWN, TrainingStage, run, stage
from tui.messages import AddDataset
from tui.screens.add_dataset import AddDatasetPage
from tui.screens.run_page import RunPage
from tui.screens.training import TrainingScreen
from tui.screens.wizard import Wizard
from tui.studio import TarmacApp
from tui.training.services import next_name
from tui.widgets.form import Form
from tui.widgets.table import Table
from tui.widgets.wizard.steps import WizardSteps


class Planned:
    """A wizard that is open."""

    def __init__(self, app: TarmacApp, pilot: Pilot[int], services: TrainingStage, messages: list[Message]) -> None:
        self.app, self.pilot, self.services, self.messages = app, pilot, services, messages

    @property
    def wizard(self) -> Wizard:
        assert isinstance(self.app.screen, Wizard)
        return self.app.screen

    @property
    def key(self) -> str:
        """Which question is asked."""
        return self.wizard.page.key

    def table(self) -> list[list[str]]:
        return [[cell for cell, _ in row.cells] for row in self.wizard.page.query_one(Table).rows]

    def form(self) -> Form:
        return self.wizard.page.query_one(Form)

    def told(self) -> str:
        """What the page says, on one line."""
        found = self.wizard.page.query(Static)
        return " ".join(" ".join(str(each.render()) for each in found).split())

    def steps(self) -> dict[str, str]:
        """The list at the left."""
        lines = str(self.wizard.query_one(WizardSteps).render()).splitlines()
        return {line[2:15].strip(): line[15:].strip() for line in lines}

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def to(self, key: str) -> None:
        """Enter until a question is asked."""
        while self.key != key:
            await self.press("enter")


@asynccontextmanager
async def planned(
    home: Path, *, size: tuple[int, int] = (100, 30), services: TrainingStage | None = None, kind: str = "image"
) -> AsyncIterator[Planned]:
    """A wizard that was opened and told its kind; it asks for the dataset."""
    services = services or stage(home)
    async with studio(services, size=size, start="training") as (app, pilot, messages):
        await until(pilot, lambda: app.runs is not None)
        await pilot.press("n")
        found = Planned(app, pilot, services, messages)
        await until(pilot, lambda: isinstance(app.screen, Wizard) and app.screen.materials.text_bases is not None)
        await pilot.pause()
        assert found.key == "kind"
        await pilot.press("end" if kind == "text" else "home", "enter")
        assert found.wizard.answers.kind == kind
        yield found


async def started(found: Planned) -> RunPlan:
    """The plan that was made; its run has begun and its page is open."""
    await until(found.pilot, lambda: isinstance(found.app.screen, RunPage))
    assert found.services.fake.asked[-1][0] == "start"
    return found.services.fake.plans[-1]


@pytest.mark.parametrize("dataset", [PORTRAITS, UNDRAWN], ids=["ready", "never drawn"])
async def test_six_keys_from_new_to_training_on_a_starter(home: Path, dataset: object) -> None:
    services = stage(home)
    services.fake.found = [dataset]  # type: ignore[list-item]
    keys = ["n", "enter", "enter", "enter", "enter", "enter"]
    async with studio(services, start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs is not None)
        await pilot.press(keys.pop(0))
        await until(pilot, lambda: isinstance(app.screen, Wizard) and app.screen.materials.text_bases is not None)
        while isinstance(app.screen, Wizard) and keys:
            await pilot.press(keys.pop(0))
            await pilot.pause()
        await until(pilot, lambda: isinstance(app.screen, RunPage))
    (plan,) = services.fake.plans
    assert plan.dataset == dataset.id  # type: ignore[attr-defined]
    assert (plan.name, plan.kind, plan.base, plan.steps) == (
        "Training experiment 1",
        "image",
        "starter/portraits",
        3000,
    )
    assert plan.options == {"architecture": "stylegan2"}
    assert services.fake.asked[-1] == ("start", "20261125-170100-new")


async def test_a_new_run_has_the_next_number(home: Path) -> None:
    assert next_name(["Training experiment 5", "Training experiment x", "cats"]) == "Training experiment 6"
    async with planned(home, services=stage(home, [run(home)])) as found:
        await found.to("summary")
        await found.press("enter")
        assert (await started(found)).name == "Training experiment 6"


async def test_escape_and_the_list_of_steps_lose_nothing(home: Path) -> None:
    async with planned(home) as found:
        await found.press("down")  # sneakers, which are drawn when they are used
        assert found.steps()["dataset"] == "sneakers"
        assert found.steps()["base"] == "–"
        await found.to("options")
        await found.press("5", "0", "0")
        await found.press("down", "6", "4")
        await found.press("enter")
        assert found.key == "summary"
        await found.press("s", "h", "o", "e", "s")
        await found.press("escape", "escape", "escape")
        assert found.key == "dataset"
        assert found.steps() == {
            "kind": "images", "dataset": "sneakers", "preparation": "64×64, drawn", "base": "portraits",
            "options": "500 steps, batch 64", "summary": "shoes",
        }  # fmt: skip
        await found.press("tab", "down", "down", "down", "enter")
        assert found.key == "options"
        assert found.form().values == {"steps": 500, "batch": 64}
        await found.press("tab", "down", "enter")
        assert found.key == "summary"
        assert found.wizard.page.query_one(Input).value == "shoes"
        await found.press("enter")
        plan = await started(found)
        assert (plan.name, plan.dataset, plan.steps, plan.options["batch"]) == ("shoes", "starter/sneakers", 500, 64)


async def test_a_wizard_that_was_left_is_gone_on_with(home: Path) -> None:
    async with planned(home) as found:
        await found.to("options")
        await found.press("7", "7", "7")
        await found.press("escape", "escape", "escape", "escape")
        await until(found.pilot, lambda: isinstance(found.app.screen, TrainingScreen))
        await found.press("n")
        await until(found.pilot, lambda: isinstance(found.app.screen, Wizard) and found.wizard.materials.models)
        await found.to("options")
        assert found.form().values == {"steps": 777}


async def test_what_was_typed_and_is_no_number_stays_and_holds_enter_up(home: Path) -> None:
    async with planned(home) as found:
        await found.to("options")
        await found.press("down", "down", "down", "m", "down", "2", ".", "5")
        assert "it must be a number from 0 to 1" in str(found.form().render())
        await found.press("up", "m", "enter")
        assert found.key == "options"
        assert any("Learning rate is '2.5'" in notice.message for notice in found.app._notifications)
        assert found.form().typed == {"rate": "2.5"}
        await found.press("down", "backspace", "backspace", "backspace", "0", ".", "0", "0", "1", "enter")
        assert found.key == "summary"
        assert found.wizard.answers.image.values == {"rate": 0.001}


async def test_too_few_pictures_are_refused_with_the_reason(home: Path) -> None:
    services = stage(home)
    services.fake.found = [SMALL, PORTRAITS]
    async with planned(home, services=services) as found:
        assert found.table()[1] == ["few", "12", "✕ too few, 50 needed"]
        await found.press("down", "enter")
        assert found.key == "dataset"
        assert any("50 needed" in notice.message for notice in found.app._notifications)
        await found.press("up", "enter")
        assert found.key == "base"


async def test_pictures_that_are_not_prepared_ask_how_and_are_prepared(home: Path) -> None:
    services = stage(home)
    services.fake.found = [RAW]
    async with planned(home, services=services) as found:
        await found.press("enter")
        assert found.key == "preparation"
        await found.press("right", "down", "left")
        assert "finds the subject" in str(found.form().render())
        await found.press("enter")
        assert found.key == "base"
        await found.press("escape")
        assert found.key == "preparation"
        await found.to("summary")
        assert "the dataset is not prepared yet" in found.told()
        await found.press("enter")
        await started(found)
        assert services.fake.asked[0] == ("prepare", RAW.id, 128, "auto")


async def test_bases_say_why_they_do_not_fit(home: Path) -> None:
    put_model(home / "data" / "models" / "20200102-030409-odd", "odd", "image-gan")
    manifest = home / "data" / "models" / "20200102-030409-odd" / "model.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"stylegan2"', '"stylegan3"'), encoding="utf-8")
    async with planned(home, services=stage(home)) as found:
        await found.to("base")
        names = [row[0] for row in found.table()]
        assert names[0] == "starter/portraits"
        assert names[-1] == "odd"
        assert {"nothing, StyleGAN2", "nothing, StyleGAN"} <= set(names)
        await found.press("end", "enter")
        assert found.key == "base"
        assert any("cannot be trained here" in notice.message for notice in found.app._notifications)
        await found.press("up")
        assert "Random weights" in found.told()
        await found.to("summary")
        await found.press("enter")
        plan = await started(found)
        assert (plan.base, plan.options["architecture"]) == ("", "stylegan")


async def test_the_estimate_comes_while_one_reads(home: Path) -> None:
    async with planned(home) as found:
        await found.to("summary")
        await until(found.pilot, lambda: "◐ measuring 20 steps 40%" in found.told())
        found.services.fake.measured.set()
        await until(found.pilot, lambda: "about 42 min" in found.told())
        assert "about 1.9 GB of 24 GB" in found.told()
        assert "about 310 MB" in found.told()
        assert "estimate: 20 steps of 32 timed on gpu7" in found.told()


async def test_a_start_that_fails_says_why_and_keeps_everything(home: Path) -> None:
    async with planned(home) as found:
        await found.to("summary")
        found.services.fake.failure = Refused("the run did not start", "no space is left", "Free some")
        await found.press("enter")
        await until(found.pilot, lambda: "no space is left" in found.told())
        assert found.key == "summary"
        found.services.fake.failure = None
        await found.press("enter")
        await started(found)


async def test_datasets_are_added_only_where_that_place_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with planned(home) as found:
        assert found.table()[-1][0] == "+ a folder, an archive …"
        await found.press("end", "enter")
        await until(found.pilot, lambda: of(found.messages, AddDataset))
        await until(found.pilot, lambda: isinstance(found.app.screen, AddDatasetPage))
    monkeypatch.delitem(TarmacApp.MODES, "datasets")
    async with planned(home / "other") as found:
        assert "+ a folder, an archive …" not in text(found.app)
        await found.press("a")
        assert not of(found.messages, AddDataset)


async def test_without_datasets_it_says_so(home: Path) -> None:
    services = stage(home)
    services.fake.found = []
    async with planned(home, services=services) as found:
        await until(found.pilot, lambda: "There are no datasets of pictures yet" in text(found.app))
        await found.press("enter")
        await until(found.pilot, lambda: isinstance(found.app.screen, AddDatasetPage))
