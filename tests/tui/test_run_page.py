"""A run's page: the slider over its history, panes at every width, what its keys do, the film."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Static

from core.errors import Refused
from core.exports.history import cut
from core.runs.events import Ended, Sample, Warned
from core.runs.view import RunView
from tests.core.exports.test_film import movie
from tests.tui.stage import lines, studio, text, until
from tests.tui.test_directory import of
from tests.tui.test_training import offered
from tests.tui.text_runs import put_texts
from tests.tui.training_stage import NOW, TrainingStage, put_sheets, run, stage
from tui.messages import ShowModel
from tui.screens.chooser import Chooser
from tui.screens.run_page import RunPage
from tui.screens.training import TrainingScreen
from tui.screens.wizard import Wizard
from tui.services import Services
from tui.studio import TarmacApp
from tui.widgets.runs.curves import RunCurves
from tui.widgets.runs.log import RunLog
from tui.widgets.runs.sample_sheet import SampleSheet
from tui.widgets.runs.step_slider import StepSlider


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screens' clock stands still."""
    monkeypatch.setattr("tui.runs.steering.moment", lambda: NOW)


class Opened:
    """The page of one run."""

    def __init__(self, app: TarmacApp, pilot: Pilot[int], services: TrainingStage, messages: list[Message]) -> None:
        self.app, self.pilot, self.services, self.messages = app, pilot, services, messages

    @property
    def page(self) -> RunPage:
        assert isinstance(self.app.screen, RunPage)
        return self.app.screen

    @property
    def sheet(self) -> SampleSheet:
        return self.page.query_one(SampleSheet)

    def shown(self) -> list[int]:
        """The steps whose sheets are drawn."""
        return [sheet.step for sheet in self.page.samples._drawn]

    def slider(self) -> str:
        return str(self.page.query_one(StepSlider).render())

    def told(self, name: str) -> str:
        return str(self.page.query_one(f"#{name}", Static).render())

    def panes(self) -> list[type]:
        """What is seen of samples, curves and log."""
        return [kind for kind in (SampleSheet, RunCurves, RunLog) if self.page.query_one(kind).region]

    async def until(self, holds: Callable[[], object]) -> None:
        await until(self.pilot, holds)

    async def change(self, **changes: object) -> None:
        """The run goes on, and it is seen."""
        before = self.app.runs
        self.services.fake.change(self.services.fake.views[0].id, **changes)
        assert self.app.run_watch is not None
        self.app.run_watch.look_now()
        await self.until(lambda: self.app.runs is not before)


@asynccontextmanager
async def opened(home: Path, view: RunView, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Opened]:
    (put_texts if view.plan.kind == "text" else put_sheets)(view)
    services = stage(home, [view])
    async with studio(services, size=size, start="training") as (app, pilot, messages):
        await until(pilot, lambda: app.runs)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunPage))
        page = Opened(app, pilot, services, messages)
        if view.samples:
            await page.until(lambda: page.shown() == [view.samples[-1].step])
        yield page


async def test_the_line_on_top_tells_where_it_stands(home: Path) -> None:
    async with opened(home, run(home), (120, 34)) as page:
        line = lines(page.app)[1]
        assert line.startswith(
            " Training experiment 5 · ◐ training on gpu7 · from starter/portraits · dataset starter/"
        )
        assert line.endswith("46 %  1 h 12 min left")
        assert "214 img/s" in page.told("run-now")
        assert "p 0.27 of 0.80" in page.told("run-now")


async def test_the_slider_goes_through_the_history_and_follows_the_newest(home: Path) -> None:
    async with opened(home, run(home)) as page:
        await page.pilot.press("left", "left")
        await page.until(lambda: page.shown() == [1100])
        assert "samples at step 1,100" in text(page.app)
        assert "step 1,100" in page.slider()
        await page.change(samples=(*page.services.fake.views[0].samples, Sample(1400, "001300.png", 7, 4)))
        assert page.shown() == [1100]  # whoever looks at the past is left there
        await page.pilot.press("home")
        await page.until(lambda: page.shown() == [0])
        await page.pilot.press("left")
        assert page.page.step == 0
        await page.pilot.press("end")
        await page.until(lambda: page.shown() == [1400])
        assert page.page.step is None
        await page.change(samples=(*page.services.fake.views[0].samples, Sample(1500, "000100.png", 7, 4)))
        await page.until(lambda: page.shown() == [1500])  # whoever looks at the newest sees the next one come


async def test_zero_puts_the_start_beside_what_is_shown(home: Path) -> None:
    async with opened(home, run(home)) as page:
        await page.pilot.press("0")
        await page.until(lambda: page.shown() == [0, 1300])
        assert [len(canvas.scene.tiles) for canvas in page.sheet.canvases] == [28, 28]
        assert "step 0 " in text(page.app)
        assert "step 1,300 " in text(page.app)
        await page.pilot.press("left")
        await page.until(lambda: page.shown() == [0, 1200])
        await page.pilot.press("0")
        await page.until(lambda: page.shown() == [1200])


