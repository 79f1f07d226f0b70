"""What cars there are: their kinds and proportions, eras, paints, and how a number chooses among all that."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from core.datasets.drawing.brush import BACKDROPS, BLACK, WHITE, Colour, apart, mix

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
CHROME: Colour = (206, 212, 218)


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
        seed: For the small things.
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
    seed: str

    def name(self) -> str:
        """Its name: "sedan, navy, modern"."""
        return f"{self.kind}, {self.paint_name}{'' if self.second is None else ' two-tone'}, {self.era}"


def kind(index: int) -> str:
    """The kind of the car with a number."""
    return KINDS[index % len(KINDS)]


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
    trim = {"classic": CHROME, "eighties": (52, 54, 60), "modern": mix(paint, BLACK, 0.25)}[era]
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
        seed=f"details of car {index}",
    )


def _vary(shape: Shape, era: str, dice: random.Random) -> Shape:
    tall, low = dice.uniform(1.08, 1.19), dice.uniform(-0.004, 0.008)
    shift = dice.uniform(-0.018, 0.018)
    roundness = {"classic": 1.35, "eighties": 0.5, "modern": 1.0}[era] * dice.uniform(0.85, 1.15)
    lean = {"classic": -0.012, "eighties": -0.005, "modern": 0.012}[era]
    return replace(
        shape,
        length=shape.length * dice.uniform(0.93, 0.985),
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
