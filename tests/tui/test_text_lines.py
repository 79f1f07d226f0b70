"""Text laid out in cells: where lines break, what is kept, and that no line is too wide."""

from __future__ import annotations

import random
import time

import pytest
from rich.cells import cell_len

from core.runs.text_samples import TextSample
from tui.text_lines import Growing, Laid, flowed, rule
from tui.widgets.runs.texts import laid


def shown(lines: object) -> list[str]:
    """Lines as texts."""
    return ["".join(text for text, _ in line) for line in lines]  # type: ignore[attr-defined]


def test_lines_break_at_spaces_and_keep_their_own_ends_and_indents() -> None:
    lines = flowed((("def f(x):\n    return", "muted"), (" x + 1\n\nabc def", "plain")), 12)
    assert shown(lines) == ["def f(x):", "    return x", "+ 1", "", "abc def"]
    assert lines[1] == (("    return", "muted"), (" x", "plain"))


@pytest.mark.parametrize("width", [1, 2, 7, 40])
def test_nothing_is_lost_and_no_line_is_too_wide(width: int) -> None:
    text = "a wide 合計 sign, a word_that_is_longer_than_the_pane and\ta tab\n\n  end"
    lines = shown(flowed(((text[:9], "muted"), (text[9:], "plain")), width))
    assert all(cell_len(line) <= max(width, 4) for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_megabyte_without_a_space_is_laid_out_in_less_than_some_seconds() -> None:
    begun = time.process_time()
    lines = flowed((("x" * 1_000_000, "plain"),), 80)
    assert len(lines) == 12_500
    assert time.process_time() - begun < 5


def test_a_rule_is_as_wide_as_the_pane() -> None:
    assert cell_len(shown([rule("1 of 3", 30)])[0]) == 30


def test_one_step_two_beside_and_two_below_each_other() -> None:
    first = [TextSample("f(", "self):", 7), TextSample("one\ntwo", " three", 8)]
    then = [TextSample("f(", "x) {", 7), TextSample("one\ntwo", " four", 8)]
    alone = laid([(0, first)], 30)
    assert shown(alone.lines)[1] == "f(self):"
    assert alone.lines[1] == (("f(", "muted"), ("self):", "plain"))
    assert "2 of 2 · seed 8" in shown(alone.lines)[alone.starts[1]]
    wide = shown(laid([(0, first), (900, then)], 100).lines)
    assert wide[1].split("step ")[1:] == ["0".ljust(51 - 5), "900"]
    assert wide[2].split() == ["f(self):", "f(x)", "{"]
    narrow = shown(laid([(0, first), (900, then)], 40).lines)
    assert narrow[1:5] == ["step 0", "f(self):", "step 900", "f(x) {"]
    assert narrow[7:] == ["one", "step 0", "two three", "step 900", "two four"]


def test_prompts_that_came_later_have_no_partner() -> None:
    lines = shown(
        laid([(0, [TextSample("a", "b", 1)]), (9, [TextSample("a", "c", 1), TextSample("d", "e", 2)])], 40).lines
    )
    assert lines[-4:] == ["step 0", "–", "step 9", "de"]


def test_the_part_that_is_looked_at_is_found() -> None:
    assert Laid((), (0, 6, 15)).part(8) == (1, 2)
    assert Laid().part(0) == (0, 0)


@pytest.mark.parametrize("width", [1, 3, 8, 31])
def test_a_text_that_comes_in_pieces_is_laid_out_as_if_it_had_come_whole(width: int) -> None:
    chance = random.Random(width)
    for _ in range(200):
        pieces = [
            ("".join(chance.choices("ab c\n\t é漢 ", k=chance.randint(1, 9))), chance.choice(("plain", "accent")))
            for _ in range(chance.randint(1, 20))
        ]
        growing = Growing(width)
        for text, tone in pieces:
            growing.add(text, tone)
        whole = flowed(pieces, width)
        assert [_cells(line) for line in growing.laid().lines] == [_cells(line) for line in whole]


def _cells(line: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(character, tone) for text, tone in line for character in text]
