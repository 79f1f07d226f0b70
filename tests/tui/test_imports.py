"""The studio's process never holds a framework: starting it must not take seconds, nor memory that models need."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROOTS = ("torch", "transformers", "tokenizers", "safetensors")
CODE = """
import sys
import tui.app, tui.studio, tui.palette
tui.palette.all_binding_ids()
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The top-level modules of a fresh process that imported every screen of the studio."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", ROOTS)
def test_the_studio_imports_no_framework(loaded: set[str], name: str) -> None:
    assert "textual" in loaded
    assert name not in loaded


def test_asking_the_terminal_comes_before_textual() -> None:
    code = "import sys, tui.app, tui.graphics; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_first_frame_waits_for_nothing_that_it_does_not_show() -> None:
    code = """
import sys, tui.app, tui.graphics, tui.studio, tui.screens.directory
held = {"numpy", "PIL", "psutil", "tomlkit", "msgpack", "core.workers.session"} & set(sys.modules)
print(*held)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert done.stdout.split() == []
    assert done.returncode == 0, done.stderr
