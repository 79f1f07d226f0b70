"""What is fitted to the bodies of cars: bumpers, lamps, mirrors, spoilers, wheels with their rims."""

from __future__ import annotations

import math

from core.datasets.drawing.brush import BLACK, WHITE, Colour, Mask, ellipse, mix, rounded
from core.datasets.drawing.car_body import GROUND, CarBench
from core.datasets.drawing.car_plans import CHROME

_RUBBER: Colour = (36, 37, 43)
_PLASTIC: Colour = (54, 56, 63)


def ends(bench: CarBench, body: Mask) -> None:
    """Bumpers and lamps."""
    _bumpers(bench, body)
    _lamps(bench, body)


def _bumpers(bench: CarBench, body: Mask) -> None:
    car, canvas, shape = bench.car, bench.canvas, bench.car.shape
    height = shape.sill + 0.038
    if car.era == "classic":
        middle = GROUND - height
        chrome = canvas.ramp([(middle - 0.014, WHITE), (middle, (150, 158, 168)), (middle + 0.014, (214, 218, 224))])
        for back, front in ((-0.012, 0.10), (0.90, 1.012)):
            canvas.fill(bench.box(back, front, height + 0.014, height - 0.014, 0.01), chrome)
    elif car.era == "eighties":
        for back, front in ((-0.012, 0.13), (0.885, 1.012)):
            canvas.fill(bench.box(back, front, height + 0.018, height - 0.02, 0.008), _PLASTIC)
        canvas.line(bench.points((0.02, height + 0.05), (0.98, height + 0.05)), 0.009, _PLASTIC, 0.9, body)
    else:
        for share, side in ((0.035, 1), (0.965, -1)):
            skirt = bench.soft(
                (share - 0.05 * side, shape.sill + 0.026, 0.004),
                (share + 0.045 * side, shape.sill + 0.02, 0.004),
                (share + 0.04 * side, shape.sill - 0.01, 0.004),
                (share - 0.05 * side, shape.sill - 0.01, 0.004),
            )
            canvas.fill(skirt, (48, 50, 58), 0.9, body)


def _lamps(bench: CarBench, body: Mask) -> None:
    car, canvas, shape = bench.car, bench.canvas, bench.car.shape
    red, clear, amber = (206, 36, 40), (250, 246, 226), (244, 156, 50)
    if car.kind == "beetle" or (car.era == "classic" and car.kind != "van"):  # round
        x, y = bench.at(0.955, shape.nose - (0.02 if car.kind == "beetle" else 0.034))
        canvas.fill(ellipse(x, y, 0.021, 0.023), CHROME, within=body)
        canvas.fill(ellipse(x + 0.002, y, 0.015, 0.017), clear, within=body)
        x, y = bench.at(0.03, shape.tail * (0.6 if car.kind == "beetle" else 1) - 0.03)
        canvas.fill(ellipse(x, y, 0.012, 0.018), red, within=body)
    elif car.era == "eighties" or car.kind == "van":  # boxes
        nose, tail = shape.nose - 0.022, shape.tail - 0.022
        canvas.fill(bench.box(0.955, 1.01, nose, nose - 0.034), clear, within=body)
        canvas.fill(bench.box(0.935, 0.955, nose, nose - 0.034), amber, within=body)
        canvas.fill(bench.box(-0.01, 0.026, tail, tail - 0.053), red, within=body)
        canvas.fill(bench.box(-0.01, 0.026, tail, tail - 0.014), amber, within=body)
    else:  # swept back
        sweep = bench.dice.uniform(0.085, 0.13)
        front = bench.soft(
            (1.0 - sweep, shape.nose - 0.012, 0.004),
            (0.975, shape.nose - 0.022, 0.012),
            (1.0, shape.nose - 0.048, 0.006),
            (0.965, shape.nose - 0.05, 0.006),
        )
        canvas.fill(front, (70, 78, 90), within=body)
        canvas.fill([(x + 0.004, y - 0.002) for x, y in front], clear, 0.9, within=body)
        back = bench.soft(
            (-0.01, shape.tail - 0.012, 0.004),
            (0.06, shape.tail - 0.02, 0.006),
            (0.05, shape.tail - 0.042, 0.006),
            (-0.01, shape.tail - 0.06, 0.004),
        )
        canvas.fill(back, red, within=body)
        shine = bench.points((0.0, shape.tail - 0.024), (0.05, shape.tail - 0.028))
        canvas.line(shine, 0.006, (255, 120, 110), 0.9, body)


