"""The command line as scripts use it: the real `tarmac` in subprocesses, with models of a few kilobytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from PIL import Image

from core.latent.basis import seeded_vector
from core.latent.journey import View
from core.latent.plane import Plane
from core.latent.walk import Moment, Walk
from core.library.interfaces import image_gan_interface, text_interface
from core.library.manifest import Manifest
from core.library.models import Library
from core.library.workspaces import Entry, Workspaces
from tests.e2e import tiny
from tui.widgets.explorer.state import Bookmark

TARMAC = [sys.executable, "-m", "tui.cli"]
REPOSITORY = Path(__file__).parents[2]
WAIT = 180.0


@pytest.fixture(scope="module")
def library_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one picture model, "gan", and one text model, "words"."""
    home = tmp_path_factory.mktemp("library")
    library = Library(home / "data", starters=home / "none")
    folder = library.staging()
    architecture = tiny.write_weights(folder, resolution=16)
    manifest = Manifest(
        "gan", "image-gan", "stylegan2", image_gan_interface(4, 16).spec(), licence="CC0-1.0", architecture=architecture
    )
    library.adopt(folder, manifest)
    folder = library.staging()
    folder.rmdir()
    tiny.write_text_model(folder)
    library.adopt(folder, Manifest("words", "text", "causal-lm", text_interface(tiny.CONTEXT).spec()))
    return home


