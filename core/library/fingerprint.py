"""Which weights a model has: the SHA-256 of their file, computed once for as long as the file stays as it is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from core.errors import StorageError
from core.paths import cache_dir, write_atomic

_MOST_KEPT = 500
_MOST_BYTES = 1 << 20


def checkpoint(folder: Path) -> str:
    """SHA-256 of a model's weights in hexadecimal, "" where it has none that can be read.

    Of one safetensors file its own; of several that of their names and hashes. The first time it reads the files (a
    gigabyte takes a second or more), later it looks at their sizes and times of change: call it in a thread.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors" and path.is_file())
        hashes = _hashes(files)
    except OSError:
        return ""
    if len(hashes) < 2:
        return hashes[0] if hashes else ""
    named = "".join(f"{path.name} {digest}\n" for path, digest in zip(files, hashes))
    return hashlib.sha256(named.encode()).hexdigest()


def _hashes(files: list[Path]) -> list[str]:
    place = cache_dir() / "checkpoints.json"
    kept, changed, found = _read(place), False, []
    for path in files:
        status = path.stat()
        name, stamp = os.path.realpath(path), [status.st_size, status.st_mtime_ns, status.st_ino]
        entry = kept.get(name)
        if isinstance(entry, list) and len(entry) == 4 and entry[:3] == stamp and isinstance(entry[3], str):
            found.append(entry[3])
            continue
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
        kept.pop(name, None)
        kept[name] = [*stamp, found[-1]]
        changed = True
    if changed:
        newest = dict(list(kept.items())[-_MOST_KEPT:])
        with contextlib.suppress(StorageError):  # it costs time the next time, no more
            write_atomic(place, json.dumps(newest))
    return found


def _read(place: Path) -> dict[str, object]:
    try:
        with place.open("rb") as file:
            kept = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}
