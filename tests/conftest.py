"""What every test gets: a home of its own, one compute thread, and no settings of the person who runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Two test processes on two cores: more threads only fight. Set before anything imports torch, and inherited by workers.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# A person's colour settings would change snapshots.
for _name in ("NO_COLOR", "COLORTERM", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_THEME", "TMUX"):
    os.environ.pop(_name, None)
for _name in [name for name in os.environ if name.startswith("TARMAC_") and not name.startswith("TARMAC_REQUIRE_")]:
    os.environ.pop(_name)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TARMAC_HOME for each test."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("TARMAC_HOME", str(folder))
    return folder
