"""Cars turn into sneakers: a model of portraits learns cars, that model learns sneakers, and a film shows it.

    make cars-into-sneakers                                     # or, in a shell of the clone:
    .venv/bin/python docs/cars_into_sneakers.py --steps 4500

Everything is drawn and trained on this machine; nothing is fetched. The script only calls `tarmac`, and prints each
call, so that it can be done by hand. What was broken off goes on when it is started again: ctrl+c leaves a training
going, `tarmac runs stop cars` ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

THINGS = ("cars", "sneakers")
SHEETS = 30
"""Sample sheets of each run: the film fades through them."""

GOING = ("starting", "running", "stopping")


def tarmac(*words: str, quiet: bool = False, may_fail: bool = False) -> str:
    """Run `tarmac`, its talk on this terminal; returns what it printed if `quiet`. Ends the script where it fails."""
    if not quiet:
        print(f"\n$ tarmac {shlex.join(words)}", flush=True)
    command = [sys.executable, "-m", "tui.cli", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE if quiet else None, text=True, check=False)
    if done.returncode and not may_fail:
        print("\nStart it again to go on from here.", file=sys.stderr)
        raise SystemExit(done.returncode)
    return done.stdout or ""


def run_of(**facts: object) -> dict[str, Any] | None:
    """The newest run with these facts, as `tarmac runs list --json` tells them."""
    runs: list[dict[str, Any]] = json.loads(tarmac("runs", "list", "--json", quiet=True))
    return next((run for run in runs if facts.items() <= run.items()), None)


def train(thing: str, base: str, options: argparse.Namespace) -> dict[str, Any]:
    """The finished run that makes `base` draw `thing`: begun, gone on with, or found."""
    dataset = f"starter/{thing}"
    facts = {"name": thing, "dataset": dataset, "base": base, "steps": options.steps}
    run = run_of(**facts)
    if run is None:
        tarmac("datasets", "prepare", dataset, "--size", str(options.size))
        every = str(max(1, options.steps // SHEETS))
        words = ["--dataset", dataset, "--base", base, "--size", str(options.size), "--no-mirror"]
        # Scores at both ends are enough: this is to be looked at.
        words += ["--steps", str(options.steps), "--sample-every", every, "--score-every", str(options.steps)]
        tarmac("train", "image", "--name", thing, *words, "--watch")
    elif run["state"] == "finished":
        print(f"\n{thing} are trained already: {run['folder']}", flush=True)
        return run
    else:
        if run["state"] not in GOING:
            # One that waits for its start may have been left before it got it; else this is refused, and no harm.
            tarmac("runs", "resume", run["id"], may_fail=run["state"] == "queued")
        tarmac("runs", "attach", run["id"])
    run = run_of(**facts)
    if run is None or run["state"] != "finished":
        print(f"\n{thing} are not trained to the end. Start it again to go on from here.", file=sys.stderr)
        raise SystemExit(1)
    return run


def main() -> int:
    """Train twice, write the film, say where everything is."""
    parser = argparse.ArgumentParser(description="Cars turn into sneakers: two trainings and a film of them.")
    parser.add_argument("--steps", type=int, default=4500, help="of each training (default: 6000)")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures in pixels (default: 64)")
    parser.add_argument("--base", metavar="ID", default="starter/portraits", help="model to begin from")
    parser.add_argument("--home", type=Path, help="a folder for all of it (default: where Tarmac keeps its things)")
    parser.add_argument("--out", type=Path, default=Path("cars-into-sneakers.mp4"), help="the film")
    options = parser.parse_args()
    if options.home is not None:
        os.environ["TARMAC_HOME"] = str(options.home.resolve())
    # A ctrl+c is for the command that runs: it says that the training goes on, and ends; then we do.
    signal.signal(signal.SIGINT, lambda number, frame: None)

    runs, base = [], options.base
    for thing in THINGS:
        runs.append(train(thing, base, options))
        base = runs[-1]["model"]
    tarmac("runs", "film", *[run["id"] for run in runs], "--out", str(options.out))

    print(f"\nThe film: {options.out.resolve()}")
    for run in runs:
        print(f"The run {run['name']}: {run['folder']}")
    home = f"TARMAC_HOME={shlex.quote(os.environ['TARMAC_HOME'])} " if options.home is not None else ""
    print(f"Walk through the sneakers: {home}tarmac explore {runs[-1]['model']} --out sneakers.png, or open the studio")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
