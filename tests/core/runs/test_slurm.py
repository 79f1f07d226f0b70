"""What is said to Slurm and understood of it; a real one is in tests/e2e/test_slurm.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InvalidInput
from core.runs.launchers import Status, launcher
from core.runs.launchers.slurm import batch_script, step_command, understand
from core.runs.plan import Resources, RunPlan


def plan(**where: object) -> RunPlan:
    """A plan for the cluster."""
    return RunPlan("a", "image", "d", resources=Resources(launcher="slurm", **where))  # type: ignore[arg-type]


def test_the_script_asks_for_what_the_plan_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARMAC_HOME", "/big disk/t")
    text = batch_script(
        Path("/r/one"), plan(nodes=2, gpus=4, cpus=3, memory_gb=64, hours=30.5, queue="long", extra=("--account=lab",))
    )
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    for line in (
        "--requeue",
        "--signal=TERM@60",
        "--open-mode=append",
        "--output=/r/one/log.txt",
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gres=gpu:4",
        "--cpus-per-task=3",
        "--mem=64G",
        "--time=1-06:30:00",
        "--partition=long",
        "--account=lab",
    ):
        assert f"#SBATCH {line}" in lines
    assert "export TARMAC_HOME='/big disk/t'" in lines
    assert lines[-1].startswith("exec ")
    assert lines[-1].endswith("core.runs.supervise /r/one")


def test_nothing_slips_into_the_script() -> None:
    with pytest.raises(InvalidInput, match="line end"):
        batch_script(Path("/r/one"), plan(extra=("--account=lab\nrm -rf /",)))


def test_ranks_of_one_machine_meet_over_a_file_and_of_several_over_tcp() -> None:
    command, variables = step_command(["python"], plan(gpus=2), 1)
    assert "--ntasks=2" in command
    assert command[-1] == "python"
    assert variables == {}
    command, variables = step_command(["python"], plan(nodes=2, gpus=2), 1)
    assert "--ntasks=4" in command
    assert set(variables) == {"MASTER_ADDR", "MASTER_PORT"}
    assert not variables["MASTER_ADDR"].startswith("127.")
    assert variables["MASTER_PORT"] != step_command(["python"], plan(nodes=2), 2)[1]["MASTER_PORT"]


def test_states_are_understood() -> None:
    found = understand("12|PENDING|Priority|\n13|RUNNING|None|n1\n14|COMPLETED|None|n1\n15|NODE_FAIL|None|n2\nodd\n")
    assert found == {
        "12": Status("queued", "Priority", "", "PENDING"),
        "13": Status("running", "", "n1", "RUNNING"),
        "14": Status("gone", "", "n1", "COMPLETED"),
        "15": Status("gone", "", "n2", "NODE_FAIL"),
    }


def test_where_there_is_no_slurm_it_is_said_when_planning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidInput, match="sbatch"):
        launcher("slurm").check(plan())
    with pytest.raises(InvalidInput, match="one machine"):
        launcher("local").check(plan(nodes=2))
    with pytest.raises(InvalidInput, match="no launcher"):
        launcher("ray")
