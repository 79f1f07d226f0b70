"""Notes inside a program that is measured: when keys were handled, what each frame showed, how late the loop was.

Times are of the monotonic clock, which all processes of a machine share. What was noted is written when the program
ends, so that nothing is written while it is measured.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from textual.app import App

from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene
from tui.graphics.pictures import Frame, Pictures
from tui.widgets.explorer.grid import Explorer

_BEAT = 0.005


class Trace:
    """The notes of one program.

    Args:
        path: Where they go, a JSON object a line.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._notes: list[dict[str, Any]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch the event loop."""
        self._task = asyncio.create_task(self._beat(), name="trace")

    def note(self, **what: Any) -> None:
        """Note something with the time."""
        self._notes.append({"t": time.monotonic(), **what})

    def write(self) -> None:
        """Write all that was noted."""
        if self._task is not None:
            self._task.cancel()
        self._path.write_text("".join(json.dumps(note) + "\n" for note in self._notes))

    def watch_frames(self, app: App[Any]) -> None:
        """Note with each frame which cursor of the explorer it shows, and whether all is there in full quality."""
        explorer, pictures = app.query_one(Explorer), Pictures.of(app)
        canvas = explorer.query_one("#explorer-grid", GridCanvas)
        shown: dict[int, tuple[Scene, tuple[int, int]]] = {}
        set_scene = canvas.set_scene

        def noted_scene(scene: Scene, tiles: Any) -> None:
            set_scene(scene, tiles)
            shown[id(canvas.scene)] = canvas.scene, explorer.view.cursor
            if len(shown) > 64:
                shown.pop(next(iter(shown)))

        def noted_frame(frame: Frame) -> None:
            scenes = [request.scene for request in frame.requests if id(request.scene) in shown]
            scene, cursor = shown[id(scenes[0])] if scenes else (None, None)
            self.note(
                frame=frame.number,
                level=frame.level,
                size=frame.size,
                seconds=frame.seconds,
                cursor=cursor,
                grid=None if scene is None else [scene.columns, scene.rows],
                full=scene is not None and len(scene.tiles) == scene.columns * scene.rows,
                whole=not any(each.due(True) for each in app.query(GridCanvas)),
                speed=pictures.pace.speed,
                trip=pictures.pace.round_trip,
            )

        vars(canvas)["set_scene"] = noted_scene
        pictures.on_frame = noted_frame

    async def _beat(self) -> None:
        while True:
            begun, worked = time.monotonic(), time.thread_time()
            await asyncio.sleep(_BEAT)
            late = time.monotonic() - begun - _BEAT
            if late > 0.002:
                # Processor time tells what the program did itself from what the machine was busy with.
                self.note(late=late, own=time.thread_time() - worked)
