"""The place Hosting: what it shows in every state, and what its keys do to the folders and to the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.color import Color
from textual.widgets import Input

from core.errors import Refused
from core.hosting.tokens import Verifier, digest
from tests.tui.hosting_stage import DIED, RUNNING, STOPPED, HostingStage, stage
from tests.tui.stage import lines, studio, text, until
from tests.tui.test_directory import of
from tests.tui.test_training import offered, rows
from tui.messages import HostModel
from tui.screens.ask_text import AskText
from tui.screens.chooser import Chooser
from tui.screens.confirm import Confirm
from tui.screens.hosting import HostingScreen
from tui.screens.qr_code import QrCode, drawn, modules
from tui.screens.query import QueryPage
from tui.screens.request_log import RequestLogPage
from tui.screens.secret import SecretShown
from tui.screens.tokens import TokensScreen
from tui.studio import TarmacApp
from tui.widgets.answer_pane import AnswerPane
from tui.widgets.deployment_card import SnippetsPane
from tui.widgets.form import Form

WIDE = (120, 40)


@pytest.fixture(autouse=True)
def no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


@pytest.fixture
def services(home: Path) -> HostingStage:
    return stage(home)


def is_dark(colour: Color | None) -> bool:
    assert colour is not None
    assert colour.triplet is not None
    assert colour.triplet in ((0, 0, 0), (255, 255, 255))
    return colour.triplet == (0, 0, 0)


def names(app: TarmacApp) -> list[str]:
    return [row[1] for row in rows(app)]


async def test_every_state_has_a_glyph_and_a_word(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=(160, 40)) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.pause()
        assert [row[:4] for row in rows(app)] == [
            ["○", "faces", "asleep", "starter/portraits"],
            ["●", "js-gen", "awake", "starter/gpt2-python"],
            ["✕", "sneakers", "failed", "sneakers"],
        ]
        assert rows(app)[1][4:] == ["http://127.0.0.1:8600/js-gen/v1", "1,204", "1", "38 ms", "121 ms", "7", "2/2"]
        assert "5 Hosting ●1" in lines(app)[0]
        assert "http://127.0.0.1:8600 · ● 1 awake" in lines(app)[1]


async def test_the_deployment_under_the_cursor_is_told_in_full(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=(200, 60)) as (app, pilot, _):
        await until(pilot, lambda: app.hosting and app.status)
        await pilot.press("down")
        await pilot.pause()
        shown = text(app)
        for part in (
            "private, 2 tokens",
            "laptop …",
            "ssh -L 8600:127.0.0.1:8600 you@gpu7",
            "168 requests in 60 s, at most 9 a second",
            "1,204 requests, 1 error; 48,211 in all",
            "p50 38 ms, p95 121 ms",
            "7 waiting, 2 under way",
            "2 that sleep after 5 min without a request",
        ):
            assert part in shown, part
        await pilot.press("up")
        await pilot.pause()
        assert "public: no token is needed" in text(app)
        await pilot.press("end")
        await pilot.pause()
        assert "the model could not be loaded" in text(app)
        assert "never sleeps" in text(app)


async def test_nothing_hosted_says_what_to_press(home: Path) -> None:
    async with studio(stage(home, filled=False), start="hosting") as (app, pilot, messages):
        await until(pilot, lambda: "Nothing is hosted yet" in text(app))
        assert "n chooses a model" in text(app)
        assert not offered(app) & {"open", "ask", "copy", "tokens", "pause", "delete", "log", "code"}
        await pilot.press("enter", "y", "t", "p", "x")
        assert isinstance(app.screen, HostingScreen)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Chooser))
        await pilot.press(*"gpt2")
        await pilot.press("enter")
        await until(pilot, lambda: of(messages, HostModel))
        assert of(messages, HostModel)[0].model_id == "starter/gpt2-python"


async def test_one_pane_exchanges_list_and_deployment(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=(80, 24)) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down")
        await pilot.pause()
        assert "ssh -L" not in text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "ssh -L 8600:127.0.0.1:8600" in text(app)
        assert "─ Deployments" not in text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "─ Deployments" in text(app)
        await pilot.press("enter", "enter")
        assert isinstance(app.screen, QueryPage)


async def test_a_program_is_chosen_and_copied(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting and app.status)
        await pilot.press("down")
        pane = app.screen.query_one(SnippetsPane)
        await until(pilot, lambda: pane.program)
        assert pane.title == "curl"
        await pilot.press("y")
        assert app.clipboard.startswith("curl ")
        assert "http://127.0.0.1:8600/js-gen/v1/query" in app.clipboard
        await pilot.press("right", "right", "y")
        assert pane.title == "OpenAI"
        assert "from openai import OpenAI" in app.clipboard
        await pilot.press("left", "left", "left", "y")
        assert "@runwayml/hosted-models" in app.clipboard
        await pilot.press("up")
        await pilot.pause()
        assert pane.title == "Runway"
        assert "OpenAI" not in pane._programs
        await pilot.press("a")
        assert app.clipboard == "http://127.0.0.1:8600/faces/v1"
        await pilot.press("s")
        assert app.clipboard == "ssh -L 8600:127.0.0.1:8600 you@gpu7"


@pytest.mark.parametrize(("status", "sentence"), [(DIED, "The gateway died"), (STOPPED, "The gateway is off")])
async def test_a_gateway_that_is_gone_is_told_and_one_key_brings_it_back(
    services: HostingStage, status: object, sentence: str
) -> None:
    services.fake.now = status  # type: ignore[assignment]
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: sentence in text(app))
        assert "o starts it, with every deployment and token as before" in " ".join(text(app).split())
        assert {row[2] for row in rows(app)} == {"gateway off"}
        await pilot.press("o")
        await until(pilot, lambda: sentence not in text(app))
        assert services.fake.asked == ["start"]
        assert app.hosting is not None
        assert app.hosting.gateway == RUNNING
        assert app.deployments_awake == 1


async def test_a_gateway_that_dies_is_told_wherever_one_is(services: HostingStage) -> None:
    async with studio(services, start="settings") as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        assert not app._notifications
        services.fake.now = DIED
        assert app.hosting_watch is not None
        app.hosting_watch.look_now()
        await until(pilot, lambda: app._notifications)
        (told,) = app._notifications
        assert (told.title, told.severity) == ("The gateway died", "error")
        assert told.message == "3 deployments cannot be reached. 5, then o, starts it again."
        assert app.deployments_awake == 0


async def test_a_gateway_that_cannot_start_says_why(services: HostingStage) -> None:
    services.fake.now = STOPPED
    services.fake.failure = Refused("port 8600 is taken", "another program listens there")
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: "The gateway is off" in text(app))
        await pilot.press("o")
        await until(pilot, lambda: "✕ port 8600 is taken: another program listens there" in text(app))
        assert "o starts it" in " ".join(text(app).split())
        services.fake.failure = None
        await pilot.press("o")
        await until(pilot, lambda: "port 8600 is taken" not in text(app))
        await until(pilot, lambda: app.hosting.gateway == RUNNING)  # type: ignore[union-attr]


async def test_the_gateway_is_stopped_only_when_that_is_meant(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("o")
        assert isinstance(app.screen, Confirm)
        assert "3 deployments cannot be reached" in " ".join(text(app).split())
        await pilot.press("escape")
        assert services.fake.asked == []
        await pilot.press("o", "y")
        await until(pilot, lambda: "The gateway is off" in text(app))
        assert services.fake.asked == ["stop"]


async def test_pause_and_delete_reach_the_folder(services: HostingStage) -> None:
    store = services.fake.store
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down", "p")
        await until(pilot, lambda: len(rows(app)) == 3 and rows(app)[1][2] == "paused")
        assert store.get("js-gen").active is False
        await pilot.press("p")
        await until(pilot, lambda: rows(app)[1][2] == "awake")
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)
        assert "2 tokens" in text(app)
        await pilot.press("escape")
        assert len(store.hosted()) == 3
        await pilot.press("x", "y")
        await until(pilot, lambda: names(app) == ["faces", "sneakers"])
        assert [each.name for each in store.hosted()] == ["faces", "sneakers"]


async def test_a_broken_folder_is_told_and_can_be_deleted(services: HostingStage) -> None:
    (services.fake.store.path("faces") / "deployment.toml").write_text("format = 1\nname = ", encoding="utf-8")
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.pause()
        assert rows(app)[0][:3] == ["✕", "faces", "failed"]
        assert "not TOML" in text(app)
        assert not offered(app) & {"copy", "tokens", "pause"}
        await pilot.press("x", "y")
        await until(pilot, lambda: names(app) == ["js-gen", "sneakers"])


# -- tokens


async def test_tokens_are_made_shown_once_renewed_and_revoked(services: HostingStage) -> None:
    store = services.fake.store
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down", "t")
        await until(pilot, lambda: isinstance(app.screen, TokensScreen))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        app.screen.query_one(Input).value = "laptop"
        await until(pilot, lambda: "there is a token called laptop already" in text(app))
        app.screen.query_one(Input).value = "phone"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SecretShown))
        await pilot.press("y")
        secret = app.clipboard
        match = Verifier(store.tokens("js-gen")).match(digest(secret))
        assert match is not None
        assert match.label == "phone"
        assert secret in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TokensScreen) and len(rows(app)) == 3)
        assert secret not in text(app)
        await pilot.press("end", "r")
        assert isinstance(app.screen, Confirm)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, SecretShown))
        assert Verifier(store.tokens("js-gen")).match(digest(secret)) is None
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TokensScreen))
        await pilot.press("home", "x", "y")
        await until(pilot, lambda: [row[0] for row in rows(app)] == ["laptop", "phone"])
        assert [each.label for each in store.tokens("js-gen")] == ["laptop", "phone"]


# -- asking


async def test_a_text_is_asked_for_and_shown_without_escapes(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, QueryPage))
        await pilot.press(*"def f")
        await pilot.press("enter")
        await until(pilot, lambda: "return a + b" in text(app))
        assert "after 38 ms" in text(app)
        assert "\x1b" not in text(app)
        ((name, inputs),) = services.fake.queries
        assert (name, inputs["prompt"], inputs["max_tokens"]) == ("js-gen", "def f", 128)
        app.screen.query_one(Form).focus()
        await pilot.press("y")
        assert "return a + b" in app.clipboard
        await pilot.press(*"64")
        await pilot.press("enter")
        await until(pilot, lambda: len(services.fake.queries) == 2)
        assert services.fake.queries[1][1]["max_tokens"] == 64
        await pilot.press("escape")
        assert isinstance(app.screen, HostingScreen)


async def test_a_text_is_shown_as_it_comes_and_stopping_keeps_what_has_come(services: HostingStage) -> None:
    services.fake.answers.clear()
    services.fake.pieces = ["\n    return", " a\x1b[31m", " + b"]
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, QueryPage))
        await pilot.press(*"def f")
        await pilot.press("enter")
        await until(pilot, lambda: "return a�[31m + b" in text(app))
        assert "◐ writing" in text(app)
        assert "esc stops" in text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "○ stopped after" in text(app))
        assert "return a�[31m + b" in text(app)
        assert isinstance(app.screen, QueryPage)
        services.fake.answers.set()
        services.fake.pieces = ["\n    pass"]
        await pilot.press("enter")
        await until(pilot, lambda: "after 38 ms · first text 12 ms" in text(app))
        assert "return a" not in text(app)
        app.screen.query_one(Form).focus()
        await pilot.press("y")
        assert app.clipboard == "\n    pass"
        services.fake.pieces = [f"line {number}\n" for number in range(200)]
        await pilot.press("enter")
        await until(pilot, lambda: "first text" in text(app) and "line 199" in text(app))
        app.screen.query_one(AnswerPane).view.focus()
        await pilot.press("home")
        await until(pilot, lambda: "line 0\n" in text(app) or "line 0 " in text(app))


async def test_on_a_small_screen_the_keys_scroll_what_was_written(services: HostingStage) -> None:
    services.fake.pieces = [f"line {number}\n" for number in range(200)]
    async with studio(services, start="hosting", size=(80, 24)) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down", "enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, QueryPage))
        await pilot.press("enter")
        await until(pilot, lambda: "first text" in text(app) and "line 199" in text(app))
        await pilot.press("pageup")
        await until(pilot, lambda: "line 199" not in text(app))
        await pilot.press("escape")
        assert isinstance(app.screen, QueryPage)
        assert "line 1" not in text(app)


async def test_a_picture_is_shown_as_one(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, QueryPage))
        await pilot.press(*"7")
        await pilot.press("enter")
        pane = app.screen.query_one(AnswerPane)
        await until(pilot, lambda: pane.sheet.places == {(0, 0)})
        ((_, inputs),) = services.fake.queries
        seen = next(each for each in app.hosting.deployments if each.name == "faces")  # type: ignore[union-attr]
        assert seen.command is not None
        assert (inputs["z"] == seen.command.inputs["z"].sample(7)).all()  # type: ignore[attr-defined]


async def test_asking_can_be_stopped_and_an_error_is_told(services: HostingStage) -> None:
    services.fake.answers.clear()
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "esc stops" in text(app))
        assert "waking it" in text(app)
        await until(pilot, lambda: services.fake.queries)
        await pilot.press("escape")
        await until(pilot, lambda: "○ stopped" in text(app))
        services.fake.failure = Refused("the queue is full", "256 requests wait")
        services.fake.answers.set()
        await pilot.press("enter")
        await until(pilot, lambda: "✕ the queue is full: 256 requests wait" in text(app))
        assert isinstance(app.screen, QueryPage)


async def test_what_cannot_be_sent_is_not(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, QueryPage))
        form = app.screen.query_one(Form)
        form.focus()
        await pilot.press(*"9999")
        await pilot.press("enter")
        await until(pilot, lambda: "✕ max tokens" in text(app))
        await pilot.press("backspace", "backspace", "backspace", "backspace", "backspace")
        line = app.screen.query_one(Input)
        line.value = "a, b, c, d, e, f, g, h, i"
        line.focus()
        await pilot.press("enter")
        await until(pilot, lambda: "✕ stop cannot be" in text(app))
        assert services.fake.queries == []


# -- log and code


async def test_the_log_shows_how_requests_ended(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=WIDE) as (app, pilot, _):
        await until(pilot, lambda: app.hosting)
        await pilot.press("down", "l")
        await until(pilot, lambda: isinstance(app.screen, RequestLogPage) and len(rows(app)) == 3)
        assert [(row[0], row[2], row[3], row[4]) for row in rows(app)] == [
            ("✕", "503", "12 ms", "laptop"),
            ("◐", "401", "0.2 ms", "–"),
            ("●", "200", "38 ms", "laptop"),
        ]
        assert "the model died" in text(app)
        assert "\x1b" not in text(app)
        await pilot.press("escape")
        assert isinstance(app.screen, HostingScreen)


async def test_the_code_is_whole_on_a_small_screen_and_dark_on_light(services: HostingStage) -> None:
    async with studio(services, start="hosting", size=(80, 24)) as (app, pilot, _):
        await until(pilot, lambda: app.hosting and app.status)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, QrCode) and "▀▀▀" in text(app))
        wanted = modules("http://127.0.0.1:8600/faces/")
        strips = [[seg for seg in strip if "▀" in seg.text] for strip in app.screen._compositor.render_strips()]
        found: list[list[bool]] = []
        for strip in filter(None, strips):
            upper, lower = [], []
            for segment in strip:
                assert segment.style is not None
                colours = segment.style.color, segment.style.bgcolor
                dark = [is_dark(each) for each in colours]
                upper += [dark[0]] * len(segment.text)
                lower += [dark[1]] * len(segment.text)
            found += [upper, lower]
        assert found[: len(wanted)] == wanted
        assert not any(any(row) for row in found[len(wanted) :])


def test_a_code_of_an_odd_number_of_rows_ends_light() -> None:
    rows = [[True, False]] * 3
    assert [line.plain for line in drawn(rows)] == ["▀▀", "▀▀"]
