"""What is hosted, followed while the studio is open: what changed goes to the screens.

The folders are read in a thread: every second while somebody looks, else seldom, since another terminal may host.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import TarmacError
from tui import words

if TYPE_CHECKING:
    from tui.studio import TarmacApp

_SEEN_SECONDS = 1.0
_IDLE_SECONDS = 4.0


class HostingWatch:
    """Keeps `app.hosting` and `app.deployments_awake` as the folders tell them.

    Attributes:
        looked: How often the folders were read.
    """

    def __init__(self, app: TarmacApp) -> None:
        self._app = app
        self._news = asyncio.Event()
        self.looked = 0
        self._died = False

    def look_now(self) -> None:
        """Something was done: do not wait for the next time."""
        self._news.set()

    async def follow(self) -> None:
        """Look again and again."""
        while True:
            self._news.clear()
            await self._look()
            try:
                async with asyncio.timeout(_SEEN_SECONDS if self._app.current_mode == "hosting" else _IDLE_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(lambda: self._app.services.hosting.look())
        except (TarmacError, OSError):
            return  # the disk does not answer: what was seen last stays
        finally:
            self.looked += 1
        died = found is not None and found.gateway.state == "died"
        if died and not self._died and found is not None and found.wanted and self._app.current_mode != "hosting":
            text = f"{words.counted(found.wanted, 'deployment')} cannot be reached. 5, then o, starts it again."
            self._app.notify(text, title="The gateway died", severity="error", timeout=12, markup=False)
        self._died = died
        if found != self._app.hosting or self.looked == 1:
            self._app.hosting = found
            self._app.deployments_awake = found.awake if found is not None else 0
            if found is None:
                self._app.mutate_reactive(type(self._app).hosting)
