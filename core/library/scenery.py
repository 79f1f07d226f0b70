"""Which labels of a segmentation or detection are the background of a picture, and which may be its subject.

The rule, in this order:

1. A label that is called what backgrounds and scenery are called (`SCENERY`) is background: "wall", "sky-other-merged",
   "_background_". What counts is the name up to the first ",", ";", "/", "-" or "_".
2. Where no label is called so, and these are labels of areas, the first one is the background: nets that tell one thing
   from its surroundings name them "LABEL_0" and "LABEL_1", or "0" and "1".
3. Everything else may be the subject.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SCENERY = frozenset(
    {
        *("background", "backdrop", "bg", "void", "unlabeled", "unlabelled", "unknown", "ignore", "ignored"),
        *("none", "nothing", "null", "other", "others", "no object", "n/a", "na"),
        *("wall", "floor", "ceiling", "window", "windowpane", "curtain", "carpet", "rug", "fence", "railing"),
        *("sky", "cloud", "clouds", "fog", "mountain", "hill", "land", "earth", "ground", "soil", "dirt", "dirt track"),
        *("sand", "gravel", "mud", "rock", "stone", "snow", "field", "playingfield", "grass", "terrain", "platform"),
        *("tree", "trees", "bush", "vegetation", "forest", "leaves", "moss"),
        *("water", "sea", "ocean", "river", "lake", "waterfall"),
        *("road", "street", "path", "runway", "sidewalk", "pavement", "building", "house", "skyscraper", "bridge"),
    }
)
"""Names of what a picture is usually not about, as ADE20K, COCO-Stuff, Cityscapes and Pascal VOC call it.

Somebody's pictures may be of houses or trees all the same: where a model finds nothing but scenery, auto-crop looks
for contrast instead.
"""


def is_scenery(label: str) -> bool:
    """Whether a label is called what backgrounds are called."""
    parts = [part.strip() for part in re.split(r"[,;/_-]", label.lower()) if part.strip()]
    return label.strip().lower() in SCENERY or bool(parts and parts[0] in SCENERY)


def background_of(labels: Sequence[str], *, areas: bool = True) -> tuple[int, ...]:
    """Which of the labels, by their places, are background.

    Args:
        labels: Of all classes, in their order.
        areas: Every pixel has one of them, so that one must be the background; not so with objects in boxes.
    """
    found = tuple(place for place, label in enumerate(labels) if is_scenery(label))
    return found or ((0,) if areas and len(labels) > 1 else ())


def clean_labels(labels: Sequence[str], longest: int = 60) -> tuple[str, ...]:
    """Labels fit for a screen and an interface: harmless, none empty, no two alike."""
    found: list[str] = []
    for place, label in enumerate(labels):
        plain = " ".join("".join(char if char.isprintable() else " " for char in label).split())[:longest]
        name, number = plain or f"label {place}", 1
        while name in found:
            number += 1
            name = f"{plain or f'label {place}'} {number}"
        found.append(name)
    return tuple(found)
