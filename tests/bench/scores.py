"""What scoring pictures costs one thread, against the published formulation of Inception in the same process.

The peer runs the same network layer by layer, as its paper and ports state it: NCHW, a convolution, a batch
normalisation and a ReLU each on its own, every branch by itself, pools before their convolutions. Both run in pairs,
turn by turn, so that a busy machine hurts them alike; the ratio is the median of the rounds.

Usage: python -m tests.bench.scores [--rounds 5] [--batch 8]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.metrics.features import DiscriminatorFeatures
from core.ml.metrics.fid import Moments, frechet_distance
from core.ml.networks.inception import EPSILON, SIZE, InceptionV3, Unit, resize
from tests.core.ml.inception_weights import random_state


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this thread for one run of `work`."""
    started = time.thread_time()
    work()
    return time.thread_time() - started


def published(network: InceptionV3, state: Mapping[str, Tensor], pictures: Tensor) -> Tensor:
    """The peer: uint8 [N, 3, H, W] to [N, 2048]. Strides and padding are read off `network`, weights off `state`."""
    units = {name: module for name, module in network.named_modules() if isinstance(module, Unit)}

    def unit(name: str, x: Tensor) -> Tensor:
        told = [state[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = F.conv2d(x, state[f"{name}.conv.weight"], None, units[name].stride, units[name].padding)
        return F.relu(F.batch_norm(x, *told, False, 0.0, EPSILON))

    def chain(block: str, names: str, x: Tensor) -> Tensor:
        for name in names.split():
            x = unit(f"{block}.{name}", x)
        return x

    def average(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    x = (resize(pictures.float(), SIZE) - 128) / 128
    for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"):
        x = unit(name, x)
    x = F.max_pool2d(x, 3, 2)
    x = F.max_pool2d(unit("Conv2d_4a_3x3", unit("Conv2d_3b_1x1", x)), 3, 2)
    for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        branches = ("branch1x1", "branch5x5_1 branch5x5_2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3")
        x = torch.cat([*(chain(block, names, x) for names in branches), chain(block, "branch_pool", average(x))], 1)
    three = chain("Mixed_6a", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", x)
    x = torch.cat([chain("Mixed_6a", "branch3x3", x), three, F.max_pool2d(x, 3, 2)], 1)
    for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        double = " ".join(f"branch7x7dbl_{number}" for number in range(1, 6))
        branches = ("branch1x1", "branch7x7_1 branch7x7_2 branch7x7_3", double)
        x = torch.cat([*(chain(block, names, x) for names in branches), chain(block, "branch_pool", average(x))], 1)
    seven = chain("Mixed_7a", "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4", x)
    x = torch.cat([chain("Mixed_7a", "branch3x3_1 branch3x3_2", x), seven, F.max_pool2d(x, 3, 2)], 1)
    for block in ("Mixed_7b", "Mixed_7c"):
        three = chain(block, "branch3x3_1", x)
        double = chain(block, "branch3x3dbl_1 branch3x3dbl_2", x)
        pooled = F.max_pool2d(x, 3, 1, 1) if block == "Mixed_7c" else average(x)
        parts = [chain(block, name, three) for name in ("branch3x3_2a", "branch3x3_2b")]
        parts += [chain(block, name, double) for name in ("branch3x3dbl_3a", "branch3x3dbl_3b")]
        x = torch.cat([chain(block, "branch1x1", x), *parts, chain(block, "branch_pool", pooled)], 1)
    return x.mean((2, 3))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if ours is slower than the peer or does not compute the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scores", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args(arguments)
    rounds, batch = max(1, options.rounds), max(1, options.batch)
    torch.set_num_threads(1)
    state = random_state()
    network = InceptionV3().read_published(state)
    pictures = torch.randint(0, 256, (batch, 3, 64, 64), dtype=torch.uint8)
    discriminator = DiscriminatorFeatures()
    many = torch.randint(0, 256, (64, 64, 64, 3), dtype=torch.uint8).numpy()
    times: dict[str, list[float]] = {"peer": [], "ours": [], "matmul": [], "discriminator": []}
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    with torch.inference_mode():
        expected, found = published(network, state, pictures), network(pictures)["2048"]
        error = float((found - expected).abs().max() / expected.abs().max())
        for _ in range(rounds):
            times["peer"].append(cpu_seconds(lambda: published(network, state, pictures)) / batch)
            times["ours"].append(cpu_seconds(lambda: network(pictures)) / batch)
            times["matmul"].append(cpu_seconds(lambda: a @ b))
            times["discriminator"].append(cpu_seconds(lambda: discriminator(many)) / len(many))
    ratio = statistics.median(peer / ours for peer, ours in zip(times["peer"], times["ours"], strict=True))
    best = {name: min(each) for name, each in times.items()}
    print(f"PyTorch {torch.__version__}, one thread, float32, batch {batch}, {rounds} paired rounds.\n")
    print("| features | CPU s per 1000 pictures | pictures per CPU s | times the peer |")
    print("| --- | --- | --- | --- |")
    rows = (("Inception, published formulation", "peer", 1.0), ("Inception, ours", "ours", ratio))
    for name, key, times_peer in rows:
        print(f"| {name} | {1000 * best[key]:.0f} | {1 / best[key]:.1f} | {times_peer:.2f} |")
    print(f"| discriminator (FD-D) | {1000 * best['discriminator']:.1f} | {1 / best['discriminator']:.0f} | |")
    limit = 2 * 1024**3 / best["matmul"]
    print(f"\nOurs is off the peer by {error:.1e} of the largest feature.")
    reached = _operations(network) / best["ours"] / 1e9
    print(f"Its {reached:.0f} GFLOP/s stand beside {limit / 1e9:.0f} of a matrix product.")
    for name, dims in (("FID", 2048), ("FD-D", discriminator.dims)):
        one, other = (Moments.of(part) for part in torch.randn(2, dims + 100, dims, dtype=torch.float64).numpy())
        started = time.thread_time()
        frechet_distance(one, other)
        print(f"{name}: the distance itself, of {dims} dimensions, {time.thread_time() - started:.2f} CPU s.")
    return 0 if ratio >= 1 and error < 1e-4 else 1


def _operations(network: InceptionV3) -> float:
    """Multiplications and additions of the convolutions for one picture."""
    total = 0.0

    def count(module: Unit, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += 2 * output[0].numel() * module.weight[0].numel()

    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, Unit)]
    with torch.inference_mode():
        network(torch.zeros(1, 3, SIZE, SIZE))
    for hook in hooks:
        hook.remove()
    # Entry units are computed together, by no call of their own; their pictures have the block's size.
    sides = {"5": 35, "6": 17, "7": 17}
    for name, block in network.named_children():
        side = 8 if name in ("Mixed_7b", "Mixed_7c") else sides.get(name.removeprefix("Mixed_")[:1], 0)
        total += 2 * side * side * getattr(block, "joined_weight", torch.empty(0)).numel()
    return total


if __name__ == "__main__":
    sys.exit(main())
