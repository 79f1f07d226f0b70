"""The text starter: a small GPT-2 that writes Python, trained from nothing on the standard library.

Everything it is made of comes with Python itself, so anyone can make it again (`make starters`). It is an ordinary run
of the text loop, on whole files and on every definition by itself, so that a text may begin with one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from core.datasets.code import condense, definitions, is_held_out, standard_library
from core.datasets.manifest import FILE_NAME
from core.datasets.manifest import Manifest as Dataset
from core.datasets.texts.gathering import gather_starter
from core.datasets.texts.store import TextStore
from core.errors import Refused
from core.library.manifest import Manifest
from core.ml.generation.completion import Settings, complete
from core.ml.generation.loading import load_engine
from core.ml.metrics.perplexity import perplexity
from core.ml.metrics.python_syntax import share_of_python
from core.ml.training.text.corpus import open_corpus
from core.ml.training.text.files import TOKENIZER, WEIGHTS
from core.ml.training.text.run import train_text
from core.paths import private_dir
from core.runs.events import Metrics, Score
from core.runs.folder import RunFolder
from core.runs.plan import RunPlan
from core.runs.recording import FolderRecorder

log = logging.getLogger(__name__)

PLAN = RunPlan(
    name="GPT-2 Python",
    kind="text",
    dataset="python",
    steps=4500,
    options={
        "vocabulary": 4096,
        "layers": 4,
        "width": 256,
        "heads": 4,
        "context": 512,
        "batch": 4,
        "optimizer": "muon",
        "rate": 3e-3,
        "warmup": 50,
        "decay": 0.6,
        "threads": 1,
    },
    sample_every=500,
    save_every=100,
    score_every=500,
)
"""The run. `threads` is the number of cores; its figures depend on it in the last bits only."""
PROMPT, SAMPLES = "def ", 200
CARD = """\
A small GPT-2 that writes Python. It learned from nothing but the standard library of Python itself, so it knows the
look of code (indentation, definitions, self, loops, exceptions) and the habits of that library, and little else: what
it writes reads like Python and seldom does anything useful; {parses:.0%} of its completions of "def " parse.

Good for seeing what temperature, top-p and seed do, and as the base of a fine-tuning. Begin with "def ", "class " or
"import ", or with the start of a function.
"""


def make_gpt2_python(out: Path, *, work: Path | None = None, plan: RunPlan = PLAN) -> Path:
    """Train, measure and write the model folder `out`: Hugging Face layout and model.toml.

    About an hour on one core. What was broken off goes on from its last checkpoint in `work`.

    Args:
        out: The folder to write; files of an earlier starter in it are replaced.
        work: Where the dataset and the run are kept; `out` with ".run" added by default.
        plan: Another run than the starter's own, for a quick try.

    Returns:
        `out`.

    Raises:
        Refused: The training did not end well; says why.
    """
    work = work or out.with_name(f"{out.name}.run")
    dataset, model = work / "dataset", work / "model"
    if not (dataset / FILE_NAME).exists():
        gather_starter(dataset, plan.dataset, _texts(), {"licence": "PSF-2.0"})
    if not model.exists():
        outcome = train_text(plan, _Told(_run_folder(work / "run"), 1, plan), dataset=dataset, model=model)
        if outcome.state != "finished":
            raise Refused("the starter was not finished", f"{outcome.what or outcome.state}: {outcome.why}", outcome.do)
    _write_model(model, out)
    scores = _scores(out, dataset)
    log.info("%s", scores)
    _write_manifest(model, dataset, out, scores)
    return out


class _Told(FolderRecorder):
    """The run's recorder, which says on the way how it goes."""

    def tell(self, event: Any) -> None:
        super().tell(event)
        if isinstance(event, Score) or (isinstance(event, Metrics) and event.step % 10 == 0):
            value = event.value if isinstance(event, Score) else event.values["loss"]
            log.info("step %d: %s %.3f", event.step, getattr(event, "metric", "loss"), value)


def _texts() -> Iterator[tuple[str, str, bool]]:
    """Name, text, and whether it is held out: every file, and of those that are trained on each definition."""
    for source in standard_library():
        text, held = condense(source.text), is_held_out(source.name)
        yield source.name, text, held
        if not held:
            for number, piece in enumerate(definitions(text)):
                yield f"{source.name}:{number}", piece, False


def _run_folder(path: Path) -> RunFolder:
    folder = RunFolder(path)
    for part in (folder.samples, folder.checkpoints, folder.attempt(1)):
        private_dir(part)
    return folder


def _write_model(model: Path, out: Path) -> None:
    """Weights as float16: half the bytes, and the scores are taken from what is stored."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to(torch.float16) for name, tensor in load_file(model / WEIGHTS).items()}
    save_file(weights, out / WEIGHTS, {"format": "pt"})
    for path in model.iterdir():
        if path.name in TOKENIZER or path.name == "generation_config.json":
            (out / path.name).write_bytes(path.read_bytes())
    config = (model / "config.json").read_text()
    (out / "config.json").write_text(config.replace('"float32"', '"float16"'))


def _scores(folder: Path, dataset: Path) -> dict[str, object]:
    """What model.toml tells of the stored model, each number with how it was taken."""
    engine, tokens = load_engine(folder, "float32")
    corpus = open_corpus(dataset, folder)
    score = perplexity(engine, corpus.held.tolist(), corpus.held_bytes, stride=engine.context // 2)
    settings = Settings()
    texts = []
    for seed in range(SAMPLES):
        *_, last = complete(engine, tokens, PROMPT, replace(settings, seed=seed))
        texts.append(last.text)
    return {
        "perplexity": round(score.perplexity, 2),
        "bits_per_byte": round(score.bits_per_byte, 4),
        "perplexity_protocol": f"held-out files, {score.tokens} tokens scored in {corpus.held_bytes} bytes, "
        f"context {score.context}, stride {score.stride}, float32",
        "parses": round(share_of_python(texts, PROMPT), 3),
        "parses_protocol": f"{SAMPLES} completions of {PROMPT!r}, seeds 0 to {SAMPLES - 1}, "
        f"{settings.max_tokens} tokens, temperature {settings.temperature}, top-p {settings.top_p}; "
        "cut at the last complete statement, accepted by ast.parse; what was cut off must be a possible beginning",
    }


def _write_manifest(model: Path, dataset: Path, out: Path, scores: dict[str, object]) -> None:
    made, store = Manifest.read(model), TextStore.open(dataset)
    corpus = {
        "python": sys.version.split()[0],
        "documents": len(store),
        "held_out": int(store.held.sum()),
        "bytes": store.size(held=False),
        "held_bytes": store.size(held=True),
        "sha256": Dataset.read(dataset).fingerprint,
    }
    replace(
        made,
        name="GPT-2 Python",
        author="tarmac",
        licence="PSF-2.0",
        source="starter",
        created=datetime.now(UTC).replace(microsecond=0),
        description=CARD.format(parses=scores["parses"]),
        scores=scores,
        recipe={
            "made_by": "python -m core.ml.starters gpt2-python",
            "corpus": "the standard library of Python without its tests, docstrings cut to one line: whole files, and "
            "every definition by itself; 1 file in 20 held out",
            **{f"corpus_{key}": value for key, value in corpus.items()},
            **made.recipe,
        },
    ).write(out)
