"""What is sewn and laced to the uppers of sneakers: panels with their stitches, the collar, eyelets and laces."""

from __future__ import annotations

from core.datasets.drawing.brush import BLACK, WHITE, Colour, Mask, Point, ellipse, light, mix, rounded
from core.datasets.drawing.sneaker_plans import OFF_WHITE
from core.datasets.drawing.sneaker_upper import GROUND, SneakerBench


def _panel(bench: SneakerBench, upper: Mask, shape: list[Point], colour: Colour, stitches: bool = True) -> None:
    canvas = bench.canvas
    covered = canvas.mask(shape, within=upper)
    canvas.paint(
        covered,
        canvas.ramp(
            [
                (GROUND - bench.shoe.collar, mix(colour, WHITE, 0.2)),
                (GROUND - 0.16, colour),
                (GROUND - 0.06, mix(colour, BLACK, 0.14)),
            ]
        ),
    )
    edge = [*shape, shape[0]]
    canvas.line(edge, 0.007, mix(colour, BLACK, 0.5), 0.5, upper)
    if stitches:
        x, y = (sum(p[axis] for p in shape) / len(shape) for axis in (0, 1))
        inside = [(px + (x - px) * 0.09, py + (y - py) * 0.09) for px, py in edge]
        canvas.dashes(inside, 0.0045, mix(colour, WHITE if light(colour) < 0.6 else BLACK, 0.4), 0.011, covered)


def panels(bench: SneakerBench, upper: Mask) -> None:
    """The toe, the heel, the collar and the strip that the laces go through."""
    shoe, canvas, dice = bench.shoe, bench.canvas, bench.dice
    sole = bench.top_of_sole
    part = shoe.panel
    if shoe.front_part == "guard":
        _panel(
            bench,
            upper,
            bench.soft(
                (0.50, 0.0, 0.0),
                (0.55, sole(0.5) + 0.028, 0.02),
                (0.72, sole(0.7) + 0.05, 0.06),
                (0.86, shoe.toe - 0.03, 0.06),
                (1.05, shoe.toe - 0.022, 0.0),
                (1.05, 0.0, 0.0),
            ),
            part,
        )
    elif shoe.front_part == "cap":
        colour = OFF_WHITE if shoe.style == "canvas" else part
        _panel(
            bench,
            upper,
            bench.soft(
                (0.80, 0.0, 0.0),
                (0.785, sole(0.8) + 0.03, 0.05),
                (0.835, shoe.toe + 0.04, 0.05),
                (1.05, shoe.toe + 0.05, 0.0),
                (1.05, 0.0, 0.0),
            ),
            colour,
            stitches=shoe.style != "canvas",
        )
    elif shoe.front_part == "holes":
        for row in range(3):
            for column in range(5 - row):
                x, y = bench.at(
                    0.735 + 0.034 * column + 0.017 * row, shoe.toe - 0.03 + 0.02 * row - 0.010 * column * 0.6
                )
                canvas.fill(ellipse(x, y, 0.0055), mix(shoe.base, BLACK, 0.5), 0.85, upper)
    # Behind: the counter, and the tab above it.
    if dice.random() < 0.75:
        top = min(shoe.collar - 0.09, shoe.heel + 0.12)
        _panel(
            bench,
            upper,
            bench.soft(
                (-0.05, 0.0, 0.0),
                (-0.05, top, 0.0),
                (0.10, top, 0.04),
                (0.19, shoe.heel + 0.035, 0.04),
                (0.27, 0.0, 0.0),
            ),
            part,
        )
    _panel(
        bench,
        upper,
        bench.soft(
            (-0.05, shoe.collar - 0.062, 0.0),
            (0.085, shoe.collar - 0.056, 0.02),
            (0.105, shoe.collar + 0.02, 0.0),
            (-0.05, shoe.collar + 0.02, 0.0),
        ),
        shoe.accent,
        stitches=False,
    )
    # The collar's padding, the strip that the laces go through.
    collar = bench.soft(
        (0.075, shoe.collar + 0.002, 0.01),
        ((0.1 + shoe.throat) / 2, shoe.dip - 0.012, 0.075),
        (shoe.throat - 0.012, shoe.front + 0.004, 0.014),
    )
    canvas.line(collar[5:25], 0.03, shoe.lining, 1, upper)
    canvas.line([(x, y + 0.017) for x, y in collar[5:25]], 0.006, mix(shoe.lining, BLACK, 0.5), 0.5, upper)
    line = bench.lace_line
    wide = 0.058
    inner = []
    for step in range(len(line)):
        (x, y), (dx, dy) = bench.laced(step / (len(line) - 1))
        inner.append((x + dx * wide, y + dy * wide))
    x, y = bench.at(shoe.vamp_at + 0.035, shoe.vamp - 0.03)
    strip = [*line, (x + 0.012, y - 0.015), (x, y + 0.022), *inner[-3::-1]]
    _panel(bench, upper, strip, part if dice.random() < 0.7 else mix(shoe.base, BLACK, 0.1), stitches=False)
    canvas.dashes(
        [(px, py - 0.009) for px, py in inner[:-2]],
        0.0045,
        mix(part, WHITE if light(part) < 0.6 else BLACK, 0.4),
        0.011,
        upper,
    )
    if shoe.kind == "high" and dice.random() < 0.3:
        a, b = shoe.collar - 0.10, shoe.front - 0.12
        _panel(
            bench,
            upper,
            bench.soft((0.0, a + 0.022, 0.01), (0.5, b + 0.03, 0.01), (0.5, b - 0.02, 0.01), (0.0, a - 0.026, 0.01)),
            shoe.accent,
        )


def laces(bench: SneakerBench) -> None:
    """Rows of laces from their eyelets, and a bow on some."""
    shoe, canvas = bench.shoe, bench.canvas
    shade = mix(shoe.lace, BLACK, 0.55)
    hole = (206, 208, 212) if bench.dice.random() < 0.35 else mix(shoe.panel, BLACK, 0.6)
    for row in range(shoe.laces):
        (x, y), (dx, dy) = bench.laced(0.06 + 0.88 * row / (shoe.laces - 1))
        eye = (x + dx * 0.036, y + dy * 0.036)
        canvas.fill(ellipse(*eye, 0.0085), hole)
        over = (x - dx * 0.008 + 0.006, y - dy * 0.008)
        canvas.line([(eye[0], eye[1] + 0.003), (over[0] + 0.002, over[1] + 0.003)], 0.02, shade, 0.55)
        canvas.line([eye, over], 0.0155, shoe.lace)
    if bench.dice.random() < 0.45:
        (x, y), _ = bench.laced(0.04)
        for loop in (
            rounded(
                [(x, y, 0), (x + 0.03, y - 0.035, 0.02), (x + 0.075, y - 0.015, 0.02), (x + 0.05, y + 0.012, 0.015)]
            ),
            rounded(
                [(x, y, 0), (x + 0.012, y + 0.02, 0.01), (x + 0.03, y + 0.06, 0.016), (x + 0.05, y + 0.045, 0.014)]
            ),
        ):
            canvas.line([*loop, loop[0]], 0.0145, shade, 0.5)
            canvas.line([*loop, loop[0]], 0.0105, shoe.lace)
        canvas.fill(ellipse(x + 0.004, y, 0.012), shoe.lace)
