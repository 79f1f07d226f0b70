"""How long a run will take, and how much memory and disk: measured by training a few real steps and throwing them away.

`python -m core.ml.training.estimate PLAN_FOLDER` does it in a process of its own, since the studio never imports torch;
it answers in the way of `core.jobs.child`, with an `Estimate` as plain data. Where the batch does not fit, the estimate
says which smaller one does.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import InvalidInput, OutOfMemory
from core.jobs.child import Reporter, answer, end_with_parent, leave
from core.ml.hardware import choose_device
from core.ml.training import measuring
from core.ml.training.measuring import SECONDS, Estimate, Question, Tell
from core.paths import data_dir
from core.runs import kinds, plan_file
from core.runs.plan import RunPlan


def estimate(
    plan: RunPlan,
    *,
    dataset: Path,
    base: Path | None = None,
    folder: Path | None = None,
    device: str = "auto",
    pictures: Any = None,
    tell: Tell = lambda doing, share: None,
    seconds: float = SECONDS,
    available: int | None = None,
) -> Estimate:
    """Measure a plan on its data and base.

    Args:
        plan: What to do.
        dataset: Folder of the prepared data.
        base: Folder of the model to start from; None for random weights.
        folder: Where the run's folder will be, for the free space; the dataset's by default.
        device: Where; "auto" takes the GPU or the processor.
        pictures: Instead of those in `dataset`.
        tell: Told how far it is.
        seconds: For the measurement.
        available: Bytes of memory instead of what is there, for tests.

    Raises:
        TarmacError: The plan cannot be trained.
        OutOfMemory: Not even the smallest batch fits.
    """
    place = choose_device(device)
    there = available if available is not None else measuring.available(place)
    question = Question(plan, dataset, base, folder or dataset, place, there, seconds, tell, pictures)
    if plan.kind == "text":
        from core.ml.training.text.estimate import estimate_text

        return estimate_text(question)
    if plan.kind == "image":
        from core.ml.training.image.estimate import estimate_image

        return estimate_image(question)
    raise InvalidInput(f"a run of the kind {plan.kind} cannot be measured", "", "Train it without an estimate")


def main(arguments: list[str]) -> int:
    """Estimate the plan of a run folder; exit code 0 with a result, 2 with an error."""
    parser = argparse.ArgumentParser(prog="python -m core.ml.training.estimate")
    parser.add_argument("folder", type=Path, help="a folder with a run.toml")
    parser.add_argument("--dataset", type=Path, help="folder of the prepared data, instead of the plan's")
    parser.add_argument("--base", type=Path, help="folder of the base, instead of the plan's")
    parser.add_argument("--data", type=Path, help="folder of datasets, models and runs")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    end_with_parent()  # and not humble: what is measured is how fast a run will be that is not

    def work(report: Reporter) -> dict[str, object]:
        report("reading the plan", None)
        plan = plan_file.read_plan(options.folder)
        data = options.data or data_dir()
        dataset = options.dataset or kinds.dataset_folder(plan, data)
        base = options.base or (kinds.base_folder(plan, data) if plan.base else None)
        found = estimate(plan, dataset=dataset, base=base, folder=options.folder, tell=report, seconds=options.seconds)
        return asdict(found)

    return answer(work, OutOfMemory("the plan cannot be measured", "not enough memory", "Close other programs"))


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
