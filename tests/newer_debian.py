"""Newer terminals than this system has: kitty, xterm and tmux of Debian 13, in a root folder of their own.

Made once by debootstrap in the cache (some 600 MB, a minute or two). A terminal runs in there; the program in it comes
back out, so that it runs from this tree with this Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.terminals import cache, lack, need

_PACKAGES = ("kitty", "xterm", "tmux", "libgl1-mesa-dri", "libegl1", "libgl1", "fonts-dejavu-core")
_ENTER = """
root=$1; shift
for name in proc dev sys tmp; do mount --rbind "/$name" "$root/$name" || exit 1; done
exec chroot "$root" "$@"
"""


class NewerDebian:
    """Debian 13 beside the system. Needs root, as mounting and changing the root folder do."""

    def __init__(self) -> None:
        need("debootstrap", "unshare", "nsenter", "chroot")
        if os.getuid() != 0:
            lack("only root can run programs in another root folder")
        self.root = cache() / "trixie"
        if not self.root.exists():
            self._make()

    def enter(self, line: Sequence[str]) -> list[str]:
        """A command line that runs `line` in there. The mounts are seen by it alone and go with it."""
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _ENTER, "sh", str(self.root), *line]

    def back(self, line: Sequence[str]) -> list[str]:
        """A command line for in there that runs `line` out here again."""
        here = f"/proc/{os.getpid()}"
        return ["nsenter", f"--root={here}/root", f"--mount={here}/ns/mnt", f"--wd={here}/cwd", *line]

    def _make(self) -> None:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=self.root.parent))
        try:
            subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", "trixie", str(made)],
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=900,
            )
            made.chmod(0o755)
            made.rename(self.root)
        finally:
            shutil.rmtree(made, ignore_errors=True)
