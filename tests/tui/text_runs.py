"""Text runs for the screens: journals and samples of a GPT-2 that learns JavaScript; nobody trains them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.runs.events import Checkpoint, Ended, Sample, Score, Warned
from core.runs.plan import RunPlan
from core.runs.text_samples import TextSample, file_name, write_samples
from core.runs.view import Curve, RunView
from tests.tui import training_stage
from tests.tui.stage import LONG_AGO

PROMPTS = (
    "function debounce(",
    "const fs = require('fs');\n\nfunction readLines(path) {\n",
    "// Returns the sum of all numbers in the list.\n",
)
STAGES = (
    (
        0,
        (
            'self, name):\n        """Return the name."""\n        self.name = name\n        return self',
            "    def __init__(self, path):\n        self.path = path\n        self.lines = []\n",
            "def sum(self):\n    return self.sum(self, self.list)\n\n    def sum(self):\n        return sum",
        ),
    ),
    (
        150,
        (
            "self) {\n  return self.name(function (self) {\n    return self;\n  })\n}",
            "  return path.lines(function () {\n    return path;\n  });\n}\n",
            "function sum(list) {\n  return list.sum;\n}\n",
        ),
    ),
    (
        400,
        (
            "fn, wait) {\n  var timer;\n  return function () {\n    clearTimeout(timer);\n"
            "    timer = setTimeout(fn, wait);\n  };\n}\n\nmodule.exports = debounce;",
            "  return fs.readFileSync(path, 'utf8').split('\\n');\n}\n\nmodule.exports = { readLines: readLines };\n",
            "function sum(numbers) {\n  return numbers.reduce(function (total, number) {\n    return total + number;\n"
            "  }, 0);\n}\n\nexports.sum = sum; // for a list without numbers it is 0, which is what a sum begins with",
        ),
    ),
)
"""(from which step, what is written after each prompt)."""


def text_run(
    folder: Path,
    run_id: str = "20261125-160000-javascript",
    *,
    name: str = "javascript, small",
    state: str = "running",
    step: int = 640,
    steps: int = 1000,
    **changes: object,
) -> RunView:
    """A run in the middle of its work; its samples are as `put_texts` writes them."""
    found, scores = curves(step), text_scores(step)
    view = RunView(
        id=run_id,
        folder=folder / run_id,
        plan=RunPlan(
            name, "text", "20261120-120000-javascript", "starter/gpt2-python", steps, {"prompts": PROMPTS},
            created=LONG_AGO,
        ),
        state=state,
        step=step,
        host="gpu7",
        attempt=1,
        started=training_stage.NOW - 1900,
        changed=training_stage.NOW,
        per_second=5192.0,
        memory=3 * 2**30,
        eta=1080.0 if state == "running" else None,
        chosen={"context": 256, "batch": 16, "precision": "bfloat16"},
        latest={name: curve.values[-1] for name, curve in found.items()} if step >= 10 else {},
        curves=found if step >= 10 else {},
        samples=tuple(Sample(at, file_name(at), 1, len(PROMPTS)) for at in range(0, step + 1, 50)),
        scores=scores,
        checkpoints=tuple(Checkpoint(at, f"{at:06}", at == 400) for at in (200, 400, 600) if at <= step),
    )  # fmt: skip
    return replace(view, **changes)  # type: ignore[arg-type]


def curves(steps: int, every: int = 10) -> dict[str, Curve]:
    """Loss, learning rate and norm of the gradient as a fine-tuning tells them."""
    random = np.random.default_rng(5)
    at = np.arange(every, steps + 1, every)
    loss = 1.75 + 1.7 * np.exp(-at / 150) - at / 4000 + random.normal(0, 0.05, len(at))
    rate = 3e-4 * np.minimum(1.0, at / 60)
    return {
        "loss": Curve(tuple(at.tolist()), tuple(np.round(loss, 5).tolist())),
        "rate": Curve(tuple(at.tolist()), tuple(np.round(rate, 8).tolist())),
        "gradient": Curve(tuple(at.tolist()), tuple(np.round(0.4 + random.random(len(at)), 4).tolist())),
    }


def text_scores(steps: int, every: int = 100) -> tuple[Score, ...]:
    """A held-out loss that falls, and turns at step 400; what was learned by heart, every second time."""
    found = []
    for at in range(0, steps + 1, every):
        loss = 1.95 + 1.5 * math.exp(-at / 140) + 2e-6 * max(0, at - 350) ** 2
        about = {
            "context": 256, "stride": 128, "tokens": 20480, "bits_per_byte": round(loss / math.log(2) / 3.1, 3),
            "loss": round(loss, 4),
        }  # fmt: skip
        found.append(Score(at, "perplexity", round(math.exp(loss), 3), about))
        if at % 200 == 0:
            found.append(Score(at, "memorised", round(0.002 + at / 16000, 4), {"samples": 200}))
    for metric in ("perplexity", "memorised"):
        mine = [score for score in found if score.metric == metric]
        low = min(mine, key=lambda score: score.value)
        found = [replace(score, best=True) if score is low else score for score in found]
    return tuple(found)


def text_samples(step: int) -> list[TextSample]:
    """What is written after the prompts at a step: Python at first, JavaScript later."""
    stage = [written for begin, written in STAGES if begin <= step][-1]
    return [TextSample(prompt, text, 11 + number) for number, (prompt, text) in enumerate(zip(PROMPTS, stage))]


def put_texts(view: RunView) -> None:
    """The sample files and the log of a text run."""
    (view.folder / "samples").mkdir(parents=True, exist_ok=True)
    for sample in view.samples:
        write_samples(view.folder / "samples" / sample.file, text_samples(sample.step))
    (view.folder / "log.txt").write_text("importing torch\nreading the base\nstep 640\n", encoding="utf-8")


def several_texts(folder: Path) -> list[RunView]:
    """A text run in each of the states that matter for how they are shown."""
    overfit = Warned(
        "overfit", "the held-out loss has risen since step 400", "1.95 then, 1.98 now",
        "Stop here: the best checkpoint is kept; or train on more text", 600,
    )  # fmt: skip
    return [
        text_run(folder),
        text_run(folder, "20261124-100000-diary", name="diary", step=800, steps=800, state="finished",
                 model="starter/gpt2-python", end=Ended("finished", 800), warnings=(overfit,)),
        text_run(folder, "20261123-100000-poems", name="poems", warnings=(overfit,)),
        text_run(folder, "20261122-100000-large", name="large", state="failed", step=0, samples=(), scores=(),
                 end=Ended("failed", 0, "the memory is not enough", "GPT-2 large needs 12.4 GB to be trained whole",
                           "Train it with LoRA, or take a smaller base", {"method": "lora"})),
    ]  # fmt: skip
