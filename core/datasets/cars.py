"""Cars from the side, drawn by code: ten kinds, three eras, believable paints; all face right and stand on one line.

A car is drawn from the ground up: shadow, body, paint and light, windows, seams, lamps, wheels. Heights count from the
ground, lengths from the tail to the nose, both in widths of the picture. Everything follows from the car's number.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.datasets.brush import (
    BACKDROPS,
    BLACK,
    SHADOW,
    WHITE,
    Canvas,
    Colour,
    Mask,
    Point,
    apart,
    curve,
    ellipse,
    light,
    mix,
    rounded,
)

COUNT = 1000
GROUND = 0.72

PAINTS: dict[str, Colour] = {
    "white": (240, 240, 236),
    "cream": (240, 226, 194),
    "silver": (188, 194, 200),
    "grey": (126, 133, 142),
    "graphite": (72, 78, 88),
    "black": (40, 42, 49),
    "navy": (38, 58, 104),
    "blue": (44, 98, 176),
    "sky blue": (118, 172, 214),
    "petrol": (26, 104, 118),
    "turquoise": (72, 178, 174),
    "racing green": (26, 82, 60),
    "mint": (152, 206, 178),
    "olive": (112, 118, 66),
    "yellow": (244, 196, 54),
    "amber": (228, 152, 44),
    "orange": (230, 108, 44),
    "red": (204, 44, 44),
    "burgundy": (122, 30, 48),
    "copper": (172, 96, 62),
    "brown": (104, 72, 56),
    "sand": (206, 184, 146),
    "rose": (222, 140, 150),
    "plum": (104, 62, 110),
}
_GLASS: tuple[Colour, ...] = ((58, 76, 96), (70, 98, 112), (44, 50, 62), (82, 110, 128))
_CHROME: Colour = (206, 212, 218)
_RUBBER: Colour = (36, 37, 43)


@dataclass(frozen=True)
class Shape:
    """Proportions of one kind of car.

    Attributes:
        length: Of the whole car.
        sill, belt, roof: Heights of the lower edge, of the line below the windows, of the roof.
        nose, cowl: Heights of the bonnet at the front and at the windscreen.
        tail: Height of the boot lid, or of the tailgate's shoulder.
        back, top_back, top_front, screen: Where the rear window begins, the roof begins and ends, and the windscreen
            ends: shares of the length.
        rear, front: Where the wheels stand: shares of the length.
        wheel: Their radius.
        pillar: How thick the rearmost pillar is.
        posts: Where the posts between the side windows stand: shares of the length.
        doors: Where doors begin and end: shares of the length.
        round: How round the corners are; 1 is usual.
    """

    length: float
    sill: float
    belt: float
    roof: float
    nose: float
    cowl: float
    tail: float
    back: float
    top_back: float
    top_front: float
    screen: float
    rear: float
    front: float
    wheel: float
    pillar: float
    posts: tuple[float, ...]
    doors: tuple[float, ...]
    round: float = 1.0


SHAPES: dict[str, Shape] = {
    "sedan": Shape(
        0.87, 0.055, 0.215, 0.325, 0.18, 0.212, 0.212, 0.13, 0.27, 0.53, 0.70, 0.20, 0.805, 0.088, 0.035,
        (0.45,), (0.27, 0.455, 0.665),
    ),
    "hatchback": Shape(
        0.78, 0.055, 0.215, 0.345, 0.178, 0.215, 0.225, 0.03, 0.13, 0.53, 0.725, 0.19, 0.815, 0.088, 0.075,
        (0.43,), (0.255, 0.435, 0.69),
    ),
    "estate": Shape(
        0.88, 0.055, 0.215, 0.325, 0.18, 0.212, 0.225, 0.02, 0.075, 0.54, 0.705, 0.20, 0.81, 0.088, 0.03,
        (0.26, 0.455), (0.275, 0.46, 0.67),
    ),
    "coupé": Shape(
        0.86, 0.05, 0.203, 0.308, 0.175, 0.2, 0.205, 0.09, 0.33, 0.52, 0.69, 0.20, 0.80, 0.09, 0.06,
        (0.40,), (0.385, 0.66),
    ),
    "SUV": Shape(
        0.84, 0.085, 0.245, 0.375, 0.212, 0.24, 0.255, 0.02, 0.075, 0.54, 0.69, 0.19, 0.805, 0.1, 0.03,
        (0.25, 0.45), (0.265, 0.455, 0.66), 0.8,
    ),
    "pickup": Shape(
        0.89, 0.085, 0.232, 0.36, 0.205, 0.228, 0.228, 0.385, 0.425, 0.60, 0.735, 0.195, 0.805, 0.097, 0.03,
        (), (0.43, 0.70), 0.7,
    ),
    "van": Shape(
        0.85, 0.06, 0.235, 0.43, 0.185, 0.215, 0.27, 0.012, 0.035, 0.66, 0.845, 0.185, 0.815, 0.085, 0.03,
        (0.32, 0.56), (0.575, 0.79), 0.8,
    ),
    "beetle": Shape(
        0.78, 0.06, 0.215, 0.36, 0.17, 0.215, 0.215, 0.13, 0.29, 0.53, 0.655, 0.19, 0.81, 0.088, 0.06,
        (0.42,), (0.40, 0.66), 1.6,
    ),
    "sports car": Shape(
        0.89, 0.045, 0.184, 0.272, 0.158, 0.18, 0.196, 0.1, 0.37, 0.50, 0.68, 0.195, 0.80, 0.086, 0.08,
        (), (0.40, 0.655), 1.2,
    ),
    "city car": Shape(
        0.66, 0.058, 0.225, 0.385, 0.19, 0.225, 0.235, 0.03, 0.12, 0.55, 0.80, 0.19, 0.825, 0.088, 0.07,
        (0.42,), (0.40, 0.76), 1.2,
    ),
}  # fmt: skip
KINDS = tuple(SHAPES)


@dataclass(frozen=True)
class Car:
    """All choices that make one car.

    Attributes:
        kind, era, paint_name: What it is called.
        shape: Its proportions.
        paint, second, backdrop, glass: Colours; `second` is None without two tones.
        split: Where the second colour lies: "roof", "lower" or "stripe".
        shine: How strong the lights of the paint are, from 0 to 1; metallic paint has much.
        rim: The style of its rims.
        trim: Chrome, black or the colour of the body: bumpers and frames.
        dice: For the small things, drawn in a fixed order.
    """

    kind: str
    era: str
    paint_name: str
    shape: Shape
    paint: Colour
    second: Colour | None
    split: str
    backdrop: Colour
    glass: Colour
    shine: float
    rim: str
    trim: Colour
    dice: random.Random

    def name(self) -> str:
        """Its name: "sedan, navy, modern"."""
        return f"{self.kind}, {self.paint_name}{'' if self.second is None else ' two-tone'}, {self.era}"


def kind(index: int) -> str:
    """The kind of the car with a number."""
    return KINDS[index % len(KINDS)]


def draw_cars(size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """All cars, uint8 [COUNT, size, size, 3], and their names."""
    cars = [plan(index) for index in range(COUNT)]
    return np.stack([draw(car, size) for car in cars]), [car.name() for car in cars]


def plan(index: int) -> Car:
    """Choose everything for the car with a number."""
    dice = random.Random(f"car {index}")
    name = kind(index)
    eras = {
        "beetle": ("classic",),
        "city car": ("modern", "modern", "classic"),
        "SUV": ("eighties", "modern", "modern"),
    }
    era = dice.choice(eras.get(name, ("classic", "eighties", "modern", "modern")))
    paint_name = dice.choice(list(PAINTS))
    paint = PAINTS[paint_name]
    paint = mix(paint, dice.choice((WHITE, BLACK)), dice.uniform(0, 0.08))
    second, split = None, "roof"
    two_tone = {"beetle": 0.3, "van": 0.45, "city car": 0.4, "SUV": 0.3, "sports car": 0.25, "hatchback": 0.25}
    if dice.random() < two_tone.get(name, 0.14):
        partners: list[Colour] = [PAINTS["white"], PAINTS["cream"], PAINTS["black"], PAINTS["silver"]]
        second = dice.choice([colour for colour in partners if apart(colour, paint) > 0.25])
        split = "roof" if name not in ("van", "sports car") else "lower" if name == "van" else "stripe"
    backdrops = sorted(BACKDROPS, key=lambda colour: apart(colour, paint))[5:]
    rims = {
        "classic": ("hubcap", "hubcap", "steel", "wire"),
        "eighties": ("disc", "steel", "mesh", "four"),
        "modern": ("five", "ten", "six", "turbine", "dark five"),
    }
    trim = {"classic": _CHROME, "eighties": (52, 54, 60), "modern": mix(paint, BLACK, 0.25)}[era]
    return Car(
        kind=name,
        era=era,
        paint_name=paint_name,
        shape=_vary(SHAPES[name], era, dice),
        paint=paint,
        second=second,
        split=split,
        backdrop=dice.choice(backdrops),
        glass=dice.choice(_GLASS),
        shine=dice.uniform(0.75, 1) if dice.random() < 0.55 else dice.uniform(0.35, 0.6),
        rim=dice.choice(rims[era]),
        trim=trim,
        dice=dice,
    )


def _vary(shape: Shape, era: str, dice: random.Random) -> Shape:
    tall, low = dice.uniform(1.08, 1.19), dice.uniform(-0.004, 0.008)
    shift = dice.uniform(-0.018, 0.018)
    roundness = {"classic": 1.35, "eighties": 0.5, "modern": 1.0}[era] * dice.uniform(0.85, 1.15)
    lean = {"classic": -0.012, "eighties": -0.005, "modern": 0.012}[era]
    return replace(
        shape,
        length=shape.length * dice.uniform(0.96, 1.02),
        sill=shape.sill * 1.05 + low,
        belt=shape.belt * tall + low,
        roof=shape.roof * tall + low + dice.uniform(-0.006, 0.01),
        nose=shape.nose * tall + low + dice.uniform(-0.008, 0.01),
        cowl=shape.cowl * tall + low,
        tail=shape.tail * tall + low + dice.uniform(-0.006, 0.008),
        top_back=shape.top_back + shift + dice.uniform(-0.015, 0.015) - lean / 2,
        top_front=shape.top_front + shift - lean + dice.uniform(-0.012, 0.012),
        screen=shape.screen + shift + dice.uniform(-0.01, 0.01),
        posts=tuple(post + shift for post in shape.posts),
        doors=tuple(door + shift for door in shape.doors),
        wheel=shape.wheel * dice.uniform(0.98, 1.08),
        round=shape.round * roundness,
    )


@dataclass
class _Bench:
    """A car on its canvas: places, and the masks that later steps keep to."""

    car: Car
    canvas: Canvas

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


def draw(car: Car, size: int) -> NDArray[np.uint8]:
    """One car as uint8 [size, size, 3]."""
    bench = _Bench(
        replace(car, dice=random.Random(f"details {car.dice.getstate()[1][:8]}")), Canvas.on(size, car.backdrop)
    )
    shape = car.shape
    bench.canvas.glow(0.5, GROUND - 0.01, shape.length * 0.55, 0.034, SHADOW, 0.8)
    for share in (shape.rear, shape.front):
        bench.canvas.glow(bench.at(share, 0)[0], GROUND, shape.wheel * 1.1, 0.016, SHADOW, 0.7)
    _underside(bench)
    outline = _outline(shape, bench)
    body = bench.canvas.mask(*outline)
    _coat(bench, body)
    window = _windows(bench)
    _seams(bench, body)
    for fender in outline[1:]:
        bench.canvas.line(fender[8:-8], 0.009, mix(car.paint, (10, 12, 24), 0.5), 0.6, body)
    _ends(bench, body)
    _extras(bench, body, window)
    for share in (shape.rear, shape.front):
        _wheel(bench, body, *bench.at(share, shape.wheel))
    return bench.canvas.finish()


def _underside(bench: _Bench) -> None:
    shape = bench.car.shape
    bench.canvas.fill(
        bench.soft(
            (0.06, shape.sill + 0.05, 0.01),
            (0.94, shape.sill + 0.05, 0.01),
            (0.92, shape.sill - 0.018, 0.01),
            (0.08, shape.sill - 0.018, 0.01),
        ),
        (30, 31, 37),
    )


def _outline(shape: Shape, bench: _Bench) -> list[list[Point]]:
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


def _coat(bench: _Bench, body: Mask) -> None:
    """Paint the body: lights from above, a shoulder that shines, a dark lower half with a little light of the ground."""
    car, canvas, shape = bench.car, bench.canvas, bench.car.shape
    canvas.paint(body, _lights(canvas, car.paint, shape, car.shine))
    if car.second is not None:
        coat = _lights(canvas, car.second, shape, car.shine)
        if car.split == "roof":
            canvas.paint(
                canvas.mask(
                    bench.points((-0.1, 1), (1.1, 1), (1.1, shape.cowl + 0.012), (-0.1, shape.tail + 0.014)),
                    within=body,
                ),
                coat,
            )
        elif car.split == "lower":
            waist = shape.belt - 0.025
            canvas.paint(
                canvas.mask(bench.points((-0.1, waist), (1.1, waist - 0.02), (1.1, 0), (-0.1, 0)), within=body), coat
            )
            canvas.line(bench.points((0, waist), (1, waist - 0.02)), 0.007, _CHROME, within=body)
        else:
            low = shape.sill + 0.02
            canvas.paint(
                canvas.mask(bench.points((0, low), (1, low), (1, low + 0.018), (0, low + 0.018)), within=body), coat
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


def _lights(canvas: Canvas, paint: Colour, shape: Shape, shine: float):
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


def _windows(bench: _Bench) -> Mask:
    car, canvas, shape, dice = bench.car, bench.canvas, bench.car.shape, bench.car.dice
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
    frame = _CHROME if car.era == "classic" else mix(car.paint, BLACK, 0.55)
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
    return window


def _seams(bench: _Bench, body: Mask) -> None:
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
            _CHROME if metal else mix(car.paint, BLACK, 0.55),
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


def _ends(bench: _Bench, body: Mask) -> None:
    """Bumpers and lamps."""
    car, canvas, shape, dice = bench.car, bench.canvas, bench.car.shape, bench.car.dice
    height = shape.sill + 0.038
    if car.era == "classic":
        for a, b in ((-0.012, 0.10), (0.90, 1.012)):
            bar = bench.soft(
                (a, height + 0.014, 0.01),
                (b, height + 0.014, 0.01),
                (b, height - 0.014, 0.01),
                (a, height - 0.014, 0.01),
            )
            canvas.fill(
                bar,
                canvas.ramp(
                    [
                        (GROUND - height - 0.014, WHITE),
                        (GROUND - height, (150, 158, 168)),
                        (GROUND - height + 0.014, (214, 218, 224)),
                    ]
                ),
            )
    elif car.era == "eighties":
        for a, b in ((-0.012, 0.13), (0.885, 1.012)):
            canvas.fill(
                bench.soft(
                    (a, height + 0.018, 0.008),
                    (b, height + 0.018, 0.008),
                    (b, height - 0.02, 0.008),
                    (a, height - 0.02, 0.008),
                ),
                (54, 56, 63),
            )
        canvas.line(bench.points((0.02, height + 0.05), (0.98, height + 0.05)), 0.009, (54, 56, 63), 0.9, body)
    else:
        for share, side in ((0.035, 1), (0.965, -1)):
            canvas.fill(
                bench.soft(
                    (share - 0.05 * side, shape.sill + 0.026, 0.004),
                    (share + 0.045 * side, shape.sill + 0.02, 0.004),
                    (share + 0.04 * side, shape.sill - 0.01, 0.004),
                    (share - 0.05 * side, shape.sill - 0.01, 0.004),
                ),
                (48, 50, 58),
                0.9,
                body,
            )
    red, clear, amber = (206, 36, 40), (250, 246, 226), (244, 156, 50)
    if car.kind == "beetle" or (car.era == "classic" and car.kind != "van"):
        x, y = bench.at(0.955, shape.nose - (0.02 if car.kind == "beetle" else 0.034))
        canvas.fill(ellipse(x, y, 0.021, 0.023), _CHROME, within=body)
        canvas.fill(ellipse(x + 0.002, y, 0.015, 0.017), clear, within=body)
        x, y = bench.at(0.03, shape.tail * (0.6 if car.kind == "beetle" else 1) - 0.03)
        canvas.fill(ellipse(x, y, 0.012, 0.018), red, within=body)
    elif car.era == "eighties" or car.kind == "van":
        canvas.fill(
            bench.points(
                (0.955, shape.nose - 0.022),
                (1.01, shape.nose - 0.022),
                (1.01, shape.nose - 0.056),
                (0.955, shape.nose - 0.056),
            ),
            clear,
            within=body,
        )
        canvas.fill(
            bench.points(
                (0.935, shape.nose - 0.022),
                (0.955, shape.nose - 0.022),
                (0.955, shape.nose - 0.056),
                (0.935, shape.nose - 0.056),
            ),
            amber,
            within=body,
        )
        canvas.fill(
            bench.points(
                (-0.01, shape.tail - 0.022),
                (0.026, shape.tail - 0.022),
                (0.026, shape.tail - 0.075),
                (-0.01, shape.tail - 0.075),
            ),
            red,
            within=body,
        )
        canvas.fill(
            bench.points(
                (-0.01, shape.tail - 0.022),
                (0.026, shape.tail - 0.022),
                (0.026, shape.tail - 0.036),
                (-0.01, shape.tail - 0.036),
            ),
            amber,
            within=body,
        )
    else:
        sweep = dice.uniform(0.085, 0.13)
        lamp = bench.soft(
            (1.0 - sweep, shape.nose - 0.012, 0.004),
            (0.975, shape.nose - 0.022, 0.012),
            (1.0, shape.nose - 0.048, 0.006),
            (0.965, shape.nose - 0.05, 0.006),
        )
        canvas.fill(lamp, (70, 78, 90), within=body)
        canvas.fill([(x + 0.004, y - 0.002) for x, y in lamp], clear, 0.9, within=body)
        back = bench.soft(
            (-0.01, shape.tail - 0.012, 0.004),
            (0.06, shape.tail - 0.02, 0.006),
            (0.05, shape.tail - 0.042, 0.006),
            (-0.01, shape.tail - 0.06, 0.004),
        )
        canvas.fill(back, red, within=body)
        canvas.line(
            bench.points((0.0, shape.tail - 0.024), (0.05, shape.tail - 0.028)), 0.006, (255, 120, 110), 0.9, body
        )


def _extras(bench: _Bench, body: Mask, window: Mask) -> None:
    """The mirror, and what some cars have: rails, a spoiler, cladding, wood, a stripe."""
    car, canvas, shape, dice = bench.car, bench.canvas, bench.car.shape, bench.car.dice
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
        mix(car.paint, BLACK, 0.35) if car.era != "classic" else _CHROME,
    )


def _wheel(bench: _Bench, body: Mask, x: float, y: float) -> None:
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


def _rim(bench: _Bench, x: float, y: float, radius: float) -> None:
    car, canvas = bench.car, bench.canvas
    metal, gap = (212, 217, 223), (58, 61, 70)
    reach = radius * (0.74 if car.era == "modern" else 0.62)
    shine = canvas.ramp([(y - reach, mix(metal, WHITE, 0.6)), (y, metal), (y + reach, mix(metal, BLACK, 0.35))])
    turn = car.dice.uniform(0, 6)
    canvas.fill(ellipse(x, y, reach), shine)
    inner = reach * 0.84

    def spokes(count: int, width: float, colour: Colour, lean: float = 0.0) -> None:
        for spoke in range(count):
            angle = turn + 2 * np.pi * spoke / count
            a, b = (x + inner * np.cos(angle + lean), y + inner * np.sin(angle + lean)), (x, y)
            canvas.line([b, a], width * radius, colour)

    if car.rim in ("hubcap", "steel", "disc"):
        canvas.fill(
            ellipse(x, y, inner),
            mix(car.paint, WHITE, 0.1) if car.rim == "hubcap" else gap if car.rim == "steel" else (176, 182, 190),
        )
        canvas.fill(ellipse(x, y, reach * (0.6 if car.rim != "disc" else 0.35)), shine)
        if car.rim == "steel":
            for hole in range(8):
                angle = turn + 2 * np.pi * hole / 8
                canvas.fill(
                    ellipse(x + inner * 0.85 * np.cos(angle), y + inner * 0.85 * np.sin(angle), reach * 0.1),
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
