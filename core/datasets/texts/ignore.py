"""Which files of a folder are worth reading as text: .gitignore at every level, and what is never written by hand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

GITIGNORE = ".gitignore"
MOST_RULES = 1 << 20
"""Bytes; a longer .gitignore is no list of rules."""

FOLDERS = {
    "node_modules": "installed packages",
    "bower_components": "installed packages",
    "site-packages": "installed packages",
    "dist-packages": "installed packages",
    "__pycache__": "compiled files",
}
"""Folders that are never entered, and what they hold."""

BINARY = frozenset(
    """.7z .a .avi .avif .bin .bmp .bz2 .class .dat .db .dll .dmg .doc .docx .dylib .egg .eot .exe .flac .gif .gz .ico
    .icns .iso .jar .jpeg .jpg .lib .lz4 .m4a .mkv .mov .mp3 .mp4 .mpg .npy .npz .o .obj .odt .ogg .onnx .otf .pack .pdf
    .pickle .pkl .png .ppt .pptx .psd .pt .pth .pyc .pyd .pyo .rar .safetensors .so .sqlite .sqlite3 .tar .tgz .tif
    .tiff .ttf .wasm .wav .webm .webp .whl .wmv .woff .woff2 .xls .xlsx .xz .zip .zst""".split()  # noqa: SIM905
)
"""Endings of files that are not looked into."""

LOCKS = frozenset(
    (
        *("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "poetry.lock", "Cargo.lock"),
        *("uv.lock", "composer.lock", "Gemfile.lock", "go.sum", "Pipfile.lock"),
    )
)
"""Files that package managers write."""

_MINIFIABLE = (".js", ".mjs", ".cjs", ".css", ".json", ".html", ".htm", ".svg", ".xml", ".ts", ".map")
_LONG_LINE = 400.0
"""Characters a line, on average, above which source is not written by hand."""


@dataclass(frozen=True)
class Rules:
    """What one .gitignore says; `base` is the folder it lies in, from the root, "" or with a slash at its end."""

    base: str
    spec: GitIgnoreSpec


def rules_of(folder: Path, base: str) -> Rules | None:
    """The rules in a folder's .gitignore; None if it has none that can be read."""
    try:
        with (folder / GITIGNORE).open("rb") as file:
            told = file.read(MOST_RULES + 1)
    except OSError:
        return None
    if len(told) > MOST_RULES:
        return None
    return Rules(base, _spec(told.decode("utf-8", "replace").splitlines()))


def rules_above(root: Path) -> tuple[list[Rules], str]:
    """The rules of the repository that `root` lies in, from its top, and the path of `root` below that top.

    Without a repository there are none, and the path is "". Nor are there any if they ignore `root` itself: data often
    lies in a folder that its repository ignores, and who names it wants it.
    """
    absolute = Path(os.path.abspath(root))
    for top in (absolute, *absolute.parents):
        if (top / ".git").exists():
            below = absolute.relative_to(top).parts
            folders = [(top.joinpath(*below[:n]), "".join(f"{part}/" for part in below[:n])) for n in range(len(below))]
            rules = [each for folder, base in folders if (each := rules_of(folder, base)) is not None]
            if any(is_ignored("".join(f"{part}/" for part in below[:n]), rules) for n in range(1, len(below) + 1)):
                return [], ""
            return rules, "".join(f"{part}/" for part in below)
    return [], ""


def is_ignored(path: str, rules: Sequence[Rules]) -> bool:
    """Whether rules, the outermost first, ignore `path`, which ends with a slash if it is a folder's.

    The innermost rules that say anything count.
    """
    for each in reversed(rules):
        told = each.spec.check_file(path.removeprefix(each.base)).include
        if told is not None:
            return bool(told)
    return False


def is_environment(folder: Path) -> bool:
    """Whether a folder is a virtual environment of Python or conda."""
    return (folder / "pyvenv.cfg").exists() or (folder / "conda-meta").exists()


def by_name(name: str) -> tuple[str, str] | None:
    """Why a file is left out by its name alone: reason and more about it; None if it has to be looked into."""
    name = name.rsplit("/", 1)[-1]
    if name in LOCKS:
        return "generated", "a package manager's list"
    low = name.lower()
    stem, dot, ending = low.rpartition(".")
    if ending == "gz" and stem.endswith((".jsonl", ".json", ".txt", ".csv", ".tsv", ".md", ".ndjson")):
        return None
    if dot + ending in BINARY:
        return "binary", f"a .{ending} file"
    if ".min." in low or low.endswith(("-min.js", ".map")):
        return "minified", ""
    return None


def looks_minified(name: str, beginning: str) -> bool:
    """Whether a file of source begins with lines that nobody types."""
    if not name.lower().endswith(_MINIFIABLE) or len(beginning) < 2000:
        return False
    return len(beginning) / (beginning.count("\n") + 1) > _LONG_LINE


def _spec(lines: Iterable[str]) -> GitIgnoreSpec:
    good = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue  # git passes over what is no pattern too
        good.append(line)
    return GitIgnoreSpec.from_lines(good)
