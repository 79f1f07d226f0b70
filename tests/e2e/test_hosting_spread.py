"""A deployment on a process of its own, behind HAProxy: the studio sees where it is, and it takes changed settings."""

from __future__ import annotations

import asyncio
import socket

from core.hosting.deployments import Deployments
from core.hosting.spread import scaling
from tests.core.hosting.serving import deploy
from tests.e2e.test_hosting import ask, until
from tests.e2e.test_hosting_scale import STUB, store, stubs  # noqa: F401 - fixtures
from tui.hosting import spread as hosting_spread
from tui.hosting.changes import Wanted, change
from tui.hosting.services import HostingServices


def test_a_process_is_seen_and_takes_changed_settings(stubs: Deployments) -> None:  # noqa: F811
    deploy(stubs.folder, "gen", options=STUB)
    hosting = HostingServices(stubs.data_dir)
    assert hosting.seen("gen").spread is None
    try:
        found = asyncio.run(scaling.scale("gen", 1, data_dir=stubs.data_dir))
        assert hosting.seen("gen").spread == found
        text, tone = hosting_spread.process_line(found.replicas[0])
        assert (text.startswith(f"● serving · {socket.gethostname()} 127.0.0.1:"), tone) == (True, "good")
        query = f"{found.url}/v1/query"
        assert ask(query, None, {"z": [0] * 4})[0] == 401
        change(hosting, "gen", Wanted(private=False))
        until(lambda: ask(query, None, {"z": [0] * 4})[0] == 200)
    finally:
        asyncio.run(scaling.scale("gen", 0, data_dir=stubs.data_dir))
    assert hosting.seen("gen").spread is None
