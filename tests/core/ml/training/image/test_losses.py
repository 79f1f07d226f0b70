"""Losses, regularisers and the loop around them against the golden data."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from core.ml.networks.stylegan2 import Discriminator, Generator
from core.ml.training.image import losses
from core.ml.training.image.augment import Augmentation
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.recipe import ImageRecipe
from tests.core.ml.golden import Golden, assert_close

SECOND_ORDER = 1e-3
"""The regularisers' gradients in the float32 data are 6e-4 away from what the same formulas give in float64."""


NOTHING = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, False))


class Res64:
    """The fixed networks and inputs of loss_res64."""

    def __init__(self) -> None:
        self.data = Golden("loss_res64")
        generator, discriminator = Golden("g_res64_z64_map8"), Golden("d_res64_resnet")
        config = generator.json()
        del config["num_ws"]
        self.G = Generator(**config)
        self.G.load_state_dict(generator.state())
        self.D = Discriminator(**discriminator.json())
        self.D.load_state_dict(discriminator.state())

    @staticmethod
    def gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
        return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad

    def check_gradients(self, phase: str, network: torch.nn.Module, tolerance: float) -> None:
        """Every parameter's gradient norm, and the whole gradient where the data has it."""
        parameters = dict(network.named_parameters())
        norms = self.data.arrays[f"{phase}/grad_norms"]
        for name, norm in zip(self.data.json(f"{phase}/grad_names"), norms, strict=True):
            found = float(self.gradient(parameters[name]).norm())
            assert found == pytest.approx(float(norm), rel=tolerance, abs=1e-6 * float(norms.max())), name
        for key in self.data.names(f"{phase}/grad/"):
            name = key.removeprefix(f"{phase}/grad/")
            assert_close(self.gradient(parameters[name]), self.data[key], tolerance, key)


@pytest.fixture
def res64() -> Res64:
    return Res64()


def test_generator_loss(res64: Res64) -> None:
    data = res64.data
    images = res64.G(data["z"], noise_mode="const")
    logits = res64.D(images)
    loss = losses.generator_loss(logits)
    assert_close(images[:2], data["fake_images_first2"])
    assert_close(logits, data["Gmain/fake_logits"])
    assert_close(loss, data["Gmain/loss_per_sample"])
    loss.mean().backward()
    res64.check_gradients("Gmain", res64.G, 1e-4)


def test_mixed_latents(res64: Res64) -> None:
    data, cutoff = res64.data, int(res64.data.arrays["mix/cutoff"])
    with torch.no_grad():
        ws = torch.cat([res64.G.mapping(data["z"])[:, :cutoff], res64.G.mapping(data["z_mix"])[:, cutoff:]], dim=1)
        assert_close(res64.D(res64.G.synthesis(ws, noise_mode="const")), data["mix/fake_logits"])


def test_path_length(res64: Res64) -> None:
    data = res64.data
    ws = res64.G.mapping(data["z"][:4])
    images = res64.G.synthesis(ws, noise_mode="const")
    lengths = losses.path_lengths(images, ws, data["pl_noise"])
    penalty, mean = losses.path_length_penalty(lengths, data["Greg/pl_mean_before"], decay=0.01)
    assert_close(lengths, data["Greg/path_lengths"])
    assert_close(penalty, data["Greg/pl_penalty_per_sample"])
    assert_close(mean, data["Greg/pl_mean_after"])
    assert not mean.requires_grad
    (penalty * 2).mean().mul(4).backward()
    res64.check_gradients("Greg", res64.G, SECOND_ORDER)


def test_discriminator_loss(res64: Res64) -> None:
    data = res64.data
    with torch.no_grad():
        fake = res64.G(data["z"], noise_mode="const")
    fake_logits, real_logits = res64.D(fake), res64.D(data["real"])
    loss = losses.discriminator_loss(fake_logits, real_logits)
    assert_close(fake_logits, data["Dmain/fake_logits"])
    assert_close(real_logits, data["Dmain/real_logits"])
    assert_close(loss, data["Dmain/loss_per_sample"])
    loss.mean().backward()
    res64.check_gradients("Dmain", res64.D, 1e-4)


def test_r1(res64: Res64) -> None:
    data = res64.data
    real = data["real"].requires_grad_()
    penalty = losses.r1_penalty(res64.D(real), real)
    assert_close(penalty, data["Dreg/r1_penalty_per_sample"])
    (penalty * 5).mean().mul(16).backward()
    res64.check_gradients("Dreg", res64.D, SECOND_ORDER)


