"""run.toml: what a run is to do, written once when it is made and read by everybody after.

A plan names things (a dataset, a base, a launcher) and holds settings; it holds no state. Zero or an empty text means
"chosen when the run starts": what was chosen is in the journal's `started` event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

FORMAT = 1
FILE_NAME = "run.toml"

CHOICES: Mapping[str, tuple[str, ...]] = {
    "architecture": ("stylegan2", "stylegan"),
    "augment": ("full", "geometry", "off"),
    "precision": ("auto", "float32", "bfloat16", "float16"),
    "launcher": ("local", "slurm"),
    "method": ("full", "lora"),
    "optimizer": ("adamw", "muon"),
    "role": ("replica", "front"),
}
"""The words that a field of text may have."""
_FEWER: Mapping[tuple[str, str], tuple[str, ...]] = {("text", "precision"): ("auto", "float32", "bfloat16")}
"""Those of a field whose name another kind of training has too, with more words."""


def choices(name: str, kind: str = "") -> tuple[str, ...]:
    """The words that a field may have, of a kind's options or of the plan itself; empty if it may have any."""
    return _FEWER.get((kind, name)) or CHOICES.get(name, ())


@dataclass(frozen=True)
class Resources:
    """Where a run computes.

    Attributes:
        launcher: "local" or "slurm".
        processes: Ranks that train together; 0 for one on each GPU that is visible, one without a GPU.
        nodes: Machines (Slurm).
        gpus: GPUs on each machine; 0 for none or for whatever is there (local).
        cpus: Processor cores for each rank; 0 for those that are free.
        memory_gb: Memory on each machine; 0 for the launcher's default.
        hours: Time limit; 0 for none.
        queue: Partition (Slurm); empty for the default.
        extra: Further lines for the launcher, as they are ("--account=lab").
    """

    launcher: str = "local"
    processes: int = 0
    nodes: int = 1
    gpus: int = 0
    cpus: int = 0
    memory_gb: int = 0
    hours: float = 0.0
    queue: str = ""
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageOptions:
    """How an image model is trained. Pictures are counted in thousands (kimg) where the field does.

    Attributes:
        architecture: "stylegan2" or "stylegan"; a base's own where there is one.
        size: Side of the pictures in pixels; 0 for the dataset's.
        batch: Pictures a step, all ranks together; 0 for what fits.
        rate: Learning rate of both networks (Adam); 0 for the published one (0.0025).
        gamma: Weight of R1; 0 for the published rule 0.0002 x size squared / batch, or 10 ("stylegan"). R1 comes every
            16th step, 16 times as strong, with both architectures. The first StyleGAN was published with it at every
            step, which takes half as long again for the same regularisation (Karras et al. 2020, section 3.1).
        augment: "full" (geometry and colour), "geometry", or "off".
        augment_target: Mean sign of the real scores that the augmentation is steered to.
        augment_cap: The probability p never exceeds this; above about 0.8 changes leak into the pictures.
        mirror: Train on the mirrored pictures too.
        freeze_d: Highest-resolution layers of the discriminator that do not learn.
        mixing: Probability of style mixing.
        path_weight: Weight of the path-length regularisation; 0 for none.
        ema_kimg: Half-life of the averaged weights; 0 for batch x 10 / 32. It is at most 5 % of the pictures seen so
            far, so that the average of a short run does not lag behind.
        conditional: Learn the classes of the dataset.
        growing: Grow the networks progressively ("stylegan" only).
        channels: Feature maps x size at high resolutions (channel base); 0 for what suits the size.
        precision: "auto", "float32", "bfloat16" or "float16". "auto" is bfloat16 where the device computes in it by
            itself, and float32 elsewhere and for "stylegan".
        compile: torch.compile where a GPU makes it pay.
        threads: Processor threads of each rank; 0 for the free cores.
    """

    architecture: str = "stylegan2"
    size: int = 0
    batch: int = 0
    rate: float = 0.0
    gamma: float = 0.0
    augment: str = "full"
    augment_target: float = 0.6
    augment_cap: float = 0.8
    mirror: bool = True
    freeze_d: int = 0
    mixing: float = 0.9
    path_weight: float = 2.0
    ema_kimg: float = 0.0
    conditional: bool = False
    growing: bool = False
    channels: int = 0
    precision: str = "auto"
    compile: bool = False
    threads: int = 0


