"""How the command line ends: its exit codes, and a line of talk that no terminal takes for anything else."""

from __future__ import annotations

DONE, NOT_DONE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def printable(text: str) -> str:
    """`text` with a space for each character that is not shown, line ends too."""
    return "".join(char if char.isprintable() else " " for char in text)
