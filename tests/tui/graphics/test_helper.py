"""The helper process: frames for every protocol, its end with the studio's, its death and return."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.tui.graphics.decoders import Kitty, read_sixel, unwrap_tmux
from tui.graphics import helper as helper_module
from tui.graphics.compose import Look, Scene, TileStore, compose
from tui.graphics.encoder import frame_job
from tui.graphics.helper import EncoderHelper, HelperGone
from tui.graphics.layout import Geometry, Rect
from tui.graphics.quality import FULL, Quality

SCENE = Scene(3, 2, {(0, 0): 1, (2, 1): 2}, None, (0, 0), frozenset({(2, 1)}))
CELL = 8, 17
COLUMNS, ROWS = 12, 4
RNG = np.random.default_rng(8)
# Few colours, so that a palette holds them exactly.
TILES = {key: RNG.choice([0, 80, 160, 240], (32, 32, 3)).astype(np.uint8) for key in (1, 2)}


def job(protocol: str, rects: list[Rect] | None = None, **named: Any) -> dict[str, object]:
    cell = (1, 2) if protocol == "blocks" else CELL
    rects = [(0, 0, COLUMNS, ROWS)] if rects is None else rects
    size = {"width": COLUMNS * cell[0], "height": ROWS * cell[1]}
    return frame_job(SCENE, Look(), protocol=protocol, cell=cell, rects=rects, images=[20], **size, **named)


def expected() -> np.ndarray:
    store = TileStore()
    for key, pixels in TILES.items():
        store.put(key, pixels)
    return compose(SCENE, Geometry(COLUMNS * CELL[0], ROWS * CELL[1], 3, 2), store, Look())


async def made(helper: EncoderHelper, *arguments: Any, **named: Any) -> Any:
    return await helper.frame(job(*arguments, **named), TILES)


async def test_every_protocol() -> None:
    helper, picture = EncoderHelper(), expected()
    try:
        parts = (await made(helper, "sixel", [(0, 0, 12, 2), (3, 2, 5, 2)]))["data"].split("\0")
        assert parts[1::2] == ["0;0", "3;2"]
        first, second = (read_sixel(part.encode()) for part in parts[2::2])
        assert np.abs(first - picture[:34].astype(int)).mean() < 8
        assert np.abs(second - picture[34:68, 24:64].astype(int)).mean() < 8

        store = Kitty()
        store.feed((await made(helper, "kitty"))["data"])
        assert store.virtual == {20: (COLUMNS, ROWS)}
        assert np.abs(store.pictures[20].astype(int) - picture).mean() < 8
        wrapped = (await made(helper, "kitty", tmux=True))["data"]
        Kitty().feed(unwrap_tmux(wrapped))

        direct = (await made(helper, "kitty-direct", [(0, 0, 12, 2), (3, 2, 5, 2)]))["data"]
        parts = direct.split("\0")
        store = Kitty()
        store.feed("".join(part for index, part in enumerate(parts) if index % 2 == 0))
        assert store.placements[20, 2] | {"row": 0, "column": 0} == {
            **{"x": 24, "y": 34, "w": 40, "h": 34, "c": 5, "r": 2},
            **{"row": 0, "column": 0},
        }

        frame = await made(helper, "blocks")
        assert len(frame["lines"]) == ROWS
        assert frame["pixels"].shape == (2 * ROWS, COLUMNS, 3)
        assert (await made(helper, "iterm2"))["data"].startswith("\x000;0\x00\x1b]1337;File=inline=1")
    finally:
        helper.close()


async def test_every_protocol_in_less_detail() -> None:
    """What is decoded is the picture in the detail that was asked for, spread over the same cells."""
    helper = EncoderHelper()
    whole = expected().astype(int)

    def near(pixels: np.ndarray, scale: int) -> float:
        large = pixels.astype(int).repeat(scale, axis=0).repeat(scale, axis=1)
        blurred = whole.reshape(17, 4, 24, 4, 3).mean(axis=(1, 3))
        seen = large[:68, :96].reshape(17, 4, 24, 4, 3).mean(axis=(1, 3))
        return float(np.abs(seen - blurred).mean())

    try:
        for scale in (2, 3, 6):
            quality = Quality(scale=scale, colours=64, jpeg=60)
            sixel = (await made(helper, "sixel", quality=quality))["data"].split("\0")[2]
            read = read_sixel(sixel.encode())
            assert read.shape == (68, 96, 3)
            assert near(read, 1) < 25
            store = Kitty()
            store.feed((await made(helper, "kitty", quality=quality))["data"])
            assert store.virtual == {20: (COLUMNS, ROWS)}
            assert store.pictures[20].shape == (-(-68 // scale), -(-96 // scale), 3)
            assert near(store.pictures[20], scale) < 25
            told = (await made(helper, "iterm2", quality=quality))["data"]
            assert "width=12;height=4" in told
            jpeg = np.asarray(Image.open(io.BytesIO(base64.b64decode(told.split(":", 1)[1].rstrip("\7")))))
            assert jpeg.shape == (-(-68 // scale), -(-96 // scale), 3)
            assert near(jpeg, scale) < 30
        full, coarse = await made(helper, "blocks"), await made(helper, "blocks", quality=Quality(scale=2, step=32))
        assert coarse["pixels"].shape == full["pixels"].shape
        assert sum(map(len, coarse["lines"])) < sum(map(len, full["lines"]))
        assert coarse["seconds"] > 0
    finally:
        helper.close()


@pytest.mark.parametrize("quality", [FULL, Quality(scale=2, colours=64)])
async def test_small_parts_have_colours_that_suit_them(quality: Quality) -> None:
    """Empty places come first, then tiles, a row of cells at a time."""
    helper = EncoderHelper()
    try:
        empty = {**job("sixel", quality=quality), "scene": {**job("sixel")["scene"], "tiles": []}}  # type: ignore[dict-item]
        await helper.frame(empty, {})
        picture = expected().astype(int)
        for y in range(ROWS):
            data = (await made(helper, "sixel", [(0, y, COLUMNS, 1)], quality=quality))["data"].split("\0")[2]
            wanted = picture[17 * y : 17 * y + 17]
            off = np.abs(read_sixel(data.encode()) - wanted).mean()
            assert off < (8 if quality == FULL else 60)
            assert len(np.unique(read_sixel(data.encode()).reshape(-1, 3), axis=0)) > 8
    finally:
        helper.close()


async def test_bands_are_pictures_of_their_own() -> None:
    helper, picture = EncoderHelper(), expected().astype(int)
    try:
        rects: list[Rect] = [(0, 0, COLUMNS, 1), (0, 2, COLUMNS, 2)]
        named = {**job("kitty", rects), "images": [21, 23], "drop": [29]}
        store = Kitty()
        store.pictures[29] = np.zeros((1, 1, 3), np.uint8)
        store.feed((await helper.frame(named, TILES))["data"])  # type: ignore[arg-type]
        assert store.virtual == {21: (COLUMNS, 1), 23: (COLUMNS, 2)}
        assert np.abs(store.pictures[21] - picture[:17]).mean() < 8
        assert np.abs(store.pictures[23] - picture[34:]).mean() < 8
        assert 29 not in store.pictures
    finally:
        helper.close()


async def test_the_helper_keeps_no_more_tiles_than_it_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_module, "_MOST_BYTES", 10 * 32 * 32 * 3)
    helper = EncoderHelper()
    scene = Scene(1, 1, {(0, 0): 0})

    async def shown(key: int) -> int:
        named = {**job("blocks"), "scene": {**job("blocks")["scene"], **one(key)}}  # type: ignore[dict-item]
        frame = await helper.frame(named, {key: np.full((32, 32, 3), 8 * key, np.uint8)})
        return int(frame["pixels"][4, 6].max())  # type: ignore[call-overload,index]

    def one(key: int) -> dict[str, object]:
        return {"columns": scene.columns, "rows": scene.rows, "tiles": [[0, 0, key]], "cursor": None, "pins": []}

    try:
        for key in range(1, 30):
            assert await shown(key) == 8 * key
            assert sum(helper._there.values()) <= 10 * 32 * 32 * 3
            assert key in helper._there
        assert await shown(1) == 8, "sent again"
    finally:
        helper.close()


async def test_tiles_are_sent_once_and_forgotten() -> None:
    helper = EncoderHelper()
    try:
        full = (await made(helper, "blocks"))["pixels"]
        again = (await helper.frame(job("blocks"), {}))["pixels"]
        assert np.array_equal(full, again)
        helper.forget([1, 2])
        without = (await helper.frame(job("blocks"), {}))["pixels"]
        assert not np.array_equal(full, without)
    finally:
        helper.close()


async def test_it_comes_back_after_a_death_but_not_for_ever() -> None:
    helper = EncoderHelper()
    try:
        first = (await made(helper, "blocks"))["pixels"]
        assert helper.process_id is not None
        os.kill(helper.process_id, signal.SIGKILL)
        deaths = 0
        while not deaths:
            try:
                await made(helper, "blocks")
            except HelperGone:
                deaths = 1
        assert np.array_equal((await made(helper, "blocks"))["pixels"], first)
        broken = {**job("blocks"), "area": "nonsense"}
        for _ in range(5):
            with pytest.raises(HelperGone):
                await helper.frame(broken, {})
        assert helper.exhausted
    finally:
        helper.close()


def test_it_ends_with_the_studio_however_that_ends() -> None:
    code = """
import asyncio, sys
from tests.tui.graphics.test_helper import job, TILES
from tui.graphics.helper import EncoderHelper
async def main():
    helper = EncoderHelper()
    await helper.frame(job("blocks"), TILES)
    print(helper.process_id, flush=True)
    await asyncio.sleep(100)
asyncio.run(main())
"""
    studio = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert studio.stdout is not None
    child = psutil.Process(int(studio.stdout.readline()))
    studio.kill()
    studio.wait()
    studio.stdout.close()
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
