"""The wizard asks what images are learned from: some pictures of the dataset under the cursor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult

from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene
from tui.widgets.table import Column
from tui.widgets.wizard.dataset import DatasetPage
from tui.wizard.answers import Answers
from tui.wizard.materials import Materials

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tui.training.services import DatasetFacts

_SHEET = 24
"""Pictures that are shown of a dataset."""

_TILE = 64


class ImageDatasetPage(DatasetPage):
    """What images are learned from."""

    kind, noun = "image", "pictures"
    columns: ClassVar = (
        Column("dataset", 12, grow=True),
        Column("pictures", 8, right=True),
        Column("", 22, grow=True),
    )
    undrawn = "Drawn here when training begins."

    def __init__(self, answers: Answers, materials: Materials) -> None:
        super().__init__(answers, materials)
        self._pictures: dict[int, NDArray[np.uint8]] = {}

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield GridCanvas()

    def cells(self, dataset: DatasetFacts) -> tuple[tuple[str, str], ...]:
        return ((f"{dataset.count:,}" if dataset.count else "–", "muted"),)

    def told_of(self, dataset: DatasetFacts) -> str:
        parts = [f"{dataset.count:,} pictures", f"{dataset.size}×{dataset.size}"]
        report = dataset.about.get("report")
        if isinstance(report, dict):
            missing, twice = report.get("left_out"), report.get("duplicates")
            if isinstance(missing, dict) and missing:
                parts.append(f"{len(missing):,} left out")
            if isinstance(twice, int) and twice:
                parts.append(f"{twice:,} duplicates")
        return " · ".join(parts)

    def clear(self) -> None:
        self._pictures = {}
        self.query_one(GridCanvas).set_scene(Scene(1, 1, waiting=frozenset()), {})

    async def show(self, dataset: DatasetFacts) -> None:
        from tui.widgets.runs.sample_sheet import _KEYS

        pictures = await asyncio.to_thread(self.app.services.training.pictures, dataset, _SHEET, _TILE)
        self._pictures = {next(_KEYS): picture for picture in pictures}
        self.call_after_refresh(self._arrange)

    def on_resize(self, event: events.Resize) -> None:
        """The canvas has its size when the page has been laid out."""
        self.call_after_refresh(self._arrange)

    def _arrange(self) -> None:
        """As many pictures beside each other as suits the canvas's shape."""
        canvas, keys = self.query_one(GridCanvas), list(self._pictures)
        if not keys:
            return
        wide, high = canvas.surface.cell
        columns = 8 if canvas.size.width * wide > canvas.size.height * high else 4
        tiles = {(index % columns, index // columns): key for index, key in enumerate(keys)}
        canvas.set_scene(Scene(columns, -(-len(keys) // columns), tiles, frozenset()), self._pictures)
