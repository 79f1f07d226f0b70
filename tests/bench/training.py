"""CPU seconds that adversarial training takes per thousand pictures, one thread, against the published formulation.

What is timed is `ImageTraining` itself, one whole cycle of 16 steps: the generator's step with style mixing, the path
length every 4th, the discriminator's step, R1 every 16th, Adam and the average of the weights. All trainings take turns
step by step, so that a busy machine hurts them alike. A cycle holds three kinds of steps (plain, with the path length,
with both regularisations); its time is made of the fastest step of each kind.

The peer (`_published`) is the same loop with networks as published: a weight tensor per sample, NCHW, PyTorch's own
derivatives, and new pictures for the discriminator; where that sees augmented pictures, they are augmented by our code,
which spares the peer the cost of a plainer one. Our loop shows both players one batch of pictures and judges it once;
the rows "new fakes" draw and judge new ones as the peer does. Memory is the peak of a process of its own that takes the
two heaviest steps.

The share compares the convolutions' multiplications and additions per second (published count, direct method, new fakes
or not) with what one thread reaches in a plain 3 x 3 convolution of that number format in the same minutes. Minimal
filtering leaves multiplications out, so that it may pass 100 %.

Usage: python -m tests.bench.training [--cycles 1] [--sizes 32 64]
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import resource
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from core.ml.hardware import fast_bfloat16
from core.ml.networks.stylegan2 import Discriminator, Generator
from core.ml.training.image.augment import Augmentation
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.recipe import ImageRecipe
from tests.bench._published import PublishedDiscriminator, PublishedSynthesis

BATCH, CYCLE = 16, 16
WIDTHS = {"channel_base": 4096, "channel_max": 128}
SECONDS_TARGET = {"float32": 2.0, "bfloat16": 4.0}
"""Times faster than the published formulation, at 64 px."""


@dataclass(frozen=True)
class Case:
    """One way to train."""

    precision: str = "float32"
    new_fakes: bool = False
    augmented: bool = False
    published: bool = False

    def __str__(self) -> str:
        name = "published" if self.published else "ours"
        parts = [name, self.precision, "new fakes" if self.new_fakes else "", "ADA 0.3" if self.augmented else ""]
        return ", ".join(part for part in parts if part)


CASES = [
    Case(published=True, new_fakes=True),
    Case(published=True, new_fakes=True, augmented=True),
    Case(new_fakes=True),
    Case(),
    Case(augmented=True),
    Case("bfloat16", new_fakes=True),
    Case("bfloat16"),
    Case("bfloat16", augmented=True),
]


def training(resolution: int, case: Case) -> ImageTraining:
    """A training at its first step, with seeded random weights and pictures."""
    torch.manual_seed(0)
    generator = Generator(img_resolution=resolution, mapping_layers=2, **WIDTHS)
    kind = PublishedDiscriminator if case.published else Discriminator
    discriminator = kind(img_resolution=resolution, **WIDTHS)
    if case.published:
        synthesis = PublishedSynthesis(
            w_dim=generator.w_dim, img_resolution=resolution, img_channels=3, conv_clamp=None, **WIDTHS
        )
        synthesis.load_state_dict(generator.synthesis.state_dict())
        generator.synthesis = synthesis
    pictures = np.random.default_rng(0).integers(0, 256, (64, resolution, resolution, 3), dtype=np.uint8)
    recipe = ImageRecipe(
        steps=CYCLE,
        batch=BATCH,
        path_weight=2.0,
        mixing=0.9,
        shared_fakes=not case.new_fakes,
        precision=case.precision,  # type: ignore[arg-type]
        augmentation=Augmentation(),
        strength=0.3 if case.augmented else 0.0,
        adapt=False,
    )
    return ImageTraining(generator, discriminator, pictures, recipe)


def kind_of(step: int) -> str:
    """What is due at a step of the cycle."""
    return "both" if step % CYCLE == 0 else "path" if step % 4 == 0 else "plain"


def multiply_adds(resolution: int, *, new_fakes: bool) -> float:
    """Of the convolutions of an average step, per picture, by the direct method."""
    generator = Generator(img_resolution=resolution, **WIDTHS)
    drawn = judged = 0.0
    for name, parameter in generator.synthesis.named_parameters():
        if parameter.ndim == 4:
            edge = int(name.split(".")[0].removeprefix("b")) // (2 if "conv0" in name else 1)
            drawn += parameter.numel() * edge**2
    for name, parameter in Discriminator(img_resolution=resolution, **WIDTHS).named_parameters():
        if parameter.ndim == 4:
            edge = int(name.split(".")[0].removeprefix("b")) // (2 if "conv1" in name or "skip" in name else 1)
            judged += parameter.numel() * edge**2
    # A pass forward is one unit, gradients of inputs and of weights one each; a gradient of a gradient has six, without
    # the first one's weights. The path length sees half the batch.
    main = 3 * drawn + (7 if not new_fakes else 8) * judged + (drawn if new_fakes else 0.0)
    return main + 6 * drawn / 2 / 4 + 6 * judged / CYCLE


def convolution_limit(dtype: torch.dtype) -> float:
    """What one thread reaches in a 3 x 3 convolution of 128 channels, operations per CPU second."""
    x = torch.randn(16, 128, 32, 32).to(dtype, memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 3, 3).to(dtype, memory_format=torch.channels_last)
    best = math.inf
    with torch.inference_mode():
        for _ in range(5):
            started = time.process_time()
            F.conv2d(x, weight, padding=1)
            best = min(best, time.process_time() - started)
    return 2 * x.numel() * 128 * 9 / best


def peak_megabytes(resolution: int, case: Case) -> float:
    """Of a process that takes a step with both regularisations and a plain one."""
    values = [str(value) for value in dataclasses.astuple(case)]
    command = [sys.executable, "-m", "tests.bench.training", "--peak", str(resolution), *values]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report_peak(resolution: str, precision: str, *flags: str) -> None:
    """Print this process's peak after two steps."""
    trained = training(int(resolution), Case(precision, *(flag == "True" for flag in flags)))
    trained.run()
    trained.run()
    try:
        with open("/proc/self/status") as status:
            # Unlike `ru_maxrss` it does not start at the parent's.
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    print(peak / 1024)


