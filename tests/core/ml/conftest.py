"""Fixtures for tests of the networks and adapters."""

from __future__ import annotations

import pytest

from core.ml.adapters import synthesis_choice


@pytest.fixture
def float32_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor without bfloat16: for comparisons with golden pictures, which are float32's to the last step."""
    monkeypatch.setattr(synthesis_choice, "fast_bfloat16", lambda device: False)
