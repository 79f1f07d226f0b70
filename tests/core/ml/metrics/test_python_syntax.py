"""Cutting at the last complete statement takes the torn end away and nothing else."""

from __future__ import annotations

import pytest

from core.ml.metrics.python_syntax import complete_statements, is_python, share_of_python


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a = 1\nb = (2,\n  3", "a = 1\n"),
        ("a = 1\nb = 2", "a = 1\n"),
        ("def f():\n    return '''x\n\n  y", ""),
        ("x = 1\ndef f():\n", "x = 1\n"),
        ("x = 1\n@property\ndef f(self):\n    # why\n\n", "x = 1\n"),
        ("if a:\n    b\nelse:\n", "if a:\n    b\n"),
        ("if (a and\n        b):\n", ""),
        ("x = 1\ntry:\n    a\n    b\n", "x = 1\n"),
        ("try:\n    a\nexcept E:\n    b\nc\n", "try:\n    a\nexcept E:\n    b\nc\n"),
        ("try:\n    a\nfinally:\n    if b:\n        c\n", "try:\n    a\nfinally:\n    if b:\n        c\n"),
        ("x = {\n    'a': 1,\n}\n", "x = {\n    'a': 1,\n}\n"),
        ("d = x[1:\n", ""),
        ("", ""),
    ],
)
def test_only_the_torn_end_goes(text: str, kept: str) -> None:
    assert complete_statements(text) == kept


@pytest.mark.parametrize(
    "text", ["def f):\n    x\n    y = 1\n", "a = 1\n  b = 2\nc\n", "x = = 2\ny = 3\nz", "return return\nx = 1\n"]
)
def test_errors_before_the_end_stay_and_count(text: str) -> None:
    assert complete_statements(text).startswith(text[:5])
    assert not is_python(text)


def test_a_header_alone_is_no_python() -> None:
    assert not is_python("f(x):", "def ")
    assert not is_python("f(x):\n    return (x", "def ")
    assert is_python("f(x):\n    return x\n    y", "def ")


def test_a_bracket_that_was_forgotten_is_no_torn_end() -> None:
    assert not is_python("f(x):\n    y = 1\n    if g(x, (y, 2):\n        return\n    return 3\n", "def ")
    assert is_python("f(x):\n    y = 1\n    if g(x, (y, 2),\n        z", "def ")
    assert is_python("f(x):\n    y = 1\n    try:\n        z", "def ")
    assert is_python('f(x):\n    y = 1\n    """A text\n    that goes on\n    and', "def ")


def test_the_share_counts_each_once() -> None:
    assert share_of_python(["f():\n    pass\n", "f(:\n    pass\n"], "def ") == 0.5
    assert share_of_python([]) == 0
