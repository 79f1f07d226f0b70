"""A dataset's documents as token ids for one tokenizer: made once, kept beside them, mapped from disk.

Below the dataset's folder, tokens/<fingerprint>/ holds train.bin and held.bin, uint16 or uint32, each document followed
by the end-of-text id, and corpus.json with what is known about them. The fingerprint is of the tokenizer and of the
prepared documents, so another tokenizer, or documents prepared anew, get a folder of their own. It is published by one
rename: two processes may make it at once, and a killed one leaves nothing that counts.

Memory stays bounded whatever the corpus: documents are read and encoded in batches of half a megabyte, and a long one
in pieces that end where a line ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.datasets.texts.store import TEXTS, TextStore
from core.errors import Refused
from core.library import folders
from core.library.text_facts import read_config
from core.ml.generation.tokens import Tokens, load_tokens
from core.paths import storage_errors, write_atomic

FOLDER = "tokens"
FORMAT = 1
"""Part of the fingerprint: another number makes every corpus anew."""
PIECE = 100_000
"""Bytes. A longer document is encoded in pieces: one tokenizer call takes some 100 bytes of memory a byte of text."""
BATCH = 1 << 19
"""Bytes of text that are encoded in one call, on all cores."""

Tell = Callable[[str, float | None], None]
"""Told what is being done and the share done."""


@dataclass(frozen=True)
class Facts:
    """What is known about a corpus: corpus.json.

    Attributes:
        dtype: "uint16" or "uint32".
        train_tokens, held_tokens: Ids in each part, those that end a document included.
        train_bytes, held_bytes: UTF-8 bytes of the documents in each.
        documents, held_documents: How many documents; in the part that is trained on, and held out.
        longest: Tokens of the longest document.
        largest: The largest id that occurs.
        end: The id after every document.
        seconds: How long reading and encoding took.
    """

    dtype: str
    train_tokens: int
    held_tokens: int
    train_bytes: int
    held_bytes: int
    documents: int
    held_documents: int
    longest: int
    largest: int
    end: int
    seconds: float


@dataclass(frozen=True)
class Corpus:
    """A dataset in tokens.

    Attributes:
        folder: Where the arrays are.
        train, held: uint16 or uint32 [tokens], mapped read-only.
        vocabulary: Rows of the model's embedding; every id is below.
        end: The id after every document.
        facts: Counts.
        made: Whether it was made by this call; else it was there.
    """

    folder: Path
    train: NDArray[np.unsignedinteger]
    held: NDArray[np.unsignedinteger]
    vocabulary: int
    end: int
    facts: Facts
    made: bool

    @property
    def train_bytes(self) -> int:
        """UTF-8 bytes of the documents that are trained on."""
        return self.facts.train_bytes

    @property
    def held_bytes(self) -> int:
        """UTF-8 bytes of the held-out documents."""
        return self.facts.held_bytes

    def some_held(self, most: int, tokens: Tokens) -> tuple[NDArray[np.unsignedinteger], int]:
        """The first `most` held-out tokens, all of them with 0; and the UTF-8 bytes of their text.

        Args:
            most: How many.
            tokens: The tokenizer that made them.
        """
        if not 0 < most < len(self.held):
            return self.held, self.held_bytes
        ids = self.held[:most]
        return ids, len(tokens.decode(ids.tolist()).encode())

    @property
    def documents(self) -> int:
        """Documents that are trained on."""
        return self.facts.documents


def open_corpus(dataset: Path, model: Path, tell: Tell = lambda doing, share: None) -> Corpus:
    """The dataset in the model's tokens, made now if it is not there.

    Args:
        dataset: A text dataset's folder.
        model: A model's folder in Hugging Face layout: config.json and a tokenizer.
        tell: Told how far the making is.

    Raises:
        Refused: The dataset or the tokenizer cannot be used, or the tokenizer does not fit the model.
        StorageError: The disk said no.
    """
    store = TextStore.open(dataset)
    config = read_config(model)
    tokens = load_tokens(model, config)
    vocabulary = vocabulary_of(config)
    if tokens.vocabulary > vocabulary:
        raise _unfit(model, f"it has {tokens.vocabulary:,} ids, the network {vocabulary:,}")
    end = end_of(config, tokens)
    home = dataset / FOLDER
    place = home / _fingerprint(store, tokens, end)
    found = _read(place, vocabulary, made=False)
    if found is not None:
        return found
    staging = folders.stage(home)
    try:
        facts = _write(store, tokens, end, vocabulary, staging, tell)
        if facts.largest >= vocabulary:
            raise _unfit(model, f"it gives the id {facts.largest:,}, the network knows {vocabulary:,}")
        _publish(staging, place)
    finally:
        folders.delete(staging)
    corpus = _read(place, vocabulary, made=True)
    if corpus is None:
        raise Refused(f"the tokens of {store.manifest.name} cannot be used", f"{place.name} is damaged", "Try again")
    return corpus


def vocabulary_of(config: dict[str, object]) -> int:
    """Rows of the embedding that config.json asks for.

    Raises:
        Refused: It names none.
    """
    inner = config.get("text_config")
    for table in (config, inner if isinstance(inner, dict) else {}):
        size = table.get("vocab_size")
        if isinstance(size, int) and not isinstance(size, bool) and size > 0:
            return size
    raise Refused("config.json cannot be used", "it names no vocab_size")


def end_of(config: dict[str, object], tokens: Tokens) -> int:
    """The id that ends a text: the model's own, the first where it has several; else what the tokenizer calls so.

    Raises:
        Refused: There is none.
    """
    named = config.get("eos_token_id")
    for number in named if isinstance(named, list) else [named]:
        if isinstance(number, int) and not isinstance(number, bool) and number in tokens.ends:
            return number
    if tokens.ends:
        return min(tokens.ends)
    for text in ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>"):
        known = tokens.id_of(text)
        if known is not None:
            return known
    raise Refused("the tokenizer cannot be used", "no token of it ends a text", "Name eos_token_id in config.json")


def _unfit(model: Path, why: str) -> Refused:
    return Refused(f"the tokenizer of {model.name} does not fit its weights", why, "Copy the model again, whole")


def _fingerprint(store: TextStore, tokens: Tokens, end: int) -> str:
    manifest = store.manifest
    data = [FORMAT, end, manifest.generation, manifest.fingerprint, manifest.created.isoformat(), len(store)]
    parts = [*data, store.size(), store.size(held=True)]
    return hashlib.sha256(json.dumps(parts).encode() + tokens.state().encode()).hexdigest()[:24]


def _read(place: Path, vocabulary: int, *, made: bool) -> Corpus | None:
    """The corpus in `place`; None if there is none, or a damaged one."""
    try:
        facts = Facts(**json.loads((place / "corpus.json").read_text(encoding="utf-8")))
        if facts.dtype not in ("uint16", "uint32") or facts.largest >= vocabulary:
            return None
        arrays = []
        for name, count in (("train.bin", facts.train_tokens), ("held.bin", facts.held_tokens)):
            if (place / name).stat().st_size != count * np.dtype(facts.dtype).itemsize:
                return None
            empty = np.zeros(0, facts.dtype)
            arrays.append(np.memmap(place / name, facts.dtype, "r") if count else empty)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return Corpus(place, arrays[0], arrays[1], vocabulary, facts.end, facts, made)


def _write(store: TextStore, tokens: Tokens, end: int, vocabulary: int, out: Path, tell: Tell) -> Facts:
    """Encode all documents into `out`."""
    began = time.monotonic()
    kind = np.dtype(np.uint16 if max(vocabulary, tokens.vocabulary) <= 2**16 else np.uint32)
    manifest = store.manifest
    whole = max(1, store.size())
    counts, longest, largest, length, done = [0, 0], 0, end, 0, 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(storage_errors(out))
        texts = stack.enter_context(open(store.folder / manifest.file(TEXTS, "bin"), "rb"))
        files = [stack.enter_context(open(out / name, "wb")) for name in ("train.bin", "held.bin")]
        tell("tokenising", 0.0)
        for batch in _batches(texts, store):
            for piece, ids in zip(batch, tokens.encode_many([piece.text for piece in batch]), strict=True):
                if piece.last:
                    ids = np.append(ids, end)
                if len(ids):
                    largest = max(largest, int(ids.max()))
                    ids.astype(kind).tofile(files[piece.held])
                counts[piece.held] += len(ids)
                length += len(ids)
                if piece.last:
                    longest, length = max(longest, length - 1), 0
            done = batch[-1].end
            tell("tokenising", done / whole)
        for file in files:
            file.flush()
            os.fsync(file.fileno())
        facts = Facts(
            dtype=kind.name,
            train_tokens=counts[0],
            held_tokens=counts[1],
            train_bytes=store.size(held=False),
            held_bytes=store.size(held=True),
            documents=int((~store.held).sum()),
            held_documents=int(store.held.sum()),
            longest=longest,
            largest=largest,
            end=end,
            seconds=time.monotonic() - began,
        )
        write_atomic(out / "corpus.json", json.dumps(asdict(facts)))
    return facts


def _publish(staging: Path, place: Path) -> None:
    """Rename; what another process has published meanwhile is as good as ours, and a damaged one gives way."""
    with storage_errors(place):
        for _ in range(3):
            try:
                os.rename(staging, place)
                return
            except OSError:
                if not place.is_dir():
                    raise
            if _read(place, 2**32, made=False) is not None:
                return
            folders.discard(place, place.parent)


@dataclass(frozen=True)
class _Piece:
    """Part of a document: whether it is held out, whether it is the last, and where it ends in the file of texts."""

    text: str
    held: bool
    last: bool
    end: int


def _batches(file: BinaryIO, store: TextStore) -> Iterator[list[_Piece]]:
    """All documents in their order, in batches of about `BATCH` bytes."""
    batch: list[_Piece] = []
    size = 0
    for piece in _pieces(file, store):
        batch.append(piece)
        size += len(piece.text)
        if size >= BATCH or len(batch) >= 8192:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _pieces(file: BinaryIO, store: TextStore) -> Iterator[_Piece]:
    """All documents in their order; read, not mapped, so that a large file does not fill the memory."""
    for number, held in enumerate(store.held):
        place, stop = int(store.starts[number]), int(store.starts[number + 1])
        file.seek(place)
        rest = b""
        while True:
            if len(rest) <= PIECE and place < stop:
                more = file.read(min(PIECE, stop - place))
                if not more:
                    raise Refused(f"the texts of {store.manifest.name} cannot be used", "their file ends too early")
                rest += more
                place += len(more)
            if len(rest) <= PIECE and place >= stop:
                break
            cut = cut_at(rest[:PIECE])
            yield _Piece(rest[:cut].decode("utf-8", "replace"), bool(held), False, place - len(rest) + cut)
            rest = rest[cut:]
        yield _Piece(rest.decode("utf-8", "replace"), bool(held), True, stop)


def cut_at(data: bytes) -> int:
    """Where to cut a long text so that its tokens stay what they are; at least 1, at most len(data).

    Between two lines, the first not ending in white space and the second not beginning with it: byte-level tokenizers
    never join tokens across that. Else between any two lines, else before a space, else between two characters.
    """
    least = len(data) // 2
    cut = end = len(data)
    while (cut := data.rfind(b"\n", least, end)) >= 0:
        after = data[cut + 1 : cut + 2]
        if after and not after.isspace() and not data[cut - 1 : cut].isspace():
            return cut + 1
        end = cut
        if len(data) - end > 20_000:
            break
    for mark, step in ((b"\n", 1), (b" ", 0)):
        cut = data.rfind(mark, least)
        if cut > 0:
            return cut + step
    for back in range(1, min(4, len(data))):  # a character that begins in the last bytes may end after them
        if data[-back] >= 0xC0:
            whole = back >= (2 if data[-back] < 0xE0 else 3 if data[-back] < 0xF0 else 4)
            return len(data) if whole else len(data) - back
        if data[-back] < 0x80:
            break
    return len(data)
