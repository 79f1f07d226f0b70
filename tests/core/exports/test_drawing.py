"""Requests for frames: plain or with a style; frames in order, some ahead, given up together."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from core.errors import InvalidInput
from core.exports.drawing import Drawing, shoot
from core.exports.film import FilmOptions, FilmWriter
from core.interface import Any as AnyType
from core.interface import Command, Image, Interface, Number, Vector
from core.latent.basis import seeded_vector
from core.latent.style import Mix, Style
from core.latent.walk import Moment

PLAIN = Command("generate", {"z": Vector(4), "truncation": Number(default=1, min=0, max=1)}, {"image": Image()})
STYLED = Command("styled", {"z": Vector(4), "truncation": Number(default=1), "mix": AnyType()}, {"image": Image()})
MOMENT = Moment(seeded_vector(1, 4), 0.4)


def test_a_style_is_honoured_where_the_model_can() -> None:
    style = Style(mix=Mix.of(seeded_vector(2, 4), (0, 1)), edits=(0.0, 1.5))
    able, unable = Interface(commands={"generate": PLAIN, "styled": STYLED}), Interface(commands={"generate": PLAIN})
    drawing = Drawing.of(able, PLAIN, style)
    inputs = drawing.inputs(MOMENT)
    assert drawing.command == "styled"
    assert (inputs["truncation"], inputs["edits"], inputs["mix_layers"]) == (0.4, [0.0, 1.5], [0, 1])
    assert inputs["z"] is MOMENT.z
    assert Drawing.of(able, PLAIN).command == "generate"
    plain = Drawing.of(unable, PLAIN, style)
    assert (plain.command, plain.inputs(MOMENT)) == ("generate", {"z": MOMENT.z, "truncation": 0.4})


def test_a_model_without_truncation() -> None:
    bare = Command("draw", {"latent": Vector(4)}, {"picture": Image()})
    drawing = Drawing.of(Interface(commands={"draw": bare}), bare)
    assert drawing.inputs(MOMENT) == {"latent": MOMENT.z}
    pixels = np.zeros((2, 2, 3), np.uint8)
    assert drawing.pixels({"picture": pixels}) is pixels
    for outputs in ({}, {"picture": 3}, {"picture": np.zeros((2, 2), np.uint8)}):
        with pytest.raises(InvalidInput, match="no picture"):
            drawing.pixels(outputs)


class Model:
    """Draws grey frames, each group when it is let; `busy` is set when so many are asked for."""

    def __init__(self, many: int) -> None:
        self.many = many
        self.busy = asyncio.Event()
        self.asked: list[range] = []
        self.cancelled: list[range] = []
        self.gate = asyncio.Event()

    async def draw(self, numbers: range) -> list[np.ndarray]:
        self.asked.append(numbers)
        if len(self.asked) == self.many:
            self.busy.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(numbers)
            raise
        return [np.full((8, 8, 3), number, np.uint8) for number in numbers]


async def test_frames_come_in_order(tmp_path: Path) -> None:
    model, told = Model(3), []
    film = FilmWriter(tmp_path / "a.webp", FilmOptions())
    shooting = asyncio.create_task(shoot(film, 50, model.draw, told.append, group=8))
    await model.busy.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert model.asked == [range(0, 8), range(8, 16), range(16, 24)]  # no more than that at once
    model.gate.set()
    await shooting
    assert model.asked[-1] == range(48, 50)
    assert sum(map(len, model.asked)) == 50
    assert told == [8, 16, 24, 32, 40, 48, 50]
    with Picture.open(tmp_path / "a.webp") as image:
        for number in range(50):
            image.seek(number)
            assert image.convert("RGB").getpixel((0, 0)) == (number,) * 3


async def test_giving_up_at_once_leaves_nothing_either(tmp_path: Path) -> None:
    model = Model(1)
    shooting = asyncio.create_task(
        shoot(FilmWriter(tmp_path / "a.webp", FilmOptions()), 20, model.draw, lambda _: None)
    )
    await asyncio.sleep(0)
    shooting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shooting
    assert not model.asked
    assert os.listdir(tmp_path) == []


async def test_giving_up_gives_up_what_is_in_flight(tmp_path: Path) -> None:
    model = Model(3)
    film = FilmWriter(tmp_path / "a.webp", FilmOptions())
    shooting = asyncio.create_task(shoot(film, 20, model.draw, lambda _: None, group=4))
    await model.busy.wait()
    shooting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shooting
    assert model.cancelled == [range(0, 4), range(4, 8), range(8, 12)]
    assert os.listdir(tmp_path) == []
