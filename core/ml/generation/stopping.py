"""Strings that end a text: found wherever tokens break them, and never shown, not even their beginning."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """Looks for stop strings in a text that only grows.

    Args:
        strings: Any of them ends the text; empty ones count for nothing.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = [string for string in strings if string]
        self._longest = max(map(len, self._strings), default=0)
        self._seen = 0

    def find(self, text: str) -> int | None:
        """Where the earliest stop string begins, if there is one by now."""
        if not self._strings:
            return None
        begin = max(0, self._seen - self._longest + 1)
        self._seen = len(text)
        places = [place for string in self._strings if (place := text.find(string, begin)) >= 0]
        return min(places, default=None)

    def held(self, text: str) -> int:
        """How many characters at the end may yet turn out to be the beginning of a stop string."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            tail = text[-length:]
            if any(string.startswith(tail) for string in self._strings):
                return length
        return 0