@dataclass(frozen=True)
class TextOptions:
    """How a text model is trained.

    Attributes:
        method: "full" trains all weights; "lora" trains small matrices beside them (Hu et al. 2021), which takes a
            fraction of the memory, and merges them in at the end.
        context: Tokens of a training row; 0 for the base's own, at most 1024, at most 256 on a processor.
        batch: Rows a step, all ranks together; 0 for what fits.
        accumulate: Parts that a step's rows are computed in, one after the other: as good as a large batch, in the
            memory of a small one.
        rate: Highest learning rate; 0 for 5e-5 (a base, full; 5e-4 below 20 million parameters), 2e-4 (LoRA), 6e-4
            (from nothing).
        warmup: Steps in which the rate rises; 0 for a twentieth of all, at most 100.
        decay: Share of the steps, at the end, in which the rate falls to zero along 1 - sqrt.
        weight_decay: Of matrices; biases and norms have none.
        clip: Largest norm of the gradient; 0 for any.
        dropout: Share of activations that are left out.
        optimizer: "adamw", or "muon" for training from nothing.
        lora_rank: Width of the LoRA matrices.
        lora_alpha: Their weight is alpha / rank.
        checkpointing: Compute activations twice instead of keeping them: less memory, a third more time.
        precision: "auto", "float32" or "bfloat16" (autocast; the weights stay float32).
        compile: torch.compile where a GPU makes it pay.
        threads: Processor threads of each rank; 0 for the free cores.
        prompts: What is completed at every sample, always with the same seeds; empty for some of the held-out text.
        sample_tokens: Tokens of such a completion.
        temperature: Of the samples; 0 is greedy.
        top_p: Of the samples: the smallest set of tokens with this probability is drawn from.
        stride: Tokens that are scored in each window of the held-out text; 0 for half of the context.
        held_tokens: Most tokens of the held-out text that are scored; 0 for what takes about as long as 20
            steps, in a short run as long as a twentieth of it.
        vocabulary: Without a base: entries of the byte-level tokenizer that is trained on the dataset first.
        layers, width, heads: Without a base: the new GPT-2's blocks, their width, and attention heads.
    """

    method: str = "full"
    context: int = 0
    batch: int = 0
    accumulate: int = 1
    rate: float = 0.0
    warmup: int = 0
    decay: float = 0.25
    weight_decay: float = 0.1
    clip: float = 1.0
    dropout: float = 0.0
    optimizer: str = "adamw"
    lora_rank: int = 8
    lora_alpha: float = 16.0
    checkpointing: bool = False
    precision: str = "auto"
    compile: bool = False
    threads: int = 0
    prompts: tuple[str, ...] = ()
    sample_tokens: int = 64
    temperature: float = 0.8
    top_p: float = 0.95
    stride: int = 0
    held_tokens: int = 0
    vocabulary: int = 4096
    layers: int = 4
    width: int = 256
    heads: int = 4


@dataclass(frozen=True)
class ServeOptions:
    """How a process of a deployment serves, on this machine or another; such a run has no dataset.

    Attributes:
        deployment: Name of the deployment.
        role: "replica" answers requests; "front" spreads them over the replicas, with HAProxy.
        address: Where the front listens.
        port: The front's port, which is kept.
        certificate, key: The front's PEM files for TLS; empty for plain HTTP.
    """

    deployment: str = ""
    role: str = "replica"
    address: str = "127.0.0.1"
    port: int = 0
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True)
class RunPlan:
    """One training run.

    Attributes:
        name: For people.
        kind: "image" or "text"; "serve" for a process of a deployment.
        dataset: Id of a dataset; empty for "serve".
        base: Id of the model that training starts from; empty for random weights.
        steps: Batches to train; a run can be extended later.
        options: Settings of its kind, `ImageOptions`, `TextOptions` or `ServeOptions`, as a table.
        sample_every, save_every, score_every: Steps between sample sheets, checkpoints and scores; 0 for a suitable
            number. Step 0 is always sampled and scored, the last step too.
        keep: Checkpoints that are kept besides the best and the last.
        seed: Of all random numbers.
        resources: Where it computes.
        notify: Where to tell of the end: apprise URLs.
        parent, parent_step: The run and checkpoint that this one branched from.
        created: When it was planned, UTC.
    """

    name: str
    kind: str
    dataset: str
    base: str = ""
    steps: int = 3000
    options: Mapping[str, object] = field(default_factory=dict)
    sample_every: int = 0
    save_every: int = 0
    score_every: int = 0
    keep: int = 2
    seed: int = 0
    resources: Resources = field(default_factory=Resources)
    notify: tuple[str, ...] = ()
    parent: str = ""
    parent_step: int = 0
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
