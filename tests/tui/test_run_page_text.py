"""The page of a text run: the prompts' completions by step, before and after, curves, figures, what is not offered."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from core.runs.events import Ended, Warned
from core.runs.text_samples import TextSample, write_samples
from tests.tui.stage import lines, studio, text, until
from tests.tui.test_directory import of
from tests.tui.test_run_page import clock, opened  # noqa: F401
from tests.tui.test_training import offered, rows
from tests.tui.text_runs import put_texts, several_texts, text_run
from tests.tui.training_stage import run, stage
from tui.messages import ShowModel
from tui.runs import facts as run_facts
from tui.screens.run_page import RunPage
from tui.studio import TarmacApp
from tui.widgets.runs import texts as run_texts
from tui.widgets.runs.card import card_lines
from tui.widgets.runs.curves import RunCurves
from tui.widgets.runs.sample_sheet import SampleSheet
from tui.widgets.runs.texts import RunTexts


def texts(app: TarmacApp) -> RunTexts:
    """The pane of samples."""
    return app.screen.query_one(RunTexts)


def steps(app: TarmacApp) -> list[int]:
    """The steps whose samples are on the screen."""
    return [sheet.step for sheet in texts(app).shown]


async def test_the_slider_goes_through_completions_that_are_read_in_a_thread(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: set[int] = set()
    read = run_texts.read_samples

    def noticed(path: Path) -> list[TextSample]:
        readers.add(threading.get_ident())
        return read(path)

    monkeypatch.setattr(run_texts, "read_samples", noticed)
    async with opened(home, text_run(home)) as page:
        assert not page.page.query_one(SampleSheet).region
        await page.until(lambda: "clearTimeout(timer);" in text(page.app))
        assert "samples at step 600" in text(page.app)
        await page.pilot.press("home")
        await page.until(lambda: steps(page.app) == [0])
        assert "self.name = name" in text(page.app)
        assert "clearTimeout" not in text(page.app)
        await page.pilot.press("right")
        await page.until(lambda: steps(page.app) == [50])
        assert readers
        assert threading.get_ident() not in readers


async def test_the_prompt_is_muted_and_what_follows_is_not(home: Path) -> None:
    async with opened(home, text_run(home)) as page:
        await page.until(lambda: "debounce(fn, wait)" in text(page.app))
        (prompt, tone), (written, plain) = texts(page.app).view.laid.lines[1]
        assert (prompt, tone) == ("function debounce(", "muted")
        assert (written, plain) == ("fn, wait) {", "plain")


async def test_the_start_stands_below_where_it_is_narrow_and_beside_where_it_is_wide(home: Path) -> None:
    async with opened(home, text_run(home)) as page:
        await page.pilot.press("0")
        await page.until(lambda: steps(page.app) == [0, 600])
        await page.until(lambda: re.search(r"\n step 600\b", text(page.app)))
        assert re.search(r"\n step 0\b.*self\.name = name.*\n step 600\b", text(page.app), re.DOTALL)
        await page.pilot.resize_terminal(200, 60)
        await page.until(lambda: any("step 0 " in line and "step 600" in line for line in lines(page.app)))
        await page.until(
            lambda: any("function debounce(self" in line and "debounce(fn" in line for line in lines(page.app))
        )
        await page.pilot.press("0")
        await page.until(lambda: steps(page.app) == [600])


async def test_arrows_read_on_and_the_same_prompt_stays_in_view_from_step_to_step(home: Path) -> None:
    async with opened(home, text_run(home)) as page:
        await page.until(lambda: steps(page.app) == [600])
        view = texts(page.app).view
        await page.pilot.press(*["down"] * view.laid.starts[1])
        await page.until(lambda: view.scroll_offset.y == view.laid.starts[1])
        before = view.laid.starts[1]
        await page.pilot.press("home")
        await page.until(lambda: steps(page.app) == [0])
        assert view.laid.starts[1] != before
        top = min(view.laid.starts[1], view.max_scroll_y)
        await page.until(lambda: view.scroll_offset.y == top)
        await page.pilot.press("pageup")
        await page.until(lambda: view.scroll_offset.y == 0)


async def test_space_plays_all_steps_to_the_end(home: Path) -> None:
    async with opened(home, text_run(home, step=250)) as page:
        await page.until(lambda: steps(page.app) == [250])
        seen: list[int] = []
        put = texts(page.app).view.put

        def noticed(*given: object, **named: object) -> None:
            put(*given, **named)  # type: ignore[arg-type]
            seen.append(texts(page.app)._wanted[0].step)

        texts(page.app).view.put = noticed  # type: ignore[method-assign]
        await page.pilot.press("space")
        assert "▶" in page.slider()
        await page.until(lambda: page.page._playing is None and steps(page.app) == [250])
        assert seen == [0, 50, 100, 150, 200, 250]


async def test_held_out_and_own_loss_share_a_plot_and_figures_are_told_as_they_stood(home: Path) -> None:
    async with opened(home, text_run(home), (120, 36)) as page:
        curves = page.page.query_one(RunCurves)
        loss = curves.query_one("#plot-loss")
        assert [line.name for line in loss._lines] == ["train", "held"]  # type: ignore[attr-defined]
        assert loss._lines[1].values[0] == 3.45  # type: ignore[attr-defined]
        await page.until(lambda: "perplexity 31.5 before → 8.13 now" in text(page.app))
        for told in ("★ best 7.67 at 500", "0.97 bits/byte · context 256 · stride 128", "20,480 tokens",
                     "memorised 3.95 % of 50-grams", "learning rate"):  # fmt: skip
            assert told in text(page.app)
        for told in ("rate 0.0003", "loss 1.61", "held out 2.10", "ppl 31.5→8.1", "5,192 tok/s"):
            assert told in page.told("run-now")
        await page.pilot.press("home", "right", "right")
        await page.until(lambda: "perplexity 31.5 before → 14.6 at step 100" in text(page.app))
        await page.pilot.press("m")
        await page.until(lambda: "memorised, % of 50-grams" in text(page.app))


async def test_a_warning_of_a_guard_is_told_with_what_to_do(home: Path) -> None:
    view = text_run(home, warnings=(Warned("overfit", "the held-out loss has risen", do="Stop here"),))
    async with opened(home, view) as page:
        await page.until(lambda: "! the held-out loss has risen. Stop here." in text(page.app))


async def test_films_are_not_offered_and_the_model_is(home: Path) -> None:
    view = text_run(home, state="finished", step=1000, model="starter/gpt2-python", end=Ended("finished", 1000))
    async with opened(home, view) as page:
        assert not offered(page.app) & {"film", "history"}
        assert {"workspace", "scroll", "compare", "play"} <= offered(page.app)
        await page.pilot.press("f", "F")
        assert not page.app.losses
        await page.pilot.press("w")
        await page.until(lambda: of(page.messages, ShowModel))
        assert of(page.messages, ShowModel) == [ShowModel("starter/gpt2-python")]


async def test_pictures_are_not_scrolled(home: Path) -> None:
    async with opened(home, run(home)) as page:
        assert "scroll" not in offered(page.app)
        assert not page.page.query_one(RunTexts).region


async def test_samples_that_are_torn_are_told_and_the_next_ones_are_shown(home: Path) -> None:
    async with opened(home, text_run(home)) as page:
        await page.until(lambda: steps(page.app) == [600])
        (page.page.view.folder / "samples" / "step-0000550.json").write_text('{"format": 1, "samp')  # type: ignore[union-attr]
        await page.pilot.press("left")
        await page.until(lambda: "✕ the samples step-0000550.json cannot be read" in text(page.app))
        assert texts(page.app).ready
        await page.pilot.press("left")
        await page.until(lambda: steps(page.app) == [500] and "cannot be read" not in text(page.app))


async def test_what_a_model_wrote_cannot_touch_the_terminal(home: Path) -> None:
    view = text_run(home, step=0)
    async with opened(home, view) as page:
        await page.until(lambda: steps(page.app) == [0])
    write_samples(view.folder / "samples" / view.samples[0].file, [TextSample("p", "\x1b[2Jred\x9b31m [bold]x", 1)])
    services = stage(home / "again", [view])
    async with studio(services, start="training", size=(80, 24)) as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunPage) and "[2Jred" in text(app))
        assert "[bold]x" in text(app)
        assert not {"\x1b", "\x9b"} & set(text(app))


async def test_without_samples_it_says_what_is_awaited(home: Path) -> None:
    view = text_run(home, state="starting", step=0, samples=(), scores=(), phase="making tokens")
    async with opened(home, view) as page:
        await page.until(lambda: "the first samples come when" in text(page.app))
        await page.pilot.press("left", "space", "0", "down", "tab", "tab", "tab")


async def test_the_list_and_its_card_tell_perplexities_and_the_newest_texts(home: Path) -> None:
    views = [*several_texts(home), run(home, "20261101-100000-cars", name="cars")]
    for view in views[:4]:
        put_texts(view)
    for size in ((80, 24), (120, 36), (200, 60)):
        async with studio(stage(home / str(size[0]), views), start="training", size=size) as (app, pilot, _):
            await until(pilot, lambda: app.runs)
            await pilot.pause()
            assert [row[2] for row in rows(app)] == ["text"] * 4 + ["image"]
            assert [row[6].strip() for row in rows(app)][:2] == ["ppl 31.5→8.1", "ppl 31.5→10.6"]
            assert "ppl 31.5→10.6" in text(app)
            if size[0] >= 100:
                await until(pilot, lambda: "clearTimeout(timer);" in text(app))


def test_the_card_says_what_a_perplexity_was_measured_on() -> None:
    told = [text for _, text, _ in card_lines(text_run(Path("/nowhere")), None)]
    assert "ppl 31.5→8.1, best 7.67 at step 500" in told
    assert "perplexity of the text that was held out, 0.97 bits/byte, context 256, stride 128, 20,480 tokens" in told
    assert "memorised 3.95 %" in told


@pytest.mark.parametrize(
    ("values", "told"),
    [((31.4, 8.9), "31.4→8.9"), ((4096.0, 812.3), "4.1k→812"), ((50257.0, 1204.0), "50k→1.2k"), ((9.9,), "9.9")],
)
def test_perplexities_are_short(values: tuple[float, ...], told: str) -> None:
    from core.runs.events import Score

    assert run_facts.before_now([Score(step, "perplexity", value) for step, value in enumerate(values)]) == told
