"""The bodies of cars: silhouette, paint with its lights, windows, doors. Heights count from the ground."""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image

from core.datasets.drawing.brush import BLACK, SHADOW, WHITE, Canvas, Colour, Mask, Point, curve, light, mix, rounded
from core.datasets.drawing.car_plans import CHROME, Car, Shape

GROUND = 0.72
"""Where the wheels stand, from above, as a share of the picture."""


@dataclass
class CarBench:
    """A car on its canvas: places, and the masks that later steps keep to."""

    car: Car
    canvas: Canvas
    dice: random.Random

    def at(self, share: float, height: float) -> Point:
        """A place on the picture from a share of the length and a height."""
        length = self.car.shape.length
        return 0.5 - length / 2 + share * length, GROUND - height

    def points(self, *places: tuple[float, float]) -> list[Point]:
        """Several of them."""
        return [self.at(*place) for place in places]

    def soft(self, *corners: tuple[float, float, float]) -> list[Point]:
        """A shape with rounded corners: shares of the length, heights, radii."""
        return rounded([(*self.at(share, height), radius) for share, height, radius in corners])

    def box(self, back: float, front: float, high: float, low: float, radius: float = 0.0) -> list[Point]:
        """An upright rectangle: from and to shares of the length, its upper and lower height."""
        return self.soft((back, high, radius), (front, high, radius), (front, low, radius), (back, low, radius))


def shadow(bench: CarBench) -> None:
    """What is dark below: the shadow on the ground, the underside."""
    shape = bench.car.shape
    bench.canvas.glow(0.5, GROUND - 0.01, shape.length * 0.55, 0.034, SHADOW, 0.8)
    for share in (shape.rear, shape.front):
        bench.canvas.glow(bench.at(share, 0)[0], GROUND, shape.wheel * 1.1, 0.016, SHADOW, 0.7)
    bench.canvas.fill(
        bench.soft(
            (0.06, shape.sill + 0.05, 0.01),
            (0.94, shape.sill + 0.05, 0.01),
            (0.92, shape.sill - 0.018, 0.01),
            (0.08, shape.sill - 0.018, 0.01),
        ),
        (30, 31, 37),
    )


def outline(bench: CarBench) -> list[list[Point]]:
    """The silhouette: the body, and fenders of their own where a car has them."""
    shape = bench.car.shape
    soft = shape.round
    middle = (shape.sill + shape.nose) / 2
    roof_middle = (shape.top_back + shape.top_front) / 2
    if bench.car.kind == "beetle":
        lower = bench.soft(
            (0.015, shape.sill, 0.02),
            (0.03, shape.tail * 0.62, 0.05),
            (0.12, shape.tail * 1.0, 0.07),
            (shape.back + 0.1, shape.roof * 0.9, 0.10),
            (roof_middle, shape.roof * 1.06, 0.13),
            (shape.top_front + 0.055, shape.roof * 0.97, 0.06),
            (shape.screen, shape.cowl, 0.03),
            (0.86, shape.cowl * 0.97, 0.10),
            (0.965, shape.nose * 0.8, 0.06),
            (0.985, shape.sill, 0.02),
        )
        fenders = [
            bench.soft(
                (share - 0.175, shape.sill, 0.01),
                (share - 0.165, shape.wheel * 2.0, 0.09),
                (share + 0.02, shape.wheel * 2.42, 0.10),
                (share + 0.165, shape.wheel * 1.95, 0.09),
                (share + 0.175, shape.sill, 0.01),
            )
            for share in (shape.rear, shape.front)
        ]
        return [lower, *fenders]
    return [
        bench.soft(
            (0.025, shape.sill, 0.015),
            (0.0, shape.sill + 0.035, 0.02),
            (0.004, shape.tail - 0.03, 0.03),
            (0.018, shape.tail, 0.028 * soft),
            (shape.back, shape.tail + 0.003, 0.035 * soft),
            (shape.top_back, shape.roof - 0.004, 0.055 * soft),
            (roof_middle, shape.roof + 0.008, 0.2),
            (shape.top_front, shape.roof - 0.004, 0.06 * soft),
            (shape.screen, shape.cowl, 0.04 * soft),
            (0.925, shape.nose + 0.014, 0.08 * soft),
            (0.99, shape.nose - 0.006, 0.032 * soft),
            (1.0, middle, 0.03),
            (0.995, shape.sill + 0.03, 0.015),
            (0.97, shape.sill, 0.015),
        )
    ]


