"""Datasets appear and disappear whole, and starters are listed before they are drawn."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from core.datasets.library import Datasets
from core.datasets.manifest import Manifest
from core.datasets.writing import write_square
from core.errors import NotFound, Refused

IMAGES = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


class Stars:
    about = "Stars."
    licence = "CC0-1.0"

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason

    def available(self) -> str | None:
        return self.reason

    def draw(self, size: int) -> tuple[np.ndarray, list[str]]:
        return np.zeros((60, size, size, 3), np.uint8), ["star"] * 60


@pytest.fixture
def library(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "data", drawn={"stars": Stars()})


def add(library: Datasets, name: str) -> str:
    folder = library.staging()
    write_square(folder, Manifest(name, about={"origin": {"from": "here"}}), IMAGES)
    return library.adopt(folder).id


def test_a_dataset_comes_and_goes(library: Datasets) -> None:
    id_ = add(library, "Sneakers")
    starter, found = library.datasets()
    assert (starter.id, starter.ready, starter.count, starter.size) == ("starter/stars", False, 0, 0)
    assert starter.about["licence"] == "CC0-1.0"
    assert (found.id, found.name, found.count, found.size, found.ready) == (id_, "Sneakers", 4, 16, True)
    assert found.about == {"origin": {"from": "here"}}
    assert library.get("sneakers") == library.get(id_) == library.get(id_[:12]) == found
    assert library.remove("sneakers").id == id_
    assert [each.id for each in library.datasets()] == ["starter/stars"]
    assert list(library.folder.iterdir()) == []


def test_names_that_nothing_answers_to(library: Datasets) -> None:
    add(library, "sneakers")
    with pytest.raises(NotFound, match="Did you mean sneakers"):
        library.get("sneaker")
    with pytest.raises(NotFound):
        library.remove("nothing\x1b[2J")


def test_one_of_two_of_a_name(library: Datasets) -> None:
    first, second = add(library, "x"), add(library, "x")
    assert first != second
    assert library.get("x").id == max(first, second, key=lambda each: each)
    with pytest.raises(Refused, match="Give the id of one"):
        library.remove("x")


def test_what_is_half_made_is_not_listed(library: Datasets) -> None:
    folder = library.staging()
    write_square(folder, Manifest("x"), IMAGES)
    assert [each.id for each in library.datasets()] == ["starter/stars"]
    with pytest.raises(Refused, match="missing"):
        library.adopt(library.staging())


@pytest.mark.parametrize("damage", ["manifest", "data"])
def test_a_broken_one_is_shown_with_its_problem(library: Datasets, damage: str) -> None:
    place = library.get(add(library, "x")).folder
    (place / ("dataset.toml" if damage == "manifest" else "images.npy")).unlink()
    found = library.datasets()[1]
    assert found.problem is not None
    assert "missing" in found.problem
    assert not found.ready
    assert library.remove(found.id).id == found.id


def test_names_are_clean(library: Datasets) -> None:
    add(library, "a\x1b[31m\nb")
    assert library.datasets()[1].name == "a [31m b"


def test_starters_are_drawn_once_for_a_size(library: Datasets) -> None:
    for size in (16, 32):
        folder = library.staging()
        write_square(folder, Manifest("stars"), np.zeros((60, size, size, 3), np.uint8))
        library.adopt_starter(folder, "stars", size)
    assert sorted(os.listdir(library.folder)) == ["starter-stars-16", "starter-stars-32"]
    assert library.get("stars", size=16).size == 16
    assert library.get("starter/stars", size=32).count == 60
    assert not library.get("stars", size=64).ready
    again = library.staging()
    write_square(again, Manifest("stars"), np.ones((60, 16, 16, 3), np.uint8))
    library.adopt_starter(again, "stars", 16)  # the one that is there stays
    assert not np.load(library.get("stars", size=16).folder / "images.npy").any()
    library.remove("stars")
    assert not library.get("stars").ready
    with pytest.raises(Refused, match="takes no space"):
        library.remove("stars")


def test_a_starter_that_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    (found,) = Datasets(tmp_path, drawn={"stars": Stars("there is no sky")}).datasets()
    assert found.problem == "there is no sky"


def test_listing_while_others_add_and_remove(library: Datasets) -> None:
    done = threading.Event()
    failures: list[str] = []

    def look() -> None:
        while not done.is_set():
            failures.extend(each.problem for each in library.datasets() if each.problem)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(20):
            library.remove(add(library, "x"))
    finally:
        done.set()
        watcher.join()
    assert failures == []
