"""The choice of a number format."""

from __future__ import annotations

import pytest
import torch

from core.ml.training.image import precision
from core.ml.training.image.precision import choose_precision


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_what_the_device_is_good_at(native: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: native)
    assert choose_precision(torch.device("cpu")) == expected


def test_the_first_stylegan_is_trained_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: True)
    assert choose_precision(torch.device("cpu"), architecture="stylegan") == "float32"
    assert choose_precision(torch.device("cpu"), "bfloat16", "stylegan") == "bfloat16"


def test_a_wish_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: True)
    assert choose_precision(torch.device("cpu"), "float32") == "float32"
    assert choose_precision(torch.device("meta"), "bfloat16") == "bfloat16"
