"""Processes of runs killed at random moments: a few here, fifty and the real loop by `python -m tests.kills`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import kills


@pytest.mark.slow
def test_killed_runs_end_as_undisturbed_ones(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TARMAC_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "")  # the experiment sets them, and they must not outlive it
    monkeypatch.setattr(sys, "path", sys.path[:])
    tally = kills.kill_until(kills.toy_experiment(tmp_path), times=12, seed=3)
    assert tally.kills >= 12
    assert tally.runs >= 1
