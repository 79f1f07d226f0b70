"""Two processes that train a text model together: the steps of one, agreed ends, exact resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.core.ml.training import text_rank_child
from tests.core.ml.training.text.test_run import assert_same, weights
from tests.core.ml.training.text_datasets import write_texts

Both = tuple[Path, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Both ranks' results."""
    folder = tmp_path_factory.mktemp("ranks")
    write_texts(folder / "lines", [f"The ox of number {n} is {n * n}.\n" for n in range(80)], held=range(0, 80, 9))
    command = [sys.executable, "-m", "tests.core.ml.training.text_rank_child", str(folder)]
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
    return folder, [json.loads((folder / text_rank_child.RESULT.format(rank=rank)).read_text()) for rank in (0, 1)]


def test_two_ranks_take_the_steps_of_one(two: Both) -> None:
    folder, (first, _) = two
    before = torch.get_num_threads()
    try:
        alone = text_rank_child.experiment(folder, "alone", 0, 1, {})
    finally:
        torch.set_num_threads(before)
    for ours, theirs in zip(first["plain"]["metrics"], alone["metrics"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    left, right = (weights(folder / name / "checkpoints" / "6") for name in ("plain", "alone"))
    for name, value in left.items():
        # Adam divides tiny gradients by themselves: what rounding changes in them moves a weight by its rate.
        torch.testing.assert_close(value, right[name], rtol=1e-3, atol=5e-3, msg=name)


def test_the_first_rank_alone_tells_and_both_end_alike(two: Both) -> None:
    first, second = two[1]
    for run, state, step in (("whole", "finished", 6), ("stopped", "stopped", 3), ("resumed", "finished", 6)):
        for result in (first, second):
            assert (result[run]["outcome"]["state"], result[run]["outcome"]["step"]) == (state, step)
        assert first[run]["events"] > 0 == second[run]["events"]


def test_two_ranks_resume_to_the_bit(two: Both) -> None:
    folder, (first, _) = two
    assert first["stopped"]["metrics"] + first["resumed"]["metrics"] == first["whole"]["metrics"]
    assert_same(folder / "whole" / "checkpoints" / "6", folder / "broken" / "checkpoints" / "6")
