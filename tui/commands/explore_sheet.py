"""`tarmac explore --bookmarks`: a contact sheet of a model's bookmarks in a workspace."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.errors import NotFound
from tui.commands.common import Progress, print_json, run_async, running

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.interface import Command
    from core.library.models import Model
    from tui.widgets.explorer.state import Bookmark


def write_sheet(options: argparse.Namespace, model: Model, command: Command) -> int:
    """Make the sheet and print its name."""
    from core.exports.sheet import TILE
    from core.library.fingerprint import checkpoint
    from core.library.workspaces import Workspaces
    from tui.commands.values import check_folder, write
    from tui.widgets.explorer.saving import sheet_png
    from tui.widgets.explorer.state import remembered

    dim = next(kind.length for kind in command.inputs.values() if kind.type_name == "vector")  # type: ignore[attr-defined]
    workspace = Workspaces().load(options.bookmarks)
    state = next((entry.state for entry in workspace.models if entry.model == model.id), None)
    kept, problems = remembered(state, dim, 0)
    if problems:
        raise problems[0]
    if not kept.bookmarks:
        raise NotFound(
            f"the workspace {workspace.name} has no bookmarks of {model.name}", "", "b in the explorer makes one"
        )
    check_folder(options.out)
    marks = list(zip(kept.bookmarks, run_async(_draw(options, model, command, kept.bookmarks))))
    content, facts, size = sheet_png(marks, model, checkpoint(model.folder), options.tile or TILE)
    write(options.out, content)
    if options.json:
        print_json({"file": str(options.out), "width": size[0], "height": size[1], **facts})
    else:
        print(options.out)
    return 0


async def _draw(
    options: argparse.Namespace, model: Model, command: Command, marks: tuple[Bookmark, ...]
) -> list[NDArray[np.uint8]]:
    from core.exports.drawing import Drawing, pictures
    from core.latent.walk import Moment

    progress = Progress()
    found: list[NDArray[np.uint8]] = []
    async with running(model, options.device, progress) as session:
        for mark in marks:
            drawing = Drawing.of(session.interface or model.interface, command, mark.view.style)
            found += await pictures(session, drawing, [Moment(mark.z, mark.view.truncation)])
            progress("drawing", len(found) / len(marks))
    return found
