"""The image starter: a StyleGAN2 generator of emoji portraits, made from the font on this machine.

A guided start (guide.py, reconstruct.py) in a few stages, then three adversarial ones (loop.py) with a discriminator
of its own, then narrower borders: the whole of it runs on one processor core.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from core.datasets.drawing.emoji import Portraits, draw_portraits, find_font
from core.datasets.pictures import contact_sheet
from core.library.interfaces import image_gan_interface
from core.library.manifest import Manifest
from core.ml.adapters.stylegan_files import WEIGHTS
from core.ml.hardware import fast_bfloat16
from core.ml.metrics.features import DiscriminatorFeatures
from core.ml.metrics.image_scores import score
from core.ml.metrics.library_model import draw_with
from core.ml.networks.stylegan2 import Discriminator, Generator
from core.ml.training.image.augment import Augmentation
from core.ml.training.image.by_itself import train
from core.ml.training.image.guide import Guide
from core.ml.training.image.guided import GuideAnchor
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.recipe import ImageRecipe
from core.ml.training.image.reconstruct import Stage, reconstruct

log = logging.getLogger(__name__)

SIZE, Z_DIM, W_DIM, MAPPING_LAYERS, CHANNEL_BASE, CHANNEL_MAX = 64, 64, 128, 3, 2048, 128
RAMP, NARROW = 0.005, 0.001
"""Half the width of the borders between two cells: at the end of training, and as shipped, since they show mixtures."""
STAGES = (
    Stage(32, 1800),
    Stage(64, 6000),
    Stage(64, 900, cool=1.0),
    Stage(64, 2000, rate=0.006, cool=0.7, ramp=0.012),
    Stage(64, 3000, rate=0.008, cool=0.75, ramp=0.012),
    Stage(64, 4000, batch=8, rate=0.008, cool=0.8, ramp=RAMP, precision="bfloat16"),
)
SEED = 0
ADVERSARIAL = ImageRecipe(
    steps=900,
    batch=4,
    generator_rate=0.001,
    discriminator_rate=0.003,
    gamma=0.1,
    ema_images=1000.0,
    ema_rampup=None,
    alone=150,
    anchor=20.0,
    paired=True,
    mapping=False,
    noise="const",
    precision="bfloat16",
    adapt=False,
    seed=SEED,
)
AGAIN = replace(ADVERSARIAL, steps=500, batch=8, discriminator_rate=0.002, ema_images=2000.0, alone=30)
"""Goes on from the averaged weights of ADVERSARIAL and its discriminator, at rates that fall (`pace`)."""
AUGMENTED = replace(
    AGAIN,
    steps=4000,
    ema_images=4000.0,
    augmentation=Augmentation(flip=False, quarter=False, luma=False, hue=False),
    adapt=True,
    adapt_images=10_000,
    adapt_cap=0.6,
)
"""Goes on in the same way with adaptive augmentation: by then the discriminator knows the 738 portraits by heart. No
changes that would make another portrait of one: its mirror image, its negative, a green face."""
Part = TypeVar("Part", Stage, ImageRecipe)
DISCRIMINATOR = "discriminator.safetensors"
JUDGED_SEED = 2026
"""Of the hundred tiles that were counted by eye, and of the cover."""


def make_portraits(
    out: Path,
    *,
    work: Path | None = None,
    stages: tuple[Stage, ...] = STAGES,
    adversarial: tuple[ImageRecipe, ...] = (ADVERSARIAL, AGAIN, AUGMENTED),
    samples: int = 4000,
) -> Path:
    """Train, measure and write the model folder `out`: weights, model.toml and a cover.

    About two hours on one core that is free. A run that was broken off goes on from its last checkpoint in
    `work`.

    Args:
        out: The folder to write; what is in it already is replaced file by file at the end.
        work: Where the checkpoint, the journal and the sample sheets are kept; beside `out` by default.
        stages: What to train by reconstruction.
        adversarial: What to train after that, one after the other; of all but the first the rates fall.
        samples: Pictures that the scores are taken from.

    Returns:
        `out`.

    Raises:
        NotFound: The font is not installed.
    """
    work = work or out.with_name(out.name + ".run")
    work.mkdir(parents=True, exist_ok=True)
    stages = tuple(affordable(stage) for stage in stages)
    adversarial = tuple(affordable(recipe) for recipe in adversarial)
    portraits = draw_portraits(SIZE)
    guide = Guide(portraits.images, portraits.rows, Z_DIM)
    with (work / "journal.jsonl").open("a") as journal:
        for report, average in reconstruct(build, guide, stages, seed=SEED, checkpoint=work / "checkpoint.pt"):
            if report.step % 50 == 0 or report.step == stages[report.stage].steps:
                journal.write(json.dumps(asdict(report)) + "\n")
                journal.flush()
                log.info("stage %d step %d error %.4f", report.stage, report.step, report.error)
            if report.step % 500 == 0:
                _sheet(average, work / f"samples-{report.stage}-{report.step:06d}.png")
    seconds, training = report.seconds, None
    for number, recipe in enumerate(adversarial):
        start, discriminator = (training.average, training.discriminator) if training else (average, None)
        training = prepare(start, guide, recipe, discriminator)
        _play(training, work, f"adversarial-{number}" if number else "adversarial", falling=number > 0)
        seconds += training.seconds
    assert training is not None
    guide.with_ramp(RAMP).narrow(training.average.mapping, NARROW)
    write_model(out, training, portraits, stages, adversarial, seconds, samples, work)
    return out


def build(resolution: int) -> Generator:
    """The starter's generator at one of its sizes."""
    return Generator(
        z_dim=Z_DIM,
        w_dim=W_DIM,
        img_resolution=resolution,
        mapping_layers=MAPPING_LAYERS,
        channel_base=CHANNEL_BASE,
        channel_max=CHANNEL_MAX,
    )


