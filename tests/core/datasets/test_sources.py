"""Folders and archives are walked in order, and hostile ones do no harm."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from core.datasets import sources
from core.datasets.decoding import LeftOut
from core.datasets.sources import Entry, displayed, entries
from core.errors import Refused


def found(path: Path, **options: object) -> list[tuple[str, str]]:
    """Names, each with why it is left out or "" if it can be read."""
    return [(each.name, each.content.reason if isinstance(each.content, LeftOut) else "") for each in entries(path)]


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


class TestFolders:
    def test_order_and_what_is_passed_over(self, tmp_path: Path) -> None:
        for name in ("b.png", "a/z.png", "a/.hidden.png", ".git/x.png", "Thumbs.db", "__MACOSX/y.png", "c.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name).write_bytes(b"x")
        assert [name for name, _ in found(tmp_path)] == ["a/z.png", "b.png", "c.txt"]

    def test_links_that_lead_in_circles(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "x.png").write_bytes(b"x")
        (tmp_path / "a" / "up").symlink_to(tmp_path)
        (tmp_path / "a" / "self").symlink_to("self")
        (tmp_path / "gone").symlink_to("nowhere")
        (tmp_path / "same.png").symlink_to("a/x.png")
        assert found(tmp_path) == [("a/self", "link"), ("a/x.png", ""), ("gone", "link"), ("same.png", "")]

    def test_pipes_are_not_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        assert found(tmp_path) == [("pipe.png", "not a picture")]

    def test_a_folder_that_goes_away(self, tmp_path: Path) -> None:
        for name in ("a/1.png", "b/2.png"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_bytes(b"x")
        walk = entries(tmp_path)
        assert next(walk).name == "a/1.png"
        (tmp_path / "b" / "2.png").unlink()
        (tmp_path / "b").rmdir()
        assert [(each.name, type(each.content)) for each in walk] == [("b", LeftOut)]

    def test_names_are_found_again(self, tmp_path: Path) -> None:
        odd = "a\n\x1b[31m.png"
        (tmp_path / odd).write_bytes(b"1")
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"2")
        first = list(entries(tmp_path))
        assert [displayed(each.name) for each in first] == ["a [31m.png", "?.png"]
        again = list(entries(tmp_path, [each.key for each in reversed(first)]))
        assert [each.key for each in again] == [each.key for each in reversed(first)]
        assert all(isinstance(each.content, Path) and each.content.read_bytes() for each in again)


class TestZip:
    def test_members_and_dangers(self, tmp_path: Path) -> None:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/1.png", b"one")
            archive.writestr("../../evil.png", b"x")
            archive.writestr("/etc/evil.png", b"x")
            archive.writestr("C:\\evil.png", b"x")
            link = zipfile.ZipInfo("link.png")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
            archive.writestr("__MACOSX/a/._1.png", b"x")
            archive.writestr("2.png", b"two")
        before = sorted(tmp_path.rglob("*"))
        names = dict(found(path))
        assert names["a/1.png"] == names["2.png"] == ""
        assert {names[name] for name in names if "evil" in name} == {"unsafe name"}
        assert names["link.png"] == "link"
        assert len(names) == 6
        assert sorted(tmp_path.rglob("*")) == before
        keys = [each.key for each in entries(path)]
        assert [each.content for each in entries(path, keys[:1])] == [b"one"]

    def test_a_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "BOMB_BYTES", 1 << 20)
        path = tmp_path / "bomb.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1.png", b"\0" * (4 << 20))
        with pytest.raises(Refused, match="200 times its size"):
            list(entries(path))

    def test_one_member_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "MAX_BYTES", 1000)
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("1.png", b"x" * 1001)
        assert found(tmp_path / "x.zip") == [("1.png", "too large")]

    def test_damage(self, tmp_path: Path) -> None:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("1.png", b"content of one" * 20)
            archive.writestr("2.png", b"two")
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"content of one", b"CONTENT of one", 1))
        assert found(path) == [("1.png", "broken"), ("2.png", "")]
        path.write_bytes(whole[:100])
        with pytest.raises(Refused, match="no zip archive"):
            list(entries(path))


class TestTar:
    def test_members_and_dangers(self, tmp_path: Path) -> None:
        def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
            made = tarfile.TarInfo(name)
            made.type, made.linkname = kind, link
            return made

        path = tar_of(
            tmp_path / "x.tar.gz",
            (info("./a/1.png"), b"one"),
            (info("../evil.png"), b"x"),
            (info("/evil.png"), b"x"),
            (info("soft.png", tarfile.SYMTYPE, "/etc/passwd"), b""),
            (info("hard.png", tarfile.LNKTYPE, "./a/1.png"), b""),
            (info("device", tarfile.CHRTYPE), b""),
            (info("2.png"), b"two"),
        )
        assert found(path) == [
            ("./a/1.png", ""),
            ("../evil.png", "unsafe name"),
            ("/evil.png", "unsafe name"),
            ("soft.png", "link"),
            ("hard.png", "link"),
            ("device", "link"),
            ("2.png", ""),
        ]
        assert [each.content for each in entries(path, ["6", "0"])] == [b"one", b"two"]
        assert Entry("0", "./a/1.png", b"").folders == ("a",)

    def test_a_bomb_is_seen_before_it_is_unpacked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "BOMB_BYTES", 1 << 20)
        path = tar_of(tmp_path / "x.tgz", (tarfile.TarInfo("1.png"), b"\0" * (4 << 20)))
        with pytest.raises(Refused, match="200 times its size"):
            list(entries(path))

    def test_a_bomb_in_a_header(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The name of a file is read into memory whole, and may be any length."""
        monkeypatch.setattr(sources, "BOMB_BYTES", 1 << 20)
        name = tarfile.TarInfo("././@LongLink")
        name.type, name.size = tarfile.GNUTYPE_LONGNAME, 16 << 20
        content = name.tobuf(tarfile.GNU_FORMAT) + b"a" * (16 << 20) + tarfile.TarInfo("x").tobuf()
        path = tmp_path / "x.tgz"
        path.write_bytes(gzip.compress(content))
        with pytest.raises(Refused, match="200 times its size"):
            list(entries(path))

    @pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
    def test_every_compression(self, tmp_path: Path, ending: str) -> None:
        mode = "w" if ending == "tar" else f"w:{ending[4:]}"
        path = tar_of(tmp_path / f"x.{ending}", (tarfile.TarInfo("1.png"), b"one"), mode=mode)
        assert [each.content for each in entries(path)] == [b"one"]

    def test_half_of_one(self, tmp_path: Path) -> None:
        random = os.urandom(200_000)
        path = tar_of(tmp_path / "x.tar.gz", (tarfile.TarInfo("1.png"), b"x"), (tarfile.TarInfo("2.png"), random))
        path.write_bytes(path.read_bytes()[:100_000])
        names = found(path)
        assert names[0] == ("1.png", "")
        assert names[-1][1] == "truncated"

    def test_no_archive(self, tmp_path: Path) -> None:
        (tmp_path / "x.tar").write_bytes(b"nothing" * 100)
        with pytest.raises(Refused, match="no tar archive"):
            list(entries(tmp_path / "x.tar"))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not there"):
        list(entries(tmp_path / "gone"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="neither"):
        list(entries(tmp_path / "pipe"))
