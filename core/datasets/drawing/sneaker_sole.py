"""The soles of sneakers: five kinds, with what touches the ground."""

from __future__ import annotations

import math

from core.datasets.drawing.brush import BLACK, SHADOW, WHITE, Mask, Point, light, mix
from core.datasets.drawing.sneaker_upper import GROUND, SneakerBench

_STEPS = [step / 24 for step in range(25)]


def sole(bench: SneakerBench) -> None:
    """The sole, in front of the upper."""
    shoe, canvas = bench.shoe, bench.canvas
    upper_edge = [bench.at(t * 1.012 - 0.004, bench.top_of_sole(t)) for t in _STEPS]
    whole = canvas.mask(_outline(bench, upper_edge))
    top = GROUND - shoe.heel
    stops = [
        (top, mix(shoe.sole, WHITE, 0.5)),
        (top + 0.02, shoe.sole),
        (GROUND - 0.02, mix(shoe.sole, SHADOW, 0.16)),
        (GROUND, mix(shoe.sole, SHADOW, 0.38)),
    ]
    canvas.paint(whole, canvas.ramp(stops))
    if shoe.style == "ice":  # lit from within
        inside = mix(shoe.sole, shoe.accent, 0.35)
        canvas.glow(0.42, GROUND - shoe.heel * 0.45, 0.36, shoe.heel * 0.4, inside, 0.5, whole)
        canvas.veil(whole, WHITE, [(top, 0.5), (top + 0.025, 0.05), (GROUND - 0.02, 0.0), (GROUND, 0.3)])
    if shoe.style in ("runner", "chunky"):
        _layers(bench, whole)
    _ground(bench, whole)
    bright = light(shoe.sole) > 0.4
    if shoe.style == "canvas":
        line = [bench.at(t, bench.top_of_sole(t) * 0.62 + bench.lift(t) * 0.4) for t in _STEPS]
        canvas.line(line, 0.009, shoe.accent, 0.9, whole)
    elif shoe.style in ("cup", "ice"):
        line = [bench.at(t, bench.top_of_sole(t) - 0.015) for t in _STEPS]
        canvas.dashes(line, 0.005, mix(shoe.sole, BLACK if bright else WHITE, 0.45), 0.013, whole)
    canvas.line([(x, y + 0.002) for x, y in upper_edge], 0.006, SHADOW, 0.4, whole)
    left, right = bench.at(0, 0)[0], bench.at(1, 0)[0]
    ends = [(left - 0.02, 0.4), (left + 0.06, 0), (right - 0.07, 0), (right + 0.01, 0.3)]
    canvas.veil(whole, SHADOW, ends, across=True)


def _outline(bench: SneakerBench, upper_edge: list[Point]) -> list[Point]:
    shoe = bench.shoe
    flare = {"runner": 0.02, "chunky": 0.028}.get(shoe.style, 0.008)
    lower_edge = [bench.at(0.03 + t * 0.945, bench.lift(t)) for t in reversed(_STEPS)]
    nose = bench.soft(
        (1.0, bench.top_of_sole(1), 0.012),
        (1.012, shoe.toe_sole * 0.55 + shoe.spring, 0.02),
        (0.975, bench.lift(1), 0.02),
    )
    tail = bench.soft((0.03, 0.0, 0.012), (-flare, shoe.heel * 0.4, 0.028), (-0.004, shoe.heel, 0.012))
    return [*upper_edge[1:-1], *nose[3:27], *lower_edge[1:-1], *tail[3:27]]


def _layers(bench: SneakerBench, whole: Mask) -> None:
    """A second layer below the first, with a wave between them."""
    shoe, canvas, dice = bench.shoe, bench.canvas, bench.dice
    pace = 9 if shoe.style == "runner" else 17

    def height(t: float) -> float:
        return shoe.heel * (0.62 - 0.25 * t) + bench.lift(t) + 0.012 * math.sin(t * pace)

    split = [bench.at(t, height(t)) for t in _STEPS]
    wedge = canvas.mask([*split, bench.at(1.1, 0), bench.at(-0.1, -0.1)], within=whole)
    second = mix(shoe.sole, BLACK, 0.12) if light(shoe.sole) > 0.4 else mix(shoe.sole, WHITE, 0.2)
    if dice.random() < 0.35:
        second = shoe.accent
    if dice.random() < 0.75:
        canvas.paint(wedge, second, 0.92)
    canvas.line(split, 0.006, SHADOW, 0.45, whole)


def _ground(bench: SneakerBench, whole: Mask) -> None:
    """What touches the ground: a strip of another rubber, with a tread on sporty soles."""
    shoe, canvas = bench.shoe, bench.canvas
    strip = 0.014 if shoe.style == "canvas" else 0.02
    edge = [bench.at(-0.1 + t * 1.2, strip + bench.lift(-0.1 + t * 1.2)) for t in _STEPS]
    rubber = canvas.mask([*edge, bench.at(1.2, -0.1), bench.at(-0.2, -0.1)], within=whole)
    stops = [
        (GROUND - strip - shoe.spring, mix(shoe.outsole, WHITE, 0.12)),
        (GROUND, mix(shoe.outsole, SHADOW, 0.35)),
    ]
    canvas.paint(rubber, canvas.ramp(stops))
    if shoe.style in ("runner", "chunky"):
        for tread in range(13):
            share = 0.08 + 0.068 * tread
            x, y = bench.at(share, bench.lift(share))
            gap = [(x, y + 0.004), (x + 0.018, y + 0.004), (x + 0.013, y - 0.010), (x + 0.005, y - 0.010)]
            canvas.fill(gap, mix(shoe.outsole, BLACK, 0.6), 0.9, whole)
