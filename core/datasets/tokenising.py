"""Making a text dataset's tokens for a model, without ever blocking: they are kept beside its documents."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from core.jobs.parent import Progress, run


@dataclass(frozen=True)
class Tokenised:
    """What came of it.

    Attributes:
        train_tokens, held_tokens: Ids, those that end a document included.
        train_bytes, held_bytes: UTF-8 bytes of the documents.
        documents, held_documents: How many are trained on, and held out.
        longest: Tokens of the longest document.
        seconds: How long reading and encoding took, when it was made.
        megabytes_per_second: How fast that was, in 10^6 bytes of text.
        tokens_per_byte: Ids for each byte of text.
        made: Whether it was made now; else it was there.
    """

    train_tokens: int
    held_tokens: int
    train_bytes: int
    held_bytes: int
    documents: int
    held_documents: int
    longest: int
    seconds: float
    megabytes_per_second: float
    tokens_per_byte: float
    made: bool


async def tokenise(dataset: Path, model: Path, progress: Progress | None = None) -> Tokenised:
    """Make the tokens of the dataset in `dataset` for the model in `model`, both folders; at once if they are there.

    Cancelling ends it and leaves nothing that counts.

    Raises:
        Refused: The dataset, the tokenizer, or both together cannot be used.
        StorageError: The disk said no.
        OutOfMemory: The machine has not enough memory.
    """
    arguments, what = [str(dataset), str(model)], "the texts cannot be tokenised"
    told = await run("core.ml.training.tokenising", arguments, what, progress=progress)
    return Tokenised(**{field.name: told[field.name] for field in fields(Tokenised)})  # type: ignore[arg-type]
