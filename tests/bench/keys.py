"""How soon a key is answered in the studio while the model loads, while tiles are made and while a long task runs.

Answered means: the key's message went through the app to its widget and the widget's state is the new one. Target:
50 ms for 99 of 100 keys, on a machine that is not busy with other things.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from textual import events
from textual.pilot import Pilot

from core.workers.session import Session
from tests.adapters import target
from tests.tui.stage import StageServices, furnish, studio, until
from tui.messages import ShowModel
from tui.widgets.explorer.grid import Explorer

KEYS = 300
PAUSE = 0.02
"""Seconds between two keys: a held key repeats about 30 times a second."""


async def press_all(pilot: Pilot[int], explorer: Explorer) -> list[float]:
    """Seconds from each key to its answer."""
    times = []
    for number in range(KEYS):
        key = "right" if number // 20 % 2 == 0 else "left"
        before = explorer.view.cursor
        started = time.perf_counter()
        pilot.app.post_message(events.Key(key, None))
        while explorer.view.cursor == before:  # noqa: ASYNC110 - an event would hide the time it takes to be woken
            await asyncio.sleep(0)
        times.append(time.perf_counter() - started)
        await asyncio.sleep(PAUSE)
    return times


def told(name: str, times: list[float]) -> str:
    """One line of the table."""
    ordered = sorted(times)
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 for share in (0.5, 0.9, 0.99)]
    return f"| {name} | {at[0]:.1f} | {at[1]:.1f} | {at[2]:.1f} | {ordered[-1] * 1000:.1f} |"


async def measure(name: str, options: dict[str, object], sleeper: bool = False) -> str:
    """Keys in the explorer while its worker is as `options` make it."""
    home = Path(tempfile.mkdtemp(prefix="tarmac-keys-"))
    os.environ["TARMAC_HOME"] = str(home)
    services: StageServices = furnish(home)
    services.options["image-gan"] = options
    async with studio(services, size=(100, 32)) as (app, pilot, _):
        app.post_message(ShowModel("starter/portraits"))
        await until(pilot, lambda: app.screen.query(Explorer), 60)
        explorer = app.screen.query_one(Explorer)
        await until(pilot, lambda: app.focused is explorer, 60)
        busy = Session(target("Sleeper"))
        if sleeper:
            await busy.start()
            call = busy.run("sleep", {"seconds": 20})
        line = told(name, await press_all(pilot, explorer))
        if sleeper:
            call.cancel()
            await busy.stop()
        return line


async def _all() -> None:
    print(f"{KEYS} keys each, milliseconds; load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| while | p50 | p90 | p99 | worst |\n|---|---|---|---|---|")
    print(await measure("the model loads", {"load": 60}))
    print(await measure("the model loads and holds its interpreter", {"slow_import": 60}))
    print(await measure("tiles are made", {"delay": 0.05}))
    print(await measure("a task of 20 s runs in a worker", {}, sleeper=True))


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    asyncio.run(_all())


if __name__ == "__main__":
    main([])
