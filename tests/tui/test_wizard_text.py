"""The wizard for text: enters to a running training, what a base takes and refuses, prompts, what each kind keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import TextArea

from core.runs.plan import ImageOptions, TextOptions
from core.runs.plan_file import check_plan, parse_plan, to_toml
from tests.tui.stage import burst, studio, text, until
from tests.tui.test_wizard import Planned, planned, started
from tests.tui.training_stage import BASES, ESSAYS, NOTES, PORTRAITS, PYTHON, TrainingStage, run, stage
from tui.screens.run_page import RunPage
from tui.screens.training import TrainingScreen
from tui.screens.wizard import Wizard
from tui.training.options import OPTIONS, PLAN_FIELDS
from tui.widgets.table import Table
from tui.widgets.wizard.dataset_texts import Pieces
from tui.wizard.answers import split_prompts


def writing(home: Path) -> TrainingStage:
    """Datasets of both kinds."""
    services = stage(home)
    services.fake.found = [PORTRAITS, PYTHON, ESSAYS, NOTES]
    return services


def under(found: Planned) -> str | None:
    """The key of the row that is chosen."""
    return found.wizard.page.query_one(Table).current


@pytest.mark.parametrize("dataset", [ESSAYS, PYTHON], ids=["ready", "never read"])
async def test_the_kind_and_enters_lead_from_new_to_training(home: Path, dataset: object) -> None:
    services = stage(home)
    services.fake.found = [PORTRAITS, dataset]  # type: ignore[list-item]
    keys = ["n", "down", "enter", "enter", "enter", "enter", "enter", "enter"]
    async with studio(services, start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs is not None)
        await pilot.press(keys.pop(0))
        await until(pilot, lambda: isinstance(app.screen, Wizard) and app.screen.materials.text_bases is not None)
        while isinstance(app.screen, Wizard) and keys:
            await pilot.press(keys.pop(0))
            await pilot.pause()
        await until(pilot, lambda: isinstance(app.screen, RunPage))
    (plan,) = services.fake.plans
    assert not keys
    assert plan.dataset == dataset.id  # type: ignore[attr-defined]
    assert (plan.name, plan.kind, plan.base, plan.steps) == (
        "Training experiment 1",
        "text",
        "starter/gpt2-python",
        1000,
    )
    assert plan.options == {}
    assert services.fake.asked[-1] == ("start", "20261125-170100-new")
    prepared = [each for each in services.fake.asked if each[0] == "prepare"]
    assert [each[1] for each in prepared] == ([] if dataset is ESSAYS else [PYTHON.id])


async def test_only_texts_are_offered_and_some_of_them_shown(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        assert found.key == "dataset"
        assert [row[0] for row in found.table()] == ["essays", "notes", "python", "+ add files …"]
        assert found.table()[0][1:] == ["812", "3.4 MB", "right size"]
        assert found.table()[1][3] == "! little text"
        await until(found.pilot, lambda: "document 1 · 4.2 kB" in text(found.app))
        assert "The first line of it." in text(found.app)
        assert "3.4 MB in 812 documents: right" in found.told()
        await found.press("down")
        await until(found.pilot, lambda: ("texts", NOTES.id, 6) in found.services.fake.asked)
        assert "little, a base is soon overtrained on it" in found.told()
        await found.press("down")
        assert "Python's library. Read from this machine when training begins." in found.told()
        assert found.wizard.page.query_one(Pieces).content_size.height > 0
        assert "document 1" not in text(found.app)


async def test_too_little_text_is_refused_before_enter(home: Path) -> None:
    services = writing(home)
    services.fake.found = [replace(NOTES, about={"report": {"bytes": 900}}), ESSAYS]
    async with planned(home, services=services, kind="text") as found:
        assert found.table()[1][3] == "✕ too little"
        await found.press("down", "enter")
        assert found.key == "dataset"
        assert any("Notes: too little" in notice.message for notice in found.app._notifications)


async def test_a_base_tells_what_it_takes(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.press("enter")
        assert found.key == "base"
        rows = {row[0]: row[1:] for row in found.table()}
        assert list(rows) == ["gpt2-python", "gpt2", "gpt2-medium", "gpt2-xl", "gpt2-large", "random weights"]
        assert rows["gpt2"] == ["124 M", "3.3 GB", "1.2 GB", "MIT", "fits"]
        assert rows["gpt2-medium"][-1] == "! LoRA only"
        assert rows["gpt2-large"][-1] == "not on disk"
        assert rows["gpt2-xl"][-1] == "✕ too large"
        assert under(found) == "starter/gpt2-python"
        assert "Licence PSF-2.0." in found.told()
        assert "16 GB are free now" in found.told()


async def test_a_base_that_does_not_fit_is_refused_with_what_would(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.press("enter", "down", "down", "down")
        assert under(found) == "20261120-090002-gpt2-xl"
        assert "gpt2-xl needs about 18 GB with LoRA, 16 GB are there" in found.told()
        assert "The largest that fits: gpt2-medium" in found.told()
        await found.press("enter")
        assert found.key == "base"
        assert found.steps()["base"] == "gpt2-medium"  # what was under the mark before stays the answer
        await found.press("down")
        assert "gpt2-large is not on this disk, 3.1 GB. Run `hf download" in found.told()
        await found.press("enter")
        assert found.key == "base"


async def test_where_only_lora_fits_it_is_taken_and_told(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.press("enter", "down", "down")
        assert "All weights of gpt2-medium do not fit, so LoRA is taken" in found.told()
        await found.to("options")
        assert "LoRA is taken" in found.told()
        await found.press("down", "right")
        assert found.form().values == {"method": "lora"}
        await found.press("right", "left", "right", "backspace")
        await found.to("summary")
        assert "gpt2-medium, 355 M parameters, LoRA" in found.told()
        assert "the base is not in the library yet" in found.told()
        await found.press("enter")
        plan = await started(found)
        assert (plan.base, plan.options) == ("20261125-170000-gpt2-medium", {"method": "lora"})
        assert ("bring", "gpt2-medium") in found.services.fake.asked  # it was in the cache only


async def test_another_base_takes_the_method_back(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.press("enter", "down", "down", "up")
        assert found.wizard.answers.text.method == ""
        await found.to("summary")
        assert "gpt2, 124 M parameters, all weights" in found.told()
        await found.press("enter")
        assert (await started(found)).base == "20261120-090000-gpt2"
        assert not [each for each in found.services.fake.asked if each[0] == "bring"]


async def test_from_nothing_the_new_model_is_asked_about(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.press("enter", "end")
        assert "Random weights and a tokenizer made of the dataset" in found.told()
        await found.to("options")
        labels = [field.label for field in found.form().fields]
        assert labels[-4:] == ["layers", "width", "heads", "vocabulary"]
        await found.press("down", "right", "enter")
        assert found.key == "options"
        assert "there is no base: LoRA trains small matrices beside one" in found.told()
        await found.press("left", "end", "down", "down", "down", "down", "6", "enter")
        assert found.key == "summary"
        await found.press("enter")
        plan = await started(found)
        assert (plan.base, plan.options) == ("", {"layers": 6})


async def test_options_that_cannot_be_are_told_before_enter(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.press("enter", "end")
        await found.to("options")
        await found.press("end", *["down"] * 7, *"3")
        assert found.form().values == {"heads": 3}
        assert "a width of 256 cannot be shared by 3 heads" in found.told()
        await found.press("enter")
        assert found.key == "options"
        await found.press("backspace", "up", *"16384", "up", *"48")
        assert "155 B parameters need about 2.8 TB" in found.told()
        assert "16 GB are free: choose fewer layers" in found.told()
        await found.press("enter")
        assert found.key == "options"
        await found.press("escape", "escape", "home", "enter", "enter")
        assert found.key == "options"
        assert "free" not in found.told()
        await found.press("down", "down", "down", *"512")
        assert "gpt2-python looks at no more than 256 tokens" in found.told()
        await found.press("enter")
        assert found.key == "options"


async def test_where_no_driver_tells_the_memory_nothing_is_too_large(home: Path) -> None:
    services = writing(home)
    services.fake.bases = [replace(each, memory_there=0) for each in BASES if each.on_disk]
    async with planned(home, services=services, kind="text") as found:
        await found.press("enter")
        assert [row[-1] for row in found.table()] == ["fits"] * 5
        assert "free now" not in found.told()


async def test_a_new_model_that_does_not_fit_is_refused(home: Path) -> None:
    services = writing(home)
    services.fake.bases = [replace(BASES[-1], full_memory=40 * 10**9)]
    async with planned(home, services=services, kind="text") as found:
        await found.press("enter")
        assert "choose fewer layers or a smaller width" in found.told()
        await found.press("enter")
        assert found.key == "base"


async def test_prompts_are_paragraphs_and_none_is_lost(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.to("prompts")
        assert "the beginnings of some held-out texts are taken" in found.told()
        await found.press(*"def f", "alt+enter", *"  x", "ctrl+n", *"y", "alt+enter", "alt+enter", *"Once")
        assert found.wizard.page.query_one(TextArea).text == "def f\n  x\n  y\n  \nOnce".replace("\n  \n", "\n  \n")
        assert "2 prompts, the last: Once" in found.told()
        assert found.steps()["prompts"] == "2: def f x y"
        await found.press("enter", "escape", "escape")
        assert found.key == "base"
        await found.press("enter")
        assert found.key == "prompts"
        await found.to("summary")
        await found.press("enter")
        plan = await started(found)
        assert plan.options == {"prompts": ("def f\n  x\n  y", "Once")}
        assert parse_plan(to_toml(check_plan(plan))).options == plan.options


async def test_a_paste_brings_its_lines_and_too_many_prompts_are_refused(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.to("prompts")
        burst(found.app, "\x1b[200~" + "\n\n".join(f"prompt {number}" for number in range(33)) + "\x1b[201~")
        await until(found.pilot, lambda: "33 prompts, and 32 are the most" in found.told())
        await found.press("enter")
        assert found.key == "prompts"


@pytest.mark.parametrize(
    ("written", "prompts"),
    [
        ("", ()),
        (" \n\t\n", ()),
        ("one", ("one",)),
        ("one\ntwo", ("one\ntwo",)),
        ("one\n\ntwo", ("one", "two")),
        ("\n\none \n \n\n  two\n", ("one ", "  two")),
        ("def f():\n\n    x\n---\nclass A:", ("def f():\n\n    x", "class A:")),
        ("---\none\n---\n\n---\n", ("one",)),
        ("a --- b", ("a --- b",)),
    ],
)
def test_how_prompts_are_told_apart(written: str, prompts: tuple[str, ...]) -> None:
    assert split_prompts(written) == prompts


async def test_each_kind_keeps_its_own_answers(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        await found.to("options")
        await found.press("2", "5", "0")
        await found.press("tab", *["up"] * 5, "enter")
        assert found.key == "kind"
        await found.press("home")
        assert list(found.steps()) == ["kind", "dataset", "preparation", "base", "options", "summary"]
        await found.to("options")
        assert found.form().values == {}
        await found.press("7")
        await found.press("tab", *["up"] * 5, "enter", "end")
        assert list(found.steps()) == ["kind", "dataset", "base", "prompts", "options", "summary"]
        assert found.steps()["options"] == "250 steps"
        await found.to("summary")
        await found.press("enter")
        plan = await started(found)
        assert (plan.kind, plan.dataset, plan.steps) == ("text", ESSAYS.id, 250)


async def test_the_kind_is_that_of_the_newest_run_and_then_the_one_that_was_chosen(home: Path) -> None:
    view = run(home)
    services = writing(home)
    services.fake.views = [replace(view, plan=replace(view.plan, kind="text"))]
    async with studio(services, start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Wizard) and app.screen.materials.text_bases is not None)
        wizard = app.screen
        assert isinstance(wizard, Wizard)
        assert (wizard.page.key, wizard.answers.kind) == ("kind", "text")
        await pilot.press("home", "escape")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Wizard) and app.screen.materials.text_bases is not None)
        assert isinstance(app.screen, Wizard)
        assert app.screen.answers.kind == "image"


async def test_a_dataset_that_is_wanted_decides_the_kind(home: Path) -> None:
    async with studio(writing(home), start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs is not None)
        training = app.screen
        assert isinstance(training, TrainingScreen)
        training.action_new(dataset=NOTES.id)
        await until(pilot, lambda: isinstance(app.screen, Wizard) and app.screen.materials.text_bases is not None)
        wizard = app.screen
        assert isinstance(wizard, Wizard)
        assert (wizard.page.key, wizard.page.kind) == ("dataset", "text")
        await until(pilot, lambda: wizard.page.query_one(Table).current == NOTES.id)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is training)


async def test_the_estimate_tells_how_often_the_text_is_read(home: Path) -> None:
    async with planned(home, services=writing(home), kind="text") as found:
        found.services.fake.measured.set()
        await found.to("summary")
        await until(found.pilot, lambda: "about 42 min" in found.told())
        assert "reads 2.0 M tokens, 4.7 times the 435 k that there are, 1,832 a second" in found.told()


@pytest.mark.parametrize(("kind", "own"), [("image", {"architecture", "size"}), ("text", {"prompts"})])
def test_every_option_of_a_run_is_in_the_form_with_its_explanation(kind: str, own: set[str]) -> None:
    known = OPTIONS[kind]
    assert known.shape is {"image": ImageOptions, "text": TextOptions}[kind]
    options = set(known.shape.__dataclass_fields__) - own  # these have pages of their own
    assert set(known.fields) == options | set(PLAN_FIELDS)
    assert {*known.top, *known.more} == set(known.fields)
    assert set(known.new) <= set(known.more)
    for name, each in known.fields.items():
        assert each.about, name
        assert each.about.endswith("."), name


def test_explanations_are_those_of_the_plan() -> None:
    assert OPTIONS["image"].fields["gamma"].about.startswith("Weight of R1")
    assert OPTIONS["image"].fields["augment_cap"].about.startswith("The probability p never exceeds this")
    assert OPTIONS["text"].fields["method"].about.startswith('"full" trains all weights')
    assert OPTIONS["text"].fields["steps"].default == 1000


@pytest.mark.parametrize("kind", OPTIONS)
def test_what_the_form_allows_a_plan_allows(kind: str) -> None:
    """The ends of every range, and every word, can stand in a run.toml."""
    from core.runs.plan import RunPlan

    for name, each in OPTIONS[kind].fields.items():
        values = [value for value, _ in each.choices] or (
            [True, False]
            if isinstance(each.default, bool)
            else [each.read(f"{end:.12g}") for end in (each.low, each.high)]
        )
        for value in values:
            if name in PLAN_FIELDS:
                check_plan(replace(RunPlan("x", kind, "y"), **{name: value}))
            else:
                check_plan(RunPlan("x", kind, "y", options={name: value}))
