"""Runway's client as it came from npm, fetched once for all tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from tests.terminals import cache

CLIENT = "@runwayml/hosted-models@0.3.0"


def lack(reason: str) -> NoReturn:
    """Skip the test; fail where TARMAC_REQUIRE_CLIENTS is 1."""
    if os.environ.get("TARMAC_REQUIRE_CLIENTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def runway_client() -> Path:
    """A folder whose node_modules hold the unmodified package, in the cache."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        lack("node and npm are missing")
    folder = cache() / "hosted-models-0.3.0"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            line = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", CLIENT]
            try:
                subprocess.run(line, cwd=made, check=True, capture_output=True, timeout=180)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                lack(f"npm cannot install {CLIENT}: {error}")
            with contextlib.suppress(OSError):  # another test may have been faster
                Path(made).rename(folder)
                Path(made).mkdir()  # the temporary folder wants to be removed
    return folder