def measure(resolution: int, cycles: int) -> bool:
    """Print the rows of one resolution; whether the targets are reached."""
    native = fast_bfloat16(torch.device("cpu"))
    cases = [case for case in CASES if native or case.precision == "float32"]
    trainings = {case: training(resolution, case) for case in cases}
    best = {case: dict.fromkeys(("both", "path", "plain"), math.inf) for case in cases}
    limit = {case.precision: 0.0 for case in cases}
    first: dict[Case, float] = {}
    for step in range(cycles * CYCLE + 1):
        for case, trained in trainings.items():
            started = time.process_time()
            told = trained.run()
            taken = time.process_time() - started
            first.setdefault(case, told["generator"])
            if step:  # the very first one of each also prepares libraries
                best[case][kind_of(step)] = min(best[case][kind_of(step)], taken)
        if step % 4 == 0:
            for precision in limit:
                limit[precision] = max(limit[precision], convolution_limit(getattr(torch, precision)))
    for case, loss in first.items():
        # All begin with the same weights, latents and noise: the same network is measured, or nothing is.
        if not case.augmented and abs(loss - first[cases[0]]) > 0.02 * abs(first[cases[0]]):
            raise RuntimeError(f"{case} begins with a loss of {loss}, the peer with {first[cases[0]]}")
    seconds = {}
    for case, found in best.items():
        cycle = found["both"] + 3 * found["path"] + 12 * found["plain"]
        seconds[case] = cycle / CYCLE / BATCH * 1000
        operations = 2 * multiply_adds(resolution, new_fakes=case.new_fakes) * 1000
        share = operations / seconds[case] / limit[case.precision]
        peer = seconds[dataclasses.replace(cases[0], augmented=case.augmented)]
        print(
            f"| {resolution} | {case} | {seconds[case]:.1f} | {peer / seconds[case]:.2f} "
            f"| {share:.0%} | {peak_megabytes(resolution, case):.0f} |",
            flush=True,
        )
    return all(
        seconds[cases[0]] / seconds[Case(precision)] >= target
        for precision, target in SECONDS_TARGET.items()
        if Case(precision) in seconds
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if a target at 64 px is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training", description=__doc__)
    parser.add_argument("--cycles", type=int, default=1)
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 64])
    parser.add_argument("--peak", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.peak:
        report_peak(*options.peak)
        return 0
    limits = [convolution_limit(dtype) / 1e9 for dtype in (torch.float32, torch.bfloat16)]
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread, batch {BATCH},")
    print("widths min(4096 / resolution, 128), mapping of 2 layers, z and w of 512, style mixing 0.9.")
    print(f"A plain convolution reaches {limits[0]:.0f} GFLOP/s in float32 and {limits[1]:.0f} in bfloat16.\n")
    print("| px | code | CPU s per 1000 pictures | times the peer | share of convolution | peak MB |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    reached = {size: measure(size, options.cycles) for size in options.sizes}
    print("\nTargets at 64 px against the published formulation: float32 2 times, bfloat16 4 times.")
    return 0 if reached.get(64, True) else 1


if __name__ == "__main__":
    sys.exit(main())