async def test_space_plays_from_the_start_to_the_end_and_stops_there(home: Path) -> None:
    view = run(home, step=500)
    async with opened(home, view) as page:
        seen: list[int] = []
        draw = page.sheet._draw

        def drawn() -> None:
            draw()
            seen.extend(page.shown())

        page.sheet._draw = drawn  # type: ignore[method-assign]
        await page.pilot.press("space")
        assert "▶" in page.slider()
        await page.until(lambda: page.page._playing is None)
        await page.until(lambda: page.shown() == [500])
        assert seen == [0, 100, 200, 300, 400, 500]
        page.page._play_on = lambda: None  # type: ignore[method-assign]
        await page.pilot.press("space")
        assert page.page._playing is not None
        await page.pilot.press("escape")
        assert page.page._playing is None
        assert isinstance(page.app.screen, RunPage)


async def test_one_pane_takes_turns_two_share_and_three_are_all_seen(home: Path) -> None:
    async with opened(home, run(home)) as page:
        assert page.panes() == [SampleSheet]
        await page.pilot.press("tab")
        await page.until(lambda: page.panes() == [RunCurves])
        await page.pilot.press("tab")
        await page.until(lambda: page.panes() == [RunLog] and "reading the base" in text(page.app))
        await page.pilot.press("tab")
        await page.until(lambda: page.panes() == [SampleSheet])
        await page.pilot.resize_terminal(120, 34)
        await page.until(lambda: page.panes() == [SampleSheet, RunCurves])
        await page.pilot.press("l")
        await page.until(lambda: page.panes() == [SampleSheet, RunLog])
        await page.pilot.press("l")
        await page.until(lambda: page.panes() == [SampleSheet, RunCurves])
        await page.pilot.resize_terminal(200, 60)
        await page.until(lambda: page.panes() == [SampleSheet, RunCurves, RunLog])
        assert "turn" not in offered(page.app)


async def test_curves_tell_the_values_at_the_slider_and_the_best_score(home: Path) -> None:
    view = run(home)
    async with opened(home, view, (120, 34)) as page:
        await page.until(lambda: "★ best 39.6 at 1,200" in text(page.app))
        newest, then = view.curves["generator"].values[-1], view.curves["generator"].values[9]
        assert f"G {newest:.2f}" in text(page.app)
        await page.pilot.press("home", "right")
        await page.until(lambda: f"G {then:.2f}" in text(page.app))
        await page.pilot.press("y")
        assert "loss, logarithmic" in text(page.app)


async def test_a_log_without_lines_says_so(home: Path) -> None:
    async with opened(home, run(home), (200, 60)) as page:
        await page.until(lambda: "reading the base" in text(page.app))
        assert "nothing was written yet" not in text(page.app)
    (home / "none").mkdir()
    view = run(home / "none")
    async with opened(home / "none", view, (200, 60)) as page:
        (view.folder / "log.txt").write_text("", encoding="utf-8")
        page.page.query_one(RunLog)._tail = None
        await page.until(lambda: "nothing was written yet" in text(page.app))


async def test_a_warning_says_what_to_do(home: Path) -> None:
    async with opened(home, run(home)) as page:
        assert not page.page.query_one("#run-notice").display
        warned = Warned("overfit", "the discriminator knows the pictures by heart", do="Stop, or add pictures")
        await page.change(warnings=(warned,))
        await page.until(lambda: "Stop, or add pictures" in text(page.app))


async def test_a_failed_run_says_why_and_how_to_go_on(home: Path) -> None:
    end = Ended(
        "failed", 1387, "the GPU ran out of memory", "batch 32 needs 90 GB", "Take a smaller batch", {"batch": 8}
    )
    async with opened(home, run(home, state="failed", end=end)) as page:
        assert "batch 32 needs 90 GB" in text(page.app)
        assert "Take a smaller batch; r offers batch 8." in " ".join(text(page.app).split())
        assert "resume" in offered(page.app)
        await page.pilot.press("r")
        await page.until(lambda: isinstance(page.app.screen, Chooser))
        await page.pilot.press("escape")
        assert not page.services.fake.asked
        await page.pilot.press("r")
        await page.until(lambda: isinstance(page.app.screen, Chooser))
        assert "with batch 8" in text(page.app)
        await page.pilot.press("enter")
        await page.until(lambda: "◐ importing torch" in text(page.app))
        assert page.services.fake.asked == [("start", page.page.run_id, {"batch": 8})]


async def test_a_failed_run_may_go_on_as_it_was(home: Path) -> None:
    end = Ended("failed", 1387, "the GPU ran out of memory", "", "Take a smaller batch", {"batch": 8})
    async with opened(home, run(home, state="failed", end=end)) as page:
        await page.pilot.press("r")
        await page.until(lambda: isinstance(page.app.screen, Chooser))
        await page.pilot.press("down", "enter")
        await page.until(lambda: page.services.fake.asked)
        assert page.services.fake.asked == [("start", page.page.run_id)]


async def test_what_a_run_cannot_change_any_more_is_told_and_not_offered(home: Path) -> None:
    end = Ended("failed", 1387, "the GPU ran out of memory", "", "Take smaller pictures", {"size": 32})
    async with opened(home, run(home, state="failed", end=end)) as page:
        assert "(size 32)" in " ".join(text(page.app).split())
        await page.pilot.press("r")
        await page.until(lambda: page.services.fake.asked == [("start", page.page.run_id)])


