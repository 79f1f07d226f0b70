"""The uppers of sneakers: silhouette, tongue, material, and the pattern on the side. Heights count from the ground."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.datasets.drawing.brush import (
    BLACK,
    SHADOW,
    WHITE,
    Canvas,
    Mask,
    Point,
    apart,
    curve,
    ellipse,
    mix,
    rounded,
)
from core.datasets.drawing.sneaker_plans import Sneaker

GROUND = 0.72
"""Where the sole stands, from above, as a share of the picture."""


@dataclass
class SneakerBench:
    """A sneaker on its canvas: places, and the masks that later steps keep to."""

    shoe: Sneaker
    canvas: Canvas
    dice: random.Random

    def at(self, share: float, height: float) -> Point:
        """A place on the picture from a share of the length and a height."""
        return 0.5 + (share - 0.5) * self.shoe.length, GROUND - height

    def points(self, *places: tuple[float, float]) -> list[Point]:
        """Several of them."""
        return [self.at(*place) for place in places]

    def soft(self, *corners: tuple[float, float, float]) -> list[Point]:
        """A shape with rounded corners: shares of the length, heights, radii."""
        return rounded([(*self.at(share, height), radius) for share, height, radius in corners])

    def top_of_sole(self, share: float) -> float:
        """Height of the sole's upper edge."""
        shoe = self.shoe
        ease = share * share * (3 - 2 * share)
        return shoe.heel + (shoe.toe_sole + shoe.spring - shoe.heel) * ease

    def lift(self, share: float) -> float:
        """Height of the sole's lower edge: flat, then lifted towards the toe."""
        return self.shoe.spring * max(0.0, (share - 0.68) / 0.32) ** 2

    def laced(self, share: float) -> tuple[Point, Point]:
        """A place on the line of the laces, from 0 above to 1 at the vamp, and the direction into the shoe there."""
        line = self.lace_line
        spot = share * (len(line) - 1)
        step = min(int(spot), len(line) - 2)
        (ax, ay), (bx, by) = line[step], line[step + 1]
        t = spot - step
        length = math.hypot(bx - ax, by - ay)
        return (ax + (bx - ax) * t, ay + (by - ay) * t), (-(by - ay) / length, (bx - ax) / length)

    @cached_property
    def lace_line(self) -> list[Point]:
        """From the end of the collar down to the vamp."""
        shoe = self.shoe
        places = [self.at(shoe.throat, shoe.front), self.at(*self.bend()), self.at(shoe.vamp_at, shoe.vamp)]
        return curve(places, 12)

    def bend(self) -> tuple[float, float]:
        """Where the line of the laces bends: at the ankle of high shoes, hardly at all of low ones."""
        shoe = self.shoe
        share = {"low": 0.5, "mid": 0.36, "high": 0.30}[shoe.kind]
        height = {"low": 0.485, "mid": 0.46, "high": 0.36}[shoe.kind]
        return shoe.throat + (shoe.vamp_at - shoe.throat) * share, shoe.vamp + (shoe.front - shoe.vamp) * height


def outline(bench: SneakerBench) -> list[Point]:
    """The silhouette of the upper; its lower edge lies behind the sole."""
    shoe = bench.shoe
    heel = shoe.heel
    corners = [
        (0.03, heel * 0.5, 0.01),
        (0.004, heel + 0.055, 0.06),
        (0.045, shoe.collar - 0.075, 0.05),
        (0.022, shoe.collar + 0.002, 0.018),
        (0.085, shoe.collar + 0.002, 0.022),
        ((0.1 + shoe.throat) / 2, shoe.dip - 0.012, 0.075),
        (shoe.throat - 0.012, shoe.front + 0.004, 0.014),
    ]
    if shoe.kind != "low":
        corners[2] = (0.05, (heel + shoe.collar) / 2 + 0.02, 0.09)
    outline = bench.soft(*corners)
    outline += bench.lace_line
    toe = bench.soft(
        (shoe.vamp_at, shoe.vamp, 0),
        (0.745, shoe.toe + 0.016, 0.08),
        (0.86, shoe.toe + 0.006, 0.09),
        (0.972, shoe.toe - 0.012, 0.075),
        (0.992, shoe.toe_sole + shoe.spring, 0.03),
        (0.975, shoe.toe_sole * 0.5 + shoe.spring, 0.0),
    )
    return outline + toe[10:]


