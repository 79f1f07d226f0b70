"""Auto-crop judged picture by picture: as it came with what was found, beside what is cut out; the least sure first."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static
from textual.worker import WorkerError

from core.errors import TarmacError
from tui.datasets import crop_facts
from tui.datasets import facts as dataset_facts
from tui.graphics.canvas import GridCanvas
from tui.screens.base import StudioScreen
from tui.widgets.tile_sheet import TileSheet

if TYPE_CHECKING:
    from core.datasets.adjustments import Adjustment
    from core.datasets.library import Dataset
    from core.datasets.review import Look
    from tui.datasets.services import Pixels
    from tui.studio import TarmacApp

_MOVE = Binding.Group("choose", compact=True)
_KEPT_BYTES = 64 * 2**20
"""Of pictures that were decoded; older ones are read again."""
_LARGEST = 400


class ReviewCropsPage(StudioScreen):
    """Answers "prepare" where the decisions are to be applied, else None. They are written as they are made."""

    MODE = "datasets"
    CSS_PATH = "review_crops.tcss"
    AUTO_FOCUS = ""
    HELP = (
        "Left the pictures as they came: green is the subject that was found, dashed one that is too doubtful to be "
        "used, white the square that is cut. Right what becomes of them. The least sure come first. What you decide "
        "is kept at once and counts when the dataset is prepared again (p)."
    )
    HELP_TITLE = "Crops"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", "Left", id="crops.left", group=_MOVE, tooltip="The picture at the left"),
        Binding("down,j", "move(0, 1)", "Down", id="crops.down", group=_MOVE, tooltip="The picture below"),
        Binding("up,k", "move(0, -1)", "Up", id="crops.up", group=_MOVE, tooltip="The picture above"),
        Binding("right,l", "move(1, 0)", "Right", id="crops.right", group=_MOVE, tooltip="The picture at the right"),
        Binding("enter,space", "decide('accept')", "accept", id="crops.accept", tooltip="Use the found box after all"),
        Binding("x", "decide('exclude')", "exclude", id="crops.exclude", tooltip="Leave the picture out; again: keep"),
        Binding("e", "adjust", "adjust", id="crops.adjust", tooltip="Move and scale the box on the big picture"),
        Binding("r", "reset", "reset", id="crops.reset", tooltip="Forget what you decided about this picture"),
        Binding("n", "unsure", "next unsure", id="crops.unsure", tooltip="The next picture that nobody is sure of"),
        Binding("p", "prepare", "prepare again", id="crops.prepare", tooltip="Apply the decisions, in the background"),
        Binding("escape", "leave", "back", id="crops.back", tooltip="Back; decisions are kept"),
        Binding("pagedown", "page(1)", "Next page", id="crops.next", show=False, tooltip="The next sheet"),
        Binding("pageup", "page(-1)", "Page before", id="crops.previous", show=False, tooltip="The sheet before"),
        Binding("home,g", "page(-1000000)", "First", id="crops.first", show=False, tooltip="The first picture"),
        Binding("end,G", "page(1000000)", "Last", id="crops.last", show=False, tooltip="The last picture"),
    ]

    app: TarmacApp

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.dataset = dataset
        self.looks: list[Look] = []
        self.at = 0
        self._changed = False
        self._grid = 1, 1
        self._sources: OrderedDict[int, Pixels] = OrderedDict()
        self._missing: set[int] = set()
        self._shown: object = None
        self._problem = self._noted = ""
        self._counts = crop_facts.Counts()
        self._writing = asyncio.Lock()
        self._last: object = None

    def body(self) -> ComposeResult:
        yield Static(id="crops-line", markup=False)
        with Horizontal(id="crops"):
            yield TileSheet(id="crops-before")
            yield TileSheet(id="crops-after")
        yield Static(id="crops-told", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.before.say("◐ reading what was found", "$warning")
        scores = dataset_facts.consistency(self.dataset)
        told = [f"alignment {score:.2f}" for score in scores] if scores is not None else ["", ""]
        self.before.set_title("as they came", told[0])
        self.after.set_title("as they are cut", told[1])
        self.run_worker(self._load(), group="looks", exit_on_error=False, description="reading what was found")

    @property
    def before(self) -> TileSheet:
        """The pictures as they came."""
        return self.query_one("#crops-before", TileSheet)

    @property
    def after(self) -> TileSheet:
        """What becomes of them."""
        return self.query_one("#crops-after", TileSheet)

    @property
    def look(self) -> Look | None:
        """The picture under the cursor."""
        return self.looks[self.at] if 0 <= self.at < len(self.looks) else None

    async def _load(self) -> None:
        try:
            self.looks, self._changed = await asyncio.to_thread(self.app.services.datasets.looks, self.dataset)
        except TarmacError as error:
            self.before.say(f"✕ {error}", "$error")
            return
        self._count()
        self.before.say("")
        self.refresh_bindings()
        self.call_after_refresh(self._fit)

    # -- pages

    @on(GridCanvas.Sized)
    def _sized(self, event: GridCanvas.Sized) -> None:
        event.stop()
        if self.looks:
            self._fit()

    def _fit(self) -> None:
        """As many pictures as can be judged at this size."""
        canvas = self.before.canvas
        if not canvas.size.width or not canvas.size.height:
            return
        text = canvas.surface.info.protocol in ("blocks", "off")
        tall = self.size.height >= 32
        self._grid = canvas.fit((9.0 if text else 7.0) if tall else (6.0 if text else 4.5))
        self._show()

    @property
    def _per_page(self) -> int:
        return self._grid[0] * self._grid[1]

    def _page(self) -> list[Look]:
        first = self.at // self._per_page * self._per_page
        return self.looks[first : first + self._per_page]

    def _show(self) -> None:
        """The page that holds the cursor; pictures that were not decoded yet come later."""
        page, (columns, rows) = self._page(), self._grid
        side = self.before.side(columns, rows)
        key = self.at // self._per_page, self._grid, side
        if key != self._shown:
            self._shown = key
            awaited = [(index % columns, index // columns) for index in range(len(page))]
            for sheet in (self.before, self.after):
                sheet.lay(columns, rows, awaited)
            self.run_worker(self._fill(page, side), group="page", exclusive=True, exit_on_error=False)
        self._mark()

    def _mark(self) -> None:
        place = self.at % self._per_page % self._grid[0], self.at % self._per_page // self._grid[0]
        decided = [
            (index % self._grid[0], index // self._grid[0])
            for index, look in enumerate(self._page())
            if look.decided is not None
        ]
        for sheet in (self.before, self.after):
            sheet.mark(place, decided)
        self._tell()

    async def _fill(self, page: list[Look], side: int) -> None:
        services = self.app.services.datasets
        wanted = [look.number for look in page if look.number not in self._sources and look.number not in self._missing]
        if wanted:
            self._note(f"◐ reading {len(wanted)} pictures")
            try:
                found = await services.sources(
                    self.dataset, wanted, min(_LARGEST, 2 * side), lambda what, share: self._note(f"◐ {what}")
                )
            except TarmacError as error:
                self._problem = f"✕ {error}"
                self._note("")
                await self._fill_after_only(page, side)
                return
            self._sources |= found
            self._missing |= {number for number in wanted if number not in found}
        self._note("")
        await self._draw(page, side)
        self._forget({look.number for look in page})

    async def _fill_after_only(self, page: list[Look], side: int) -> None:
        """The sources have gone: what was made of them is there still."""
        rows = [look.row for look in page if look.row >= 0]
        pictures, _ = await asyncio.to_thread(self.app.services.datasets.pictures, self.dataset, rows, side)
        columns = self._grid[0]
        places = [(index % columns, index // columns) for index, look in enumerate(page) if look.row >= 0]
        self.after.put(dict(zip(places, pictures)))

    def _forget(self, needed: set[int]) -> None:
        size = sum(pixels.nbytes for pixels in self._sources.values())
        for number in [number for number in self._sources if number not in needed]:
            if size <= _KEPT_BYTES:
                return
            size -= self._sources.pop(number).nbytes

    async def _draw(self, page: list[Look], side: int) -> None:
        """Tiles from decoded pictures, in a thread."""
        from tui.datasets.crop_drawing import cut_tile, source_tile

        fill = self.app.services.datasets.preparation(self.dataset).fill
        columns, numbers = self._grid[0], {look.number for look in page}
        jobs = [
            ((index % columns, index // columns), look, self._sources[look.number])
            for index, look in enumerate(self._page())  # as decided by now
            if look.number in numbers and look.number in self._sources
        ]
        drawn = await asyncio.to_thread(
            lambda: [
                (place, source_tile(pixels, look, side), cut_tile(pixels, look, side, fill))
                for place, look, pixels in jobs
            ]
        )
        self.before.put({place: tile for place, tile, _ in drawn})
        self.after.put({place: tile for place, _, tile in drawn})

    # -- telling

    def _note(self, text: str) -> None:
        self._noted = text
        self._tell()

    def _count(self) -> None:
        """Many pictures are counted when something was decided, not at each move."""
        self._counts = crop_facts.counted(self.looks)

    def _tell(self) -> None:
        heading = crop_facts.heading(self.dataset.name, len(self.looks), self._counts)
        notes = [(" · p applies them", "$accent")] if self._changed else []
        notes += [(f"   {self._noted}", "$warning")] if self._noted else []
        self.query_one("#crops-line", Static).update(Content.assemble(*heading, *notes))
        self.query_one("#crops-told", Static).update(self._about())

    def _about(self) -> Content:
        look = self.look
        if self._problem:
            return Content.styled(f" {self._problem}", "$error")
        if look is None:
            return Content("")
        gone = [("  ✕ cannot be read any more", "$error")] if look.number in self._missing else []
        place = (f" {self.at + 1:,} of {len(self.looks):,}  ", "$muted")
        return Content.assemble(place, *crop_facts.about(look), *gone)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        look = self.look
        if action in ("move", "page", "unsure"):
            return bool(self.looks)
        if action == "decide":
            return look is not None and (parameters != ("accept",) or look.subject is not None)
        if action == "adjust":
            return look is not None and look.number not in self._missing
        if action == "reset":
            return look is not None and look.decided is not None
        if action == "prepare":
            return bool(self.looks)
        return True

    def _go(self, at: int) -> None:
        if self.looks:
            self.at = max(0, min(len(self.looks) - 1, at))
            self._show()
            self.refresh_bindings()

    def action_move(self, across: int, down: int) -> None:
        """The cursor to a neighbour; over the edge of the sheet to the next one."""
        self._go(self.at + across + down * self._grid[0])

    def action_page(self, direction: int) -> None:
        """The next sheet or the one before."""
        self._go(self.at + direction * self._per_page)

    @on(GridCanvas.Picked)
    def _picked(self, event: GridCanvas.Picked) -> None:
        event.stop()
        self._go(self.at // self._per_page * self._per_page + event.place[0] + event.place[1] * self._grid[0])

    def action_unsure(self) -> None:
        """The next picture that nobody is sure of."""
        order = [*range(self.at + 1, len(self.looks)), *range(self.at + 1)]
        found = next((index for index in order if self.looks[index].unsure), None)
        if found is None:
            self.notify("None is unsure any more.", timeout=3, markup=False)
        else:
            self._go(found)

    def action_decide(self, action: str) -> None:
        """Accept or exclude; excluding again takes that back."""
        from core.datasets.adjustments import Adjustment

        look = self.look
        if look is None:
            return
        if action == "exclude" and look.excluded:
            self._set(None)
        else:
            self._set(Adjustment(action))
            if action == "accept" and self.at + 1 < len(self.looks):
                self._go(self.at + 1)

    def action_reset(self) -> None:
        """As it was found."""
        self._set(None)

    def action_adjust(self) -> None:
        """The box by hand."""
        from core.datasets.adjustments import Adjustment
        from tui.screens.adjust_crop import AdjustCropPage

        look = self.look
        if look is None:
            return
        page = AdjustCropPage(self.dataset, look)

        def done(answer: str | None) -> None:
            if answer and page.box is not None:
                self._set(Adjustment("box", page.box))

        self.app.push_screen(page, done)

    def _set(self, decided: Adjustment | None) -> None:
        """A decision about the picture under the cursor: shown and written."""
        look = self.look
        if look is None or look.decided == decided:
            return
        self.looks[self.at] = replace(look, decided=decided)
        self._changed = True
        self._count()
        side = self.before.side(*self._grid)
        self.run_worker(self._draw([self.looks[self.at]], side), group="redraw", exit_on_error=False)
        self._mark()
        self.refresh_bindings()
        all_of_them = {each.number: each.decided for each in self.looks if each.decided is not None}
        names = {each.number: each.name for each in self.looks if each.decided is not None}
        self.run_worker(self._write(all_of_them, names), group="write", exit_on_error=False, description="saving")

    async def _write(self, decided: dict[int, Adjustment], names: dict[int, str]) -> None:
        """One after the other, only the newest."""
        self._last = decided
        async with self._writing:
            if self._last is decided:
                await asyncio.to_thread(self.app.services.datasets.decide, self.dataset, decided, names)

    async def _written(self) -> None:
        """What was decided is on the disk."""
        for worker in [each for each in self.workers if each.group == "write" and each.node is self]:
            with suppress(WorkerError):  # a disk that says no was told already
                await worker.wait()

    async def action_prepare(self) -> None:
        """Apply the decisions."""
        await self._written()
        self.dismiss("prepare")

    async def action_leave(self) -> None:
        """Back to the list; the decisions are kept."""
        await self._written()
        self.dismiss(None)
