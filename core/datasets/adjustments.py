"""What a person decided about single pictures: left out, another box, or the found box after all.

adjustments.toml in the dataset's folder, one [[picture]] each; it is applied when the dataset is prepared (again).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.datasets.subject import Box
from core.errors import InvalidInput, Refused
from core.library.toml import dumps
from core.paths import write_atomic

FILE_NAME = "adjustments.toml"
ACTIONS = ("accept", "box", "exclude")


@dataclass(frozen=True)
class Adjustment:
    """A decision about one picture.

    Attributes:
        action: "accept" (use the found box though it is unsure), "box" (use this one), "exclude".
        box: Left, top, right, bottom in pixels of the upright picture; for "box" only.
    """

    action: str
    box: Box | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise InvalidInput(f"the adjustment {self.action!r} is not known", f"there are {', '.join(ACTIONS)}")
        if self.action == "box":
            good = self.box is not None and all(math.isfinite(edge) for edge in self.box)
            if not good or self.box is None or self.box[2] - self.box[0] < 1 or self.box[3] - self.box[1] < 1:
                raise InvalidInput("the adjusted box is empty", str(self.box), "Give left, top, right, bottom")


def read(folder: Path) -> dict[int, Adjustment]:
    """The adjustments of a dataset, by the pictures' numbers in its index; {} when there are none.

    Raises:
        Refused: The file is damaged.
    """
    try:
        data = tomllib.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        found = {}
        for each in data.get("picture", []):
            box = each.get("box")
            edges = (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if box is not None else None
            found[int(each["number"])] = Adjustment(str(each["action"]), edges)
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, InvalidInput) as error:
        raise Refused(f"{FILE_NAME} in {folder.name} cannot be used", str(error), "Mend it, or delete it") from error


def write(folder: Path, adjustments: Mapping[int, Adjustment], names: Mapping[int, str] | None = None) -> None:
    """Write all adjustments of a dataset.

    Args:
        folder: The dataset's.
        adjustments: By the pictures' numbers in its index.
        names: The pictures' names, for people who open the file.

    Raises:
        StorageError: The disk said no.
    """
    pictures = [
        {
            "number": number,
            "name": (names or {}).get(number),
            "action": adjustment.action,
            "box": list(adjustment.box) if adjustment.box else None,
        }
        for number, adjustment in sorted(adjustments.items())
    ]
    write_atomic(folder / FILE_NAME, dumps({"format": 1, "picture": pictures}))
