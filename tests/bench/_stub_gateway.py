"""A gateway in a process of its own that serves a model which answers at once; tells its port and token, and stays."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.core.hosting.serving import gateway


async def _serve(folder: Path) -> None:
    async with gateway(folder, {"echo": {"model": "Echo"}}) as stage:
        print(json.dumps({"port": stage.port, "token": stage.tokens["echo"]}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
