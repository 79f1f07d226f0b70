"""JSON in small steps says what the standard library's says."""

from __future__ import annotations

import json

import pytest

from core.errors import InvalidInput
from core.hosting import gentle_json
from core.hosting.exchange import parse_json
from core.hosting.guard import weight

LONG: dict[str, object] = {
    "numbers": [n / 7 for n in range(gentle_json.AT_ONCE)],
    "nested": {"a": [[n, str(n), {"k": None}] for n in range(3000)], "b": [True, False, 1e300, -0.0]},
    "text": 'quo"te \\ \u00f6 \U0001f600 \x1b\n' * 50_000,
    "empty": [{}, [], ""],
}


def test_what_is_written_is_read_again_by_anybody() -> None:
    for data in (LONG, {}, {"a": 1, "": "x"}):
        assert json.loads(gentle_json.write(data)) == data
        assert gentle_json.read(json.dumps(data).encode()) == data


@pytest.mark.parametrize(
    "broken",
    [b"[1,", b'["\xff"]', b"[NaN,", b"[" * 200_000, b'{"a" 1}', b'{"a": 1,}'],
    ids=["cut", "bytes", "nan", "deep", "colon", "comma"],
)
def test_what_is_broken_is_told_alike(broken: bytes) -> None:
    data = b"[[1" + b",1" * gentle_json.AT_ONCE + b"]," + broken + (b"]" if broken.endswith(b"}") else b"")
    with pytest.raises(InvalidInput) as gentle:
        gentle_json.read(data)
    with pytest.raises(InvalidInput) as strict:
        parse_json(data)
    assert gentle.value.what == strict.value.what


def test_values_are_counted_as_far_as_it_matters() -> None:
    assert weight([1, "a", {"b": [2, 3]}], 100) == 7
    assert weight("x" * 6400, 1000) == 101
    assert 1000 < weight([[1] * 5000] * 5000, 1000) < 20_000
