"""The library: models whole or not at all, broken ones shown, ids and names, several studios at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import NotFound, Refused, StorageError
from core.library.interfaces import image_gan_interface, interface_of, text_interface
from core.library.manifest import MAX_BYTES, Manifest
from core.library.models import Library
from core.library.naming import slug

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "data", starters=tmp_path / "starters")


def gan_manifest(name: str) -> Manifest:
    return Manifest(name, "image-gan", "stylegan2", image_gan_interface(8, 16).spec())


def add(library: Library, name: str, content: bytes = b"weights") -> str:
    folder = library.staging()
    (folder / "weights.safetensors").write_bytes(content)
    return library.adopt(folder, gan_manifest(name)).id


def starter(library: Library, name: str) -> Path:
    folder = library._starters / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    Manifest(name, "text", "causal-lm", text_interface(128).spec(), author="tarmac").write(folder)
    return folder


class TestAdding:
    def test_what_is_adopted_is_there(self, library: Library) -> None:
        id_ = add(library, "Faces of Paris!", b"x" * 1000)
        (model,) = library.models()
        assert model.id == id_
        assert model.id.endswith("-faces-of-paris")
        assert (model.name, model.kind, model.adapter, model.source) == (
            "Faces of Paris!",
            "image-gan",
            "stylegan2",
            "library",
        )
        assert model.problem is None
        assert model.size_bytes > 1000
        assert model.interface == image_gan_interface(8, 16)
        target = model.target(device="cpu")
        assert (target.adapter, target.path, target.device) == ("stylegan2", model.folder, "cpu")

    def test_it_is_private_and_nothing_is_left_over(self, library: Library) -> None:
        add(library, "faces")
        assert library.folder.stat().st_mode & 0o777 == 0o700
        assert (library.models()[0].folder).stat().st_mode & 0o777 == 0o700
        assert [path.name for path in library.folder.iterdir()] == [library.models()[0].id]

    def test_names_may_repeat_and_ids_do_not(self, library: Library) -> None:
        ids = [add(library, "faces") for _ in range(5)]
        assert len(set(ids)) == 5
        assert [model.name for model in library.models()] == ["faces"] * 5

    def test_ids_sort_by_time(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        import core.library.folders as module

        class Clock:
            now_is = 1_800_000_000.0

            @classmethod
            def now(cls, zone: object) -> object:
                from datetime import UTC, datetime

                cls.now_is += 3600
                return datetime.fromtimestamp(cls.now_is, UTC)

        monkeypatch.setattr(module, "datetime", Clock)
        ids = [add(library, name) for name in ("zebra", "ant", "mole")]
        assert ids == sorted(ids)
        assert [model.id for model in library.models()] == sorted(ids, reverse=True)

    def test_a_model_that_would_be_broken_is_refused(self, library: Library) -> None:
        folder = library.staging()
        with pytest.raises(Refused, match=r"weights\.safetensors is missing"):
            library.adopt(folder, gan_manifest("faces"))
        assert library.models() == []

    def test_unfinished_work_is_not_shown_and_goes_after_a_day(self, library: Library) -> None:
        old, young = library.staging(), library.staging()
        day_before = time.time() - 25 * 3600
        os.utime(old, (day_before, day_before))
        assert library.models() == []
        library.staging()
        assert not old.exists()
        assert young.exists()

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_read_only_folder_is_told(self, library: Library) -> None:
        library.data_dir.mkdir()
        library.data_dir.chmod(0o500)
        with pytest.raises(StorageError):
            library.staging()

    def test_a_file_in_the_way_is_told(self, library: Library) -> None:
        library.data_dir.mkdir()
        library.folder.write_text("")
        with pytest.raises(StorageError, match="models"):
            library.staging()
        assert library.models() == []


class TestFinding:
    def test_by_id_by_name_and_by_the_beginning_of_an_id(self, library: Library) -> None:
        starter(library, "gpt2-python")
        id_ = add(library, "faces")
        assert library.get(id_).id == id_
        assert library.get("faces").id == id_
        assert library.get(id_[:17]).id == id_
        assert library.get("starter/gpt2-python").source == "starter"
        assert library.get("gpt2-python").id == "starter/gpt2-python"
        assert library.get("FACES").id == id_
        other = add(library, "FACES")
        assert library.get("FACES").id == other
        assert library.get("faces").id == id_

    def test_the_newest_of_a_name(self, library: Library) -> None:
        ids = [add(library, "faces") for _ in range(3)]
        assert library.get("faces").id == max(ids)

    def test_starters_come_first(self, library: Library) -> None:
        add(library, "faces")
        starter(library, "portraits")
        starter(library, "gpt2-python")
        assert [model.source for model in library.models()] == ["starter", "starter", "library"]
        assert [model.name for model in library.models()][:2] == ["gpt2-python", "portraits"]

    def test_the_nearest_names_are_told(self, library: Library) -> None:
        add(library, "faces")
        starter(library, "portraits")
        with pytest.raises(NotFound, match="faces"):
            library.get("fcaes")
        with pytest.raises(NotFound, match="portraits"):
            library.get("portrait")
        with pytest.raises(NotFound, match="models list"):
            library.get("qqqqqqq")

    @pytest.mark.parametrize("text", ["", ".", "..", "../../etc", "starter/..", "\x1b[31m", "a" * 10_000, "\0"])
    def test_strange_words_are_only_not_found(self, library: Library, text: str) -> None:
        add(library, "faces")
        with pytest.raises(NotFound) as error:
            library.get(text)
        assert str(error.value).isprintable()


class TestRemoving:
    def test_it_is_gone_and_the_others_stay(self, library: Library) -> None:
        first, second = add(library, "faces"), add(library, "cats")
        assert library.remove("faces").id == first
        assert [model.id for model in library.models()] == [second]
        assert [path.name for path in library.folder.iterdir()] == [second]

    def test_starters_stay(self, library: Library) -> None:
        folder = starter(library, "portraits")
        with pytest.raises(Refused, match="part of Tarmac"):
            library.remove("portraits")
        assert folder.is_dir()

    def test_a_name_of_two_is_not_enough(self, library: Library) -> None:
        ids = [add(library, "faces") for _ in range(2)]
        with pytest.raises(Refused, match="2 models"):
            library.remove("faces")
        library.remove(ids[0])
        assert [model.id for model in library.models()] == [ids[1]]

    def test_broken_ones_can_be_removed(self, library: Library) -> None:
        (library.folder / "broken").mkdir(parents=True)
        library.remove("broken")
        assert library.models() == []

    def test_a_link_is_removed_and_not_what_it_points_to(self, library: Library, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "file").write_text("keep")
        library.folder.mkdir(parents=True)
        (library.folder / "link").symlink_to(precious)
        library.remove("link")
        assert (precious / "file").read_text() == "keep"
        assert library.models() == []


class TestBroken:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "model.toml is missing"),
            ("", "no format number"),
            ("format = 99", "format 99"),
            ("format = true", "no format number"),
            ("not toml at all", "not TOML"),
            ("a = " + "[" * 5000, "not TOML"),
            ('format = 1\nkind = "text"\nadapter = "causal-lm"', "name is missing"),
            ('format = 1\nname = 3\nkind = "text"\nadapter = "causal-lm"', "name is not text"),
            ('format = 1\nname = " "\nkind = "text"\nadapter = "causal-lm"', "name is empty"),
            ('format = 1\nname = "a"\nkind = "text"\nadapter = "os:system"', "adapter"),
            ('format = 1\nname = "a"\nkind = "text"\nadapter = "causal-lm"\ninterface = 3', "not a table"),
            ('format = 1\nname = "a"\nkind = "text"\nadapter = "causal-lm"\n[interface]\ncommands = []', "no command"),
            ('format = 1\nname = "a"\nkind = "text"\nadapter = "causal-lm"\n[interface]\ncommands = [{}]', "command"),
            (
                'format = 1\nname = "a"\nkind = "text"\nadapter = "causal-lm"\n'
                '[interface]\ncommands = [{name = "x", inputs = [{name = "y", type = "spell"}]}]',
                "spell",
            ),
        ],
    )
    def test_a_broken_folder_is_shown_with_its_reason(self, library: Library, content: str | None, reason: str) -> None:
        folder = library.folder / "20260101-000000-x"
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "model.toml").write_text(content)
        add(library, "good")
        broken = library.get("20260101-000000-x")
        assert broken.problem is not None
        assert reason in broken.problem
        assert [model.problem is None for model in library.models()] == [True, False]
        for use in (lambda: broken.interface, broken.target):
            with pytest.raises(Refused):
                use()

    def test_missing_weights(self, library: Library) -> None:
        id_ = add(library, "faces")
        (library.folder / id_ / "weights.safetensors").unlink()
        assert library.get(id_).problem == "weights.safetensors is missing"
        assert library.get(id_).name == "faces"

    def test_files_that_are_no_manifests(self, library: Library) -> None:
        for name, content in {"binary": b"\xff\xfe\x00", "huge": b"#" * (MAX_BYTES + 1)}.items():
            (library.folder / name).mkdir(parents=True)
            (library.folder / name / "model.toml").write_bytes(content)
        (library.folder / "folder" / "model.toml").mkdir(parents=True)
        (library.folder / "loop").mkdir()
        (library.folder / "loop" / "model.toml").symlink_to("model.toml")
        assert [model.id for model in library.models()] == ["loop", "huge", "folder", "binary"]
        assert all(model.problem for model in library.models())

    def test_files_beside_the_models_are_ignored(self, library: Library) -> None:
        library.folder.mkdir(parents=True)
        (library.folder / "notes.txt").write_text("mine")
        assert library.models() == []

    def test_names_cannot_write_to_the_terminal(self, library: Library) -> None:
        folder = library.folder / "evil\x1b]0;owned\x07"
        folder.mkdir(parents=True)
        id_ = add(library, "a\x1b[2J\nb\u202ec")
        for model in library.models():
            assert model.id.isprintable()
            assert model.name.isprintable()
        assert library.get(id_).name == "a [2J b c"


OLD = """
[[interface.commands]]
name = "generate"
inputs = [{ name = "z", type = "vector", length = 8 }]
outputs = [{ name = "image", type = "image" }]
"""
NETWORK = {"name": "stylegan2", "z_dim": 8, "c_dim": 3, "w_dim": 12, "img_resolution": 16, "img_channels": 1}


class TestInterfaceOfAnOlderModel:
    def test_a_starter_can_do_what_its_worker_can(self) -> None:
        model = Library(Path("/nowhere")).get("portraits")
        assert list(model.interface.commands) == ["generate", "styled", "directions", "project"]
        assert model.interface == image_gan_interface(64, 64, 3, 0, 128)

    def test_a_model_imported_before_the_commands_were_has_them(self, library: Library) -> None:
        folder = library.folder / "20250101-000000-old"
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"x")
        manifest = Manifest("old", "image-gan", "stylegan2", {}, architecture=NETWORK)
        (folder / "model.toml").write_text(manifest.to_toml() + OLD)
        (model,) = library.models()
        assert model.problem is None
        assert model.interface == image_gan_interface(8, 16, 1, 3, 12)
        assert "label" in model.interface.commands["project"].inputs

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"z_dim": None},
            {"z_dim": 10**12},
            {"w_dim": "12"},
            {"c_dim": True},
            {"img_resolution": 0},
            {"img_channels": 2},
            {"name": "stylegan3"},
        ],
    )
    def test_an_architecture_that_says_too_little_leaves_the_declared_one(
        self, library: Library, settings: dict[str, object]
    ) -> None:
        architecture = {**NETWORK, **settings} if settings else {}
        folder = library.folder / "20250101-000000-old"
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"x")
        manifest = Manifest("old", "image-gan", "stylegan2", {}, architecture=architecture)
        (folder / "model.toml").write_text(manifest.to_toml() + OLD)
        (model,) = library.models()
        assert model.problem is None
        assert list(model.interface.commands) == ["generate"]

    def test_other_adapters_are_what_they_declare(self, library: Library) -> None:
        spec = text_interface(64).spec()
        model = Manifest("words", "text", "causal-lm", spec, architecture={**NETWORK, "name": "stylegan2"})
        assert interface_of(model) == text_interface(64)


class TestManifest:
    def test_round_trip(self, tmp_path: Path) -> None:
        manifest = Manifest(
            name="faces",
            kind="image-gan",
            adapter="stylegan2",
            interface=image_gan_interface(8, 16, 3, 4).spec(),
            author="someone",
            licence="CC0-1.0",
            description='Two lines\n\twith "quotes", \\ and ünïcödé',
            lineage=("starter/portraits", "20260101-000000-x"),
            architecture={"name": "stylegan2", "z_dim": 8, "layers": [1, 2], "clamp": None},
            scores={"fid": 3.25, "kid": {"mean": 1e-3}},
            origin={"sha256": "ab", "odd key": True},
        )
        manifest.write(tmp_path)
        again = Manifest.read(tmp_path)
        assert again.architecture == {"name": "stylegan2", "z_dim": 8, "layers": [1, 2]}
        for field in ("name", "author", "licence", "description", "lineage", "scores", "origin", "created"):
            assert getattr(again, field) == getattr(manifest, field)
        assert again.to_toml() == manifest.to_toml()

    def test_fields_of_tomorrow_are_ignored(self) -> None:
        text = gan_manifest("faces").to_toml().replace('name = "faces"', 'name = "faces"\nmood = "calm"', 1)
        assert Manifest.parse(text).name == "faces"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Faces", "faces"),
        ("  Ünï  cödé ", "uni-code"),
        ("日本", "model"),
        ("a" * 99, "a" * 24),
        ("x/../y", "x-y"),
        ("", "model"),
    ],
)
def test_slugs(name: str, expected: str) -> None:
    assert slug(name) == expected


ADDER = """
import sys
from pathlib import Path
from core.library.models import Library
from core.library.manifest import Manifest
from core.library.interfaces import image_gan_interface
library = Library(Path(sys.argv[1]), starters=Path("/nowhere"))
spec = image_gan_interface(8, 16).spec()
kept = []
for turn in range(int(sys.argv[2])):
    folder = library.staging()
    (folder / "weights.safetensors").write_bytes(b"x" * 100)
    model = library.adopt(folder, Manifest("faces", "image-gan", "stylegan2", spec))
    for seen in library.models():
        assert seen.problem is None, (seen.id, seen.problem)
    if turn % 2:
        library.remove(model.id)
    else:
        kept.append(model.id)
print(" ".join(kept))
"""


def test_two_studios_at_once_do_no_harm(tmp_path: Path) -> None:
    """Four processes add, list and remove models of one name as fast as they can, without ever seeing a torn one."""
    turns = 12
    command = [sys.executable, "-c", ADDER, str(tmp_path), str(turns)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)
        for _ in range(4)
    ]
    kept: list[str] = []
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        kept += output.split()
    assert len(set(kept)) == len(kept) == 4 * turns // 2
    library = Library(tmp_path, starters=tmp_path / "none")
    assert sorted(model.id for model in library.models()) == sorted(kept)
    assert sorted(path.name for path in library.folder.iterdir()) == sorted(kept)
