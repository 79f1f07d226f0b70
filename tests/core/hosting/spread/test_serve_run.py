"""A replica that cannot answer is not asked: it steps aside while its model does not run, and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

from core.hosting.pool import Pool
from core.hosting.spread import serve_run
from core.hosting.spread.endpoints import Endpoint, read_endpoints
from core.hosting.status import State
from tests.core.hosting.serving import until


class Workers:
    """What is looked at of a pool."""

    state: State = "awake"
    wakes = 0

    def wake(self) -> None:
        self.wakes += 1


async def test_one_whose_model_cannot_be_kept_running_steps_aside(tmp_path: Path) -> None:
    workers, serving = Workers(), asyncio.get_running_loop().create_future()
    ends: list[serve_run.Outcome] = []
    endpoint = Endpoint("a", "127.0.0.1", 4000)
    endpoint.write(tmp_path)

    def stopping() -> bool:
        return read_endpoints(tmp_path)["a"][0].stopping

    task = asyncio.create_task(
        serve_run._until_over(
            endpoint,
            tmp_path,
            cast(serve_run._Over, lambda: ends[0] if ends else None),
            cast("asyncio.Task[None]", serving),
            lambda: cast(Pool, workers),
        )
    )
    workers.state = "waking"  # its worker died and is started again: requests are held
    await asyncio.sleep(0)
    assert not stopping()
    workers.state = "failed"
    await until(stopping)
    tries = workers.wakes
    await until(lambda: workers.wakes > tries)  # it is tried again
    workers.state = "waking"
    tries = workers.wakes
    await until(lambda: workers.wakes > tries)
    assert stopping()  # until it runs in truth
    workers.state = "awake"
    await until(lambda: not stopping())
    ends.append(serve_run.Outcome("stopped"))
    assert (await task).state == "stopped"