def affordable(part: Part) -> Part:
    """The same part, in float32 where the processor has no bfloat16 of its own: there it would be slower."""
    return part if fast_bfloat16(torch.device("cpu")) else replace(part, precision="float32")


def build_discriminator() -> Discriminator:
    """The starter's discriminator."""
    return Discriminator(img_resolution=SIZE, channel_base=CHANNEL_BASE, channel_max=CHANNEL_MAX)


def prepare(
    start: Generator, guide: Guide, recipe: ImageRecipe, discriminator: Discriminator | None = None
) -> ImageTraining:
    """An adversarial stage, before its first step.

    Its mapping network is the guide's with narrow borders, and stays so: a latent keeps what it stands for.

    Args:
        start: The generator as the stage before leaves it, SIZE x SIZE; it is not changed.
        guide: What latents mean, with borders of any width.
        recipe: Settings.
        discriminator: Of the stage before, to be trained on; a fresh one if there was none.
    """
    generator = build(SIZE)
    generator.load_state_dict(start.state_dict())
    narrow = guide.with_ramp(RAMP)
    narrow.set_up(generator.mapping, SEED)
    torch.manual_seed(recipe.seed)
    judge = discriminator or build_discriminator()
    return ImageTraining(generator, judge, guide.images, recipe, anchor=GuideAnchor(narrow))


def pace(step: int, recipe: ImageRecipe) -> float:
    """Factor on both rates of a stage that goes on from another: a short warm-up once the generator learns, a plateau,
    and after two fifths of the steps a cosine to a twentieth."""
    warm = min(1.0, (step - recipe.alone + 1) / 50) if step >= recipe.alone else 1.0
    begin = 0.4 * recipe.steps
    part = max(0.0, (step - begin) / (recipe.steps - begin))
    return warm * (0.05 + 0.95 * 0.5 * (1.0 + math.cos(math.pi * part)))


