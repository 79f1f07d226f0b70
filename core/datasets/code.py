"""Source code as training text: which files there are, what is worth learning from them, which are held out.

A reader of this file needs no torch: sources come out as plain strings.
"""

from __future__ import annotations

import ast
import hashlib
import io
import os
import sysconfig
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idle_test", "encodings"}
)
"""Installed packages are not the standard library; tests repeat themselves; `encodings` is tables."""

MAX_FILE_BYTES = 300_000
"""Above this a Python file is generated (pydoc's topics)."""


@dataclass(frozen=True)
class Source:
    """One file: `name` is its path below the root with forward slashes, `text` what it holds."""

    name: str
    text: str


def standard_library(root: Path | None = None) -> Iterator[Source]:
    """The standard library of the running Python without its tests and tables, in order of name.

    Args:
        root: Another folder to read instead.
    """
    root = root or Path(sysconfig.get_path("stdlib"))
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("config-")]
        found += [
            Path(folder, name) for name in files if name.endswith(".py") and not name.startswith("_sysconfigdata")
        ]
    for path in sorted(found):
        if path.stat().st_size <= MAX_FILE_BYTES:
            try:
                yield Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
            except (UnicodeDecodeError, OSError):
                continue


def condense(text: str) -> str:
    """Python source with less prose: docstrings keep their first line, blocks of comments go, tabs become spaces.

    A small model learns more about code from the same number of tokens that way. Text that does not parse comes
    back unchanged except for line ends.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(8)
    try:
        tree = ast.parse(text)
        comments = _comment_lines(text)
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError):
        return text
    lines: list[str | None] = list(text.split("\n"))
    for number in comments:
        lines[number - 1] = None
    for constant in _docstrings(tree):
        first, last = constant.lineno - 1, (constant.end_lineno or constant.lineno) - 1
        if first == last:
            continue
        words = str(constant.value).strip().split("\n")[0].rstrip()
        whole = lines[first]
        if whole is None or '"' in words or "\\" in words:
            continue
        lines[first] = f'{whole[: len(whole) - len(whole.lstrip())]}"""{words}"""'
        lines[first + 1 : last + 1] = [None] * (last - first)
    kept = _without_long_gaps(line.rstrip() for line in lines if line is not None)
    result = "\n".join(kept).strip("\n") + "\n"
    try:
        ast.parse(result)
    except SyntaxError:
        return text
    return result


def definitions(text: str) -> Iterator[str]:
    """Every function and class in `text`, methods included, each by itself and without its indentation."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    lines = text.split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno])) + "\n"


def is_held_out(name: str, share: float = 0.05) -> bool:
    """Whether the file of that name belongs to the held-out part: by a hash, so it never moves between parts."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") < share * 2**32


def _comment_lines(text: str) -> list[int]:
    """Numbers of the lines that hold nothing but a comment and have such a neighbour, or are editor marks."""
    alone = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip():
            alone[token.start[0]] = token.string
    return [
        n for n, comment in alone.items() if n - 1 in alone or n + 1 in alone or comment.startswith(("#!", "# -*-"))
    ]


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                yield first.value


def _without_long_gaps(lines: Iterable[str]) -> Iterator[str]:
    """At most two empty lines in a row, as PEP 8 has it."""
    empty = 0
    for line in lines:
        empty = 0 if line else empty + 1
        if empty <= 2:
            yield line
