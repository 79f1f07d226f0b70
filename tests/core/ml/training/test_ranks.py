"""Two processes that train together: the same pictures and steps as one, agreed ends, exact resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from core.ml.training.image.loop import ImageTraining
from core.ml.training.ranks import Ranks
from tests.core.ml.training import rank_child
from tests.core.ml.training.image.test_run import assert_same


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Both ranks' results."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "tests.core.ml.training.rank_child", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
        for rank in (0, 1)
    ]
    outputs = []
    try:
        outputs = [child.communicate(timeout=180)[0].decode() for child in children]
    finally:
        for child in children:
            child.kill()
    assert [child.returncode for child in children] == [0, 0], "\n".join(outputs)
    return folder, [json.loads((folder / rank_child.RESULT.format(rank=rank)).read_text()) for rank in (0, 1)]


def states(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"state-{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_ranks_show_the_pictures_of_one(two: tuple[Path, list[dict[str, Any]]]) -> None:
    _, pictures = rank_child.split_training(Ranks())
    one, (first, second) = pictures.rows, (result["rows"] for result in two[1])
    shared: list[int] = []
    for start in range(0, len(first), 4):
        shared += first[start : start + 4] + second[start : start + 4]
    assert shared == one


def test_two_ranks_take_the_steps_of_one(two: tuple[Path, list[dict[str, Any]]]) -> None:
    training, _ = rank_child.split_training(Ranks())
    for state in states(two[0]):
        for part in ("generator", "discriminator", "average"):
            for name, value in getattr(training, part).state_dict().items():
                # Adam divides tiny gradients by themselves: what rounding changes in them moves a weight by its rate.
                torch.testing.assert_close(state[part][name], value, rtol=1e-3, atol=2e-4, msg=f"{part} {name}")


def test_both_ranks_stand_at_the_same_place(two: tuple[Path, list[dict[str, Any]]]) -> None:
    first, second = states(two[0])
    assert first["numbers"]["images"] == second["numbers"]["images"] == 24
    for part in ("generator", "discriminator", "average"):
        assert all(torch.equal(value, second[part][name]) for name, value in first[part].items())


def test_the_first_rank_alone_tells_and_both_end_alike(two: tuple[Path, list[dict[str, Any]]]) -> None:
    first, second = two[1]
    assert (first["told"], second["told"]) == ([7, 0], [7, 0])
    for run, state, step in (("whole", "finished", 6), ("stopped", "stopped", 3), ("resumed", "finished", 6)):
        for result in (first, second):
            assert (result[run]["outcome"]["state"], result[run]["outcome"]["step"]) == (state, step)
        assert first[run]["events"] > 0 == second[run]["events"]


def test_two_ranks_resume_to_the_bit(two: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, (first, _) = two
    assert first["stopped"]["metrics"] + first["resumed"]["metrics"] == first["whole"]["metrics"]
    assert_same(folder / "whole" / "checkpoints" / "6", folder / "broken" / "checkpoints" / "6")


def test_ranks_on_one_machine_listen_on_the_loopback_interface_only(two: tuple[Path, list[dict[str, Any]]]) -> None:
    for result in two[1]:
        assert set(result["listening"]) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be shared"):
        ImageTraining(None, None, [], rank_child.RECIPE, average=None, ranks=Ranks(0, 3))  # type: ignore[arg-type]
