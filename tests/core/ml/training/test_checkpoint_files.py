"""Whatever has become of a checkpoint's file, it is told as damage."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest
import torch

from core.errors import Refused
from core.ml.training.checkpoint_files import TRAINING, Damaged, read_rest, reading, write_rest

REST = {"numbers": {"step": 3}, "optimiser": {"state": {0: {"mean": torch.ones(5)}}, "param_groups": [{"lr": 0.1}]}}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_bytes_that_were_changed_are_damage_or_can_be_read(tmp_path: Path) -> None:
    write_rest(tmp_path, REST, {"best": ["FID", 1.0, 3]})
    whole, draw, damaged = (tmp_path / TRAINING).read_bytes(), random.Random(0), 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        (tmp_path / TRAINING).write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        try:
            read_rest(tmp_path)
        except Damaged:
            damaged += 1
    assert damaged > 200


def test_another_format_and_a_disk_that_says_no_are_no_damage(tmp_path: Path) -> None:
    torch.save({"format": 2, "other": 1}, tmp_path / TRAINING)
    with pytest.raises(Refused, match="is of format 2") as told:
        read_rest(tmp_path)
    assert type(told.value) is Refused
    for error, kind in (
        (OSError(errno.EIO, "Input/output error"), Refused),
        (FileNotFoundError(errno.ENOENT, "x"), Damaged),
    ):
        with pytest.raises(Refused) as told, reading(tmp_path):
            raise error
        assert type(told.value) is kind
