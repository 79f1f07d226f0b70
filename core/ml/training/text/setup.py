"""What an experiment with texts starts with: tokens, open settings chosen, a network made or read, the loop set up."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.datasets.texts.store import TextStore
from core.errors import InvalidInput, TarmacError
from core.library.manifest import Manifest
from core.ml.allocation import keep_freed_memory
from core.ml.generation.loading import read_config
from core.ml.generation.tokens import Tokens, load_tokens
from core.ml.hardware import device_name
from core.ml.threads import set_threads
from core.ml.training.checkpoint_files import reading
from core.ml.training.experiment import Attempt, Sources
from core.ml.training.text.bases import load_base, read_network
from core.ml.training.text.corpus import Corpus, open_corpus
from core.ml.training.text.files import read_checkpoint, tokenizer_of
from core.ml.training.text.loop import TextTraining
from core.ml.training.text.loss import loss_of
from core.ml.training.text.network import new_network, positions_of, prepare
from core.ml.training.text.options import Material, recipe_of, resolve
from core.ml.training.text.tokenizer import END_OF_TEXT, train_tokenizer
from core.runs.events import Event, Phase
from core.runs.plan import TextOptions
from core.runs.plan_file import options_of

LEARNED_FROM = 200_000_000
"""Characters of the training documents that a new tokenizer is learned from, at most: more change nothing in it."""
KEPT = ("batch", "context", "accumulate", "threads", "held_tokens")
"""Settings that, once chosen, stay what they are when a run goes on: what a step reads and adds up depends on them, and
which text is scored."""
TOLD_EVERY = 2.0
"""Seconds between two words about how far the tokens are."""


@dataclass
class Setup:
    """An experiment that can take its first step.

    Attributes:
        corpus: The dataset in tokens.
        tokens: The tokenizer.
        tokenizer: Its files by their names.
        options: Nothing left open.
        training: On its device, before its first step of this attempt.
        kept: What the run kept with the checkpoint.
        licence: Of the texts, as far as the dataset says.
        new: Whether the network began from random weights.
    """

    corpus: Corpus
    tokens: Tokens
    tokenizer: dict[str, bytes]
    options: TextOptions
    training: TextTraining
    kept: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    new: bool = False

    def chosen(self) -> dict[str, object]:
        """For people: all options as they are trained, the device, and the sizes of network and corpus."""
        told: dict[str, object] = {name: value for name, value in asdict(self.options).items() if self._matters(name)}
        told |= {"device": device_name(self.training.device), "tokens": len(self.corpus.train)}
        told |= {"parameters": sum(each.numel() for each in self.training.model.parameters())}
        return told | {"trained": sum(each.numel() for each in self.training.learned)}

    def _matters(self, name: str) -> bool:
        """Whether an option says something about this experiment: a base has its own shape, for one."""
        if name in ("vocabulary", "layers", "width", "heads"):
            return self.new
        return self.options.method == "lora" if name.startswith("lora_") else True


def set_up(attempt: Attempt, sources: Sources) -> Setup:
    """Prepare an experiment, at the place where its checkpoint was written if there is one.

    Raises:
        TarmacError: Something cannot be used; says what and why.
    """
    plan, ranks, tell = attempt.plan, attempt.ranks, attempt.recorder.tell
    state: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    new = sources.base is None and not plan.base
    if sources.checkpoint is not None:
        tell(Phase("reading the checkpoint"))
        state, kept = read_checkpoint(sources.checkpoint)
        chosen = {name: kept[name] for name in KEPT if name in kept}
        plan = replace(plan, options=chosen | {n: v for n, v in plan.options.items() if v or n not in chosen})
    model: Any = None
    with tempfile.TemporaryDirectory(prefix="tarmac-") as scratch:
        folder = sources.checkpoint or sources.base
        if folder is None:
            tell(Phase("making a tokenizer"))
            folder = Path(scratch)
            _write_tokenizer(sources.dataset, folder, options_of(plan).vocabulary)
        else:
            tell(Phase("reading the network"))
        with reading(folder) if sources.checkpoint is not None else nullcontext():
            if sources.checkpoint is not None:
                model = read_network(folder)
            elif sources.base is not None:
                model = load_base(folder).model
            tokens = load_tokens(folder, read_config(folder))
            tokenizer = tokenizer_of(folder, tokens)
        tell(Phase("opening the dataset"))
        with _one_after_another(attempt):
            corpus = open_corpus(sources.dataset, folder, _Tokenising(tell, sources.dataset))
    if model is not None:
        count = sum(each.numel() for each in model.parameters())
        material = Material(positions_of(model.config), count, len(corpus.train))
    else:
        material = Material(0, 0, len(corpus.train))
    options = resolve(plan, material, new=new, device=attempt.device, world=ranks.world)
    if sources.checkpoint is not None:
        _check_same(options, sources.checkpoint)
    options = replace(options, threads=set_threads(options.threads, attempt.device, ranks.world))
    if model is None:
        tell(Phase("making the network"))
        model = new_network(options, corpus.vocabulary, corpus.end, plan.seed)
    model.to(attempt.device)
    prepare(model, options, plan.seed)
    if attempt.device.type == "cpu":
        keep_freed_memory()
    recipe = recipe_of(plan, options)
    loss = loss_of(model, recipe.precision, compiled=options.compile)
    training = TextTraining(model, corpus.train, recipe, ranks=ranks, loss=loss)
    if sources.checkpoint is not None:
        with reading(sources.checkpoint):
            training.restore(state)
    return Setup(corpus, tokens, tokenizer, options, training, kept, sources.licence, new)


def _check_same(options: TextOptions, checkpoint: Path) -> None:
    """Refuse to go on with settings that another shape of the state of training belongs to.

    Raises:
        InvalidInput: One of them has changed; names it.
    """
    with reading(checkpoint):
        recipe = Manifest.read(checkpoint).recipe
    for name in ("method", "optimizer", "lora_rank"):
        was, now = recipe.get(name, "full" if name == "method" else None), getattr(options, name)
        if was is not None and was != now:
            do = f"Go on with {was}, or bring the checkpoint into the library and begin a run from that"
            raise InvalidInput(f"{name} is {now}", f"checkpoint {checkpoint.name} was trained with {was}", do)


class _Tokenising:
    """Tells now and then how far a corpus is tokenised, and how fast: "tokenising: 42 %, 3.1 MB/s"."""

    def __init__(self, tell: Callable[[Event], None], dataset: Path) -> None:
        self._tell, self._dataset = tell, dataset
        self._began = self._told = time.monotonic()
        self._size = 0

    def __call__(self, doing: str, share: float | None) -> None:
        now = time.monotonic()
        if not share:
            self._began = self._told = now
            self._size = TextStore.open(self._dataset).size()
            self._tell(Phase(doing))
        elif now - self._told >= TOLD_EVERY:
            self._told = now
            speed = share * self._size / 1e6 / (now - self._began)
            self._tell(Phase(f"{doing}: {100 * share:.0f} %, {speed:.1f} MB/s"))


def _write_tokenizer(dataset: Path, folder: Path, vocabulary: int) -> None:
    """Learn a byte-level tokenizer from the documents that are trained on; with the config.json of a model of it.

    The same documents give the same tokenizer.
    """
    texts = TextStore.open(dataset).texts(held=False)
    room = LEARNED_FROM

    def some() -> Iterator[str]:
        nonlocal room
        for text in texts:
            if room <= 0:
                return
            yield text[:room]
            room -= len(text)

    tokenizer = train_tokenizer(some(), vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "GPT2Tokenizer",
        **dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(described, indent=2) + "\n")
    end = tokenizer.token_to_id(END_OF_TEXT)
    config = {"model_type": "gpt2", "vocab_size": tokenizer.get_vocab_size(), "bos_token_id": end, "eos_token_id": end}
    (folder / "config.json").write_text(json.dumps(config))


@contextmanager
def _one_after_another(attempt: Attempt) -> Iterator[None]:
    """The first rank passes alone, then the others: what it makes they find. If it fails, so do they."""
    ranks = attempt.ranks
    if ranks.first:
        try:
            yield
        except BaseException:
            ranks.told([0])
            raise
        ranks.told([1])
        return
    if not ranks.told([1])[0]:
        raise TarmacError("the first rank could not open the dataset")
    yield
