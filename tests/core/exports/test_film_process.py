"""A film written by another process: the same bytes, the same errors, nothing left behind."""

from __future__ import annotations

import os
import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidInput, StorageError, TarmacError
from core.exports.film import ENDINGS, FilmOptions, FilmWriter
from core.exports.film_process import FilmProcess
from tests.core.exports.test_film import frames

OPTIONS = FilmOptions(Fraction(30000, 1001), True, 100, "A wälk", '{"a": "é"}')


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_writes_the_same_file(tmp_path: Path, ending: str) -> None:
    for kind, name in ((FilmWriter, "a"), (FilmProcess, "b")):
        with kind(tmp_path / f"{name}{ending}", OPTIONS) as film:
            for picture in frames(20, 48, 32):
                film.add(picture)
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_given_up_it_leaves_nothing(tmp_path: Path) -> None:
    film = FilmProcess(tmp_path / "a.mp4", OPTIONS)

    def given_up() -> None:
        with film:
            film.add(frames(1)[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given_up()
    assert film._process is not None
    assert film._process.poll() is not None
    assert list(tmp_path.iterdir()) == []


def write(film: FilmProcess, *pictures: np.ndarray) -> None:
    with film:
        for picture in pictures:
            film.add(picture)


def test_errors_are_told_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="another size"):
        write(FilmProcess(tmp_path / "a.webp", OPTIONS), *frames(1), *frames(400, 32))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write(FilmProcess(tmp_path / "file" / "a.gif", OPTIONS), *frames(1))
    with pytest.raises(InvalidInput, match="no frames"):
        write(FilmProcess(tmp_path / "a.webp", OPTIONS))
    with pytest.raises(InvalidInput, match="a film cannot be written"):
        FilmProcess(tmp_path / "a.avi", OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_killed_process_is_told(tmp_path: Path) -> None:
    film = FilmProcess(tmp_path / "a.webp", OPTIONS)

    def killed() -> None:
        with film:
            film.add(frames(1)[0])
            assert film._process is not None
            os.kill(film._process.pid, signal.SIGKILL)
            film._process.wait()
            film.add(frames(1)[0])

    with pytest.raises(TarmacError, match="ended"):
        killed()
    assert not (tmp_path / "a.webp").exists()
