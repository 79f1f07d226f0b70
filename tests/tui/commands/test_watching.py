"""A text run in a plain terminal: its line of numbers, what it writes, and what `tarmac runs` tells of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.runs.events import Attempt, Checkpoint, Ended, Event, Metrics, Phase, Sample, Score, Started
from core.runs.folder import write_json
from core.runs.journal import Journal
from core.runs.plan import RunPlan
from core.runs.processes import me
from core.runs.store import Runs
from core.runs.text_samples import TextSample, file_name, write_samples
from core.runs.view import RunView
from tui.cli import main
from tui.commands.watching import excerpt, status

ABOUT = {"context": 256, "stride": 128, "tokens": 20_000, "bits_per_byte": 1.25, "loss": 2.19}


def written(home: Path, *more: Event, alive: bool = False) -> RunView:
    """A text run that has told this much."""
    runs = Runs(home / "data")
    run = runs.create(RunPlan("essays", "text", "20261121-100000-essays", steps=1000), check=False)
    if alive:
        write_json(run.folder / "supervisor.json", me().to_json())
    (run.folder / "samples").mkdir(exist_ok=True)
    journal = Journal(run.folder)
    events: Sequence[Event] = (
        Attempt(1, "here", 4001),
        Started(0, 1000, "cpu", {"batch": 8, "prompts": ["Once"], "device": "cpu"}),
        Sample(0, file_name(0), 1, 2),
        Score(0, "perplexity", 31.42, {**ABOUT, "loss": 3.45}),
        Metrics(300, {"loss": 2.3456, "rate": 5e-5, "gradient": 0.9}, 5192.0, memory=2 * 10**9, eta=1380.0),
        Sample(300, file_name(300), 1, 2),
        Score(300, "perplexity", 8.9, ABOUT, best=True),
        *more,
    )
    for step in (0, 300):
        first = TextSample("Once\n\tupon", f" a time at {step}\x1b[2J\nthere was", 1)
        write_samples(run.folder / "samples" / file_name(step), [first, TextSample("Second", "never shown", 2)])
    for event in events:
        journal.tell(event)
    journal.close()
    return runs.get(run.id)


def test_the_line_of_numbers_tells_perplexity_before_and_now(home: Path) -> None:
    view = written(home, alive=True)
    line = "running · step 300 of 1,000 · loss 2.346 · perplexity 31.4 → 8.90 · 5,192 tok/s · 2.0 GB · 23 min left"
    assert status(view) == line


def test_attaching_tells_what_the_first_prompt_became(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = written(home, Checkpoint(1000, "001000"), Ended("finished", 1000, model="20261125-180000-essays"))
    assert main(["runs", "attach", view.id]) == 0
    lines = [line[10:] for line in capsys.readouterr().out.splitlines()]
    assert "training from step 0 to 1,000 on cpu batch=8" in lines
    place = lines.index("step 300: writes")
    assert lines[place + 1].strip() == "upon│ a time at 300 [2J"  # the sample's reader has taken the escape out
    assert lines[place + 2] == "there was"
    assert not any("never shown" in line for line in lines)
    assert lines[-1] == "finished at step 1,000; the model is 20261125-180000-essays"


def test_samples_that_are_gone_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = written(home, Ended("finished", 1000))
    (view.folder / "samples" / file_name(300)).unlink()
    assert main(["runs", "attach", view.id]) == 0
    assert f"the samples {file_name(300)} cannot be read" in capsys.readouterr().out


def test_programs_get_events_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = written(home, Ended("finished", 1000))
    assert main(["runs", "attach", view.id, "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["event"] for each in events].count("sample") == 2
    assert events[-1]["state"] == "finished"


@pytest.mark.parametrize(
    ("prompt", "text", "lines"),
    [
        ("def f(x):", "\n    return x", ["def f(x):│", "    return x"]),
        ("def f(x):\n    ", "return x\n\n\n", ["def f(x):", "    │return x"]),
        ("a\nb", "", ["b│"]),
        ("", "x", ["│x"]),
        ("", "\n".join("12345678"), ["│1", "2", "3", "4", "5 …"]),
    ],
)
def test_a_completion_in_few_lines(prompt: str, text: str, lines: list[str]) -> None:
    assert [line[10:] for line in excerpt(prompt, text)] == lines


def test_long_lines_are_broken_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown = excerpt("Once", " upon a time" * 30)
    assert len(shown) == 5
    assert max(map(len, shown)) <= 40
    assert shown[-1].endswith(" …")


def test_show_tells_metrics_by_name_and_how_perplexity_was_measured(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = written(home, Score(600, "perplexity", 9.4, ABOUT), alive=True)
    assert main(["runs", "show", view.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["state"], told["steps"]) == ("text", "running", 1000)
    assert told["metrics"] == {"loss": 2.3456, "rate": 5e-5, "gradient": 0.9, "perplexity": 9.4}
    assert told["score"] == {"metric": "perplexity", "value": 9.4, "step": 600}
    assert [each["about"]["stride"] for each in told["scores"]] == [128, 128, 128]
    assert main(["runs", "show", view.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["kind", "text"] for line in lines)
    scores = [line for line in lines if line.startswith("perplexity")]
    assert [line.split("  ")[0] for line in scores] == ["perplexity, step 0", "perplexity, step 300"]
    assert "8.9  context 256, stride 128, tokens 20000, bits per byte 1.25" in scores[1]
    assert main(["runs", "list"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert "kind" in head.split()
    assert "31.4→9.4" in line


def test_what_takes_long_is_told_once_and_the_share_of_memorised_as_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doing = (Phase("tokenising"), Phase("tokenising: 42 %, 3.1 MB/s"), Phase("tokenising: 80 %, 3.0 MB/s"))
    view = written(home, *doing, Score(300, "memorised", 0.031), Ended("finished", 1000))
    assert main(["runs", "attach", view.id]) == 0
    lines = [line[10:] for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if "tokenising" in line] == ["tokenising"]
    assert "step 300: memorised 3.10 %" in lines


def test_nothing_is_left_when_the_last_step_is_done(home: Path) -> None:
    last = Metrics(1000, {"loss": 2.3}, 5192.0, memory=2 * 10**9, eta=0.0)
    assert "left" not in status(written(home, last, Phase("scoring"), alive=True))
