"""What the command line refuses, and how: code 2, one line on stderr, nothing on stdout, nothing written."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from core.library.interfaces import image_gan_interface, text_interface
from core.library.manifest import Manifest
from core.library.models import Library
from tests.e2e import tiny
from tui.cli import main


class Refuse:
    """`tarmac`, called to be refused."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 2) -> str:
        """The one line on stderr."""
        assert main(list(arguments)) == code
        output, errors = self._capsys.readouterr()
        assert output == ""
        assert errors.count("\n") == 1, errors
        assert errors.rstrip("\n").isprintable()
        return errors


@pytest.fixture
def refuse(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """In an empty folder, with models "gan" and "words" whose weights nobody will read."""
    library = Library(home / "data")
    for name, kind, adapter, interface in (
        ("gan", "image-gan", "stylegan2", image_gan_interface(4, 16)),
        ("words", "text", "causal-lm", text_interface(tiny.CONTEXT)),
    ):
        folder = library.staging()
        for part in ("weights.safetensors", "config.json", "model.safetensors"):
            (folder / part).write_bytes(b"")
        library.adopt(folder, Manifest(name, kind, adapter, interface.spec()))
    monkeypatch.chdir(tmp_path)
    return Refuse(capsys)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("words", "--out", "a.png"), "cannot be explored"),
        (("gan", "--out", "a.gif"), ".png"),
        (("gan", "--out", "a.png", "--grid", "8"), "--grid"),
        (("gan", "--out", "a.png", "--grid", "0x4"), "0x4"),
        (("gan", "--out", "a.png", "--grid", "99999x99999"), "tiles"),
        (("gan", "--out", "a.png", "--tile", "0"), "--tile"),
        (("gan", "--out", "a.png", "--tile", "4096"), "pixels"),
        (("gan", "--out", "a.png", "--distance", "3"), "0.01 to 1"),
        (("gan", "--out", "a.png", "--distance", "nan"), "distance"),
        (("gan", "--out", "a.png", "--truncation", "7"), "truncation"),
        (("gan", "--out", "a.png", "--seed", "-1"), "seed"),
        (("gan", "--out", "a.png", "--device", "gpu"), "device"),
        (("gan", "--out", "a.png", "--like", "missing.png"), "No such file"),
        (("gan", "--out", "a.png", "--bookmarks", "nowhere"), "no workspace"),
        (("gan", "--out", "a.png", "--fps", "30"), "--walk"),
        (("gan", "--out", "a.mp4"), "--walk"),
        (("gan", "--out", "a.png", "--walk", "0,0 1,1"), ".mp4, .webp, .gif"),
        (("gan", "--out", "a.mp4", "--walk", "0,0"), "2 to 256"),
        (("gan", "--out", "a.mp4", "--walk", ""), "2 to 256"),
        (("gan", "--out", "a.mp4", "--walk", "0,0 1"), "0,0 3,1"),
        (("gan", "--out", "a.mp4", "--walk", "0,0 1e400,1"), "0,0 3,1"),
        (("gan", "--out", "a.mp4", "--walk", "0,0 9999999999999,1"), "0,0 3,1"),
        (("gan", "--out", "a.mp4", "--walk", " ".join(f"{x},0" for x in range(300))), "2 to 256"),
        (("gan", "--out", "a.mp4", "--walk", "seeds:1,x"), "whole number"),
        (("gan", "--out", "a.mp4", "--walk", "circle:-1"), "radius"),
        (("gan", "--out", "a.mp4", "--walk", "circle:0"), "radius"),
        (("gan", "--out", "a.mp4", "--walk", "circle:9999999"), "radius"),
        (("gan", "--out", "a.mp4", "--walk", "pins"), "two pins"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--frames", "0"), "0 frames"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--frames", "99999999"), "frames"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--seconds", "nan"), "--seconds"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--seconds", "-1"), "--seconds"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--seconds", "1", "--frames", "2"), "not allowed with"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--fps", "fast"), "--fps"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--fps", "25/0"), "--fps"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--fps", "500"), "frames a second"),
        (("gan", "--out", "a.gif", "--walk", "circle:1", "--fps", "60"), "GIF"),
        (("gan", "--out", "a.gif", "--walk", "circle:1", "--quality", "50"), "GIF"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--quality", "0"), "quality"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--tile", "4097"), "--tile"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--tile", "4096", "--frames", "36000"), "too much"),
        (("gan", "--out", "a.mp4", "--walk", "circle:1", "--grid", "2x2"), "--grid"),
        (("gan", "--out", "a.png", "--walk", "circle:1", "--bookmarks", "x"), "together"),
        (("words", "--out", "a.mp4", "--walk", "circle:1"), "cannot be explored"),
    ],
)
def test_explore(refuse: Refuse, tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:
    assert part in refuse("explore", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("gan", "--input", "z=seed:1"), "--output image"),
        (("gan", "--input", "z"), "NAME=VALUE"),
        (("gan", "--input", "z=seed:1", "--input", "z=seed:2"), "twice"),
        (("gan", "--input", "zz=1"), "Did you mean z?"),
        (("gan", "--input", "z=[1,2]", "--json"), "vector of 4"),
        (("gan", "--input", "z=seed:x", "--json"), "whole number"),
        (("gan", "--input", "z=@missing.npy", "--json"), "No such file"),
        (("gan", "--output", "image=a.png"), "z"),
        (("gan", "--input", "z=seed:1", "--output", "image=a.mp4"), ".png"),
        (("gan", "--input", "z=seed:1", "--output", "picture=a.png"), "Known: image"),
        (("gan", "draw", "--json"), "draw"),
        (("words", "--input", "prompt=x", "--option", "precision=int9"), "int8"),
        (("nobody", "--json"), "nobody"),
    ],
)
def test_run(refuse: Refuse, tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:
    assert part in refuse("run", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("gan", "--prompt", "x"), "cannot complete text"),
        (("words",), "--prompt"),
        (("words", "--prompt", "x", "--max-tokens", "0"), "max_tokens"),
        (("words", "--prompt", "x", "--temperature", "nan"), "temperature"),
        (("words", "--prompt", "x", "--top-p", "2"), "top_p"),
        (("words", "--prompt", "x", "--top-k", "-1"), "top_k"),
        (("words", "--prompt", "x", "--repetition-penalty", "0.5"), "repetition_penalty"),
        (("words", "--prompt", "x", "--max-characters", "-1"), "max_characters"),
        (("words", "--prompt", "x", "--stop", ""), "stop"),
        (("words", "--prompt", "x", "--samples", "17"), "--samples"),
        (("words", "--prompt", "x", "--seed", "2147483647", "--samples", "2"), "seed"),
        (("words", "--prompt", "x", "--logprobs"), "--json"),
        (("words", "--prompt", "x", "--logprobs", "21", "--json"), "logprobs"),
    ],
)
def test_complete(refuse: Refuse, tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:
    assert part in refuse("complete", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n", b"cos\nsystem\n(S'touch CANARY'\ntR."])
def test_open(refuse: Refuse, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    for flags in ((), ("--json",)):
        assert "a.png cannot be opened" in refuse("open", "a.png", *flags)
    assert not (tmp_path / "CANARY").exists()


def test_folders_that_are_not_there(refuse: Refuse, tmp_path: Path) -> None:
    assert "no folder" in refuse("explore", "gan", "--out", "nowhere/a.png", code=1)
    assert "no folder" in refuse("run", "gan", "--input", "z=seed:1", "--output", "image=nowhere/a.png", code=1)
    (tmp_path / "a.png").mkdir()
    assert "is a folder" in refuse("explore", "gan", "--out", "a.png", code=1)
    assert "no folder" in refuse("explore", "gan", "--walk", "circle:1", "--out", "nowhere/a.mp4", code=1)


def test_a_prompt_that_is_not_text(refuse: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert "UTF-8" in refuse("complete", "words", "--prompt", "-")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "needs a terminal"),
        (("fly",), "invalid choice"),
        (("models",), "list|show|import|score|export|rm"),
        (("models", "list", "--jsn"), "unrecognized"),
        (("--images", "crayons"), "sixel"),
        (("models", "show", "wrods"), "Did you mean words?"),
        (("models", "show", "\x1b[2J"), "models list"),
        (("models", "rm", ""), "no model"),
    ],
)
def test_words_that_mean_nothing(refuse: Refuse, arguments: tuple[str, ...], part: str) -> None:
    assert part in refuse(*arguments)
