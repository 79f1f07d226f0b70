"""Sneakers from the side, drawn by code: low, mid and high, on five kinds of soles; all face right, on one line.

A sneaker is drawn from the ground up: shadow, tongue, upper, panels with their stitches, light, laces, sole. Patterns
are plain geometry and no one's mark. Everything follows from the sneaker's number.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from core.datasets.drawing.brush import SHADOW, Canvas
from core.datasets.drawing.sneaker_panels import laces, panels
from core.datasets.drawing.sneaker_plans import Sneaker, kind, plan
from core.datasets.drawing.sneaker_sole import sole
from core.datasets.drawing.sneaker_upper import GROUND, SneakerBench, cover, outline, pattern, shade, tongue

__all__ = ["COUNT", "draw", "draw_sneakers", "kind", "plan"]

COUNT = 1000


def draw_sneakers(size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """All sneakers, uint8 [COUNT, size, size, 3], and their names."""
    sneakers = [plan(index) for index in range(COUNT)]
    return np.stack([draw(sneaker, size) for sneaker in sneakers]), [sneaker.name() for sneaker in sneakers]


def draw(shoe: Sneaker, size: int) -> NDArray[np.uint8]:
    """One sneaker as uint8 [size, size, 3]."""
    bench = SneakerBench(shoe, Canvas.on(size, shoe.backdrop), random.Random(shoe.seed))
    bench.canvas.glow(0.5, GROUND - 0.004, shoe.length * 0.56, 0.034, SHADOW, 0.85)
    tongue(bench)
    upper = bench.canvas.mask(outline(bench))
    cover(bench, upper)
    pattern(bench, upper)
    panels(bench, upper)
    shade(bench, upper)
    laces(bench)
    sole(bench)
    return bench.canvas.finish()
