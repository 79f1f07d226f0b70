"""Workspaces: round trips, names, broken files, and two studios saving at once."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidInput, NotFound, Refused
from core.library.workspaces import Entry, Workspace, Workspaces

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path)


STATE = {
    "prompt": 'def f():\n\t"""\\x\x00\x1b \x7f ünï 日本 🙂"""',
    "seed": 2**40,
    "distance": 0.1 + 0.2,
    "tiny": 5e-324,
    "wild": math.inf,
    "on": True,
    "empty": [],
    "nested": {"pins": [{"x": 1, "z": "AAAA"}, {"x": -2, "deep": {"er": [[1, 2], ["a"]]}}], "odd key.": {"": 1}},
}


class TestRoundTrip:
    def test_everything_comes_back(self, store: Workspaces) -> None:
        saved = store.save(Workspace("Night", (Entry("starter/portraits", STATE), Entry("x")), 1, {"split": 0.5}))
        again = store.load("Night")
        assert again == saved == Workspace("Night", (Entry("starter/portraits", STATE), Entry("x")), 1, {"split": 0.5})

    def test_nulls_go_and_numpy_becomes_numbers(self, store: Workspaces) -> None:
        state = {"gone": None, "a": np.float32(0.5), "b": np.int64(3), "c": [None, np.bool_(True)]}
        store.save(Workspace("w", (Entry("m", state),)))
        assert store.load("w").models[0].state == {"a": 0.5, "b": 3, "c": [True]}

    def test_half_characters_do_not_stop_a_save(self, store: Workspaces) -> None:
        store.save(Workspace("w", (Entry("m", {"prompt": "a\ud800b"}),)))
        assert store.load("w").models[0].state == {"prompt": "a?b"}

    def test_what_is_not_plain_data_is_named(self, store: Workspaces) -> None:
        with pytest.raises(InvalidInput, match=r"state\.handle is not plain data but object"):
            store.save(Workspace("w", (Entry("m", {"handle": object()}),)))
        assert store.names() == []

    def test_an_active_tab_that_is_gone(self) -> None:
        assert Workspace.from_toml("w", "format = 1\nactive = 7").active == 0
        assert Workspace.from_toml("w", 'format = 1\nactive = 7\nmodels = [{model = "a"}, {model = "b"}]').active == 1


class TestNames:
    def test_names_are_listed_as_people_sort(self, store: Workspaces) -> None:
        for name in ("b", "A", "night shift", "Ünder", "c.toml"):
            store.save(Workspace(name))
        (store.folder / "notes.txt").write_text("")
        assert store.names() == ["A", "b", "c.toml", "night shift", "Ünder"]

    @pytest.mark.parametrize(
        "name", ["", " a", "a/b", "..", ".hidden", "a\nb", "a\x1b[0m", "x" * 300, "é" * 101, "a\0"]
    )
    def test_names_that_cannot_be(self, store: Workspaces, name: str) -> None:
        for use in (lambda: store.save(Workspace(name)), lambda: store.load(name), lambda: store.new(name)):
            with pytest.raises(InvalidInput, match="cannot be called"):
                use()

    def test_new_ones_count_up(self, store: Workspaces) -> None:
        first = store.save(store.new())
        assert first.name == "Workspace 1"
        assert store.new().name == "Workspace 2"

    def test_rename(self, store: Workspaces) -> None:
        store.save(Workspace("taken"))
        workspace = store.save(Workspace("old", (Entry("m"),)))
        with pytest.raises(InvalidInput, match="already"):
            store.rename(workspace, "taken")
        renamed = store.rename(workspace, "new")
        assert store.names() == ["new", "taken"]
        assert store.save(replace(renamed, active=0, models=())).name == "new"

    def test_remove(self, store: Workspaces) -> None:
        store.save(Workspace("w"))
        store.remove("w")
        assert store.names() == []
        for use in (store.remove, store.load):
            with pytest.raises(NotFound):
                use("w")


class TestLast:
    def test_the_last_saved_is_remembered(self, store: Workspaces) -> None:
        assert store.last() is None
        store.save(Workspace("a"))
        store.save(Workspace("b"))
        assert store.last() == "b"
        store.remember("a")
        assert store.last() == "a"
        store.remove("a")
        assert store.last() is None

    @pytest.mark.parametrize("content", [b"", b"../../etc/passwd", b"\xff", b"gone"])
    def test_nonsense_is_nothing(self, store: Workspaces, content: bytes) -> None:
        store.save(Workspace("a"))
        (store.folder / ".last").write_bytes(content)
        assert store.last() is None


class TestBroken:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "format None"),
            (b"format = 2", "format 2"),
            (b"x = ", "not TOML"),
            (b"x = " + b"[" * 5000, "not TOML"),
            (b"\xff", "not UTF-8"),
            (b"format = 1\nmodels = 3", "wrong type"),
            (b"format = 1\nmodels = [3]", "no id"),
            (b"format = 1\nmodels = [{model = 3}]", "no id"),
            (b'format = 1\nmodels = [{model = "a", state = 3}]', "no state"),
        ],
    )
    def test_it_is_told_and_left_as_it_is(self, store: Workspaces, content: bytes, reason: str) -> None:
        store.folder.mkdir(parents=True)
        (store.folder / "w.toml").write_bytes(content)
        with pytest.raises(Refused, match=reason):
            store.load("w")
        kept = store.save(Workspace("w"))
        assert kept.name == "w 2"
        assert (store.folder / "w.toml").read_bytes() == content


class TestTwoStudios:
    def test_whoever_saves_second_keeps_both(self, store: Workspaces) -> None:
        store.save(Workspace("w"))
        mine, theirs = store.load("w"), store.load("w")
        theirs = store.save(replace(theirs, models=(Entry("theirs"),)))
        mine = store.save(replace(mine, models=(Entry("mine"),)))
        assert (theirs.name, mine.name) == ("w", "w 2")
        assert store.load("w").models == (Entry("theirs"),)
        assert store.load("w 2").models == (Entry("mine"),)
        assert store.save(replace(mine, models=())).name == "w 2"
        assert store.save(replace(theirs, models=())).name == "w"

    def test_the_same_content_is_no_conflict(self, store: Workspaces) -> None:
        store.save(Workspace("w"))
        mine, theirs = store.load("w"), store.load("w")
        store.save(replace(theirs, models=(Entry("same"),)))
        assert store.save(replace(mine, models=(Entry("same"),))).name == "w"

    def test_a_deleted_file_is_made_again(self, store: Workspaces) -> None:
        mine = store.save(Workspace("w"))
        store.remove("w")
        assert store.save(replace(mine, models=(Entry("m"),))).name == "w"

    def test_a_new_one_never_overwrites(self, store: Workspaces) -> None:
        store.save(Workspace("w", (Entry("m"),)))
        assert store.save(Workspace("w")).name == "w 2"

    def test_processes_at_once_lose_nothing(self, tmp_path: Path) -> None:
        code = (
            "import sys; from dataclasses import replace; from pathlib import Path\n"
            "from core.library.workspaces import Entry, Workspace, Workspaces\n"
            "store = Workspaces(Path(sys.argv[1])); mine = store.load('w')\n"
            "for turn in range(15):\n"
            "    mine = store.save(replace(mine, models=(Entry(sys.argv[2], {'turn': turn, 'pad': 'x' * 9999}),)))\n"
            "    [store.load(name) for name in store.names()]\n"
            "print(mine.name)"
        )
        Workspaces(tmp_path).save(Workspace("w"))
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path), who],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=REPOSITORY,
            )
            for who in ("a", "b", "c")
        ]
        names = {}
        for who, process in zip("abc", processes):
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            names[who] = output.strip()
        store = Workspaces(tmp_path)
        assert sorted(names.values()) == sorted(store.names())
        for who, name in names.items():
            entry = store.load(name).models[0]
            assert (entry.model, entry.state["turn"]) == (who, 14)