async def test_without_samples_it_says_what_is_awaited(home: Path) -> None:
    view = run(home, state="starting", step=0, samples=(), scores=(), phase="importing torch")
    async with opened(home, view) as page:
        await page.until(lambda: "the first samples come when" in text(page.app))
        assert "◐ importing torch" in text(page.app)
        assert not offered(page.app) & {"step", "play", "compare"}
        await page.pilot.press("left", "space", "0", "tab", "tab", "tab")


async def test_a_sheet_that_is_gone_is_told(home: Path) -> None:
    async with opened(home, run(home)) as page:
        (home / page.page.run_id / "samples" / "001200.png").unlink()
        await page.pilot.press("left")
        await page.until(lambda: "the sheet of step 1,200 cannot be shown" in text(page.app))
        await page.pilot.press("left")
        await page.until(lambda: page.shown() == [1100] and "cannot be shown" not in text(page.app))


async def test_a_branch_begins_at_the_checkpoint_before_the_slider(home: Path) -> None:
    async with opened(home, run(home)) as page:
        await page.pilot.press(*["left"] * 5, "b")
        await page.until(lambda: isinstance(page.app.screen, Chooser))
        await page.pilot.press("enter")
        await page.pilot.press("enter")
        await page.until(lambda: page.services.fake.asked)
        assert page.services.fake.asked[0][:3] == ("branch", "20261125-150000-sneakers", 600)


async def test_a_run_without_a_model_gives_that_of_its_best_checkpoint(home: Path) -> None:
    async with opened(home, run(home)) as page:
        await page.pilot.press("w")
        await page.until(lambda: of(page.messages, ShowModel))
        assert page.services.fake.asked == [("adopt", "20261125-150000-sneakers", 1200)]


async def test_a_finished_run_leads_to_its_model_and_to_further_training(home: Path) -> None:
    view = run(home, state="finished", step=3000, end=Ended("finished", 3000), model="starter/portraits")
    async with opened(home, view) as page:
        assert {"workspace", "film", "further"} <= offered(page.app)
        await page.pilot.press("t")
        await page.until(lambda: isinstance(page.app.screen, Wizard))
        assert isinstance(page.app.screen, Wizard)
        assert (page.app.screen.answers.base, page.app.screen.answers.dataset) == (
            "starter/portraits",
            "starter/sneakers",
        )
        await page.pilot.press("escape")
        await page.until(lambda: isinstance(page.app.screen, TrainingScreen))
        await page.pilot.press("enter")
        await page.until(lambda: isinstance(page.app.screen, RunPage))
        await page.pilot.press("w")
        await page.until(lambda: of(page.messages, ShowModel))
        assert of(page.messages, ShowModel) == [ShowModel("starter/portraits")]


async def test_a_film_tells_how_far_it_is_and_escape_stops_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()

    async def write_film(services: Services, model_id: str, progress: Callable[[int, int], None]) -> Path:
        progress(30, 300)
        await gate.wait()
        return home / "film.mp4"

    monkeypatch.setattr("tui.runs.film.write_film", write_film)
    view = run(home, state="finished", step=3000, end=Ended("finished", 3000), model="starter/portraits")
    async with opened(home, view) as page:
        await page.pilot.press("f")
        await page.until(lambda: "writing a film of the model: 10%" in text(page.app))
        assert page.app.losses
        assert "film" not in offered(page.app)
        await page.pilot.press("escape")
        await page.until(lambda: not page.app.losses)
        assert isinstance(page.app.screen, RunPage)
        gate.set()
        await page.pilot.press("f")
        await page.until(lambda: any("film.mp4" in notice.message for notice in page.app._notifications))


async def test_the_history_is_written_as_a_film(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(cut, columns=1, rows=1, scale=1, seconds=Fraction(3))
    monkeypatch.setattr("core.exports.history.cut", small)
    async with opened(home, run(home)) as page:
        await page.pilot.press("F")
        assert "writing a film of the history" in text(page.app)
        assert "history" not in offered(page.app)
        await page.until(lambda: any("-history.mp4" in notice.message for notice in page.app._notifications))
        (film,) = (home / "data" / "exports").iterdir()
        shown, facts = movie(film)
        assert [sample.step for sample in page.services.fake.views[0].samples] == json.loads(
            facts["metadata"]["comment"]
        )["runs"][0]["steps"]
        assert len(shown) == 75
        await page.until(lambda: "history" in offered(page.app))


async def test_a_film_that_cannot_be_made_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def write_film(*given: object) -> Path:
        raise Refused("the model does not start", "its weights are gone")

    monkeypatch.setattr("tui.runs.film.write_film", write_film)
    view = run(home, state="finished", step=3000, end=Ended("finished", 3000), model="starter/portraits")
    async with opened(home, view) as page:
        await page.pilot.press("f")
        await page.until(lambda: any("its weights are gone" in notice.message for notice in page.app._notifications))
