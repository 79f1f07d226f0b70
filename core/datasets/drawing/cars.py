"""Cars from the side, drawn by code: ten kinds, three eras, believable paints; all face right and stand on one line.

A car is drawn from the ground up: shadow, body, paint and light, windows, seams, lamps, wheels. Everything follows from
the car's number.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from core.datasets.drawing.brush import Canvas
from core.datasets.drawing.car_body import CarBench, coat, outline, seams, shadow, windows
from core.datasets.drawing.car_fittings import ends, extras, wheel
from core.datasets.drawing.car_plans import Car, kind, plan

__all__ = ["COUNT", "draw", "draw_cars", "kind", "plan"]

COUNT = 1000


def draw_cars(size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """All cars, uint8 [COUNT, size, size, 3], and their names."""
    cars = [plan(index) for index in range(COUNT)]
    return np.stack([draw(car, size) for car in cars]), [car.name() for car in cars]


def draw(car: Car, size: int) -> NDArray[np.uint8]:
    """One car as uint8 [size, size, 3]."""
    bench = CarBench(car, Canvas.on(size, car.backdrop), random.Random(car.seed))
    shadow(bench)
    silhouette = outline(bench)
    body = bench.canvas.mask(*silhouette)
    coat(bench, body)
    windows(bench)
    seams(bench, body, silhouette[1:])
    ends(bench, body)
    extras(bench, body)
    for share in (car.shape.rear, car.shape.front):
        wheel(bench, body, *bench.at(share, car.shape.wheel))
    return bench.canvas.finish()
