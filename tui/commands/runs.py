"""`tarmac runs`: what is training and has been, looked at and steered from any terminal that sees the folder."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from tui.commands import runs_film
from tui.commands.common import harmless, json_flag, print_json, run_async, table
from tui.runs.facts import latest_score, main_scores, offered
from tui.words import ago, duration

if TYPE_CHECKING:
    from core.runs.events import Score
    from core.runs.store import Runs
    from core.runs.view import RunView


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser("runs", help="list, watch, stop, resume and delete training runs")
    verbs = parser.add_subparsers(metavar="list|show|attach|log|film|stop|resume|extend|branch|rm", required=True)

    listing = verbs.add_parser("list", help="all runs, the newest first")
    json_flag(listing)
    listing.set_defaults(run=_list)

    def one(name: str, about: str, run: Any) -> argparse.ArgumentParser:
        verb: argparse.ArgumentParser = verbs.add_parser(name, help=about)
        verb.add_argument("id", metavar="ID", help="id or name of a run")
        json_flag(verb)
        verb.set_defaults(run=run)
        return verb

    one("show", "everything about one run", _show)
    one("attach", "show how it goes until it ends; ctrl+c leaves it going", _attach)
    log = one("log", "what its trainer printed", _log)
    log.add_argument("--lines", type=int, metavar="N", default=0, help="only the last N")
    runs_film.add(verbs)
    one("stop", "save and end it; it can go on later", _stop)
    resume = one("resume", "let one go on that was stopped, has failed or is lost", _resume)
    _option(resume, "one that may change in a run that has begun, such as a batch that fits: --option batch=8")
    extend = one("extend", "train longer; one that has ended goes on", _extend)
    extend.add_argument("--steps", type=int, metavar="N", required=True, help="steps in all")
    branch = one("branch", "a new run from a checkpoint of another; prints its id", _branch)
    branch.add_argument("--step", type=int, metavar="N", required=True, help="the checkpoint")
    branch.add_argument("--steps", type=int, metavar="N", help="steps in all (default: as the other)")
    branch.add_argument("--name", help="what to call it")
    _option(branch, "an option that differs: --option rate=1e-4")
    one("rm", "delete a run for ever; its finished model stays in the library", _remove)


def _option(parser: argparse.ArgumentParser, about: str) -> None:
    parser.add_argument("--option", metavar="NAME=VALUE", action="append", default=[], help=about)


def summary(run: RunView) -> dict[str, object]:
    """One run in `runs list --json`; the score is the newest of the metric that decides which checkpoint is best."""
    scores = main_scores(run)
    return {
        "id": run.id,
        "name": run.plan.name,
        "kind": run.plan.kind,
        "state": run.state,
        "step": run.step,
        "steps": run.plan.steps,
        "dataset": run.plan.dataset,
        "base": run.plan.base,
        "score": {"metric": scores[-1].metric, "value": scores[-1].value, "step": scores[-1].step} if scores else None,
        "eta": run.eta if run.state == "running" else None,
        "model": run.model,
        "created": run.plan.created.isoformat(),
        "folder": str(run.folder),
        "problem": _problem(run) or None,
    }


def details(run: RunView) -> dict[str, object]:
    """The run in `runs show --json`."""
    return {
        **summary(run),
        "phase": run.phase,
        "host": run.host,
        "attempt": run.attempt,
        "started": run.started,
        "changed": run.changed,
        "per_second": run.per_second,
        "memory": run.memory,
        "metrics": _metrics(run),
        "options": dict(run.plan.options),
        "chosen": dict(run.chosen),
        "resources": asdict(run.plan.resources),
        "parent": run.plan.parent,
        "parent_step": run.plan.parent_step,
        "samples": [{**asdict(each), "file": str(run.folder / "samples" / each.file)} for each in run.samples],
        "scores": [asdict(each) for each in run.scores],
        "checkpoints": [asdict(each) for each in run.checkpoints],
        "warnings": [asdict(each) for each in run.warnings],
        "end": asdict(run.end) if run.end is not None else None,
    }


def _metrics(run: RunView) -> dict[str, float | None]:
    """The newest value of every curve and every score by name; None for what is no number."""
    newest = {score.metric: score.value for score in run.scores}
    return {name: value if math.isfinite(value) else None for name, value in {**run.latest, **newest}.items()}


def _list(options: argparse.Namespace) -> int:
    runs = _asked().runs()
    if options.json:
        print_json([summary(run) for run in runs])
        return 0
    if not runs:
        print("no runs; `tarmac train image` or `tarmac train text` starts one")
        return 0
    rows = [["id", "name", "kind", "state", "step", "of", "score", "left", "changed"]]
    for run in runs:
        changed = ago(datetime.fromtimestamp(run.changed, UTC)) if run.changed else "–"
        left = duration(run.eta) if run.eta is not None and run.state == "running" else "–"
        steps = [f"{run.step:,}", f"{run.plan.steps:,}"] if run.plan.kind != "serve" else ["–", "–"]
        rows.append([run.id, run.plan.name, run.plan.kind, run.state, *steps, _score(run) or "–", left, changed])
    print(harmless(table(rows, right=frozenset({4, 5, 7}))))
    return 0


def _score(run: RunView) -> str:
    """The newest score of the metric that decides which checkpoint is the best; empty before the first."""
    return latest_score(main_scores(run)).rstrip(" ▲▼")


def _show(options: argparse.Namespace) -> int:
    run = _asked().get(options.id)
    if options.json:
        print_json(details(run))
        return 0
    facts = [
        ["id", run.id],
        ["name", run.plan.name],
        ["kind", run.plan.kind],
        ["state", run.state],
    ]
    facts += [["doing", run.phase]] if run.phase and run.active else []
    if run.plan.kind == "serve":
        facts += [[name, str(run.plan.options.get(name, ""))] for name in ("deployment", "role")]
        facts += [["problem", _problem(run)]] if _problem(run) else []
        print(harmless(table([*facts, ["folder", str(run.folder)]])))
        return 0
    facts.insert(4, ["step", f"{run.step:,} of {run.plan.steps:,}"])
    facts += [["dataset", run.plan.dataset], ["base", run.plan.base or "random weights"]]
    asked = [f"{name} {value}" for name, value in run.plan.options.items() if not isinstance(value, list | tuple)]
    facts += [["options", ", ".join(asked)]] if asked else []
    facts += [[name, f"{value:.5g}"] for name, value in run.latest.items()]
    facts += [[f"{each.metric}, step {each.step:,}", _score_told(run, each)] for each in _first_and_best(run)]
    facts += [["checkpoints", ", ".join(f"{each.step:,}" for each in run.checkpoints) or "none"]]
    facts += [["model", run.model]] if run.model else []
    facts += [["problem", _problem(run)]] if _problem(run) else []
    facts += [["folder", str(run.folder)]]
    print(harmless(table(facts)))
    return 0


def _first_and_best(run: RunView) -> list[Score]:
    """Of each score what it was at first and what it was at its best, in the order in which they were taken."""
    first: dict[str, Score] = {}
    for score in run.scores:
        first.setdefault(score.metric, score)
    return [score for score in run.scores if score.best or score is first[score.metric]]


def _score_told(run: RunView, score: Score) -> str:
    """A score; of text with what it cannot be read without: "8.9024  context 256, stride 128"."""
    value = f"{score.value:.5g}"
    if run.plan.kind != "text":
        return value
    numbers = {name.replace("_", " "): each for name, each in score.about.items() if isinstance(each, int | float)}
    return f"{value}  {', '.join(f'{name} {each:.6g}' for name, each in numbers.items())}".rstrip()


def _attach(options: argparse.Namespace) -> int:
    from tui.commands.watching import watch

    return watch(_asked().get(options.id), json=options.json)


def _log(options: argparse.Namespace) -> int:
    run = _asked().get(options.id)
    lines = _read_log(run.folder / "log.txt")
    lines = lines[-options.lines :] if options.lines > 0 else lines
    if options.json:
        print_json(lines)
    elif lines:
        print(harmless("\n".join(lines)))
    return 0


def _stop(options: argparse.Namespace) -> int:
    from core.runs.store import cancel

    return _told(run_async(cancel(options.id)), options.json)


def _resume(options: argparse.Namespace) -> int:
    from core.runs.store import start

    return _told(run_async(start(options.id, changes=_changes(options.option))), options.json)


def _extend(options: argparse.Namespace) -> int:
    from core.runs.store import Runs, start

    run = Runs().extend(options.id, options.steps)
    if not run.active:
        run = run_async(start(run))
    return _told(run, options.json)


def _branch(options: argparse.Namespace) -> int:
    from core.runs.store import Runs, start

    run = Runs().branch(
        options.id, options.step, name=options.name, steps=options.steps, changes=_changes(options.option)
    )
    run = run_async(start(run))
    if options.json:
        print_json(summary(run))
    else:
        print(run.id)
    return 0


def _remove(options: argparse.Namespace) -> int:
    from core.runs.store import Runs

    run = Runs().remove(options.id)
    if options.json:
        print_json({"id": run.id, "name": run.plan.name})
    else:
        print(f"deleted {run.id}")
    return 0


def _asked() -> Runs:
    """The runs, after the engines of those that are on a cluster were asked."""
    from core.runs.store import Runs

    runs = Runs()
    run_async(runs.ask_engines())
    return runs


def _told(run: RunView, as_json: bool) -> int:
    if as_json:
        print_json(summary(run))
    else:
        print(harmless(f"{run.id} {run.state}"))
    return 0


def _problem(run: RunView) -> str:
    if run.state != "failed" or run.end is None:
        return ""
    parts = (f"{run.end.what}: {run.end.why}".rstrip(": "), run.end.do, way_out(run))
    return ". ".join(part.rstrip(".") for part in parts if part)


def way_out(run: RunView) -> str:
    """What lets a failed run go on with what it was offered, to be typed; empty where that cannot be."""
    offer = offered(run)
    if not offer:
        return ""
    given = " ".join(f"--option {name}={str(value).lower()}" for name, value in offer.items())
    return f"`tarmac runs resume {run.id} {given}`"


def _changes(pairs: list[str]) -> dict[str, object]:
    """NAME=VALUE in TOML's types; what is none of TOML's values is text."""
    import tomllib

    changes: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--option {pair!r:.60} is not NAME=VALUE", "", "For example --option batch=8")
        try:
            changes[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            changes[name] = value
    return changes


def _read_log(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
