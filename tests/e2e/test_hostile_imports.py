"""Every broken, hostile and foreign file given to `tarmac models import`: exit 2, one line, nothing changed or run."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import hostile
from tests.studio import ROOT


@pytest.mark.slow
def test_every_file_is_refused_in_one_line(home: Path, tmp_path: Path) -> None:
    """The real command on each file; the library and the folder stay as they were."""
    folder = tmp_path / "hostile"
    paths = hostile.make_hostile_files(folder)
    assert len(paths) > 100
    before = hostile.snapshot(home / "data" / "models")

    def refused(path: Path) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
        command = [sys.executable, "-m", "tui.cli", "models", "import", "--json", "--", str(path)]
        return path, subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)

    with ThreadPoolExecutor(2) as pool:
        for path, done in pool.map(refused, paths):
            told = done.stderr.decode()
            assert done.returncode == 2, (path, done.returncode, told)
            assert done.stdout == b"", path
            assert told.count("\n") == 1, (path, told)
            assert told.rstrip("\n").isprintable(), (path, told)
            assert "Traceback" not in told, (path, told)
    assert hostile.snapshot(home / "data" / "models") == before
    assert not (folder / hostile.CANARY).exists()
