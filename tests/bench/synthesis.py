"""StyleGAN2 pictures per CPU second, one thread, against the published formulation in the same process.

The peer is StyleGAN2 as its paper and first implementations state it (_published.py); it shares parameters and mapping
network with ours.

Both run in pairs, turn by turn, so that a busy machine hurts them alike; the figures are the best CPU seconds per
picture of all rounds and the median of the rounds' ratios.

Usage: python -m tests.bench.synthesis [--rounds 5] [--cases 64x4 256x16]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from core.ml.adapters.synthesis_choice import choose_synthesis
from core.ml.hardware import fast_bfloat16
from core.ml.networks.fast_synthesis import FastSynthesis
from core.ml.networks.stylegan2 import Generator
from tests.bench._published import published_synthesis

CASES = [(resolution, batch) for resolution in (64, 256) for batch in (4, 16)]
TARGET = {torch.float32: 2.5, torch.bfloat16: 5.0}


def random_generator(resolution: int) -> Generator:
    """A generator of full width with seeded random weights, noise included."""
    torch.manual_seed(resolution)
    generator = Generator(img_resolution=resolution, channel_base=16384, channel_max=512, mapping_layers=8)
    generator.eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.1)
    return generator


def multiply_adds(generator: Generator) -> float:
    """Of one picture by the direct method."""
    total = 0.0
    for name, parameter in generator.synthesis.named_parameters():
        if parameter.ndim == 4:
            resolution = int(name.split(".")[0].removeprefix("b")) // (2 if "conv0" in name else 1)
            total += parameter.numel() * resolution**2
    return total


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this thread for one run of `work`."""
    started = time.thread_time()
    work()
    return time.thread_time() - started


def matmul_limit(rounds: int = 5) -> float:
    """What one thread reaches in large float32 matrix products, operations per CPU second."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / min(cpu_seconds(lambda: a @ b) for _ in range(rounds))


def measure(resolution: int, batch: int, rounds: int) -> bool:
    """Print the rows of one case; whether all of them reach their target."""
    generator = random_generator(resolution)
    network = generator.synthesis
    z = torch.randn(batch, generator.z_dim)
    fast = FastSynthesis(network)

    def drawn_by(synthesis: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        return lambda: synthesis(generator.mapping(z, truncation_psi=0.7))

    peer = drawn_by(lambda ws: published_synthesis(network, ws))
    ours: dict[torch.dtype, Callable[[], Tensor]] = {torch.float32: drawn_by(fast)}
    # What the adapter would use; float32 here means that bfloat16's pictures are not close enough.
    chosen, chosen_dtype = choose_synthesis(generator, torch.device("cpu"))
    if chosen_dtype == torch.bfloat16:
        ours[chosen_dtype] = drawn_by(chosen)

    expected = peer()
    errors = {}
    for dtype, draw in ours.items():
        errors[dtype] = float((draw() - expected).square().mean().sqrt() / expected.square().mean().sqrt())

    limit = matmul_limit()
    times: dict[torch.dtype, list[float]] = {dtype: [] for dtype in ours}
    peer_times: list[float] = []
    for _ in range(rounds):
        peer_times.append(cpu_seconds(peer) / batch)
        for dtype, draw in ours.items():
            times[dtype].append(cpu_seconds(draw) / batch)
        limit = max(limit, matmul_limit(1))
    print(f"| {resolution} | {batch} | published, float32 | {min(peer_times):.3f} | 1 | | |")
    reached = True
    for dtype in TARGET:
        name = str(dtype).removeprefix("torch.")
        if dtype not in ours:
            lacking = not fast_bfloat16(torch.device("cpu"))
            why = "not measurable here: no such unit in this CPU" if lacking else "refused: not the same pictures"
            print(f"| {resolution} | {batch} | ours, {name} | {why} | | | |")
            reached &= lacking
            continue
        ratio = statistics.median(p / o for p, o in zip(peer_times, times[dtype], strict=True))
        share = 2 * multiply_adds(generator) / min(times[dtype]) / limit
        print(
            f"| {resolution} | {batch} | ours, {name} | {min(times[dtype]):.3f} | {ratio:.2f} "
            f"| {share:.0%} | {errors[dtype]:.1e} |",
            flush=True,
        )
        reached &= ratio >= TARGET[dtype]
    return reached


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.synthesis", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=[f"{px}x{batch}" for px, batch in CASES], metavar="PXxBATCH")
    options = parser.parse_args(arguments)
    rounds: int = options.rounds
    cases = [tuple(int(part) for part in case.split("x")) for case in options.cases]
    torch.set_num_threads(1)
    print(
        f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread, {rounds} paired rounds."
    )
    print("Widths min(16384 / resolution, 512), mapping of 8 layers included, truncation 0.7, stored noise.")
    print("Share: direct multiplications and additions of the network per second, over those of a 1024 x 1024")
    print(f"float32 matrix product in the same minutes ({matmul_limit() / 1e9:.0f} GFLOP/s at the start).")
    print("It passes 100 % because minimal filtering leaves multiplications out.\n")
    print("| px | batch | code | CPU s per picture | times the peer | share of matmul | rms error |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with torch.inference_mode():
        results = [measure(resolution, batch, rounds) for resolution, batch in cases]
    print("\nTargets against the published formulation: float32 2.5 times, bfloat16 5 times where the CPU has it.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