def tongue(bench: SneakerBench) -> None:
    """The tongue, and the far side of the collar."""
    shoe, canvas = bench.shoe, bench.canvas
    x, front = shoe.throat, shoe.front
    colour = mix(shoe.panel, WHITE, 0.12) if apart(shoe.panel, shoe.base) > 0.08 else mix(shoe.base, BLACK, 0.16)
    line = bench.lace_line
    # It stands out a little along the laces, less and less towards the toe.
    edge: list[Point] = []
    inside: list[Point] = []
    for step in range(len(line) - 1):
        (px, py), (dx, dy) = bench.laced(step / (len(line) - 1))
        out = 0.012 * (1 - step / len(line))
        edge.append((px - dx * out, py - dy * out))
        inside.append((px + dx * 0.04, py + dy * 0.04))
    head = bench.soft(
        (x - 0.10, shoe.dip - 0.02, 0.01),
        (x - 0.062, shoe.tongue - 0.004, 0.022),
        (x + 0.004, shoe.tongue + 0.008, 0.02),
        (x + 0.032, front + 0.006, 0.02),
        (*bench.bend(), 0.0),
        (x, shoe.dip - 0.06, 0.0),
    )
    shape = [*head[:36], *edge[3:], *reversed(inside), *head[50:]]
    canvas.fill(
        shape,
        canvas.ramp(
            [(GROUND - shoe.tongue, mix(colour, WHITE, 0.25)), (GROUND - shoe.tongue + 0.07, mix(colour, BLACK, 0.12))]
        ),
    )
    # The far side of the collar, in the shade.
    canvas.fill(
        bench.soft(
            (0.06, shoe.collar - 0.004, 0.01),
            (0.12, shoe.collar - 0.012, 0.03),
            (x - 0.06, shoe.dip + 0.02, 0.02),
            (x - 0.04, shoe.dip - 0.03, 0.0),
            (0.08, shoe.dip - 0.03, 0.0),
        ),
        mix(shoe.lining, BLACK, 0.45),
    )
    if bench.dice.random() < 0.5:
        a, b = bench.at(x - 0.045, shoe.tongue - 0.012), bench.at(x - 0.004, shoe.tongue - 0.036)
        canvas.fill(
            rounded([(a[0], a[1], 0.004), (b[0], a[1], 0.004), (b[0] + 0.004, b[1], 0.004), (a[0], b[1], 0.004)]),
            shoe.accent,
        )


def cover(bench: SneakerBench, upper: Mask) -> None:
    """Paint the upper in its material."""
    shoe, canvas = bench.shoe, bench.canvas
    gloss = {"leather": 0.34, "suede": 0.12, "canvas": 0.12, "mesh": 0.2}[shoe.material]
    canvas.paint(
        upper,
        canvas.ramp(
            [
                (GROUND - shoe.collar, mix(shoe.base, WHITE, gloss)),
                (GROUND - 0.2, shoe.base),
                (GROUND - shoe.heel, mix(shoe.base, (20, 18, 40), 0.22)),
            ]
        ),
    )
    if shoe.material == "canvas":
        canvas.texture(upper, lambda x, y: 0.05 * (np.sin(x * 480) * np.sin(y * 480) + 0.4))
    elif shoe.material == "mesh":
        canvas.texture(upper, lambda x, y: 0.22 * ((np.sin(x * 300 + y * 160) * np.sin(y * 300 - x * 160)) > 0.35))
    elif shoe.material == "suede":
        canvas.texture(
            upper,
            lambda x, y: 0.05 + 0.05 * np.sin(x * 211 + 5 * np.sin(y * 173)) * np.sin(y * 307 + 4 * np.sin(x * 131)),
        )