def test_seventeen_iterations() -> None:
    """A whole small training in float64: every loss, both networks, their average and its picture at the end."""
    data = Golden("train17_res16_f64", torch.float64)
    config = data.json()
    sizes = {
        "img_resolution": config["img_resolution"],
        "channel_base": config["channel_base"],
        "channel_max": config["channel_max"],
    }
    G = Generator(z_dim=16, w_dim=16, mapping_layers=config["mapping_layers"], **sizes).double()
    D = Discriminator(mbstd_group_size=config["mbstd_group"], **sizes).double()
    G.load_state_dict(data.state("G0/"))
    D.load_state_dict(data.state("D0/"))
    G_ema = copy.deepcopy(G)
    batch, g_every, d_every = config["batch"], config["G_reg_interval"], config["D_reg_interval"]
    g_optimiser = torch.optim.Adam(G.parameters(), **losses.lazy_adam(config["lr"], g_every))
    d_optimiser = torch.optim.Adam(D.parameters(), **losses.lazy_adam(config["lr"], d_every))
    pl_mean = torch.zeros([], dtype=torch.float64)
    z, pl_noise, reals = data["z"], data["pl_noise"], data["reals"]
    log: dict[str, list[float]] = {}

    def note(name: str, value: torch.Tensor | float) -> None:
        log.setdefault(name, []).append(float(torch.as_tensor(value).detach()))

    def step(optimiser: torch.optim.Adam, loss: torch.Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        losses.clean_gradients(parameter for group in optimiser.param_groups for parameter in group["params"])
        optimiser.step()

    for i in range(config["iterations"]):
        real = reals[[(batch * i + j) % len(reals) for j in range(batch)]]

        D.requires_grad_(False)
        ws = G.mapping(z[i, 0], update_w_avg=True)
        loss = losses.generator_loss(D(G.synthesis(ws, noise_mode="const"))).mean()
        note("Gmain_loss", loss)
        step(g_optimiser, loss)
        if i % g_every == 0:
            ws = G.mapping(z[i, 1, : batch // config["pl_batch_shrink"]], update_w_avg=True)
            lengths = losses.path_lengths(G.synthesis(ws, noise_mode="const"), ws, pl_noise[i])
            penalty, pl_mean = losses.path_length_penalty(lengths, pl_mean, config["pl_decay"])
            loss = penalty.mean() * config["pl_weight"]
            note("Greg_pl_penalty", penalty.mean())
            note("Greg_loss", loss)
            step(g_optimiser, loss * g_every)
        D.requires_grad_(True)

        with torch.no_grad():
            fake = G.synthesis(G.mapping(z[i, 2], update_w_avg=True), noise_mode="const")
        real_logits = D(real)
        loss = losses.discriminator_loss(D(fake), real_logits).mean()
        note("Dmain_loss", loss)
        note("Dmain_sign_real", real_logits.sign().mean())
        step(d_optimiser, loss)
        if i % d_every == 0:
            real.requires_grad_()
            penalty = losses.r1_penalty(D(real), real).mean()
            note("Dreg_r1_penalty", penalty)
            note("Dreg_loss", penalty * config["r1_gamma"] / 2)
            step(d_optimiser, penalty * (config["r1_gamma"] / 2 * d_every))

        beta = losses.ema_beta(batch, config["ema_kimg"] * 1000, i * batch, config["ema_rampup"])
        note("ema_beta", beta)
        losses.update_ema(G_ema, G, beta)

    for name, values in log.items():
        assert_close(torch.tensor(values, dtype=torch.float64), data[f"log/{name}"], 1e-7, name)
    assert_close(pl_mean, data["pl_mean_final"], 1e-7)
    for prefix, network in (("G1/", G), ("D1/", D), ("G_ema1/", G_ema)):
        found = network.state_dict()
        for name, expected in data.state(prefix).items():
            assert_close(found[name], expected, 1e-6, prefix + name)
    with torch.no_grad():
        picture = G_ema(data["z_test"], noise_mode="const")
    assert_close(picture, data["img_ema_test_const"], 1e-6)


class Recorded(ImageTraining):
    """The real loop with the random numbers and the order of pictures of the recording."""

    def __init__(self, data: Golden, generator: Generator, discriminator: Discriminator, recipe: ImageRecipe) -> None:
        super().__init__(generator, discriminator, np.zeros((32, 16, 16, 3), np.uint8), recipe)
        self.data, self.taken = data, 0

    def run(self) -> dict[str, float]:
        self.taken = 0
        return super().run()

    def _latents(self, batch: int) -> torch.Tensor:
        # The recording has latents for four phases; the penalty takes the second when it runs, its successor the third.
        main = self.taken == 0
        phase = 0 if main else 1 if batch < self.batch else 2
        self.taken += 1
        return self.data["z"][self.step, phase, :batch]

    def _path_noise(self, shape: torch.Size) -> torch.Tensor:
        return self.data["pl_noise"][self.step]

    def _reals(self, z: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.data["reals"][[(self.shown + j) % 32 for j in range(self.batch)]], None


def test_seventeen_iterations_through_the_loop() -> None:
    """The same training by the class that trains, configured like the published one."""
    data = Golden("train17_res16_f64", torch.float64)
    config = data.json()
    sizes = {
        "img_resolution": config["img_resolution"],
        "channel_base": config["channel_base"],
        "channel_max": config["channel_max"],
    }
    generator = Generator(z_dim=16, w_dim=16, mapping_layers=config["mapping_layers"], **sizes).double()
    discriminator = Discriminator(mbstd_group_size=config["mbstd_group"], **sizes).double()
    generator.load_state_dict(data.state("G0/"))
    discriminator.load_state_dict(data.state("D0/"))
    recipe = ImageRecipe(
        steps=config["iterations"],
        batch=config["batch"],
        generator_rate=config["lr"],
        discriminator_rate=config["lr"],
        gamma=config["r1_gamma"],
        r1_interval=config["D_reg_interval"],
        path_weight=config["pl_weight"],
        path_interval=config["G_reg_interval"],
        path_shrink=config["pl_batch_shrink"],
        mixing=config["style_mixing_prob"],
        ema_images=config["ema_kimg"] * 1000,
        ema_rampup=config["ema_rampup"],
        noise="const",
        shared_fakes=False,
        augmentation=NOTHING,
        adapt_images=500_000,
        adapt_cap=1.0,
    )
    training = Recorded(data, generator, discriminator, recipe)
    log: dict[str, list[float]] = {}
    for _ in range(config["iterations"]):
        for name, value in training.run().items():
            log.setdefault(name, []).append(value)
    curves = {
        "Gmain_loss": "generator",
        "Greg_pl_penalty": "path",
        "Dmain_loss": "discriminator",
        "Dmain_sign_real": "real_sign",
        "Dreg_r1_penalty": "r1",
    }
    for theirs, ours in curves.items():
        # The curves are told in float32.
        assert_close(torch.tensor(log[ours], dtype=torch.float64), data[f"log/{theirs}"], 1e-6, theirs)
    assert_close(torch.tensor(log["p"][3::4], dtype=torch.float64), data["log/ada_p_after_every_4"], 1e-9)
    networks = {"G1/": generator, "D1/": discriminator, "G_ema1/": training.average}
    for prefix, network in networks.items():
        found = network.state_dict()
        for name, expected in data.state(prefix).items():
            assert_close(found[name], expected, 1e-6, prefix + name)
    with torch.no_grad():
        picture = training.average(data["z_test"], noise_mode="const")
    assert_close(picture, data["img_ema_test_const"], 1e-6)


def test_broken_gradients_are_replaced() -> None:
    parameter = torch.nn.Parameter(torch.zeros(4))
    parameter.grad = torch.tensor([float("nan"), float("inf"), -float("inf"), 2.0])
    losses.clean_gradients([parameter, torch.nn.Parameter(torch.zeros(1), requires_grad=False)])
    assert parameter.grad.tolist() == [0.0, 1e5, -1e5, 2.0]


def test_parameters_out_of_reach_get_a_gradient_of_zero_unless_frozen() -> None:
    trained, frozen = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2), requires_grad=False)
    losses.clean_gradients([trained, frozen])
    assert trained.grad is not None
    assert trained.grad.tolist() == [0.0, 0.0]
    assert frozen.grad is None


def test_lazy_regularisation_settings() -> None:
    assert losses.lazy_adam(0.002, None) == {"lr": 0.002, "betas": (0.0, 0.99), "eps": 1e-8}
    settings = losses.lazy_adam(0.0025, 4)
    assert settings["lr"] == pytest.approx(0.002)
    assert settings["betas"] == pytest.approx((0.0, 0.99**0.8))


def test_average_without_rampup() -> None:
    assert losses.ema_beta(32, 32, 0, rampup=None) == 0.5
    assert losses.ema_beta(32, 10_000, 0) == 0.0
