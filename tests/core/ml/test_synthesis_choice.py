"""Which way of drawing is chosen, by what the processor can do and how close the pictures are."""

from __future__ import annotations

import pytest
import torch

from core.ml.adapters import synthesis_choice
from core.ml.adapters.synthesis_choice import choose_synthesis, error_of
from core.ml.networks.fast_synthesis import EXACT, FastSynthesis
from core.ml.networks.stylegan2 import Generator
from tests.core.ml.golden import Golden
from tests.core.ml.networks.test_stylegan2 import load

CPU = torch.device("cpu")
LARGE, SMALL, CONDITIONAL = "g_res64_z512_map2", "g_res16_gray_clamp", "g_res32_z64_map2_cond3"


def choice(generator: Generator) -> tuple[FastSynthesis, torch.dtype]:
    synthesis, dtype = choose_synthesis(generator, CPU)
    assert isinstance(synthesis, FastSynthesis)
    assert synthesis.dtype == dtype
    return synthesis, dtype


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that computes in bfloat16."""
    monkeypatch.setattr(synthesis_choice, "fast_bfloat16", lambda device: True)


def test_without_hardware_it_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis_choice, "fast_bfloat16", lambda device: False)
    monkeypatch.setattr(synthesis_choice, "error_of", None)  # nothing is drawn to find that out
    assert choice(load(Golden(LARGE)))[1] == torch.float32


@pytest.mark.usefixtures("hardware")
@pytest.mark.parametrize("name", [LARGE, CONDITIONAL])
def test_with_hardware_it_is_bfloat16(name: str) -> None:
    generator = load(Golden(name))
    synthesis, dtype = choice(generator)
    assert dtype == torch.bfloat16
    assert 0 < error_of(synthesis, FastSynthesis(generator.synthesis), generator, CPU) < synthesis_choice.BF16_ERROR


@pytest.mark.usefixtures("hardware")
def test_pictures_that_differ_are_drawn_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis_choice, "BF16_ERROR", 1e-6)
    assert choice(load(Golden(LARGE)))[1] == torch.float32


@pytest.mark.usefixtures("hardware")
def test_minimal_filtering_is_left_out_where_it_is_not_exact_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def error(tried: FastSynthesis, *others: object) -> float:
        return 0.011 if tried.filtering else 0.009

    monkeypatch.setattr(synthesis_choice, "error_of", error)
    synthesis, dtype = choice(load(Golden(LARGE)))
    assert dtype == torch.bfloat16
    assert not synthesis.filtering


@pytest.mark.usefixtures("hardware")
def test_pictures_without_a_number_are_drawn_in_float32() -> None:
    generator = load(Golden(LARGE))
    generator.synthesis.b64.torgb.bias.data.fill_(float("nan"))
    assert choice(generator)[1] == torch.float32


@pytest.mark.usefixtures("hardware")
def test_what_is_float32_anyway_is_called_so() -> None:
    generator = load(Golden(SMALL))
    assert generator.img_resolution <= EXACT
    assert choice(generator)[1] == torch.float32


@pytest.mark.usefixtures("hardware")
def test_other_devices_run_the_network_as_it_is() -> None:
    """The meta device stands in for a GPU: it computes nothing, so the comparison is left out."""
    with torch.device("meta"):
        generator = Generator(z_dim=8, w_dim=8, img_resolution=16, mapping_layers=1, channel_base=64, channel_max=8)
    with pytest.MonkeyPatch.context() as patch:
        for error, expected in ((0.001, torch.bfloat16), (0.02, torch.float32)):
            patch.setattr(synthesis_choice, "error_of", lambda *arguments, error=error: error)
            synthesis, dtype = choose_synthesis(generator, torch.device("meta"))
            assert dtype == expected
            assert not isinstance(synthesis, FastSynthesis)
