"""The four published GPT-2 models by name: where they are on this machine, and how they get here.

A name means a model of the library that is called so; else a whole copy in the cache of Hugging Face's tools, which is
taken into the library by the ordinary import; nothing is ever fetched without being asked for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import NotFound, Refused
from core.jobs.parent import Progress
from core.library.importing import import_model
from core.library.models import Library, Model
from core.library.text_facts import TextFacts, header, new_facts, weight_files

OWNER = "openai-community"
VOCABULARY, CONTEXT = 50_257, 1024
LICENCE = "MIT"


@dataclass(frozen=True)
class Published:
    """A published GPT-2.

    Attributes:
        name: "gpt2-medium".
        layers, width: Of its network.
    """

    name: str
    layers: int
    width: int

    @property
    def facts(self) -> TextFacts:
        """Its sizes. The published files hold a float32 mask of context squared for every block, too."""
        facts = new_facts(VOCABULARY, CONTEXT, self.layers, self.width)
        size = 4 * facts.parameters + 4 * self.layers * CONTEXT**2
        return TextFacts("gpt2", facts.parameters, size, CONTEXT, VOCABULARY, self.layers, self.width)

    @property
    def repository(self) -> str:
        """Its name on the hub."""
        return f"{OWNER}/{self.name}"

    @property
    def fetch(self) -> str:
        """The command that fetches what is needed of it."""
        return f"hf download {self.repository} config.json generation_config.json tokenizer.json model.safetensors"


GPT2: Mapping[str, Published] = {
    each.name: each
    for each in (
        Published("gpt2", 12, 768),
        Published("gpt2-medium", 24, 1024),
        Published("gpt2-large", 36, 1280),
        Published("gpt2-xl", 48, 1600),
    )
}
"""By name, the smallest first."""


def published(name: str) -> Published | None:
    """The published model that `name` means, with or without its owner; None if it means none."""
    return GPT2.get(name.strip().casefold().removeprefix(f"{OWNER}/"))


def is_whole(folder: Path) -> bool:
    """Whether a folder has all that a text model needs, its weights to their last byte. Reads only headers."""
    tokenizer = (folder / "tokenizer.json").is_file() or all(
        (folder / name).is_file() for name in ("vocab.json", "merges.txt")
    )
    try:
        files = weight_files(folder)
        for path in files:
            if path.suffix == ".safetensors":
                header(path)
    except Refused:
        return False
    return bool(files) and tokenizer and (folder / "config.json").is_file()


def snapshot(name: str) -> Path | None:
    """A whole copy of a published model in the cache of Hugging Face's tools; None if there is none."""
    known = published(name)
    if known is None:
        return None
    for repository in (known.repository, known.name):
        for folder in _snapshots(hub_cache() / f"models--{repository.replace('/', '--')}"):
            if is_whole(folder):
                return folder
    return None


def hub_cache() -> Path:
    """Where Hugging Face's tools keep what they fetch, by their own environment variables."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "huggingface" / "hub"


def in_library(name: str, library: Library) -> Model | None:
    """The model of the library that a name means, by id or name, for a published one with or without its owner."""
    known = published(name)
    for each in dict.fromkeys([name, *([known.name] if known is not None else [])]):
        try:
            return library.get(each)
        except NotFound:
            continue
    return None


def missing(known: Published) -> NotFound:
    """What to say where a published model is not on this machine."""
    facts = known.facts
    why = f"its weights ({facts.bytes / 1e9:.1f} GB) are neither in the library nor in {hub_cache()}"
    return NotFound(f"{known.name} is not on this machine", why, f"Run `{known.fetch}`, then again")


async def bring_base(name: str, library: Library, progress: Progress | None = None) -> Model:
    """The model that a name means, taken into the library first if it is only in the cache of Hugging Face's tools.

    Raises:
        NotFound: There is none; of a published one, says how to fetch it.
        Refused: The copy in the cache cannot be used.
        StorageError: The disk said no.
    """
    found = in_library(name, library)
    if found is not None:
        return found
    known = published(name)
    if known is None:
        return library.get(name)  # raises, with the nearest names
    folder = snapshot(name)
    if folder is None:
        raise missing(known)
    return await import_model(folder, name=known.name, library=library, progress=progress)


def _snapshots(repository: Path) -> Iterator[Path]:
    """Its copies: that of the main branch first, then the others, the newest first."""
    folder = repository / "snapshots"
    with contextlib.suppress(OSError, ValueError):
        yield folder / (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    try:
        others = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return
    yield from others
