"""Training by reconstruction: it learns, grows, and goes on after a break to the bit."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import Refused
from core.ml.networks.stylegan2 import Generator
from core.ml.training.image.guide import Guide
from core.ml.training.image.reconstruct import Stage, reconstruct

STAGES = (Stage(8, 6), Stage(16, 8, cool=0.5))


@pytest.fixture(scope="module")
def guide() -> Guide:
    torch.set_num_threads(1)
    colours = np.array([[220, 40, 40], [40, 200, 60], [40, 60, 210], [230, 210, 50]], np.uint8)
    images = np.broadcast_to(colours[:, None, None], (4, 16, 16, 3)).copy()
    return Guide(images, np.arange(4).reshape(4, 1, 1), z_dim=8)


def build(resolution: int) -> Generator:
    return Generator(z_dim=8, w_dim=16, img_resolution=resolution, mapping_layers=3, channel_base=128, channel_max=16)


def run(guide: Guide, stages: tuple[Stage, ...], checkpoint: Path | None = None, stop: int = 0) -> Generator | None:
    steps = reconstruct(build, guide, stages, checkpoint=checkpoint, save_every=5)
    averages = [average for _, average in itertools.islice(steps, stop or None)]
    return averages[-1] if averages else None


def test_learns_what_latents_stand_for(guide: Guide) -> None:
    errors = [report.error for report, _ in reconstruct(build, guide, (Stage(8, 150),))]
    assert errors[-1] < 0.5 * errors[0]


def test_bfloat16_learns_as_well(guide: Guide) -> None:
    exact, rough = (
        [report.error for report, _ in reconstruct(build, guide, (Stage(8, 150, precision=precision),))]
        for precision in ("float32", "bfloat16")
    )
    assert rough != exact
    assert rough[-1] < 0.5 * rough[0]


def test_goes_on_to_the_bit(guide: Guide, tmp_path: Path) -> None:
    whole = run(guide, STAGES)
    file = tmp_path / "state.pt"
    run(guide, STAGES, file, stop=12)
    resumed = run(guide, STAGES, file)
    assert whole is not None
    assert resumed is not None
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_another_plan_is_refused(guide: Guide, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    run(guide, STAGES, file)
    with pytest.raises(Refused, match="another plan"):
        run(guide, (Stage(8, 7),), file)


def test_broken_checkpoint_is_refused(guide: Guide, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    file.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(Refused, match="no training state"):
        run(guide, STAGES, file)