@pytest.fixture
def tarmac(library_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tarmac:
    """Runs `tarmac` in an empty folder with the module's library."""
    monkeypatch.setenv("TARMAC_HOME", str(library_home))
    return Tarmac(tmp_path)


class Tarmac:
    """`tarmac` as a function."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    def __call__(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> str:
        """stdout of a run that must end with `code`; one that is refused says so in exactly one line."""
        done = subprocess.run(
            [*TARMAC, *arguments],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment,
            timeout=WAIT,
            check=False,
        )
        errors = done.stderr.decode()
        assert done.returncode == code, errors
        if code:
            assert errors.count("\n") == 1, errors
            assert done.stdout == b""
            return errors
        assert errors == ""
        return done.stdout.decode()

    def json(self, *arguments: str, **options: Any) -> Any:
        """The JSON on stdout."""
        return json.loads(self(*arguments, "--json", **options))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """A run that goes on."""
        return subprocess.Popen(
            [*TARMAC, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            env=self.environment,
            **options,
        )


def picture(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Pixels and the notes of ours in a PNG."""
    with Image.open(path) as image:
        return np.asarray(image).astype(int), json.loads(image.text["tarmac"])  # type: ignore[attr-defined]


class TestModels:
    def test_list(self, tarmac: Tarmac) -> None:
        models = {model["name"]: model for model in tarmac.json("models", "list") if model["source"] == "library"}
        assert models["gan"]["inputs"] == ["vector", "number"]
        assert models["gan"]["outputs"] == ["image"]
        assert models["words"]["inputs"][0] == "text"
        assert models["words"]["kind"] == "text"
        assert models["gan"]["problem"] is None
        assert "vector, number → image" in tarmac("models", "list")

    def test_show(self, tarmac: Tarmac) -> None:
        shown = tarmac.json("models", "show", "gan")
        assert shown["licence"] == "CC0-1.0"
        assert shown["interface"]["commands"][0]["name"] == "generate"
        assert "CC0-1.0" in tarmac("models", "show", "gan")

    def test_import_use_and_remove(self, tarmac: Tarmac, tmp_path: Path) -> None:
        tarmac.environment["TARMAC_HOME"] = str(tmp_path / "home")
        tiny.write_gan(tmp_path / "snapshot.pkl")
        brought = tarmac.json("models", "import", "snapshot.pkl", "--name", "Tiny \x1b[31mone")
        assert brought["name"] == "Tiny [31mone"
        assert [model["id"] for model in tarmac.json("models", "list")][-1] == brought["id"]
        tarmac("run", brought["id"], "--input", "z=[0,1,2,3]", "--output", "image=a.png")
        assert picture(tmp_path / "a.png")[0].shape == (16, 16, 3)
        assert tarmac.json("models", "rm", brought["id"]) == {"removed": brought["id"]}
        assert brought["id"] not in tarmac("models", "list")

    @pytest.mark.parametrize("content", [b"", b"cos\nsystem\n(S'touch CANARY'\ntR.", None])
    def test_a_refused_file(self, tarmac: Tarmac, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "model.pkl").write_bytes(content)
        tarmac.environment["TARMAC_HOME"] = str(tmp_path / "home")
        before = tarmac("models", "list", "--json")
        assert "model.pkl" in tarmac("models", "import", "model.pkl", "--json", code=2)
        assert tarmac("models", "list", "--json") == before
        assert not (tmp_path / "CANARY").exists()

    def test_starters_are_not_deleted(self, tarmac: Tarmac) -> None:
        for model in tarmac.json("models", "list"):
            if model["source"] == "starter":
                assert "part of Tarmac" in tarmac("models", "rm", model["id"], code=2)


class TestExplore:
    def test_the_grid_is_the_plane(self, tarmac: Tarmac, tmp_path: Path) -> None:
        options = ("--seed", "7", "--grid", "3x2", "--distance", "0.2", "--truncation", "0.6")
        facts = tarmac.json("explore", "gan", *options, "--out", "grid.png")
        grid, notes = picture(tmp_path / "grid.png")
        assert (facts["height"], facts["width"], 3) == grid.shape == (32, 48, 3)
        assert (notes["seed"], notes["distance"], notes["truncation"], notes["grid"]) == (7, 0.2, 0.6, [3, 2])
        assert notes["model"].endswith("-gan")
        # The upper left tile of three by two around the origin is (-1, -1).
        plane = Plane.from_json(notes["view"]["plane"])
        assert plane == Plane(4, 7, 0.2)
        np.save(tmp_path / "z.npy", plane.vector(-1, -1))
        tarmac("run", "gan", "--input", "z=@z.npy", "--input", "truncation=0.6", "--output", "image=tile.npy")
        tile = np.load(tmp_path / "tile.npy").astype(int)
        assert np.abs(grid[:16, :16] - tile).max() <= 1  # batches may round the last bit the other way
        assert np.abs(grid[:16, 16:32] - tile).max() > 1

    def test_tiles_are_scaled(self, tarmac: Tarmac, tmp_path: Path) -> None:
        assert tarmac("explore", "gan", "--grid", "2x1", "--tile", "40", "--out", "grid.png") == "grid.png\n"
        assert picture(tmp_path / "grid.png")[0].shape == (40, 80, 3)


class TestFilm:
    WALK = ("explore", "gan", "--seed", "7", "--walk", "0,0 3,1 5,-2", "--truncation", "0.6")

    def vectors(self, count: int) -> list[np.ndarray]:
        """The vectors of the closed film by the same walk."""
        keys = [Moment(z, 0.6) for z in Plane(4, 7).vectors([(0, 0), (3, 1), (5, -2)])]
        return [Walk(keys, closed=True).frame(number, count).z for number in range(count)]

    def drawn(self, tarmac: Tarmac, z: np.ndarray) -> np.ndarray:
        """What the model draws of a vector."""
        np.save(tarmac.folder / "z.npy", z)
        tarmac("run", "gan", "--input", "z=@z.npy", "--input", "truncation=0.6", "--output", "image=tile.npy")
        return np.load(tarmac.folder / "tile.npy").astype(int)

    def test_every_frame_is_the_picture_of_its_vector(self, tarmac: Tarmac, tmp_path: Path) -> None:
        told = tarmac.json(*self.WALK, "--frames", "30", "--loop", "--fps", "20", "--out", "a.webp")
        assert (told["frames"], told["fps"], told["seconds"], told["width"]) == (30, "20", 1.5, 16)
        vectors = self.vectors(30)
        with Image.open(tmp_path / "a.webp") as film:
            assert film.n_frames == 30  # type: ignore[attr-defined]
            assert film.info["loop"] == 0
            for number in (0, 10, 17):
                film.seek(number)
                film.load()
                assert film.info["duration"] == 50
                frame = np.asarray(film.convert("RGB")).astype(int)
                # Frames are drawn in batches, which may round the last bit the other way.
                assert np.abs(frame - self.drawn(tarmac, vectors[number])).max() <= 1
        assert np.array_equal(vectors[10], Plane(4, 7).vector(3, 1))

    def test_mp4(self, tarmac: Tarmac, tmp_path: Path) -> None:
        assert tarmac(*self.WALK, "--seconds", "2", "--loop", "--tile", "64", "--out", "a.mp4") == "a.mp4\n"
        with av.open(str(tmp_path / "a.mp4")) as film:
            stream = film.streams.video[0]
            assert (stream.width, stream.height, stream.average_rate) == (64, 64, 25)
            frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
        assert len(frames) == 50
        tile = self.drawn(tarmac, self.vectors(50)[20]).astype(np.uint8)
        expected = np.asarray(Image.fromarray(tile).resize((64, 64), Image.Resampling.LANCZOS)).astype(int)
        wrong = np.abs(frames[20] - expected).mean()
        assert wrong < 1.2
        assert np.abs(frames[20] - frames[0]).mean() > 2 * wrong

    @pytest.mark.parametrize("ending", ["mp4", "webp", "gif"])
    def test_the_same_command_twice(self, tarmac: Tarmac, tmp_path: Path, ending: str) -> None:
        for name in ("a", "b"):
            tarmac("explore", "gan", "--walk", "circle:1.5", "--frames", "40", "--out", f"{name}.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
        notes = tarmac.json("open", f"a.{ending}")
        assert (notes["kind"], notes["frames"], notes["walk"]["radius"]) == ("film", 40, 1.5)

    def test_an_open_walk_through_seeds(self, tarmac: Tarmac, tmp_path: Path) -> None:
        tarmac("explore", "gan", "--walk", "seeds:1,2", "--frames", "11", "--ease", "--out", "a.gif")
        with Image.open(tmp_path / "a.gif") as film:
            assert film.n_frames == 11  # type: ignore[attr-defined]
            assert "loop" not in film.info

    def test_interrupted_it_leaves_nothing(self, tarmac: Tarmac, tmp_path: Path) -> None:
        process = tarmac.start("explore", "gan", "--walk", "circle:3", "--frames", "30000", "--out", "a.mp4")
        worker_of(process)
        while not any(path.stat().st_size for path in tmp_path.glob(".a.mp4.*")):
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=WAIT)
        assert (process.returncode, output, errors) == (130, b"", b"")
        assert list(tmp_path.iterdir()) == []


class TestOpen:
    def test_a_grid(self, tarmac: Tarmac, tmp_path: Path) -> None:
        tarmac("explore", "gan", "--seed", "9", "--at=2,-1", "--grid", "2x1", "--out", "a.png")
        told = tarmac.json("open", "a.png")
        assert (told["kind"], told["seed"], told["position"], told["told"]) == ("grid", 9, [2, -1], [])
        assert told["opens_with"].endswith("-gan")
        assert len(told["checkpoint"]) == 64
        text = tarmac("open", "a.png")  # no terminal: it tells instead
        assert "seed        9" in text
        # The same place again, without naming it.
        tarmac("explore", "gan", "--like", "a.png", "--grid", "2x1", "--out", "b.png")
        assert np.array_equal(picture(tmp_path / "a.png")[0], picture(tmp_path / "b.png")[0])

    def test_another_library(self, tarmac: Tarmac, tmp_path: Path, library_home: Path) -> None:
        tarmac("explore", "gan", "--grid", "1x1", "--out", "a.png")
        tarmac.environment["TARMAC_HOME"] = str(tmp_path / "home")
        told = tarmac.json("open", "a.png")
        assert told["opens_with"] is None
        assert "not in your library" in told["told"][0]
        # The same weights under another id are the same model.
        models = next((library_home / "data/models").glob("*-gan"))
        shutil.copytree(models, tmp_path / "home/data/models/20200101-000000-other")
        told = tarmac.json("open", "a.png")
        assert (told["opens_with"], told["told"]) == ("20200101-000000-other", [])

    def test_a_contact_sheet_of_bookmarks(self, tarmac: Tarmac, tmp_path: Path) -> None:
        model = next(model["id"] for model in tarmac.json("models", "list") if model["name"] == "gan")
        marks = []
        for seed in (3, 4, 5):
            plane = Plane(4, seed)
            marks.append(Bookmark(View(plane, (seed, 0)), plane.vector(seed, 0)).to_json())
        shelf = Workspaces()
        shelf.save(replace(shelf.new("Night"), models=(Entry(model, {"bookmarks": marks}),)))
        assert tarmac("explore", "gan", "--bookmarks", "Night", "--out", "sheet.png") == "sheet.png\n"
        told = tarmac.json("open", "sheet.png")
        assert told["kind"] == "sheet"
        assert [mark["seed"] for mark in told["bookmarks"]] == [3, 4, 5]
        assert picture(tmp_path / "sheet.png")[0].shape[1] > 2 * 256
        shelf.save(shelf.new("Day"))
        assert "no bookmarks of gan" in tarmac("explore", "gan", "--bookmarks", "Day", "--out", "b.png", code=2)


class TestRun:
    def test_pictures_in_every_form(self, tarmac: Tarmac, tmp_path: Path) -> None:
        (tmp_path / "z.json").write_text(json.dumps(seeded_vector(5, 4).tolist()))
        for form in ("png", "json"):
            out = tarmac.json("run", "gan", "generate", "--input", "z=@z.json", "--output", f"image=a.{form}")
            assert out == {"image": f"a.{form}"}
        _, notes = picture(tmp_path / "a.png")
        assert notes["inputs"]["truncation"] == 0.7
        assert json.loads((tmp_path / "a.json").read_text()).startswith("data:image/")

    def test_mixed_and_edited_styles(self, tarmac: Tarmac, tmp_path: Path) -> None:
        place = ("--input", "z=seed:7")
        extras = ("--input", "mix=seed:9", "--input", "mix_layers=[2,5]", "--input", "edits=[0,-3.5]")
        tarmac("run", "gan", "styled", *place, *extras, "--output", "image=mixed.png")
        tarmac("run", "gan", *place, "--output", "image=plain.png")
        mixed, notes = picture(tmp_path / "mixed.png")
        assert np.abs(mixed - picture(tmp_path / "plain.png")[0]).mean() > 1
        assert (notes["inputs"]["mix_layers"], notes["inputs"]["edits"]) == ([2, 5], [0, -3.5])
        told = tarmac("run", "gan", "styled", *place, "--input", "mix_layers=[5,2]", "--output", "image=a.png", code=2)
        assert "mix_layers cannot be [5, 2]: allowed is [first, last]" in told

    def test_directions(self, tarmac: Tarmac) -> None:
        strengths = tarmac.json("run", "gan", "directions", "--input", "layers=[0,1]")["strengths"]
        assert strengths == sorted(strengths, reverse=True)
        assert 0 < sum(strengths) <= 1 + 1e-9

    def test_the_place_of_a_picture(self, tarmac: Tarmac, tmp_path: Path) -> None:
        tarmac("run", "gan", "--input", "z=seed:7", "--output", "image=face.png")
        outputs = ("--output", "z=z.json", "--output", "image=near.png")
        told = tarmac("run", "gan", "project", "--input", "image=@face.png", "--input", "steps=40", *outputs)
        tarmac("run", "gan", "--input", "z=@z.json", "--output", "image=again.png")
        near = picture(tmp_path / "near.png")[0]
        assert np.abs(near - picture(tmp_path / "again.png")[0]).max() <= 1
        apart = np.sqrt(np.square(near - picture(tmp_path / "face.png")[0]).mean())
        assert float(told) == pytest.approx(apart, abs=0.05)
        assert apart < 10

    def test_text(self, tarmac: Tarmac, tmp_path: Path) -> None:
        (tmp_path / "prompt.txt").write_text("def f(x):\n")
        options = ("--input", "prompt=@prompt.txt", "--input", "max_tokens=7", "--input", "seed=3")
        answer = tarmac.json("run", "words", *options, "--output", "completion=out.txt")
        assert (answer["tokens"], answer["finish_reason"], answer["completion"]) == (7, "length", "out.txt")
        alone = json.loads(
            tarmac(
                "complete", "words", "--prompt", "-", "--max-tokens", "7", "--seed", "3", "--json", stdin=b"def f(x):\n"
            )
        )
        assert (tmp_path / "out.txt").read_text() == alone["completion"]


class TestComplete:
    def test_the_stream_is_the_whole(self, tarmac: Tarmac) -> None:
        options = ("complete", "words", "--prompt", "import ", "--max-tokens", "12", "--seed", "5")
        lines = [json.loads(line) for line in tarmac(*options, "--stream", "--json").splitlines()]
        assert lines[-1]["final"]
        assert lines[-1]["tokens"] == 12
        assert [line["final"] for line in lines[:-1]] == [False] * (len(lines) - 1)
        assert len(lines) > 1
        assert tarmac(*options, "--stream") == lines[-1]["completion"] + "\n"

    def test_several_are_what_each_is_alone(self, tarmac: Tarmac) -> None:
        options = ("complete", "words", "--prompt", "import ", "--max-tokens", "9", "--top-k", "50", "--json")
        several = tarmac.json(*options, "--seed", "5", "--samples", "3", "--logprobs", "2")
        assert [each["seed"] for each in several["samples"]] == [5, 6, 7]
        for each in several["samples"]:
            alone = tarmac.json(*options, "--seed", str(each["seed"]))
            assert alone["completion"] == each["completion"]
            assert alone["logprobs"] == []
            assert "".join(token["text"] for token in each["logprobs"]).startswith(each["completion"].rstrip("\ufffd"))
            assert all(len(token["top"]) == 2 for token in each["logprobs"])

    def test_a_stop_string_ends_the_text(self, tarmac: Tarmac) -> None:
        options = ("complete", "words", "--prompt", "import ", "--seed", "5", "--json")
        whole = tarmac.json(*options)["completion"]
        stop = whole[6:8].replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        answer = tarmac.json(*options, "--stop", stop, "--stop", "never seen")
        assert answer["completion"] == whole[: whole.index(whole[6:8])]
        assert answer["finish_reason"] == "stop"


def worker_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The worker that `tarmac` started, as soon as it is there."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                if "core.workers.child" in child.cmdline():
                    return child
            except psutil.NoSuchProcess:
                continue
    raise AssertionError(process.communicate())


class TestEnds:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted(self, tarmac: Tarmac, number: signal.Signals) -> None:
        process = tarmac.start("complete", "words", "--prompt", "x")
        worker = worker_of(process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=WAIT)
        assert (process.returncode, output, errors) == (130, b"", b"")
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE

    def test_a_killed_worker_is_told_in_one_line(self, tarmac: Tarmac) -> None:
        process = tarmac.start("complete", "words", "--prompt", "x")
        worker_of(process).kill()
        _, errors = process.communicate(timeout=WAIT)
        assert process.returncode == 1
        assert errors.count(b"\n") == 1
        assert b"SIGKILL" in errors or b"killed" in errors

    def test_a_closed_pipe_is_no_traceback(self, tarmac: Tarmac) -> None:
        with tarmac.start("models", "list", "--json") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(timeout=WAIT) == 1


class TestDoctor:
    def test_json(self, tarmac: Tarmac, library_home: Path) -> None:
        found = tarmac.json("doctor")
        assert found["disk"]["TARMAC_HOME"] == str(library_home)
        assert found["versions"]["tarmac"]
        assert found["library"]["models"] == 2
        assert found["terminal"]["pictures"]
        assert isinstance(found["problems"], list)

    def test_problems_are_told(self, tarmac: Tarmac, tmp_path: Path) -> None:
        home = tmp_path / "home"
        (home / "config").mkdir(parents=True)
        (home / "config/config.toml").write_text('theem = "dark"')
        shutil.copytree(REPOSITORY / "tests/e2e", home / "data/models/20260101-000000-broken")
        tarmac.environment |= {"TARMAC_HOME": str(home), "TARMAC_THREADS": "lots", "PYTHONIOENCODING": "latin-1"}
        text = tarmac("doctor")
        for part in ("Did you mean theme?", "TARMAC_THREADS", "model.toml is missing", "LANG"):
            assert part in text


class TestEntry:
    def test_version(self, tarmac: Tarmac) -> None:
        assert tarmac("--version").startswith("tarmac 0")

    def test_help_names_the_exit_codes(self, tarmac: Tarmac) -> None:
        assert "130" in tarmac("--help")
        for command in ("models", "explore", "open", "complete", "run", "doctor"):
            assert "--json" in tarmac(command, "list" if command == "models" else "--help", "--help")

    def test_help_loads_nothing_heavy(self, tarmac: Tarmac) -> None:
        code = (
            "import sys; from tui.cli import main; main(['--help']); "
            "heavy = {'numpy', 'torch', 'textual', 'rich', 'PIL', 'asyncio', 'tomlkit', 'psutil'} & set(sys.modules); "
            "sys.exit(str(heavy) if heavy else 0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
