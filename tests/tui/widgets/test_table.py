"""Names that do not fit their column."""

from __future__ import annotations

import pytest

from tui.widgets.table import shortened


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("Training experiment 12", 13, "Training … 12"),
        ("Training experiment", 13, "Training exp…"),
        ("javascript 20261125", 13, "javascript 2…"),
        ("深度学习模型 3", 9, "深度学… 3"),
    ],
)
def test_what_is_cut_keeps_the_number_that_tells_it_from_its_like(text: str, width: int, shown: str) -> None:
    assert shortened(text, width) == shown