def coat(bench: CarBench, body: Mask) -> None:
    """Paint the body: lights from above, a shoulder that shines, a dark lower half."""
    car, canvas, shape = bench.car, bench.canvas, bench.car.shape
    canvas.paint(body, _lights(canvas, car.paint, shape, car.shine))
    if car.second is not None:
        second = _lights(canvas, car.second, shape, car.shine)
        if car.split == "roof":
            canvas.paint(
                canvas.mask(
                    bench.points((-0.1, 1), (1.1, 1), (1.1, shape.cowl + 0.012), (-0.1, shape.tail + 0.014)),
                    within=body,
                ),
                second,
            )
        elif car.split == "lower":
            waist = shape.belt - 0.025
            canvas.paint(
                canvas.mask(bench.points((-0.1, waist), (1.1, waist - 0.02), (1.1, 0), (-0.1, 0)), within=body), second
            )
            canvas.line(bench.points((0, waist), (1, waist - 0.02)), 0.007, CHROME, within=body)
        else:
            low = shape.sill + 0.02
            canvas.paint(
                canvas.mask(bench.points((0, low), (1, low), (1, low + 0.018), (0, low + 0.018)), within=body), second
            )
    left, right = bench.at(0, 0)[0], bench.at(1, 0)[0]
    canvas.veil(body, BLACK, [(left, 0.30), (left + 0.07, 0), (right - 0.09, 0), (right, 0.26)], across=True)
    # A line of light along the shoulder.
    edge = shape.belt - 0.012
    canvas.line(
        bench.points((0.03, min(edge, shape.tail - 0.012)), (0.3, edge), (0.7, edge), (0.93, shape.nose - 0.004)),
        0.008,
        WHITE,
        0.25 + 0.25 * car.shine,
        body,
    )


def _lights(canvas: Canvas, paint: Colour, shape: Shape, shine: float) -> Image.Image:
    dark, bright = (mix(paint, (16, 18, 34), 0.55), mix(paint, WHITE, 0.75))

    def place(height: float) -> float:
        return GROUND - height

    return canvas.ramp(
        [
            (place(shape.roof + 0.01), mix(paint, bright, 0.30 + 0.45 * shine)),
            (place(shape.roof - 0.035), mix(paint, bright, 0.06)),
            (place(shape.belt + 0.012), mix(paint, bright, 0.12)),
            (place(shape.belt - 0.004), mix(paint, bright, 0.18 + 0.42 * shine)),
            (place(shape.belt - 0.035), mix(paint, bright, 0.04)),
            (place(shape.belt * 0.55 + shape.sill * 0.45), mix(paint, dark, 0.12 + 0.22 * shine)),
            (place(shape.sill + 0.045), mix(paint, dark, 0.25 + 0.15 * shine)),
            (place(shape.sill + 0.018), mix(paint, dark, 0.55)),
            (place(shape.sill), mix(paint, dark, 0.85)),
        ]
    )


