"""What sneakers there are: kinds, soles, materials, schemes of colours, and how a number chooses among all that."""

from __future__ import annotations

import random
from dataclasses import dataclass

from core.datasets.drawing.brush import BACKDROPS, BLACK, WHITE, Colour, apart, light, mix

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
OFF_WHITE: Colour = (240, 237, 229)
_ICE: Colour = (196, 222, 230)
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
        (OFF_WHITE, OFF_WHITE, OFF_WHITE, mix(base, WHITE, 0.55), mix(accent, WHITE, 0.15), (58, 59, 66), _GUM)
    )
    if style == "ice":
        sole = dice.choice((_ICE, mix(accent, WHITE, 0.62), (214, 224, 214)))
    outsole = dice.choice((_GUM, _GUM, mix(sole, BLACK, 0.18), accent, (62, 63, 70), sole))
    collar = {"low": 0.30, "mid": 0.385, "high": 0.475}[name] + dice.uniform(-0.012, 0.022) + (heel - 0.075) * 0.7
    front = collar + dice.uniform(0.0, 0.02)
    lift = (heel - 0.075) * 0.7
    # Neither the upper nor the sole may melt into the backdrop.
    backdrops = sorted(BACKDROPS, key=lambda colour: min(apart(colour, base), apart(colour, sole) * 1.4))
    material = dice.choice(("leather", "leather", "suede", "canvas", "mesh"))
    if style == "canvas":
        material = dice.choice(("canvas", "canvas", "suede"))
    front_part = dice.choice(("guard", "guard", "holes", "plain", "cap"))
    if style == "canvas":
        front_part = dice.choice(("cap", "cap", "plain"))
    return Sneaker(
        kind=name,
        scheme=scheme,
        length=dice.uniform(0.79, 0.845),
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
        lace=dice.choice((OFF_WHITE, OFF_WHITE, accent, mix(base, WHITE, 0.3), (56, 57, 64))),
        lining=dice.choice((accent, mix(base, BLACK, 0.25), mix(base, WHITE, 0.5), panel)),
        backdrop=dice.choice(backdrops[4:]),
        style=style,
        material=material,
        pattern=dice.choice(_PATTERNS),
        front_part=front_part,
        laces=dice.choice((5, 6, 6, 7)) + (2 if name == "high" else 1 if name == "mid" else 0),
        seed=f"details of sneaker {index}",
    )