def extras(bench: CarBench, body: Mask) -> None:
    """The mirror, and what some cars have: rails, a spoiler, cladding, wood, a stripe."""
    car, canvas, shape, dice = bench.car, bench.canvas, bench.car.shape, bench.dice
    if car.kind == "estate" and car.era != "modern" and dice.random() < 0.45:
        panel = canvas.mask(
            bench.soft(
                (0.03, shape.belt - 0.03, 0.01),
                (0.88, shape.belt - 0.04, 0.01),
                (0.88, shape.sill + 0.05, 0.01),
                (0.03, shape.sill + 0.05, 0.01),
            ),
            within=body,
        )
        canvas.paint(panel, canvas.ramp([(GROUND - shape.belt, (186, 128, 78)), (GROUND - shape.sill, (120, 74, 44))]))
        for door in shape.doors:
            canvas.line(bench.points((door, shape.belt), (door, shape.sill)), 0.006, (86, 52, 32), 0.8, panel)
    if car.kind in ("SUV", "pickup") and dice.random() < 0.6:
        canvas.fill(
            bench.points((0, shape.sill + 0.028), (1, shape.sill + 0.028), (1, 0), (0, 0)), (50, 52, 58), 0.95, body
        )
    if car.kind in ("SUV", "estate") and dice.random() < 0.6:
        a, b, y = shape.top_back + 0.05, shape.top_front - 0.05, shape.roof + 0.013
        canvas.line(
            bench.points((a, y - 0.012), (a + 0.02, y + 0.004), (b - 0.02, y + 0.004), (b, y - 0.012)),
            0.008,
            (60, 62, 70),
        )
    if car.kind == "sports car" and dice.random() < 0.5:
        y = shape.tail + 0.028
        canvas.line(bench.points((0.06, y), (0.075, shape.tail - 0.01)), 0.012, mix(car.paint, BLACK, 0.5))
        canvas.fill(
            bench.soft(
                (0.0, y + 0.012, 0.006), (0.12, y + 0.004, 0.006), (0.12, y - 0.006, 0.006), (0.0, y - 0.004, 0.006)
            ),
            mix(car.paint, BLACK, 0.25),
        )
    if car.kind in ("sports car", "coupé") and dice.random() < 0.5:
        x, y = bench.at(shape.doors[0] - 0.075, shape.belt - 0.035)
        canvas.fill(
            [(x, y), (x + 0.045, y - 0.004), (x + 0.035, y + 0.04), (x + 0.015, y + 0.04)],
            mix(car.paint, BLACK, 0.7),
            0.9,
            body,
        )
    mirror = bench.at(shape.screen - 0.065, shape.belt + 0.018)
    canvas.fill(
        rounded(
            [
                (mirror[0] - 0.018, mirror[1] - 0.011, 0.008),
                (mirror[0] + 0.018, mirror[1] - 0.013, 0.012),
                (mirror[0] + 0.02, mirror[1] + 0.012, 0.008),
                (mirror[0] - 0.018, mirror[1] + 0.012, 0.006),
            ]
        ),
        mix(car.paint, BLACK, 0.35) if car.era != "classic" else CHROME,
    )


def wheel(bench: CarBench, body: Mask, x: float, y: float) -> None:
    """A wheel around (x, y) in its arch."""
    car, canvas = bench.car, bench.canvas
    radius = car.shape.wheel
    arch = radius * 1.1
    if car.kind in ("SUV", "pickup"):
        canvas.fill(ellipse(x, y, arch * 1.1), (50, 52, 58), 0.95, body)
    else:
        canvas.fill(ellipse(x, y, arch * 1.07), mix(car.paint, WHITE, 0.35), 0.35, body)
    canvas.fill(ellipse(x, y, arch), (24, 25, 30), within=body)
    canvas.fill(ellipse(x, y, radius), _RUBBER)
    canvas.fill(ellipse(x, y, radius * 0.93), (52, 53, 60))
    canvas.fill(ellipse(x, y, radius * 0.86), _RUBBER)
    if car.era == "classic" and car.rim in ("hubcap", "wire"):
        canvas.fill(ellipse(x, y, radius * 0.82), (238, 236, 228))
        canvas.fill(ellipse(x, y, radius * 0.68), _RUBBER)
    _rim(bench, x, y, radius)


def _rim(bench: CarBench, x: float, y: float, radius: float) -> None:
    car, canvas = bench.car, bench.canvas
    metal, gap = (212, 217, 223), (58, 61, 70)
    reach = radius * (0.74 if car.era == "modern" else 0.62)
    shine = canvas.ramp([(y - reach, mix(metal, WHITE, 0.6)), (y, metal), (y + reach, mix(metal, BLACK, 0.35))])
    turn = bench.dice.uniform(0, 6)
    canvas.fill(ellipse(x, y, reach), shine)
    inner = reach * 0.84

    def spokes(count: int, width: float, colour: Colour, lean: float = 0.0) -> None:
        for spoke in range(count):
            angle = turn + 2 * math.pi * spoke / count
            a, b = (x + inner * math.cos(angle + lean), y + inner * math.sin(angle + lean)), (x, y)
            canvas.line([b, a], width * radius, colour)

    if car.rim in ("hubcap", "steel", "disc"):
        canvas.fill(
            ellipse(x, y, inner),
            mix(car.paint, WHITE, 0.1) if car.rim == "hubcap" else gap if car.rim == "steel" else (176, 182, 190),
        )
        canvas.fill(ellipse(x, y, reach * (0.6 if car.rim != "disc" else 0.35)), shine)
        if car.rim == "steel":
            for hole in range(8):
                angle = turn + 2 * math.pi * hole / 8
                canvas.fill(
                    ellipse(x + inner * 0.85 * math.cos(angle), y + inner * 0.85 * math.sin(angle), reach * 0.1),
                    (150, 156, 164),
                )
        canvas.fill(ellipse(x - reach * 0.12, y - reach * 0.15, reach * 0.2), WHITE, 0.8)
        return
    dark = car.rim == "dark five"
    canvas.fill(ellipse(x, y, inner), (128, 134, 144) if dark else gap)
    count, width, lean = {
        "five": (5, 0.2, 0.0),
        "dark five": (5, 0.24, 0.0),
        "six": (6, 0.16, 0.0),
        "ten": (10, 0.085, 0.0),
        "turbine": (9, 0.1, 0.5),
        "mesh": (12, 0.06, 0.4),
        "four": (4, 0.26, 0.0),
        "wire": (14, 0.04, 0.0),
    }[car.rim]
    colour: Colour = (46, 48, 56) if dark else (216, 221, 227)
    spokes(count, width, colour, lean)
    if car.rim == "mesh":
        spokes(count, width, colour, -lean)
    canvas.fill(ellipse(x, y, reach * 0.24), colour)
    canvas.fill(ellipse(x, y, reach * 0.1), gap if not dark else (150, 156, 164))
