"""`python -m tests.stub_gateway DATA_DIR [--detach]`: the gateway's process, serving the test adapters as models."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from core.hosting import __main__ as gateway
from core.hosting.served import Resolve
from tests.core.hosting.serving import resolve


def stubs(data_dir: Path) -> Resolve:
    """In place of the library's models."""
    return resolve


def command(data_dir: Path) -> list[str]:
    """What starts it, as `core.hosting.process.gateway_command` tells it of the real one."""
    return [sys.executable, "-u", "-X", "utf8", "-m", "tests.stub_gateway", str(data_dir)]


def main(arguments: list[str]) -> int:
    """As the gateway's."""
    found: Callable[[Path], Resolve] = stubs
    gateway.from_library = found
    return gateway.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
