"""What a text training's samples are on disk: the same prompts with the same seeds, completed at each step.

A `Sample` event names a file below samples/: JSON, {"format": 1, "samples": [{"prompt", "text", "seed"}, ...]}. Its
`columns` is 1 and its `rows` the number of samples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import Refused
from core.library.manifest import clean_text
from core.paths import write_atomic

FORMAT = 1
MAX_BYTES = 8 * 2**20


@dataclass(frozen=True)
class TextSample:
    """One completion.

    Attributes:
        prompt: What the model was given.
        text: What it wrote after it.
        seed: Of the drawing.
    """

    prompt: str
    text: str
    seed: int


def file_name(step: int) -> str:
    """Of the samples of `step`; names sort by it."""
    return f"step-{step:07d}.json"


def write_samples(path: Path, samples: Sequence[TextSample]) -> None:
    """Write samples, whole or not at all.

    Raises:
        StorageError: The disk said no.
    """
    write_atomic(path, json.dumps({"format": FORMAT, "samples": [asdict(each) for each in samples]}, indent=1))


def read_samples(path: Path) -> list[TextSample]:
    """The samples in a file, their text fit for a screen (no control characters but line ends and tabs).

    Raises:
        Refused: It is gone, torn, or of a format that this program does not know.
    """
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read(MAX_BYTES))
        if data["format"] != FORMAT:
            raise Refused(f"the samples {path.name} cannot be read", f"format {data['format']!r:.20}", "Update Tarmac")
        return [
            TextSample(clean_text(str(each["prompt"])), clean_text(str(each["text"])), int(each["seed"]))
            for each in data["samples"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "it is torn, or no samples"
        raise Refused(f"the samples {path.name} cannot be read", why) from error
