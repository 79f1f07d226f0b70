"""Stop strings as people type them: commas between them, and \\n, \\t, \\, and \\\\ for what a line cannot hold."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MEANS = {"n": "\n", "t": "\t", ",": ",", "\\": "\\"}
_WRITTEN = {value: f"\\{key}" for key, value in _MEANS.items()}


def unescaped(text: str) -> str:
    """One string as it was typed; a backslash before anything else is a backslash."""
    return re.sub(r"\\([nt,\\])", lambda found: _MEANS[found[1]], text)


def parse(line: str) -> list[str]:
    """The strings of a line, empty ones left out. One space after a comma belongs to the comma."""
    parts = re.findall(r"(?:\\.|[^,\\]|\\$)+", line)
    strings = [unescaped(part[1:] if index and part.startswith(" ") else part) for index, part in enumerate(parts)]
    return [string for string in strings if string]


def shown(strings: Sequence[str]) -> str:
    """The line that `parse` reads."""
    return ", ".join(re.sub(r"[\n\t,\\]", lambda found: _WRITTEN[found[0]], string) for string in strings)
