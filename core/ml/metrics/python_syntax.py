"""What share of a model's Python completions is Python: a score that needs no reference."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable

_ALLOW_INCOMPLETE = 0x4000
"""PyCF_ALLOW_INCOMPLETE_INPUT of the compiler, by which `codeop` tells an unfinished command from a wrong one."""

_OPENERS = ("if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class", "async", "@")


def complete_statements(text: str) -> str:
    """`text` up to its last complete statement; nothing else is taken away or repaired.

    A completion stops at a number of tokens, so its end is cut off anywhere. What goes is the last line without a
    line end, a last logical line inside brackets or a string that is still open, headers at the end without a body
    (`else:`, a decorator), and a `try` at the end without its `except`. Errors before that stay and count.
    """
    lines = text.split("\n")[:-1]
    while lines:
        start = _open_at(lines)
        if start is None:
            last = lines[-1].strip()
            if not last or last.startswith("#"):
                lines.pop()
                continue
            header = _last_logical_line(lines)
            if lines[header].lstrip().startswith("@") or (last.endswith(":") and _opens(lines[header])):
                start = header
            else:
                start = _open_try(lines)
        if start is None:
            break
        del lines[start:]
    return "".join(f"{line}\n" for line in lines)


def is_python(completion: str, prompt: str = "") -> bool:
    """Whether prompt and completion, cut to complete statements, parse, and what was cut off could still become Python.

    Text of which nothing but a header is left counts as no Python, and so does a bracket that was forgotten rather
    than torn: nothing that may follow would mend `if (a:`.
    """
    source = complete_statements(prompt + completion)
    if len(source) <= len(prompt) or not _is_beginning((prompt + completion).rpartition("\n")[0] + "\n"):
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(tree.body)


def share_of_python(completions: Iterable[str], prompt: str = "") -> float:
    """The share, 0 to 1, of completions that are Python (`is_python`)."""
    results = [is_python(completion, prompt) for completion in completions]
    return sum(results) / len(results) if results else 0.0


def _is_beginning(text: str) -> bool:
    """Whether whole lines are Python as far as they go."""
    try:
        compile(text, "", "exec", ast.PyCF_ONLY_AST | _ALLOW_INCOMPLETE)
    except SyntaxError as error:
        return error.msg == "incomplete input"
    except (ValueError, RecursionError, MemoryError):
        return False
    return True


def _open_at(lines: list[str]) -> int | None:
    """Index of the line where a logical line starts that the text does not end, if there is one."""
    start = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
            if token.type == tokenize.NEWLINE:
                start = token.end[0]
    except tokenize.TokenError as error:
        if "EOF" not in str(error) and "triple-quoted" not in str(error):
            return None
        while start < len(lines) - 1 and not lines[start].strip():
            start += 1
        # Beyond the end: a bracket was closed that was never open, which no cut can mend.
        return start if start < len(lines) else None
    except SyntaxError:  # an indentation that fits nothing: an error of the model's, not of the cut
        return None
    return None


def _last_logical_line(lines: list[str]) -> int:
    """Index of the line where the last logical line starts."""
    starts, fresh = [0], False
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
            if token.type == tokenize.NEWLINE:
                fresh = True
            elif fresh and token.string.strip():
                starts.append(token.start[0] - 1)
                fresh = False
    except (tokenize.TokenError, SyntaxError):
        return len(lines) - 1
    return starts[-1]


def _opens(line: str) -> bool:
    return line.lstrip().startswith(_OPENERS)


def _open_try(lines: list[str]) -> int | None:
    """Index of a `try` whose block reaches to the end of the text, so that no `except` can have come."""
    indent = len(lines[-1]) - len(lines[-1].lstrip())
    for place in range(len(lines) - 1, -1, -1):
        line = lines[place]
        if not line.strip():
            continue
        here = len(line) - len(line.lstrip())
        if here < indent or place == len(lines) - 1:
            indent = min(indent, here)
            if line.strip() == "try:":
                return place
    return None
