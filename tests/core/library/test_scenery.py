"""Which labels are background: the rule, label by label."""

import pytest

from core.library.scenery import background_of, clean_labels, is_scenery


@pytest.mark.parametrize(
    "label", ["background", "_background_", "Wall", "sky-other-merged", "floor-wood", "road, route", "N/A", "tree"]
)
def test_scenery(label: str) -> None:
    assert is_scenery(label)


@pytest.mark.parametrize(
    "label", ["person", "street sign", "wall clock", "cat", "potted plant", "skyline bus", "LABEL_1"]
)
def test_what_a_picture_may_be_of(label: str) -> None:
    assert not is_scenery(label)


def test_of_many_labels_those_that_are_called_so() -> None:
    assert background_of(["wall", "building", "person", "sky", "car"]) == (0, 1, 3)


def test_of_nameless_labels_the_first() -> None:
    assert background_of(["LABEL_0", "LABEL_1"]) == (0,)
    assert background_of(["cat", "background"]) == (1,)


def test_boxes_need_no_background() -> None:
    assert background_of(["cat", "dog"], areas=False) == ()


def test_labels_are_harmless_and_different() -> None:
    assert clean_labels(["a\x1b[31m", "", "a", "a", ""]) == ("a [31m", "label 1", "a", "a 2", "label 4")