def windows(bench: CarBench) -> None:
    """Glass with its frame, the seats behind and the sky on it, and the posts between."""
    car, canvas, shape, dice = bench.car, bench.canvas, bench.car.shape, bench.dice
    top, low = shape.roof - 0.022, shape.belt + 0.006

    def on(bottom: float, above: float, height: float, base: float) -> float:
        return bottom + (above - bottom) * (height - base) / (shape.roof - base)

    if car.kind == "beetle":
        pane = bench.soft(
            (shape.back + 0.10, low, 0.025),
            (shape.top_back - 0.02, top - 0.02, 0.06),
            (shape.top_back + 0.10, top + 0.004, 0.06),
            (shape.top_front - 0.01, top, 0.035),
            (shape.screen - 0.05, low, 0.02),
        )
    else:
        back = shape.pillar
        pane = bench.soft(
            (on(shape.back, shape.top_back, low, shape.tail) + back, low, 0.018 * shape.round),
            (on(shape.back, shape.top_back, top, shape.tail) + back * 0.75 + 0.01, top, 0.03 * shape.round),
            (on(shape.screen, shape.top_front, top, shape.cowl) - 0.022, top, 0.02 * shape.round),
            (on(shape.screen, shape.top_front, low, shape.cowl) - 0.045, low, 0.014 * shape.round),
        )
    window = canvas.mask(pane)
    if car.kind == "van" and car.era != "classic" and dice.random() < 0.6:
        # A van for goods: only the driver has a window.
        window = canvas.mask(
            bench.points((shape.posts[-1], 1), (1, 1), (1, 0), (shape.posts[-1] + 0.01, 0)), within=window
        )
    frame = CHROME if car.era == "classic" else mix(car.paint, BLACK, 0.55)
    canvas.line([*pane, pane[0]], 0.012, frame, 0.9, None if car.kind != "van" else window)
    canvas.paint(
        window,
        canvas.ramp(
            [(GROUND - shape.roof, mix(car.glass, BLACK, 0.25)), (GROUND - shape.belt, mix(car.glass, WHITE, 0.18))]
        ),
    )
    # Seats behind the glass, then the sky on it.
    for seat in (0.36, 0.54):
        at = seat + (0.16 if car.kind in ("van", "pickup") else 0.0)
        canvas.fill(
            bench.soft(
                (at - 0.03, low - 0.01, 0.01),
                (at - 0.045, low + 0.055, 0.012),
                (at - 0.005, low + 0.055, 0.012),
                (at + 0.02, low - 0.01, 0.01),
            ),
            mix(car.glass, BLACK, 0.45),
            0.7,
            window,
        )
    tilt = dice.uniform(0.3, 0.5)
    for start, wide, strength in ((tilt, 0.075, 0.34), (tilt + 0.11, 0.03, 0.26), (tilt + 0.27, 0.05, 0.2)):
        canvas.fill(
            bench.points(
                (start, low - 0.02),
                (start + wide, low - 0.02),
                (start + wide + 0.12, top + 0.03),
                (start + 0.12, top + 0.03),
            ),
            WHITE,
            strength,
            window,
        )
    for post in shape.posts:
        canvas.line(
            bench.points((post + 0.008, low - 0.01), (post - 0.008, top + 0.02)),
            0.014,
            mix(car.paint, BLACK, 0.6) if car.era != "classic" else mix(car.paint, BLACK, 0.1),
            1,
            window,
        )


def seams(bench: CarBench, body: Mask, fenders: list[list[Point]]) -> None:
    """The lines of doors, with their handles, of fenders, and of what a kind has besides."""
    car, canvas, shape = bench.car, bench.canvas, bench.car.shape
    seam = mix(car.paint, (10, 12, 24), 0.6 if light(car.paint) > 0.25 else 0.8)
    low = shape.sill + 0.022
    for door in shape.doors:
        places = (door - 0.004, shape.belt + 0.004), (door + 0.003, (shape.belt + low) / 2), (door - 0.004, low)
        canvas.line(curve(bench.points(*places)), 0.0065, seam, 0.75, body)
    canvas.line(bench.points((shape.doors[0], low), (shape.doors[-1], low)), 0.0065, seam, 0.6, body)
    metal = car.era == "classic" or light(car.paint) < 0.3
    for door in shape.doors[:-1]:
        x, y = bench.at(door + 0.022, shape.belt - 0.03)
        canvas.fill(
            rounded([(x, y, 0.004), (x + 0.042, y, 0.004), (x + 0.042, y + 0.011, 0.004), (x, y + 0.011, 0.004)]),
            CHROME if metal else mix(car.paint, BLACK, 0.55),
        )
    if car.kind == "pickup":
        # The loading bed: its rail, and the gap to the cabin.
        canvas.line(
            bench.points((0.01, shape.tail - 0.006), (shape.back, shape.tail - 0.006)), 0.012, (44, 46, 52), 0.85, body
        )
        canvas.line(
            bench.points((shape.back + 0.012, shape.tail), (shape.back + 0.012, shape.sill)), 0.008, seam, 0.8, body
        )
    if car.kind == "van":
        canvas.line(bench.points((0.3, shape.belt - 0.035), (0.56, shape.belt - 0.035)), 0.006, seam, 0.55, body)
        canvas.line(bench.points((0.30, shape.belt + 0.0), (0.30, low)), 0.006, seam, 0.55, body)
    for fender in fenders:
        canvas.line(fender[8:-8], 0.009, seam, 0.6, body)
