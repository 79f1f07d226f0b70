"""How a dataset becomes squares of one size: asked for once, with what each way would take out of some pictures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from tui import words
from tui.graphics.canvas import GridCanvas
from tui.screens.base import StudioScreen
from tui.training.options import Field, Value
from tui.widgets.form import Form
from tui.widgets.tile_sheet import TileSheet
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.datasets.cropping import Preparation
    from core.datasets.library import Dataset
    from core.datasets.subject import Subject
    from core.library.models import Model
    from tui.datasets.services import Pixels
    from tui.studio import TarmacApp

SIZES = (32, 64, 128, 256, 512, 1024)
CROPS = (
    ("centre", "the middle square of each picture"),
    ("random", "another square each epoch: textures, scenes"),
    ("none", "all of it, padded to a square"),
    ("auto", "finds the subject, all at one place and size"),
)
_FILLS = (
    ("edge", "what is at the edge goes on"),
    ("#ffffff", "white"),
    ("#000000", "black"),
)
_ALPHAS = (("white", "becomes white"), ("keep", "a fourth channel"))
_SHOWN = 12
_DECODED = 320


class HowPane(Titled, Vertical):
    """The questions and what follows from the answers."""


class PrepareDatasetPage(StudioScreen):
    """Answers "prepare" or None; what was chosen is in `preparation`."""

    MODE = "datasets"
    CSS_PATH = "prepare_dataset.tcss"
    AUTO_FOCUS = "Form"
    HELP = (
        "Training reads squares of one size, made once from your pictures. The frames show what is taken out of each: "
        "white what is cut, green a subject that was found, dashed one that is too doubtful to be used. "
        "The dataset can be prepared again with other answers; until that is done the old data stays."
    )
    HELP_TITLE = "Prepare"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", "prepare", id="prepare.accept", tooltip="Prepare it like this, in the background"),
        Binding("escape", "leave", "not now", id="prepare.leave", tooltip="Change nothing; p asks again"),
    ]

    app: TarmacApp

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.dataset = dataset
        self._before: Preparation | None = None
        self._values: dict[str, Value] = {}
        self._side, self._suggested = 64, 0
        self._pictures: dict[int, Pixels] = {}
        self._models: list[Model] = []
        self._noted, self._looking = ("", "$muted"), ""
        self._blind: dict[str, str] = {}
        self._found: dict[str, dict[int, Subject]] = {}
        """What models saw in the pictures that are shown, by what they are called."""

    @property
    def starter(self) -> bool:
        """It is drawn: there is nothing to cut."""
        return self.dataset.source == "starter"

    @property
    def preparation(self) -> Preparation:
        """What was chosen."""
        from dataclasses import replace

        from core.datasets.cropping import Preparation

        before = self._before or Preparation()
        size = int(self._values.get("size", self._side))
        if self.starter:
            return Preparation(size=size)
        names = ("crop", "fill", "alpha", "subject")
        told = {name: str(self._values.get(name, getattr(before, name))) for name in names}
        return replace(before, size=size, **told).check()

    def body(self) -> ComposeResult:
        with Horizontal(id="prepare"):
            with HowPane(id="prepare-how", classes="pane"):
                yield Form([Field("size", "size", "64")], self._values)
                yield Static(id="prepare-told", markup=False)
            yield TileSheet()

    def on_mount(self) -> None:
        super().on_mount()
        from core.datasets.adding import STARTER_SIZE

        self._before = self.app.services.datasets.preparation(self.dataset)
        self._side = self.dataset.size or (STARTER_SIZE if self.starter else 64)
        verb = "Draw" if self.starter else "Prepare"
        self.query_one(HowPane).set_title(f"{verb} {self.dataset.name}")
        self._fields(0)
        if self.starter:
            self.query_one(TileSheet).display = False
        else:
            self.query_one(TileSheet).set_title("What is cut out")
            self.run_worker(self._suggest(), group="suggest", exit_on_error=False, description="reading its files")
        self._tell()

    def _fields(self, suggested: int) -> None:
        form, before = self.query_one(Form), self._before
        assert before is not None
        sizes = tuple(
            (
                str(size),
                "as the pictures allow" if size == suggested else "as it is" if size == self.dataset.size else "",
            )
            for size in sorted({*SIZES, self._side})
        )
        about = "Side of the squares in pixels. Twice the side has four times the pixels to learn."
        fields = [Field("size", "size", str(self._side), about, choices=sizes)]
        if not self.starter:
            crop_about = "How a square is taken from each picture."
            fill_about = "What lies beyond a picture's edges where the square is larger."
            alpha_about = "What becomes of transparent parts."
            fields += [
                Field("crop", "crop", before.crop, crop_about, choices=CROPS),
                *self._finding(before),
                Field("fill", "beyond edges", before.fill, fill_about, choices=_with(_FILLS, before.fill)),
                Field("alpha", "transparency", before.alpha, alpha_about, choices=_ALPHAS),
            ]
        form.set_fields(fields)

    def _finding(self, before: Preparation) -> list[Field]:
        """Who finds the subjects: asked where subjects are looked for and somebody else than the contrast can."""
        from tui.datasets.subject_finders import subject_field

        if str(self._values.get("crop", before.crop)) != "auto":
            return []
        field = subject_field(self._models, before.subject)
        return [field] if field is not None else []

    async def _suggest(self) -> None:
        """The size that the pictures allow, then some of them with what would be cut out."""
        services, sheet = self.app.services.datasets, self.query_one(TileSheet)
        self._models = await asyncio.to_thread(self.app.services.library.models)
        self._suggested = await asyncio.to_thread(services.suggested_size, self.dataset)
        if self._suggested and not self.dataset.ready:
            self._side = self._suggested
        self._fields(self._suggested)
        self._tell()
        sheet.say("◐ reading some of its pictures", "$warning")
        try:
            records = [each for each in await asyncio.to_thread(services.files, self.dataset) if each.kept]
            spread = [records[index * len(records) // _SHOWN] for index in range(min(_SHOWN, len(records)))]
            found = await services.sources(self.dataset, [each.number for each in spread], _DECODED)
        except TarmacError as error:
            sheet.say(f"✕ {error}", "$error")
            return
        self._pictures = {each.number: found[each.number] for each in spread if each.number in found}
        if not self._pictures:
            sheet.say("✕ None of its pictures can be read any more.", "$error")
            return
        sheet.say("")
        self._look()
        self.call_after_refresh(self._show_cuts)

    def on_grid_canvas_sized(self, event: GridCanvas.Sized) -> None:
        """Drawn for the size at which they are seen."""
        event.stop()
        self._show_cuts()

    def _show_cuts(self) -> None:
        canvas = self.query_one(TileSheet).canvas
        if self._pictures and canvas.size.width and canvas.size.height:
            self.run_worker(self._draw_cuts(), group="cuts", exclusive=True, exit_on_error=False)

    async def _draw_cuts(self) -> None:
        from tui.datasets.crop_drawing import window_tile
        from tui.datasets.subject_finders import looks
        from tui.widgets.tile_sheet import squared

        sheet, chosen, pictures = self.query_one(TileSheet), self.preparation, self._pictures
        name = looks(self._models, chosen.subject) if chosen.crop == "auto" else ""
        found, awaited = self._found.get(name, {}), bool(name) and name not in self._found
        columns, rows = grid_for(sheet, len(pictures))
        side = sheet.side(columns, rows)

        def tile(number: int, picture: Pixels) -> Pixels:
            return squared(picture, side) if awaited else window_tile(picture, chosen.crop, side, found.get(number))

        tiles = await asyncio.to_thread(lambda: [tile(number, picture) for number, picture in pictures.items()])
        if sheet.places != {(index % columns, index // columns) for index in range(len(tiles))}:
            sheet.lay(columns, rows)
        sheet.put({(index % columns, index // columns): tile for index, tile in enumerate(tiles)})

    def _look(self) -> None:
        """Have the chosen model look at the pictures, where one is chosen that has not; any other stops looking."""
        from tui.datasets.subject_finders import looks

        chosen = self.preparation
        name = looks(self._models, chosen.subject) if chosen.crop == "auto" else ""
        if not self._pictures or name == self._looking:
            return
        self.workers.cancel_group(self, "look")
        self._looking = name
        self._note(self._blind.get(name, ""), "$error")
        if name and name not in self._found:
            self._note(f"◐ {name} looks at the pictures", "$warning")
            self.run_worker(self._see(name, chosen), group="look", exit_on_error=False, description="looking")

    async def _see(self, name: str, chosen: Preparation) -> None:
        def progress(what: str, share: float | None) -> None:
            if self._looking == name:
                self._note(f"◐ {what}", "$warning")

        services = self.app.services.datasets
        try:
            self._found[name] = await services.subjects(self.dataset, list(self._pictures), _DECODED, chosen, progress)
        except TarmacError as error:
            self._found[name] = {}  # the frames are those of the contrast then
            self._blind[name] = f"✕ {error}"
            self._note(self._blind[name], "$error")
        else:
            self._note("")
        self._show_cuts()

    def _note(self, text: str, tone: str = "$muted") -> None:
        """What is being done, or went wrong, besides what follows from the answers."""
        self._noted = (text, tone)
        self._tell()

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        if event.name == "crop":
            self._fields(self._suggested)
        self._tell()
        if event.name in ("crop", "subject"):
            self._look()
            self._show_cuts()

    def _tell(self) -> None:
        """What follows from the answers."""
        chosen, dataset = self.preparation, self.dataset
        channels = 4 if chosen.alpha == "keep" and not self.starter else 3
        text, tone = self._noted
        parts = [(f"{text}\n", tone)] if text else []
        if dataset.count:
            least = dataset.count * chosen.size**2 * channels
            larger = " at least" if chosen.crop == "random" and not self.starter else ""
            parts.append((f"{dataset.count:,} pictures, {words.size(least)}{larger} on disk. ", "$text"))
        if chosen.crop == "auto" and not self.starter:
            parts.append(("Afterwards c shows what was found in each picture, to accept or adjust. ", "$muted"))
        if dataset.ready and not self.starter:
            parts.append(("Until it is done the old data stays.", "$muted"))
        self.query_one("#prepare-told", Static).update(Content.assemble(*parts))

    def action_accept(self) -> None:
        """Prepare it like this."""
        self.dismiss("prepare")

    def action_leave(self) -> None:
        """Not now."""
        self.dismiss(None)


def grid_for(sheet: TileSheet, count: int) -> tuple[int, int]:
    """Columns and rows in which `count` square pictures are largest."""
    from tui.graphics.layout import Geometry

    cell, size = sheet.canvas.surface.cell, sheet.canvas.size
    area = max(1, size.width * cell[0]), max(1, size.height * cell[1])
    return max(
        ((columns, -(-count // columns)) for columns in range(1, max(1, count) + 1)),
        key=lambda grid: Geometry(*area, *grid).side,
    )


def _with(choices: tuple[tuple[str, str], ...], value: str) -> tuple[tuple[str, str], ...]:
    """The choices, and the value that it has where that is another one."""
    return choices if value in dict(choices) else (*choices, (value, "as it is"))
