"""Ids to text as they come: never half a character, never a character taken back."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from core.ml.generation.tokens import REPLACEMENT, Tokens

WINDOW = 6
"""Ids before the newest that are decoded with them: some tokenizers write a token differently at the start."""

PATIENCE = 16
"""Ids after which text that still ends in no character is taken as the model's own mistake."""


class TextStream:
    """Text that grows by tokens.

    Args:
        tokens: The model's tokenizer.
        before: The last ids of the prompt, for tokenizers whose pieces depend on what stands before.
    """

    def __init__(self, tokens: Tokens, before: Sequence[int]) -> None:
        self.text = ""
        self._tokens = tokens
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")
        self._ids = list(before[-WINDOW:])
        self._known = len(self._ids)

    def push(self, number: int) -> str:
        """Add an id; returns the text that became certain, which is "" while a character is incomplete."""
        pieces = self._tokens.pieces
        new = self._bytes.decode(pieces[number]) if pieces is not None else self._decode(number)
        self.text += new
        return new

    def _decode(self, number: int) -> str:
        self._ids.append(number)
        now = self._tokens.decode(self._ids)
        if now.endswith(REPLACEMENT) and len(self._ids) - self._known < PATIENCE:
            return ""
        new = now[len(self._tokens.decode(self._ids[: self._known])) :]
        self._ids = self._ids[-WINDOW:]
        self._known = len(self._ids)
        return new
