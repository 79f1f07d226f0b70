"""Sneakers from the side, drawn by code: low, mid and high, on five kinds of soles; all face right, on one line.

A sneaker is drawn from the ground up: shadow, sole, tongue, upper, panels with their stitches, laces. Heights count
from the ground, lengths from the heel to the toe as shares of the whole. Patterns are plain geometry and no one's mark.
Everything follows from the sneaker's number.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageChops

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
KINDS = ("low", "mid", "high")

# Colours that go together: the upper, its panels, what catches the eye.
_SCHEMES: dict[str, tuple[Colour, Colour, Colour]] = {
    "white and green": ((243, 242, 237), (226, 226, 220), (36, 122, 84)),
    "white and navy": ((243, 242, 237), (44, 62, 108), (196, 60, 54)),
    "white and red": ((244, 242, 238), (206, 52, 48), (42, 44, 54)),
    "white and sky blue": ((242, 244, 245), (146, 190, 222), (52, 92, 150)),
    "white and rose": ((246, 241, 238), (232, 176, 178), (170, 84, 100)),
    "white and amber": ((244, 241, 232), (232, 168, 62), (66, 62, 60)),
    "white and grey": ((241, 241, 239), (190, 194, 198), (92, 100, 110)),
    "cream and brown": ((238, 228, 206), (150, 104, 70), (84, 60, 46)),
    "cream and racing green": ((236, 228, 208), (44, 88, 66), (200, 150, 72)),
    "cream and burgundy": ((238, 229, 212), (128, 40, 54), (62, 52, 56)),
    "sand and olive": ((212, 192, 158), (114, 118, 72), (232, 222, 196)),
    "sand and black": ((214, 196, 164), (54, 52, 52), (238, 230, 214)),
    "grey and navy": ((172, 178, 186), (50, 64, 102), (240, 238, 232)),
    "grey and orange": ((160, 166, 172), (110, 116, 124), (232, 120, 52)),
    "grey and lime": ((136, 142, 148), (84, 90, 98), (196, 214, 78)),
    "black and white": ((50, 51, 57), (66, 68, 75), (240, 240, 238)),
    "black and red": ((48, 49, 55), (70, 71, 78), (210, 50, 48)),
    "black and gold": ((48, 48, 52), (68, 66, 68), (212, 172, 92)),
    "black and turquoise": ((50, 54, 60), (70, 76, 84), (74, 190, 184)),
    "navy and white": ((42, 58, 102), (60, 80, 130), (240, 240, 236)),
    "navy and yellow": ((44, 62, 108), (62, 84, 134), (244, 200, 70)),
    "blue and white": ((56, 108, 182), (38, 78, 142), (242, 242, 238)),
    "sky blue and cream": ((142, 188, 218), (102, 150, 190), (244, 234, 210)),
    "petrol and copper": ((32, 102, 112), (22, 76, 86), (214, 140, 92)),
    "turquoise and coral": ((92, 190, 182), (58, 152, 148), (240, 126, 104)),
    "green and cream": ((52, 112, 80), (36, 84, 60), (240, 230, 206)),
    "mint and white": ((164, 212, 188), (124, 182, 156), (246, 246, 242)),
    "olive and orange": ((116, 120, 76), (88, 92, 58), (230, 128, 60)),
    "yellow and black": ((244, 202, 74), (226, 174, 48), (50, 50, 54)),
    "orange and navy": ((232, 124, 60), (204, 96, 42), (48, 62, 104)),
    "red and white": ((204, 52, 50), (168, 36, 40), (244, 242, 238)),
    "coral and cream": ((238, 138, 118), (216, 106, 92), (246, 236, 216)),
    "burgundy and rose": ((126, 38, 56), (96, 28, 44), (232, 178, 180)),
    "rose and white": ((232, 176, 180), (212, 144, 154), (248, 244, 242)),
    "lilac and plum": ((188, 170, 214), (142, 118, 178), (88, 60, 116)),
    "plum and mint": ((104, 68, 120), (78, 50, 94), (166, 214, 190)),
    "brown and cream": ((134, 92, 64), (104, 70, 48), (240, 228, 204)),
}
_GUM: Colour = (190, 134, 82)
_OFF_WHITE: Colour = (240, 237, 229)
_ICE: Colour = (196, 222, 230)
SOLES = ("cup", "canvas", "runner", "chunky", "ice")
_PATTERNS = ("none", "none", "bands", "wave", "dots", "zigzag", "block", "arcs", "fade", "band", "peak", "sun")


@dataclass(frozen=True)
class Sneaker:
    """All choices that make one sneaker.

    Attributes:
        kind, scheme: What it is called.
        length: Of the whole shoe, in widths of the picture.
        heel, toe_sole: Heights of the sole's upper edge at the heel and at the toe.
        spring: How far the toe is lifted.
        collar, dip, front, tongue: Heights of the collar at the heel, at its lowest, at the laces, and of the tongue.
        throat: Where the collar ends at the laces, as a share of the length.
        vamp, toe: Heights where the laces end and of the toe.
        vamp_at: Where the laces end, as a share of the length.
        base, panel, accent, sole, outsole, lace, lining, backdrop: Colours.
        style: The kind of its sole.
        material: Of the upper: leather, suede, canvas or mesh.
        pattern: On its side.
        front_part: Of the toe: cap, guard, holes or plain.
        laces: How many rows.
        seed: For the small things.
    """

    kind: str
    scheme: str
    length: float
    heel: float
    toe_sole: float
    spring: float
    collar: float
    dip: float
    front: float
    tongue: float
    throat: float
    vamp: float
    toe: float
    vamp_at: float
    base: Colour
    panel: Colour
    accent: Colour
    sole: Colour
    outsole: Colour
    lace: Colour
    lining: Colour
    backdrop: Colour
    style: str
    material: str
    pattern: str
    front_part: str
    laces: int
    seed: str

    def name(self) -> str:
        """Its name: "high sneaker, navy and white, suede"."""
        return f"{self.kind} sneaker, {self.scheme}, {self.material}"


def kind(index: int) -> str:
    """The kind of the sneaker with a number; half of them are low."""
    return f"{('low', 'mid', 'low', 'high')[index % 4]} sneaker"


def draw_sneakers(size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """All sneakers, uint8 [COUNT, size, size, 3], and their names."""
    sneakers = [plan(index) for index in range(COUNT)]
    return np.stack([draw(sneaker, size) for sneaker in sneakers]), [sneaker.name() for sneaker in sneakers]


def plan(index: int) -> Sneaker:
    """Choose everything for the sneaker with a number."""
    dice = random.Random(f"sneaker {index}")
    name = kind(index).split()[0]
    scheme = dice.choice(list(_SCHEMES))
    base, panel, accent = _SCHEMES[scheme]
    turn = dice.random()
    if turn < 0.2:
        base, panel = panel, base
    elif turn < 0.35:
        panel = mix(base, BLACK if light(base) > 0.5 else WHITE, 0.1)  # tone on tone
    style = dice.choice(("cup", "cup", "canvas", "runner", "runner", "chunky", "ice"))
    if name == "high":
        style = dice.choice(("cup", "canvas", "canvas", "chunky", "ice"))
    heel = {"cup": 0.075, "canvas": 0.062, "runner": 0.092, "chunky": 0.112, "ice": 0.082}[style] * dice.uniform(
        0.92, 1.12
    )
    toe_sole = heel * {"cup": 0.85, "canvas": 0.95, "runner": 0.66, "chunky": 0.72, "ice": 0.82}[style]
    sole = dice.choice(
        (_OFF_WHITE, _OFF_WHITE, _OFF_WHITE, mix(base, WHITE, 0.55), mix(accent, WHITE, 0.15), (58, 59, 66), _GUM)
    )
    if style == "ice":
        sole = dice.choice((_ICE, mix(accent, WHITE, 0.62), (214, 224, 214)))
    outsole = dice.choice((_GUM, _GUM, mix(sole, BLACK, 0.18), accent, (62, 63, 70), sole))
    collar = {"low": 0.30, "mid": 0.385, "high": 0.475}[name] + dice.uniform(-0.012, 0.022) + (heel - 0.075) * 0.7
    front = collar + dice.uniform(0.0, 0.02)
    lift = (heel - 0.075) * 0.7
    body = [
        colour for colour in sorted(BACKDROPS, key=lambda colour: min(apart(colour, base), apart(colour, sole) * 1.4))
    ]
    material = dice.choice(("leather", "leather", "suede", "canvas", "mesh"))
    if style == "canvas":
        material = dice.choice(("canvas", "canvas", "suede"))
    front_part = dice.choice(("guard", "guard", "holes", "plain", "cap"))
    if style == "canvas":
        front_part = dice.choice(("cap", "cap", "plain"))
    return Sneaker(
        kind=name,
        scheme=scheme,
        length=dice.uniform(0.81, 0.865),
        heel=heel,
        toe_sole=toe_sole,
        spring=dice.uniform(0.012, 0.022) * (1.7 if style in ("runner", "chunky") else 1),
        collar=collar,
        dip=collar - {"low": 0.05, "mid": 0.035, "high": 0.018}[name] * dice.uniform(0.8, 1.2),
        front=front,
        tongue=front + dice.uniform(0.028, 0.05),
        throat=dice.uniform(0.31, 0.345) + (0.02 if name == "low" else 0),
        vamp=dice.uniform(0.20, 0.218) + lift,
        toe=dice.uniform(0.148, 0.166) + lift,
        vamp_at=dice.uniform(0.635, 0.675),
        base=base,
        panel=panel,
        accent=accent,
        sole=sole,
        outsole=outsole,
        lace=dice.choice((_OFF_WHITE, _OFF_WHITE, accent, mix(base, WHITE, 0.3), (56, 57, 64))),
        lining=dice.choice((accent, mix(base, BLACK, 0.25), mix(base, WHITE, 0.5), panel)),
        backdrop=dice.choice(body[4:]),
        style=style,
        material=material,
        pattern=dice.choice(_PATTERNS),
        front_part=front_part,
        laces=dice.choice((5, 6, 6, 7)) + (2 if name == "high" else 1 if name == "mid" else 0),
        seed=f"details {index}",
    )


@dataclass
class _Bench:
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
        line = self.lace_line()
        spot = share * (len(line) - 1)
        step = min(int(spot), len(line) - 2)
        (ax, ay), (bx, by) = line[step], line[step + 1]
        t = spot - step
        length = math.hypot(bx - ax, by - ay)
        return (ax + (bx - ax) * t, ay + (by - ay) * t), (-(by - ay) / length, (bx - ax) / length)

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


def draw(shoe: Sneaker, size: int) -> NDArray[np.uint8]:
    """One sneaker as uint8 [size, size, 3]."""
    bench = _Bench(shoe, Canvas.on(size, shoe.backdrop), random.Random(shoe.seed))
    canvas = bench.canvas
    canvas.glow(0.5, GROUND - 0.004, shoe.length * 0.56, 0.034, SHADOW, 0.85)
    _tongue(bench)
    upper = canvas.mask(_outline(bench))
    _cover(bench, upper)
    _pattern(bench, upper)
    _panels(bench, upper)
    _light(bench, upper)
    _laces(bench, upper)
    _sole(bench)
    return canvas.finish()


def _outline(bench: _Bench) -> list[Point]:
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
    outline += bench.lace_line()
    toe = bench.soft(
        (shoe.vamp_at, shoe.vamp, 0),
        (0.745, shoe.toe + 0.016, 0.08),
        (0.86, shoe.toe + 0.006, 0.09),
        (0.972, shoe.toe - 0.012, 0.075),
        (0.992, shoe.toe_sole + shoe.spring, 0.03),
        (0.975, shoe.toe_sole * 0.5 + shoe.spring, 0.0),
    )
    return outline + toe[10:]


def _tongue(bench: _Bench) -> None:
    shoe, canvas = bench.shoe, bench.canvas
    x, front = shoe.throat, shoe.front
    colour = mix(shoe.panel, WHITE, 0.12) if apart(shoe.panel, shoe.base) > 0.08 else mix(shoe.base, BLACK, 0.16)
    line = bench.lace_line()
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
    tongue = [*head[:36], *edge[3:], *reversed(inside), *head[50:]]
    canvas.fill(
        tongue,
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


def _cover(bench: _Bench, upper: Mask) -> None:
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


def _pattern(bench: _Bench, upper: Mask) -> None:
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


def _panel(bench: _Bench, upper: Mask, shape: list[Point], colour: Colour, stitches: bool = True) -> None:
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


def _panels(bench: _Bench, upper: Mask) -> None:
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
        colour = _OFF_WHITE if shoe.style == "canvas" else part
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
    line = bench.lace_line()
    wide = 0.058
    inner = []
    for step in range(len(line)):
        (x, y), (dx, dy) = bench.laced(step / (len(line) - 1))
        inner.append((x + dx * wide, y + dy * wide))
    x, y = bench.at(shoe.vamp_at + 0.035, shoe.vamp - 0.03)
    strip = [*line, (x + 0.012, y - 0.015), (x, y + 0.022), *inner[-3::-1]]
    _panel(bench, upper, strip, part if dice.random() < 0.7 else mix(shoe.base, BLACK, 0.1), stitches=False)
    canvas.dashes(
        [(px - 0.0, py - 0.009) for px, py in inner[:-2]],
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


def _light(bench: _Bench, upper: Mask) -> None:
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


def _laces(bench: _Bench, upper: Mask) -> None:
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


def _sole(bench: _Bench) -> None:
    shoe, canvas, dice = bench.shoe, bench.canvas, bench.dice
    steps = [i / 24 for i in range(25)]
    flare = {"runner": 0.02, "chunky": 0.028}.get(shoe.style, 0.008)
    upper_edge = [bench.at(t * (1 + 0.012) - 0.004, bench.top_of_sole(t)) for t in steps]
    lower_edge = [bench.at(0.03 + t * 0.945, bench.lift(t)) for t in reversed(steps)]
    nose = bench.soft(
        (1.0, bench.top_of_sole(1), 0.012),
        (1.012, shoe.toe_sole * 0.55 + shoe.spring, 0.02),
        (0.975, bench.lift(1), 0.02),
    )
    tail = bench.soft((0.03, 0.0, 0.012), (-flare, shoe.heel * 0.4, 0.028), (-0.004, shoe.heel, 0.012))
    outline = [*upper_edge[1:-1], *nose[3:27], *lower_edge[1:-1], *tail[3:27]]
    sole = canvas.mask(outline)
    top, glow = GROUND - shoe.heel, mix(shoe.sole, WHITE, 0.5)
    canvas.paint(
        sole,
        canvas.ramp(
            [
                (top, glow),
                (top + 0.02, shoe.sole),
                (GROUND - 0.02, mix(shoe.sole, SHADOW, 0.16)),
                (GROUND, mix(shoe.sole, SHADOW, 0.38)),
            ]
        ),
    )
    if shoe.style == "ice":
        canvas.glow(
            0.42, GROUND - shoe.heel * 0.45, 0.36, shoe.heel * 0.4, mix(shoe.sole, shoe.accent, 0.35), 0.5, sole
        )
        canvas.veil(sole, WHITE, [(top, 0.5), (top + 0.025, 0.05), (GROUND - 0.02, 0.0), (GROUND, 0.3)])
    if shoe.style in ("runner", "chunky"):
        split = [
            bench.at(
                t,
                shoe.heel * (0.62 - 0.25 * t)
                + bench.lift(t)
                + 0.012 * math.sin(t * (9 if shoe.style == "runner" else 17)),
            )
            for t in steps
        ]
        wedge = canvas.mask([*split, bench.at(1.1, 0), bench.at(-0.1, -0.1)], within=sole)
        second = (
            shoe.accent
            if dice.random() < 0.35
            else mix(shoe.sole, BLACK, 0.12)
            if light(shoe.sole) > 0.4
            else mix(shoe.sole, WHITE, 0.2)
        )
        if dice.random() < 0.75:
            canvas.paint(wedge, second, 0.92)
        canvas.line(split, 0.006, SHADOW, 0.45, sole)
    # What touches the ground.
    strip = 0.02 if shoe.style != "canvas" else 0.014
    edge = [bench.at(-0.1 + t * 1.2, strip + bench.lift(-0.1 + t * 1.2)) for t in steps]
    outsole = canvas.mask([*edge, bench.at(1.2, -0.1), bench.at(-0.2, -0.1)], within=sole)
    canvas.paint(
        outsole,
        canvas.ramp(
            [(GROUND - strip - shoe.spring, mix(shoe.outsole, WHITE, 0.12)), (GROUND, mix(shoe.outsole, SHADOW, 0.35))]
        ),
    )
    if shoe.style in ("runner", "chunky"):
        for tread in range(13):
            share = 0.08 + 0.068 * tread
            x, y = bench.at(share, bench.lift(share))
            canvas.fill(
                [(x, y + 0.004), (x + 0.018, y + 0.004), (x + 0.013, y - 0.010), (x + 0.005, y - 0.010)],
                mix(shoe.outsole, BLACK, 0.6),
                0.9,
                sole,
            )
    elif shoe.style == "canvas":
        line = [bench.at(t, bench.top_of_sole(t) * 0.62 + bench.lift(t) * 0.4) for t in steps]
        canvas.line(line, 0.009, shoe.accent, 0.9, sole)
    else:
        line = [bench.at(t, bench.top_of_sole(t) - 0.015) for t in steps]
        canvas.dashes(
            line,
            0.005,
            mix(shoe.sole, BLACK, 0.45 if light(shoe.sole) > 0.4 else 0)
            if light(shoe.sole) > 0.4
            else mix(shoe.sole, WHITE, 0.5),
            0.013,
            sole,
        )
    canvas.line([(x, y + 0.002) for x, y in upper_edge], 0.006, SHADOW, 0.4, sole)
    left, right = bench.at(0, 0)[0], bench.at(1, 0)[0]
    canvas.veil(
        sole, SHADOW, [(left - 0.02, 0.4), (left + 0.06, 0), (right - 0.07, 0), (right + 0.01, 0.3)], across=True
    )
