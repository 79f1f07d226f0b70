"""Why a foreign file is not taken, and the limits that every reader here keeps.

A reader never trusts a length, a count or a name that it finds in a file. What goes past a limit is `Unreadable`.
"""

from __future__ import annotations

MAX_FILE = 24 * 2**30
"""Bytes of one file. The largest published generator is 0.4 GB, a shard of a text model up to 10 GB."""
MAX_OPCODES = 1_000_000
"""Opcodes of one pickle, nested ones counted with it. Two 1024-pixel generators in one file have 45,000."""
MAX_DEPTH = 1_000
"""Marks open at once in a pickle. Real ones stay under 30."""
MAX_STACK = 200_000
"""Objects on the stack of a pickle at once."""
MAX_TEXT = 32 * 2**20
"""Bytes of text that one pickle decodes, all strings together. Real ones hold under a megabyte."""
MAX_INTEGER = 64
"""Bytes of one integer in a pickle. Real ones fit in 10."""
MAX_ENTRIES = 100_000
"""Tensors, modules or archive entries of one file."""
MAX_HEADER = 8 * 2**20
"""Bytes of a safetensors header, of an archive's directory or of a small JSON file."""


class Unreadable(Exception):
    """A file is not what it should be.

    Args:
        why: The reason as one clause that can follow "cannot import NAME:".
        do: What the user can do about it.
    """

    def __init__(self, why: str, do: str = "") -> None:
        super().__init__(why)
        self.why, self.do = why, do


def shown(value: object, longest: int = 60) -> str:
    """A value from a file, short and without control characters, to quote in a sentence.

    Containers are only named: to write them out could take for ever.
    """
    if type(value) not in (str, int, float, bool):
        return "nothing" if value is None else f"a {type(value).__name__}"
    text = value[: longest + 1] if isinstance(value, str) else str(value)
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def truncated() -> Unreadable:
    """The commonest one: a download that stopped half-way."""
    return Unreadable("it ends in the middle", "Download or copy it again")
