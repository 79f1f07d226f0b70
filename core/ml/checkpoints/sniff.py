"""What a file is, by its first bytes: one of the formats that can be read, or a word for what it is instead."""

from __future__ import annotations

from typing import Literal

from core.ml.checkpoints.problems import Unreadable
from core.ml.checkpoints.safetensors_files import looks_like_safetensors
from core.ml.checkpoints.torch_files import LEGACY_START

Kind = Literal["archive", "stream", "pickle", "safetensors"]

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"version https://git-lfs", "a Git LFS pointer instead of the file itself"),
)


def sniff(data: memoryview) -> Kind:
    """The format of a file.

    Raises:
        Unreadable: None of those that can be read; says what it is if that is plain to see.
    """
    head = bytes(data[:512])
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "archive"
    if head[:1] == b"\x80" and len(head) > 1 and 2 <= head[1] <= 5:
        return "stream" if head.startswith(LEGACY_START[: len(head)]) else "pickle"
    if looks_like_safetensors(data):
        return "safetensors"
    for start, name in _FOREIGN:
        if head.startswith(start):
            raise Unreadable(f"it is {name}", SUPPORTED)
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        raise Unreadable("it is a web page, perhaps an error page saved under this name", "Download it again")
    if not any(head):
        raise Unreadable("it holds nothing but zeros", "Download or copy it again")
    if _is_text(head):
        raise Unreadable("it is a text file", SUPPORTED)
    raise Unreadable("it is no file of weights", SUPPORTED)


SUPPORTED = (
    "StyleGAN and StyleGAN2 .pkl, .pt and .model files, .safetensors "
    "and folders of text and segmentation models can be imported"
)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", "strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\r\n\t\x1b" for char in text)