def pattern(bench: SneakerBench, upper: Mask) -> None:
    """Plain geometry on the side, between the heel and the laces."""
    shoe, canvas, dice = bench.shoe, bench.canvas, bench.dice
    colour = shoe.accent if apart(shoe.accent, shoe.base) > 0.15 else shoe.panel
    low, high = shoe.heel, min(shoe.dip, shoe.vamp + 0.06)
    if shoe.pattern in ("bands", "band"):
        lean, wide = dice.choice((-0.1, 0.1, 0.06)), dice.uniform(0.04, 0.06)
        for start in (0.36, 0.36 + wide * 1.8)[: 2 if shoe.pattern == "bands" else 1]:
            canvas.fill(
                bench.points(
                    (start, low - 0.02),
                    (start + wide, low - 0.02),
                    (start + wide + lean, high + 0.1),
                    (start + lean, high + 0.1),
                ),
                colour,
                within=upper,
            )
    elif shoe.pattern == "wave":
        waves, height = dice.choice((2, 3)), (low + high) / 2 - 0.005
        line = [
            bench.at(0.1 + 0.55 * t / 60, height + 0.018 * math.sin(2 * math.pi * waves * t / 60)) for t in range(61)
        ]
        canvas.line(line, 0.02, colour, 1, upper)
    elif shoe.pattern == "zigzag":
        height = (low + high) / 2 - 0.005
        line = [bench.at(0.16 + 0.06 * t, height + 0.022 * (-1) ** t) for t in range(9)]
        canvas.line(line, 0.016, colour, 1, upper)
    elif shoe.pattern == "dots":
        for row in range(3):
            for column in range(7):
                x, y = bench.at(0.25 + 0.05 * column + 0.025 * (row % 2), low + 0.03 + 0.036 * row)
                canvas.fill(ellipse(x, y, 0.011), colour, within=upper)
    elif shoe.pattern == "block":
        canvas.fill(
            bench.points((-0.1, 0), (dice.uniform(0.3, 0.45), 0), (dice.uniform(0.2, 0.32), 1), (-0.1, 1)),
            mix(colour, shoe.base, 0.12),
            within=upper,
        )
    elif shoe.pattern == "arcs":
        x, y = bench.at(0.36, low - 0.02)
        for ring, radius in enumerate((0.135, 0.10, 0.065)):
            canvas.fill(ellipse(x, y, radius * 1.25, radius), colour if ring % 2 == 0 else shoe.base, within=upper)
    elif shoe.pattern == "fade":
        canvas.veil(upper, colour, [(0.12, 0.95), (0.3, 0.75), (0.62, 0)], across=True)
    elif shoe.pattern == "peak":
        canvas.fill(
            bench.soft(
                (0.22, low - 0.02, 0),
                (0.37, high - 0.03, 0.02),
                (0.46, low + 0.055, 0.012),
                (0.51, low + 0.085, 0.012),
                (0.62, low - 0.02, 0),
            ),
            colour,
            within=upper,
        )
    elif shoe.pattern == "sun":
        x, y = bench.at(0.36, (low + high) / 2)
        canvas.fill(ellipse(x, y, 0.042), colour, within=upper)


def shade(bench: SneakerBench, upper: Mask) -> None:
    """Make it round: dark above the sole and towards heel and toe, lights on the toe and on the heel."""
    shoe, canvas = bench.shoe, bench.canvas
    left, right = bench.at(0, 0)[0], bench.at(1, 0)[0]
    canvas.veil(upper, SHADOW, [(left, 0.30), (left + 0.08, 0), (right - 0.10, 0), (right, 0.24)], across=True)
    canvas.veil(
        upper,
        SHADOW,
        [(GROUND - shoe.heel - 0.06, 0), (GROUND - shoe.heel + 0.005, 0.3), (GROUND - shoe.toe_sole, 0.42)],
    )
    gloss = 0.5 if shoe.material == "leather" else 0.28
    x, y = bench.at(0.80, shoe.toe - 0.008)
    canvas.glow(x, y, 0.10, 0.034, WHITE, gloss, upper)
    x, y = bench.at(0.10, shoe.heel + 0.10)
    canvas.glow(x, y, 0.035, 0.09, WHITE, gloss * 0.7, upper)
    x, y = bench.at(0.36, shoe.heel + 0.10)
    canvas.glow(x, y, 0.16, 0.08, WHITE, gloss * 0.3, upper)
