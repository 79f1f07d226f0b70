"""Where the weights of the FID network are looked for, and how they are read: 95 MB that do not ship with Tarmac.

A FID is comparable with others only with the published weights, so they are known by the SHA-256 of their file. Nothing
is executed: the file is read as plain tensors. Nothing is fetched unless that is asked for.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from core.errors import NotFound, Refused, TarmacError
from core.ml.networks.inception import InceptionV3
from core.paths import cache_dir, private_dir, storage_errors

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of the published file; its name carries the first eight digits."""
NAMES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
"""What the same file is called by the two programs that most people have it from."""
FILE_VARIABLE, REPOSITORY_VARIABLE = "TARMAC_INCEPTION", "TARMAC_INCEPTION_REPOSITORY"
"""Environment variables: a file that is used instead of all other places, and the hub repository to fetch it from."""
MOST_BYTES = 1 << 29


@dataclass(frozen=True)
class InceptionWeights:
    """The network with its weights, and which ones they are.

    Attributes:
        network: Ready for inference, on the CPU.
        path: The file.
        sha256: Of the file, hexadecimal.
    """

    network: InceptionV3
    path: Path
    sha256: str

    @property
    def published(self) -> bool:
        """Whether they are the ones that FID is defined by."""
        return self.sha256 == SHA256


def own_folder() -> Path:
    """Where Tarmac keeps the file."""
    return cache_dir() / "inception"


def places() -> Iterator[Path]:
    """Files that may be the weights, the nearest first; whether they exist is not said."""
    yield from (own_folder() / name for name in NAMES)
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    yield from (hub / name for name in NAMES)
    hugging_face = _hugging_face_cache()
    for name in NAMES:
        yield from sorted(hugging_face.glob(f"models--*/snapshots/*/{name}"))


def find(path: Path | None = None, *, sha256: str | None = SHA256) -> Path:
    """The file of the weights.

    Args:
        path: Look here and nowhere else; else at what TARMAC_INCEPTION says, else through `places`.
        sha256: What the file's SHA-256 must begin with; by default that of the published file. None takes any: its
            scores then carry another name than FID.

    Raises:
        NotFound: There is no such file; says where it was looked for.
        Refused: A file that was named is another one.
    """
    named = path or (Path(text).expanduser() if (text := os.environ.get(FILE_VARIABLE)) else None)
    if named is not None:
        if not named.is_file():
            raise NotFound(f"there are no Inception weights at {named}", "no such file", _advice())
        if (digest := _digest(named)) is None or not digest.startswith(sha256 or ""):
            raise _another(named, digest, sha256)
        return named
    others = []
    for place in places():
        if place.is_file():
            digest = _digest(place)
            if digest is not None and digest.startswith(sha256 or ""):
                return place
            others.append(str(place))
    why = f"{', '.join(others)} is not the published file" if others else "they are in none of the usual folders"
    raise NotFound("the Inception weights that FID needs are not on this machine", why, _advice())


def fetch(repository: str | None = None, *, sha256: str = SHA256) -> Path:
    """Fetch the file from a repository of the Hugging Face hub into its own cache, where `find` finds it.

    Args:
        repository: "owner/name"; what TARMAC_INCEPTION_REPOSITORY says if None. There is no default: the file's
            authors publish it elsewhere, so any repository is somebody's copy, and only the checksum vouches for it.
        sha256: What the file's SHA-256 must begin with.

    Raises:
        NotFound: No repository is named, or it does not have the file.
        Refused: It has another file of that name.
        TarmacError: The hub cannot be reached.
    """
    repository = repository or os.environ.get(REPOSITORY_VARIABLE)
    if not repository:
        do = f"Name one in {REPOSITORY_VARIABLE}. {_advice()}"
        raise NotFound("the Inception weights cannot be fetched", "no hub repository is named that has them", do)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    failure: Exception | None = None
    for name in NAMES:
        try:
            path = Path(hf_hub_download(repository, name))
        except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
            raise _unreachable(repository, error) from error
        except (EntryNotFoundError, HFValidationError) as error:
            failure = error
            continue
        except (HfHubHTTPError, OSError) as error:
            raise _unreachable(repository, error) from error
        digest = _digest(path)
        if digest is None or not digest.startswith(sha256):
            raise _another(path, digest, sha256)
        return path
    raise NotFound(f"{repository} does not have {NAMES[0]}", str(failure), "Name another repository")


def keep(path: Path) -> Path:
    """Copy a file of weights into Tarmac's own cache folder, whole or not at all; returns the copy.

    Raises:
        StorageError: The disk said no.
    """
    place = private_dir(own_folder()) / NAMES[0]
    with storage_errors(place):
        part = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            part.write_bytes(path.read_bytes())
            os.replace(part, place)
        finally:
            part.unlink(missing_ok=True)
    return place


def read(path: Path | None = None, *, sha256: str | None = SHA256) -> InceptionWeights:
    """Find and read the weights; arguments and errors as of `find`.

    Raises:
        Refused: The file is damaged or another network's; says the first difference.
    """
    found = find(path, sha256=sha256)
    digest = _digest(found)
    if digest is None:
        raise _another(found, digest, sha256)
    with torch.device("meta"):
        network = InceptionV3()
    state = _tensors(found)
    for name, shape in network.published().items():
        if name not in state:
            raise Refused(f"{found} cannot be used", f"it lacks {name}", f"Use {NAMES[0]}")
        tensor = state[name]
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            told = f"{name} is {list(tensor.shape)} of {tensor.dtype}, not {list(shape)} of float32"
            raise Refused(f"{found} cannot be used", told, f"Use {NAMES[0]}")
    return InceptionWeights(network.read_published(state), found, digest)


def _tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file or a PyTorch one."""
    try:
        if path.suffix == ".safetensors":
            return cast(Mapping[str, Tensor], load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old or odd pickles; they are judged here
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        first = str(error).strip().split("\n")[0][:200]
        raise Refused(
            f"{path} cannot be used", f"it is no whole file of weights ({first})", f"Use {NAMES[0]}"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise Refused(f"{path} cannot be used", "it holds no plain list of tensors", f"Use {NAMES[0]}")
    return cast(Mapping[str, Tensor], state)


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; None if it cannot be read or is far too large to be meant."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _advice() -> str:
    return f"Put {NAMES[0]} into {own_folder()}, or name the file in {FILE_VARIABLE}"


def _another(path: Path, digest: str | None, expected: str | None) -> Refused:
    if digest is None:
        return Refused(f"{path} cannot be used", "it cannot be read, or is far too large", f"Use {NAMES[0]}")
    why = f"its SHA-256 begins with {digest[:8]}, that of the published weights with {(expected or '')[:8]}"
    return Refused(f"{path} is another file", why, f"Use {NAMES[0]}")


def _unreachable(repository: str, error: Exception) -> TarmacError:
    first = str(error).strip().split("\n")[0][:200]
    do = f"Try again where there is a network. {_advice()}"
    return TarmacError(f"the Inception weights cannot be fetched from {repository}", first, do)


def _hugging_face_cache() -> Path:
    """Where the hub's files lie, by its own rule, without importing its client for it."""
    if told := os.environ.get("HF_HUB_CACHE"):
        return Path(told).expanduser()
    home = os.environ.get("HF_HOME")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return (Path(home).expanduser() if home else cache / "huggingface") / "hub"
