"""Which files of a folder or an archive are read, and why the others are not."""

import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from core.datasets.decoding import LeftOut
from core.datasets.texts.files import listed
from core.errors import Refused


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def outcome(path: Path) -> dict[str, str]:
    """For each file "", or why it is left out."""
    return {
        file.name: f"{file.content.reason}: {file.content.why}" if isinstance(file.content, LeftOut) else ""
        for file in listed(path).files
    }


def test_what_nobody_writes_by_hand_is_left_out(tmp_path: Path) -> None:
    files = ["a.py", "b.md", "no-ending", "node_modules/x/y.js", ".git/config", "env/pyvenv.cfg", "env/lib/z.py"]
    files += ["c.png", "d.min.js", "yarn.lock", "__pycache__/a.pyc", ".hidden", "data.jsonl.gz", "logs.tar.gz"]
    write(tmp_path, dict.fromkeys(files, "x"))
    assert outcome(tmp_path) == {
        "a.py": "",
        "b.md": "",
        "no-ending": "",
        "data.jsonl.gz": "",
        "node_modules/": "ignored: installed packages",
        "env/": "ignored: a virtual environment",
        "c.png": "binary: a .png file",
        "d.min.js": "minified: ",
        "yarn.lock": "generated: a package manager's list",
        "__pycache__/": "ignored: compiled files",
        "logs.tar.gz": "binary: a .gz file",
    }


def test_gitignore_means_what_git_means(tmp_path: Path) -> None:
    rules = {
        ".gitignore": "*.log\n/build/\n!keep.log\ndocs/**/draft-*\n# words\n\\#real\nvendor\n",
        "sub/.gitignore": "*.txt\n!b.txt\n!a.log\n/top.py\n",
    }
    files = ["a.log", "keep.log", "build/x.py", "sub/build/x.py", "sub/a.log", "sub/a.txt", "sub/b.txt", "sub/top.py"]
    files += [
        "sub/deep/top.py",
        "sub/deep/c.txt",
        "docs/a/b/draft-1",
        "docs/draft-2",
        "docs/good",
        "#real",
        "x/vendor/y",
    ]
    write(tmp_path, {**rules, **dict.fromkeys(files, "x")})
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    listing = subprocess.run(
        ["git", "-C", str(tmp_path), "ls-files", "--others", "--exclude-standard"], capture_output=True, text=True
    )
    wanted = {name.strip('"') for name in listing.stdout.splitlines() if ".gitignore" not in name}
    assert {name for name, why in outcome(tmp_path).items() if not why} == wanted
    # A folder inside of the repository is under the rules above it.
    below = {name.removeprefix("sub/") for name in wanted if name.startswith("sub/")}
    assert {name for name, why in outcome(tmp_path / "sub").items() if not why} == below


@pytest.mark.parametrize("rule", ["/data/", "data", "*"])
def test_a_folder_that_its_repository_ignores_can_be_given(tmp_path: Path, rule: str) -> None:
    write(tmp_path, {".gitignore": f"{rule}\n", ".git/HEAD": "", "data/in/a.txt": "x", "data/in/.gitignore": "b.txt\n"})
    write(tmp_path, {"data/in/b.txt": "x"})
    wanted = {"a.txt": "", "b.txt": "ignored: by .gitignore"}
    assert outcome(tmp_path / "data" / "in") == wanted
    assert outcome(tmp_path / "data") == {f"in/{name}": why for name, why in wanted.items()}


def test_rules_that_are_none_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": b"\xff\xfe\n!\n[\n*.log\n", "a.log": "x", "b.py": "x"})
    assert outcome(tmp_path) == {"a.log": "ignored: by .gitignore", "b.py": ""}


def test_links_and_odd_files(tmp_path: Path) -> None:
    write(tmp_path, {"in/a.txt": "x"})
    (tmp_path / "in" / "back").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.txt")
    found = outcome(tmp_path)
    assert found["in/a.txt"] == ""
    assert found["itself"].startswith("link")
    assert found["zero.txt"].startswith("no file")
    assert found["pipe.txt"].startswith("no file")
    assert len(found) == 4


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives(tmp_path: Path, kind: str) -> None:
    members = ["a.py", "b/c.md", "../out.txt", "/root.txt", "node_modules/x.js", "d.png"]
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in members:
                archive.writestr(name, f"text of {name}")
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name in members:
                data = f"text of {name}".encode()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            link = tarfile.TarInfo("link.txt")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    texts, why = {}, {}
    for file in listed(path).files:
        try:
            with file.opened() as opened:
                texts[file.name] = opened.file.read().decode()
        except LeftOut as left:
            why[file.name] = left.reason
    assert texts == {"a.py": "text of a.py", "b/c.md": "text of b/c.md"}
    assert why["../out.txt"] == why["/root.txt"] == "unsafe name"
    assert why["node_modules/x.js"] == "ignored"
    assert why["d.png"] == "binary"
    assert why.get("link.txt", "link") == "link"


def test_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(Refused, match="no zip archive"):
        list(listed(tmp_path / "x.zip").files)
    with pytest.raises(Refused, match="is not there"):
        listed(tmp_path / "nowhere")
