"""Snippets do what they promise: each is run, as it is, against a gateway."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image as Pillow

from core.hosting.examples import Drawn, example, example_inputs
from core.hosting.snippets import snippets
from core.interface import Array, Category, Command, DataType, Image, Interface, Number, Segmentation, Text, Vector
from tests.adapters import Everything, Stub, Talker
from tests.core.hosting.serving import Stage, gateway

RUN = {
    "curl": ("bash", "sh"),
    "Python": (sys.executable, "py"),
    "JavaScript": ("node", "js"),
}


def interface(kind: type, **options: object) -> Interface:
    found = kind(Path("/"), options, "cpu").interface
    assert isinstance(found, Interface)
    return found


async def run(folder: Path, title: str, text: str, token: str | None) -> tuple[int, str, str]:
    program, ending = RUN[title]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing")
    file = folder / f"snippet.{ending}"
    file.write_text(text, encoding="utf-8")
    known = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    if token is not None:
        known["TOKEN"] = token
    child = await asyncio.create_subprocess_exec(
        program,
        str(file),
        cwd=folder,
        env=known,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await child.communicate()
    return child.returncode or 0, out.decode(), err.decode()


def size(file: Path) -> tuple[int, int]:
    with Pillow.open(file) as picture:
        return picture.size


def made(stage: Stage, name: str, kind: type, private: bool = True, **options: object) -> dict[str, str]:
    return snippets(name, f"http://127.0.0.1:{stage.port}/", interface(kind, **options), private=private)


@pytest.mark.parametrize("title", list(RUN))
async def test_a_picture_is_drawn_and_saved(home: Path, tmp_path: Path, title: str) -> None:
    async with gateway(home, {"faces": {}}) as stage:
        program = made(stage, "faces", Stub)[title]
        assert await run(tmp_path, title, program, stage.tokens["faces"]) == (0, "", "")
        assert size(tmp_path / "image.jpg") == (64, 64)
        code, out, err = await run(tmp_path, title, program, "tm_wrong")
        assert code != 0
        shown = out + err + (tmp_path / "answer.json").read_text() if title == "curl" else out + err
        assert "a valid token is needed" in shown


@pytest.mark.parametrize("title", list(RUN))
async def test_without_a_token_where_none_is_needed(home: Path, tmp_path: Path, title: str) -> None:
    async with gateway(home, {"text": {"model": "Talker", "private": False}}) as stage:
        program = made(stage, "text", Talker, private=False)[title]
        assert "TOKEN" not in program
        code, out, err = await run(tmp_path, title, program, None)
        assert (code, err) == (0, "")
        assert len(out.split()) > 3


@pytest.mark.parametrize("title", list(RUN))
async def test_nothing_breaks_out_of_its_quotation(home: Path, tmp_path: Path, title: str) -> None:
    """Every data type goes there and back; names and defaults hold what means something to shells and to languages."""
    names = {"all": {"model": "Everything", "options": {"short": 1}}}
    async with gateway(home, names) as stage:
        program = made(stage, "all", Everything, short=1)[title]
        assert all(line.isprintable() for line in program.split("\n"))
        code, _, err = await run(tmp_path, title, program, stage.tokens["all"])
        assert (code, err) == (0, "")
        assert size(tmp_path / "photo.jpg") == (64, 64)


def test_every_example_is_allowed() -> None:
    for kind in (Everything, Stub, Talker):
        for command in interface(kind).commands.values():
            inputs = example_inputs(command)
            drawn = {
                name: [value.mean] * value.length if isinstance(value, Drawn) else value
                for name, value in inputs.items()
                if name != "vectors"
            }
            if "vectors" in inputs:
                drawn["vectors"] = [[0.0] * 20] * len(inputs["vectors"])  # type: ignore[arg-type]
            command.inputs_from_json(drawn)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Text(max_length=4), "Once"),
        (Text(min_length=20), "Once upon a time...."),
        (Text(default="mine"), "mine"),
        (Number(min=3), 3),
        (Category(choices=["a", "b"]), "a"),
        (Vector(300, sampling_std=0.5), Drawn(300, 0, 0.5)),
        (Array(Text()), ["Once upon a time"]),
        (Array(Text(), max_length=0), []),
        (Array(Text(), default=["x"]), ["x"]),
    ],
)
def test_examples(kind: DataType, wanted: object) -> None:
    assert example(kind) == wanted


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (Image(), (64, 64)),
        (Image(width=512, height=16), (512, 16)),
        (Image(min_width=100, max_height=10), (100, 10)),
        (Segmentation({"sky": 9}, min_height=70), (64, 70)),
    ],
)
def test_example_pictures_are_as_large_as_they_must_be(kind: Image | Segmentation, size: tuple[int, int]) -> None:
    uri = example(kind)
    assert isinstance(uri, str)
    assert kind.from_json("picture", uri).shape[:2] == (size[1], size[0])
    assert len(uri) < 3000


def test_openai_is_for_text_models() -> None:
    command = Command("complete", {"prompt": Text(default='say "hi"\n')}, {"completion": Text()})
    made = snippets("gen", "http://h:1", Interface(commands={"complete": command}), text_model=True)
    assert list(made) == ["curl", "Python", "OpenAI", "JavaScript", "Runway"]
    for program in (made["OpenAI"], made["Python"]):
        compile(program, "snippet", "exec")
    assert r'prompt="say \"hi\"\n"' in made["OpenAI"]
    assert 'base_url="http://h:1/gen/v1"' in made["OpenAI"]
    assert "OpenAI" not in snippets("gen", "http://h:1", Interface(commands={"complete": command}))


def test_files_are_written_as_pictures_of_any_name() -> None:
    out = {"../Ä/Picture": Image(default_output_format="PNG")}
    made = snippets("x", "http://h:1", Interface(commands={"a": Command("a", {}, out)}))
    assert {title: " picture.png" in text or '"picture.png"' in text for title, text in made.items()} == dict.fromkeys(
        made, True
    )
