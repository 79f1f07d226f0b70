"""Text to token ids and back: the tokenizer of a model folder, without importing transformers where possible."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import ByteLevelBPETokenizer, Tokenizer

from core.errors import Refused

REPLACEMENT = "�"
MAX_FILE_BYTES = 64 * 2**20


class Tokens:
    """A model's tokenizer.

    Attributes:
        ends: Ids that end a text.
        begin: The id to start from when there is no prompt.
    """

    def __init__(self, tokenizer: Tokenizer, ends: frozenset[int], begin: int) -> None:
        self._tokenizer = tokenizer
        self.ends, self.begin = ends, begin
        self._continuing: dict[bytes, list[int]] = {}

    @property
    def vocabulary(self) -> int:
        """Number of ids, added ones included."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, with the marks that this kind of model wants around it."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def encode_many(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Ids [n] of each text without any marks around it, on all cores."""
        return [np.array(one.ids, np.int64) for one in self._encode_batch(texts)]

    def id_of(self, token: str) -> int | None:
        """The id of a token by its text; None if there is none."""
        found = self._tokenizer.token_to_id(token)
        return None if found is None else int(found)

    def state(self) -> str:
        """All that decides which ids a text becomes, as text: equal for equal tokenizers."""
        return str(self._tokenizer.to_str())

    def _encode_batch(self, texts: Sequence[str]) -> list[Any]:
        # Without offsets where the library can: a third of the time less.
        encode = getattr(self._tokenizer, "encode_batch_fast", self._tokenizer.encode_batch)
        result: list[Any] = encode(list(texts), add_special_tokens=False)
        return result

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without marks. Bytes that are no UTF-8 come out as U+FFFD."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def text_of(self, number: int) -> str:
        """What the id `number` adds to a text by itself; a mark by its name, half a character as U+FFFD."""
        pieces = self.pieces
        if pieces is None or not pieces[number]:
            return str(self._tokenizer.id_to_token(number) or "")
        return pieces[number].decode("utf-8", "replace")

    def continuing(self, owed: bytes) -> list[int]:
        """Ids whose bytes begin with `owed` or are its beginning, of a byte-level tokenizer.

        The last answers are kept: it is white space, of which there are few kinds, and to look takes milliseconds.
        """
        found = self._continuing.get(owed)
        if found is None:
            if len(self._continuing) >= 64:
                self._continuing.clear()
            pairs = enumerate(self.pieces or ())
            found = [n for n, piece in pairs if piece and (owed.startswith(piece) or piece.startswith(owed))]
            self._continuing[owed] = found
        return found

    @functools.cached_property
    def pieces(self) -> list[bytes] | None:
        """The bytes of every id (none for marks), if this is a byte-level tokenizer; None for other kinds."""
        state = json.loads(self._tokenizer.to_str())
        if (state.get("decoder") or {}).get("type") != "ByteLevel":
            return None
        added = {token["id"]: token for token in state.get("added_tokens", [])}
        pieces = []
        for number in range(self.vocabulary):
            text = self._tokenizer.id_to_token(number) or ""
            if number in added:
                pieces.append(b"" if added[number]["special"] else text.encode())
            elif all(char in _BYTES for char in text):
                pieces.append(bytes(_BYTES[char] for char in text))
            else:
                pieces.append(text.encode())
        return pieces


def load_tokens(folder: Path, config: dict[str, Any]) -> Tokens:
    """The tokenizer of a model folder: tokenizer.json, or vocab.json with merges.txt, or what transformers can read.

    Raises:
        Refused: There is none, or it cannot be read.
    """
    try:
        if (folder / "tokenizer.json").exists():
            _check_size(folder / "tokenizer.json")
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        elif (folder / "merges.txt").exists() and (folder / "vocab.json").exists():
            _check_size(folder / "vocab.json")
            _check_size(folder / "merges.txt")
            byte_level = ByteLevelBPETokenizer.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
            tokenizer = byte_level._tokenizer
        else:
            tokenizer = _foreign_tokenizer(folder)
    except Refused:
        raise
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise Refused("the tokenizer cannot be read", f"{folder.name}: {error}", "Copy the model again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ends = _ids(config.get("eos_token_id")) | _ids(_generation_config(folder).get("eos_token_id"))
    size = tokenizer.get_vocab_size()
    ends = frozenset(number for number in ends if number < size)
    begins = [number for number in _ids(config.get("bos_token_id")) if number < size]
    return Tokens(tokenizer, ends, begins[0] if begins else min(ends, default=0))


def _check_size(path: Path) -> None:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise Refused("the tokenizer cannot be read", f"{path.name} is larger than {MAX_FILE_BYTES:,} bytes")


def _foreign_tokenizer(folder: Path) -> Tokenizer:
    """Older kinds (SentencePiece models, say) that transformers converts; 3 s of imports."""
    if not any((folder / name).exists() for name in ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")):
        raise Refused("there is no tokenizer", f"no tokenizer.json in {folder.name}", "Copy the model's folder whole")
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer: Tokenizer = loaded.backend_tokenizer
    return tokenizer


def _generation_config(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _ids(value: object) -> frozenset[int]:
    values = value if isinstance(value, list) else [value]
    return frozenset(item for item in values if isinstance(item, int) and not isinstance(item, bool) and item >= 0)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes, as character to byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(rest)}


_BYTES = _byte_alphabet()
