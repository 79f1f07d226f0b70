"""An adapter that can draw with a style: the stub's waves, of the mixed-in vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.interface import Any, Command, Image, Number, Vector
from core.workers.adapter import Answer, Request
from tests.adapters import Stub, picture


class Styled(Stub):
    """The stub with the command `styled`, whose pictures are those of the vector `mix`."""

    def __init__(self, path: Path, options: dict[str, object], device: str) -> None:
        super().__init__(path, options, device)
        truncation = Number(default=0.7, min=0, max=1, step=0.01)
        lists = {name: Any() for name in ("truncation_layers", "mix_layers", "edits", "edit_layers")}
        inputs = {"z": Vector(16), "truncation": truncation, "mix": Vector(16), **lists}
        self.interface.commands["styled"] = Command("styled", inputs, {"image": Image()}, batchable=True)

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        for index, request in enumerate(requests):
            z = request.inputs["mix" if command == "styled" else "z"]
            yield Answer(index, {"image": picture(z, request.inputs["truncation"], self.resolution)})
