"""The hash of a model's weights: right, kept, and new as soon as the file is another."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from core.library import fingerprint
from core.paths import cache_dir


def test_one_file_has_its_own_hash(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"abc")
    (tmp_path / "model.toml").write_text("")
    assert fingerprint.checkpoint(tmp_path) == hashlib.sha256(b"abc").hexdigest()


def test_it_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"abc")
    first = fingerprint.checkpoint(tmp_path)
    read = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: read.append(1) or digest(*given))
    assert fingerprint.checkpoint(tmp_path) == first
    assert not read
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert fingerprint.checkpoint(tmp_path) == hashlib.sha256(b"abd").hexdigest()
    assert read == [1]


def test_several_files_have_one_hash(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    both = fingerprint.checkpoint(tmp_path)
    assert len(both) == 64
    (tmp_path / "a.safetensors").rename(tmp_path / "c.safetensors")
    assert fingerprint.checkpoint(tmp_path) not in ("", both)


def test_no_weights_and_no_folder(tmp_path: Path) -> None:
    assert fingerprint.checkpoint(tmp_path) == ""
    assert fingerprint.checkpoint(tmp_path / "missing") == ""


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"{" * 1000, json.dumps({"x": [1]}).encode()])
def test_a_broken_cache_is_begun_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"abc")
    cache_dir().mkdir(parents=True)
    (cache_dir() / "checkpoints.json").write_bytes(content)
    assert fingerprint.checkpoint(tmp_path) == hashlib.sha256(b"abc").hexdigest()
    assert str(tmp_path) in (cache_dir() / "checkpoints.json").read_text()


def test_a_cache_that_cannot_be_written_is_no_trouble(tmp_path: Path, home: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"abc")
    (home / "cache").write_text("in the way")
    assert fingerprint.checkpoint(tmp_path) == hashlib.sha256(b"abc").hexdigest()
