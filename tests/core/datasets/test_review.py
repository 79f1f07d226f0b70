"""What a person decides about found subjects: shown from the sources, kept, and applied by preparing again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.datasets import adjustments
from core.datasets.adding import add_pictures, prepare_dataset, source_pictures
from core.datasets.adjustments import Adjustment
from core.datasets.cropping import Preparation, around, middle
from core.datasets.library import Datasets
from core.datasets.review import looks, pending
from core.datasets.store import PictureStore
from core.errors import Refused


def put_pictures(folder: Path, count: int = 54) -> None:
    """Dots on plain grounds; every ninth picture is noise and has no subject."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    for number in range(count):
        ground = tuple(int(value) for value in random.integers(150, 230, 3))
        picture = Image.new("RGB", (96, 72), ground)
        x, y = (int(value) for value in random.integers((20, 20), (76, 52)))
        if number % 9 == 8:
            picture = Image.fromarray(random.integers(0, 255, (72, 96, 3)).astype(np.uint8))
        else:
            ImageDraw.Draw(picture).ellipse((x - 10, y - 8, x + 10, y + 8), fill=(20, number, 90))
        picture.save(folder / f"{number:02}.png")


async def test_decisions_are_shown_kept_and_applied(tmp_path: Path) -> None:
    put_pictures(tmp_path / "dots")
    datasets = Datasets(tmp_path / "home", drawn={})
    added = await add_pictures([tmp_path / "dots"], datasets=datasets)
    with pytest.raises(Refused, match="nothing to review"):
        looks(added.folder)
    found = await prepare_dataset(added.id, Preparation(32, "auto"), datasets=datasets)
    judged = looks(found.folder)
    assert len(judged) == 54
    unsure = [look for look in judged if look.unsure]
    assert [look.name for look in judged[: len(unsure)]] == [look.name for look in unsure], "the least sure come first"
    assert {look.name for look in unsure} == {f"{number:02}.png" for number in range(8, 54, 9)}
    assert unsure[0].window == middle(72, 96)
    sure = judged[-1]
    assert sure.box is not None
    assert sure.window == around(sure.box, 72, 96)
    assert not pending(found.folder)

    small = await source_pictures(found, [sure.number, unsure[0].number], 48)
    assert {number: pixels.shape for number, pixels in small.items()} == {
        sure.number: (36, 48, 3),
        unsure[0].number: (36, 48, 3),
    }

    box = (10.0, 10.0, 40.0, 40.0)
    decided = {sure.number: Adjustment("box", box), unsure[0].number: Adjustment("exclude")}
    adjustments.write(found.folder, decided)
    assert pending(found.folder)
    again = {look.number: look for look in looks(found.folder)}
    assert again[sure.number].window == around(box, 72, 96)
    assert again[unsure[0].number].excluded

    found = await prepare_dataset(found.id, datasets=datasets)
    assert not pending(found.folder)
    assert found.count == 53
    last = looks(found.folder)[-1]
    assert (last.number, last.row, last.excluded) == (unsure[0].number, -1, True), "it can be taken back"
    store = PictureStore.open(found.folder)
    assert store.numbers is not None
    assert unsure[0].number not in store.numbers


async def test_sources_that_have_gone_are_refused_and_single_ones_missing(tmp_path: Path) -> None:
    put_pictures(tmp_path / "dots")
    datasets = Datasets(tmp_path / "home", drawn={})
    added = await add_pictures([tmp_path / "dots"], datasets=datasets)
    (tmp_path / "dots" / "00.png").unlink()
    (tmp_path / "dots" / "01.png").write_bytes(b"no picture any more")
    assert list(await source_pictures(added, [0, 1, 2], 40)) == [2]
    (tmp_path / "dots").rename(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="dots"):
        await source_pictures(added, [2], 40)