def latents(count: int, seed: int) -> torch.Tensor:
    """Vectors from the prior, [count, Z_DIM]."""
    return torch.randn(count, Z_DIM, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def draw(generator: Generator, z: torch.Tensor, truncation: float) -> NDArray[np.uint8]:
    """Pictures of latents, uint8 [N, S, S, 3], with the stored noise maps."""
    drawn = [generator(part, truncation_psi=truncation, noise_mode="const") for part in torch.split(z, 32)]
    return (torch.cat(drawn) * 127.5 + 128).clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def measure(generator: Generator, portraits: Portraits, samples: int) -> dict[str, float | int]:
    """How the pictures of random latents at truncation 0.7 relate to the training portraits.

    Distances are root mean square differences of pictures averaged down to 32 px, on a scale of 0 to 255. The yardstick
    is the median distance from a training portrait to the nearest other one. `coverage` is the share of training
    portraits that have a sample within it; `fidelity` the share of samples that have a training portrait within it;
    `portraits_nearest` the share of training portraits that are the nearest one of some sample. None of them uses a
    pretrained network, and none of them is a FID.
    """
    drawn = _small(draw(generator, latents(samples, SEED + 1), 0.7))
    real = _small(portraits.images)
    among = torch.cdist(real, real)
    yardstick = among.fill_diagonal_(float("inf")).amin(1).median()
    apart = torch.cdist(real, drawn)
    nearest = apart.amin(0)
    return {
        "samples": samples,
        "truncation": 0.7,
        "coverage": round(float((apart.amin(1) <= yardstick).float().mean()), 4),
        "fidelity": round(float((nearest <= yardstick).float().mean()), 4),
        "portraits_nearest": round(len(torch.unique(apart.argmin(0))) / len(real), 4),
        "median_distance_to_nearest": round(float(nearest.median()), 2),
        "yardstick": round(float(yardstick), 2),
    }


def frechet(generator: Generator, portraits: Portraits, samples: int, cache: Path | None = None) -> dict[str, object]:
    """FD-D (core/ml/metrics/features.py) to the training portraits, in full and at truncation 0.7, and its protocol.

    Statistics of the portraits are kept in `cache`.
    """
    features, device = DiscriminatorFeatures(), torch.device("cpu")
    full, truncated = (
        score(draw_with(generator, device, truncation), portraits.images, features, samples, SEED, cache).value
        for truncation in (1.0, 0.7)
    )
    told = {"fd_d_samples": samples, "fd_d_seed": SEED, "fd_d_features": features.weights}
    return {"fd_d": round(full, 5), "fd_d_truncated": round(truncated, 5), **told}


def write_model(
    out: Path,
    training: ImageTraining,
    portraits: Portraits,
    stages: tuple[Stage, ...],
    adversarial: tuple[ImageRecipe, ...],
    seconds: float,
    samples: int,
    work: Path | None = None,
) -> None:
    """Write the weights of both networks, cover.png, judged.png (the hundred tiles to count by eye) and model.toml."""
    out.mkdir(parents=True, exist_ok=True)
    generator = training.average
    for network, file in ((generator, WEIGHTS), (training.discriminator, DISCRIMINATOR)):
        weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
        save_file(weights, out / file)
    cover = contact_sheet(draw(generator, latents(32, JUDGED_SEED), 0.7), 8)
    Image.fromarray(cover).save(out / "cover.png", optimize=True)
    tiles = contact_sheet(draw(generator, latents(100, JUDGED_SEED), 0.7), 10)
    Image.fromarray(tiles).save(out / "judged.png", optimize=True)
    scores: dict[str, object] = {**measure(generator, portraits, samples), **_judgement(out)}
    scores |= frechet(generator, portraits, min(samples, 1000), work)
    Manifest(
        name="portraits",
        kind="image-gan",
        adapter="stylegan2",
        interface=image_gan_interface(Z_DIM, SIZE, w_dim=W_DIM).spec(),
        author="tarmac",
        licence="Apache-2.0",
        source="starter",
        description=_CARD.format(count=len(portraits.images)),
        architecture={
            "name": "stylegan2",
            "z_dim": Z_DIM,
            "c_dim": 0,
            "w_dim": W_DIM,
            "img_resolution": SIZE,
            "img_channels": 3,
            "mapping_layers": MAPPING_LAYERS,
            "channel_base": CHANNEL_BASE,
            "channel_max": CHANNEL_MAX,
        },
        scores=scores,
        recipe={
            "command": "make starters",
            "dataset": "emoji portraits: role x person x skin tone, drawn from Noto Color Emoji",
            "font": find_font().name,
            "pictures": len(portraits.images),
            "method": "guided start: mapping network set up, synthesis network trained by reconstruction; "
            "then adversarially, in pairs of a drawn portrait and the real one; then borders narrowed",
            "stages": [asdict(stage) for stage in stages],
            "pictures_seen": sum(stage.steps * stage.batch for stage in stages),
            "optimizer": "Adam, betas 0.9 and 0.99; 0 and 0.99 in the adversarial stage",
            "precision": "of each stage's feature maps as it says; of all weights and losses float32",
            "adversarial": [_told(part) for part in adversarial],
            "narrow": NARROW,
            "discriminator": DISCRIMINATOR,
            "seed": SEED,
            "seconds": round(seconds),
            "hardware": "one core of a shared 2-core AMD EPYC",
            "made": time.strftime("%Y-%m-%d", time.gmtime()),
        },
    ).write(out)


def _play(training: ImageTraining, work: Path, name: str, *, falling: bool) -> None:
    """Train to the end, with a journal and sample sheets in `work`."""
    recipe = training.recipe
    # Named after its start, so that other weights begin their own.
    checkpoint = work / f"{name}-{_digest(training.average)[:12]}.pt"
    if falling:
        training.grow = lambda images: training.set_rates(pace(training.step, recipe))
    with (work / f"{name}.jsonl").open("a") as journal:
        for step, told in train(training, checkpoint=checkpoint, save_every=50):
            if step % 50 == 0 or step == recipe.steps:
                journal.write(json.dumps({"step": step, "seconds": training.seconds, **told}) + "\n")
                journal.flush()
                log.info("%s step %d of %d", name, step, recipe.steps)
            if step % 400 == 0:
                _sheet(training.average, work / f"samples-{name}-{step:06d}.png")


def _told(part: ImageRecipe) -> dict[str, object]:
    """An adversarial stage for the manifest; its augmentation only if there is any."""
    silent = () if part.adapt or part.strength else ("augmentation", "adapt_target", "adapt_images", "adapt_cap")
    told = {name: value for name, value in asdict(part).items() if value is not None and name not in silent}
    return told | {"ramp": RAMP, "pictures_seen": part.steps * part.batch}


def _sheet(generator: Generator, file: Path) -> None:
    Image.fromarray(contact_sheet(draw(generator, latents(48, JUDGED_SEED), 0.7), 12)).save(file)


def _digest(generator: Generator) -> str:
    whole = hashlib.sha256()
    for value in generator.state_dict().values():
        whole.update(value.detach().numpy().tobytes())
    return whole.hexdigest()


def _judgement(out: Path) -> dict[str, int]:
    """What a person counted on judged.png, if it was drawn with these very weights."""
    file = out / "judged.json"
    if not file.exists():
        return {}
    told = json.loads(file.read_text())
    if told.pop("weights_sha256") != hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest():
        return {}
    return dict(told)


def _small(images: NDArray[np.uint8]) -> torch.Tensor:
    """[N, S, S, 3] to [N, features], so that a Euclidean distance is a root mean square difference."""
    n, size = images.shape[:2]
    mean = images.reshape(n, 32, size // 32, 32, size // 32, 3).mean((2, 4), dtype=np.float32).reshape(n, -1)
    return torch.from_numpy(mean / np.float32(mean.shape[1] ** 0.5))


_CARD = """\
Portraits of people as emoji, 64 x 64 pixels: hair, hats, work clothes and skin tones, drawn by a small StyleGAN2 \
generator from a vector of 64 numbers.

It learned {count} portraits that the Noto Color Emoji font draws by joining a person, a skin tone and a hair style or \
profession. Which directions of the latent space stand for role, person and skin was given before the training. The \
generator learned the pictures by reconstruction first, then adversarially, against a discriminator that compared each \
of its portraits with the real one. Between two skin tones it blends; from one role to the next it changes within a \
narrow border, and in the middle of that border it can show a mixture of both.

Good for a first walk through a latent space. It knows these emoji and nothing else. The pictures of Noto Color Emoji \
are licensed under Apache-2.0, the font under the SIL Open Font License 1.1.
"""
