"""What a held arrow key costs the event loop in the explorer: 33 keys a second over new ground, 200×60, a stub model.

Target: 5 ms of processor time for the explorer's part of one key. The whole loop's time beside it holds Textual's part:
reading the key, painting half-blocks, and taking the tiles that come.
"""

from __future__ import annotations

import asyncio
import os
import time

from textual import events

from tests.demo_explorer import ExplorerApp
from tui.widgets.explorer.grid import Explorer

KEYS = 100
PAUSE = 0.03
LENGTH = 16

_TARGET = 5.0


async def measure(zoom: int, panel: str = "", key: str = "right") -> str:
    """One line of the table: processor time in milliseconds."""
    view = {"plane": {"dim": LENGTH, "seed": 7, "distance": 0.5}, "zoom": zoom}
    app = ExplorerApp(state={"journey": {"index": 0, "views": [view]}})
    async with app.run_test(size=(200, 60)) as pilot:
        explorer = app.query_one(Explorer)
        while explorer.missing or explorer.window.columns == 1:
            await pilot.pause(0.05)
        if panel:
            await pilot.press(panel)
            await pilot.pause(0.5)
        costs: list[float] = []
        move = explorer.action_move

        def timed(x: int, y: int) -> None:
            begun = time.thread_time()
            move(x, y)
            costs.append((time.thread_time() - begun) * 1000)

        explorer.action_move = timed  # type: ignore[method-assign]
        begun = time.thread_time()
        for _ in range(KEYS):
            app.post_message(events.Key(key, None))
            await asyncio.sleep(PAUSE)
        whole = (time.thread_time() - begun) * 1000 / KEYS
        costs.sort()
        at = [costs[len(costs) // 2], costs[int(0.99 * len(costs))]]
        window = explorer.window
        name = f"{window.columns}×{window.rows}" + (" while editing" if panel else "")
        return f"| {name} | {at[0]:.2f} | {at[1]:.2f} | {at[1] / _TARGET:.2f} | {whole:.1f} |"


async def _all() -> None:
    print(f"{KEYS} keys each, milliseconds of processor time; load of the machine {os.getloadavg()[0]:.1f}\n")
    print(f"| grid | a key, p50 | p99 | of {_TARGET:.0f} ms | whole loop |\n|---|---|---|---|---|")
    print(await measure(-2))
    print(await measure(-4))
    print(await measure(-6))
    print(await measure(-4, "e", "l"))


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    asyncio.run(_all())


if __name__ == "__main__":
    main([])
