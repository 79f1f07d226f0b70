"""How long a run will take, and how much memory and disk: measured by training a few real steps and throwing them away.

`python -m core.ml.training.estimate PLAN_FOLDER` streams JSON lines, since the studio never imports torch:
{"phase": "..."} and {"share": 0.4} on the way; at the end {"estimate": {...}}, or {"error": {...}} and exit code 2.
Where the batch does not fit, the estimate says which smaller one does.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import InvalidInput, TarmacError
from core.ml.training.measuring import SECONDS, Estimate, Tell
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
    tell: Tell = lambda told: None,
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
        tell: Told {"phase": ...} and {"share": ...}.
        seconds: For the measurement.
        available: Bytes of memory instead of what is there, for tests.

    Raises:
        TarmacError: The plan cannot be trained.
        OutOfMemory: Not even the smallest batch fits.
    """
    if plan.kind == "text":
        from core.ml.training.estimate_text import estimate_text

        return estimate_text(
            plan,
            dataset=dataset,
            base=base,
            folder=folder,
            device=device,
            tell=tell,
            seconds=seconds,
            available=available,
        )
    if plan.kind != "image":
        raise InvalidInput(f"a run of the kind {plan.kind} cannot be measured", "", "Train it without an estimate")
    from core.ml.training.estimate_image import estimate_image

    return estimate_image(
        plan,
        dataset=dataset,
        base=base,
        folder=folder,
        device=device,
        pictures=pictures,
        tell=tell,
        seconds=seconds,
        available=available,
    )


def main(arguments: list[str]) -> int:
    """Estimate the plan of a run folder; see the module."""
    parser = argparse.ArgumentParser(prog="python -m core.ml.training.estimate")
    parser.add_argument("folder", type=Path, help="a folder with a run.toml")
    parser.add_argument("--json", action="store_true", help="JSON lines (always)")
    parser.add_argument("--dataset", type=Path, help="folder of the prepared data, instead of the plan's")
    parser.add_argument("--base", type=Path, help="folder of the base, instead of the plan's")
    parser.add_argument("--data", type=Path, help="folder of datasets, models and runs")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)

    def tell(told: dict[str, object]) -> None:
        print(json.dumps(told), flush=True)

    try:
        tell({"phase": "reading the plan"})
        plan = plan_file.read_plan(options.folder)
        data = options.data or data_dir()
        dataset = options.dataset or kinds.dataset_folder(plan, data)
        base = options.base or (kinds.base_folder(plan, data) if plan.base else None)
        found = estimate(plan, dataset=dataset, base=base, folder=options.folder, tell=tell, seconds=options.seconds)
    except TarmacError as error:
        tell({"error": error.to_json()})
        return 2
    tell({"estimate": asdict(found)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
