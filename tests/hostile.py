"""A folder of broken, hostile and foreign files, made on the spot. None of them may be imported, or do anything else.

`make_hostile_files(folder)` is for tests of every level: each path it returns must be refused in one line, and the file
`CANARY` in the folder must not appear: every hostile file here would make it if it were run.
"""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from core.ml.checkpoints.generator import Shape
from tests import foreign

CANARY = "CANARY"


def make_hostile_files(folder: Path) -> list[Path]:
    """Make them all in `folder`; returns their paths (some are folders, pipes or missing)."""
    folder.mkdir(parents=True, exist_ok=True)
    command = f"touch {folder / CANARY}"
    made: list[Path] = []
    for name, content in {**_plain_files(), **_programs(command), **_bombs(), **_lies()}.items():
        path = folder / name
        path.write_bytes(content)
        made.append(path)
    for make in (_places, _archives, _networks, _folders):
        made += make(folder, command)
    return made


def snapshot(library: Path) -> dict[str, float]:
    """Every path under a library with its time of change, to see that nothing changed."""
    return {str(path): path.lstat().st_mtime_ns for path in sorted(library.rglob("*"))} if library.exists() else {}


# what people give by mistake


def _plain_files() -> dict[str, bytes]:
    return {
        "empty.pkl": b"",
        "one-byte.pkl": b"\x80",
        "text.pkl": b"Model weights are available on request.\n",
        "picture.pkl": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "page.pkl": b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n",
        "pointer.pkl": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "zeros.pkl": bytes(4096),
        "noise.pkl": np.random.default_rng(0).bytes(65536),
        "weights.gguf": b"GGUF\x03" + bytes(60),
        "weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(60),
        "list.pkl": pickle.dumps([1, 2, 3]),
        "numbers.pkl": pickle.dumps({"G_ema": 3}),
        "bare.pt": foreign.saved({"weight": torch.zeros(3)}),
        "old-bare.pt": foreign.saved([1, 2], zipped=False),
        "lucid.pt": foreign.saved({"GAN": collections.OrderedDict(), "version": "1.8"}),
        "other.safetensors": _safetensors({"a": ("F32", [2], [0, 8])}, bytes(8)),
    }


# what would run if it could


class _Call:
    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.function, self.arguments


def _programs(command: str) -> dict[str, bytes]:
    run = command.encode()
    text = b"\x8c" + bytes([len(run)]) + run  # SHORT_BINUNICODE
    inner = pickle.dumps(_Call(os.system, command), 2)
    loaded = _load_from_bytes(inner)
    stream = _torch_stream(inner)
    evaluate = f"__import__('os').system({command!r})"
    return {
        "system.pkl": pickle.dumps(_Call(os.system, command)),
        "system2.pkl": pickle.dumps(_Call(os.system, command), 2),
        "system0.pkl": b"\x80\x02" + pickle.dumps(_Call(os.system, command), 0),
        "system.pt": _torch_zip(pickle.dumps(_Call(os.system, command), 2)),
        "system-old.pt": stream,
        "nested.pkl": loaded,
        "nested-storage.pkl": _load_from_bytes(stream),
        "eval.pkl": pickle.dumps(_Call(eval, evaluate)),
        "exec.pkl": pickle.dumps(_Call(exec, evaluate)),
        "getattr.pkl": pickle.dumps(_Call(getattr, _Call(__import__, "os"), "system")),
        "instance.pkl": b"\x80\x02(" + _string(command) + b"ios\nsystem\n.",
        "object.pkl": b"\x80\x02(cos\nsystem\n" + _string(command) + b"o.",
        "stack-global.pkl": b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + text + b"\x85R.",
        "stack-global-number.pkl": b"\x80\x04K\x01\x8c\x06system\x93.",
        "stack-global-memo.pkl": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93" + text + b"\x85R.",
        "extension.pkl": b"\x80\x02\x82\x01" + text + b"\x85R.",
        "extension4.pkl": b"\x80\x02\x84\x01\x00\x00\x00.",
        "persistent.pkl": b"\x80\x02Posix.system\n.",
        "persistent-binary.pkl": b"\x80\x04" + text + b"Q.",
        "copyreg.pkl": b"\x80\x02ccopyreg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.",
        "setstate.pkl": b"\x80\x04cdnnlib.tflib.network\nNetwork\n)\x81}\x8c\x0c__setstate__cos\nsystem\nsb.",
        "build-class.pkl": b"\x80\x04ccollections\nOrderedDict\n}\x8c\x08__call__" + text + b"sb.",
        "new-keywords.pkl": b"\x80\x04ccollections\nOrderedDict\n)}\x92.",
        "dotted.pkl": b"\x80\x04" + _string("collections") + _string("OrderedDict.__init__.__globals__") + b"\x93.",
        "dotted-module.pkl": b"\x80\x02ctorch.storage\n_load_from_bytes.__globals__\n.",
        "torch-load.pkl": b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00/\x85R.",
        "loads.pkl": b"\x80\x04cpickle\nloads\nC" + bytes([len(inner)]) + inner + b"\x85R.",
        "terminal-escape.pkl": b"\x80\x02cos\x1b]0;owned\x07\x1b[31m\nsystem\n.",
    }


# what would eat memory or time


def _bombs() -> dict[str, bytes]:
    laugh = b"\x80\x04]\x94" + b"".join(
        b"]\x94(" + (b"h" + bytes([level])) * 100 + b"e" for level in range(120)
    )  # 100 to the power of 120 lists
    key = b"\x80\x04)\x94" + b"\x85\x94" * 60_000 + b"}\x94h\x00" + b"K\x01s."
    deep_key = b"\x80\x04}" + b")" + b"\x85" * 500_000 + b"K\x01s."
    lists = b"\x80\x04]\x94(" + b"K\x00" * 1000 + b"e\x94"
    return {
        "laughs.pkl": laugh + b".",
        "deep-lists.pkl": b"\x80\x04" + b"]" * 300_000 + b"a" * 299_999 + b".",
        "deep-tuples.pkl": b"\x80\x04)" + b"\x85" * 500_000 + b".",
        "deep-key.pkl": deep_key,
        "deep-key-memo.pkl": key,
        "marks.pkl": b"\x80\x04" + b"(" * 1_000_000 + b".",
        "duplicates.pkl": b"\x80\x04]" + b"2" * 1_000_000 + b".",
        "instructions.pkl": b"\x80\x04" + b"N0" * 1_000_000 + b"N.",
        "huge-integer.pkl": b"\x80\x02\x8b\xff\xff\xff\x7f" + b"\xff" * 100 + b".",
        "long-integer.pkl": b"\x80\x02\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000 + b".",
        "negative-integer.pkl": b"\x80\x02\x8b\xff\xff\xff\xff.",
        "huge-text.pkl": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.",
        "huge-bytes.pkl": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"abc.",
        "huge-array.pkl": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
        "huge-frame.pkl": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
        "huge-memo.pkl": b"\x80\x04Nr\xff\xff\xff\xff" + b"j\xff\xff\xff\x7f.",
        "many-texts.pkl": b"\x80\x04" + (b"X" + struct.pack("<I", 65_000) + b"a" * 65_000) * 600 + b".",
        "copied-sets.pkl": lists + b"".join(b"cbuiltins\nset\nh\x01\x85R0" for _ in range(20_000)) + b".",
        "kept-sets.pkl": b"\x80\x04" + b"\x8f\x940" * 330_000 + b"N.",
        "kept-bytes.pkl": b"\x80\x04" + b"C\x00\x940" * 330_000 + b"N.",
        "endless-name.pkl": b"\x80\x02c" + b"a" * 100_000,
        "colliding-keys.pkl": b"\x80\x04}("
        + b"".join(b"\x8a\x0a" + ((2**61 - 1) * n).to_bytes(10, "little") + b"N" for n in range(1, 60_000))
        + b"u.",
        "huge-header.safetensors": struct.pack("<Q", 2**50) + b"{" + bytes(100),
        "deep-header.safetensors": struct.pack("<Q", 200_000) + b"{" + b'"a":{' * 39_999 + bytes(100_000),
    }


# what says one thing and is another


def _lies() -> dict[str, bytes]:
    rebuild = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n("
    return {
        "stop-alone.pkl": b"\x80\x04.",
        "no-stop.pkl": b"\x80\x04N",
        "pop-nothing.pkl": b"\x80\x040.",
        "unknown-protocol.pkl": b"\x80\xff.",
        "memo-missing.pkl": b"\x80\x04h\x05.",
        "set-on-none.pkl": b"\x80\x04NK\x01K\x02s.",
        "append-to-tuple.pkl": b"\x80\x04)K\x01a.",
        "call-a-string.pkl": b"\x80\x04\x8c\x02os)R.",
        "bad-utf8.pkl": b"\x80\x04\x8c\x02\xff\xfe.",
        "tensor-of-nothing.pkl": rebuild + b"NK\x00)) \x89NtR.".replace(b" ", b""),
        "type-only.pkl": pickle.dumps({"G_ema": {"class_name": "Generator"}}),
        "overlap.safetensors": _safetensors({"a": ("F32", [2], [0, 8]), "b": ("F32", [2], [4, 12])}, bytes(12)),
        "outside.safetensors": _safetensors({"a": ("F32", [2**20], [0, 2**22])}, bytes(12)),
        "negative.safetensors": _safetensors({"a": ("F32", [-1], [8, 4])}, bytes(12)),
        "wrong-size.safetensors": _safetensors({"synthesis.b4.const": ("F32", [9, 9], [0, 8])}, bytes(12)),
        "not-json.safetensors": struct.pack("<Q", 8) + b"{not it}",
        "lists.safetensors": struct.pack("<Q", 7_999_990) + b'{"a":[' + b"[]," * 2_666_660 + b"[]]}" + bytes(100),
        "wrong-type.safetensors": _safetensors({"a": ("Q17", [2], [0, 8])}, bytes(8)),
    }


# where files should not be


def _places(folder: Path, command: str) -> list[Path]:
    made = [folder / name for name in ("a folder", "pipe.pkl", "missing.pkl", "circle.pkl", "dangling.pkl", "huge.pkl")]
    made[0].mkdir()
    os.mkfifo(made[1])
    made[3].symlink_to(made[3])
    made[4].symlink_to(folder / "nowhere")
    with open(made[5], "wb") as file:
        file.truncate(50 * 2**30)
    sparse = folder / "sparse-pickle.pkl"
    with open(sparse, "wb") as file:
        file.write(b"\x80\x04\x8e" + struct.pack("<Q", 20 * 2**30))
        file.truncate(21 * 2**30)
    listening = folder / "socket.pkl"
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.bind(str(listening))
            made.append(listening)
        except OSError:  # the path is too long for a socket on this machine
            pass
    unreadable = folder / "unreadable.pkl"
    unreadable.write_bytes(b"\x80\x04N.")
    unreadable.chmod(0)
    escape = folder / "red\x1b[31m\x1b]0;owned\x07\nname.pkl"
    escape.write_bytes(b"\x80\x04N.")
    option = folder / "--help"
    option.write_bytes(b"\x80\x04N.")
    invalid = folder / os.fsdecode(b"not-utf8-\xff.pkl")
    invalid.write_bytes(b"\x80\x04N.")
    return [*made, sparse, unreadable, escape, option, invalid, Path("/dev/zero"), Path("/proc/self/mem")]


# zip files


def _archives(folder: Path, command: str) -> list[Path]:
    def archive(name: str, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
        path = folder / name
        with zipfile.ZipFile(path, "w", method) as file:
            for entry, content in entries.items():
                file.writestr(entry, content)
        return path

    weights = io.BytesIO()
    state, _ = foreign.tiny_generator()
    foreign.write_rosinality(folder / "whole.pt", state)
    whole = (folder / "whole.pt").read_bytes()
    (folder / "whole.pt").unlink()
    weights.write(whole[: len(whole) // 2])
    half = folder / "half.pt"
    half.write_bytes(weights.getvalue())
    numbers = pickle.dumps({"a": 1}, 2)
    storage = _string("storage") + b"ctorch\nFloatStorage\n" + _string("../../etc/passwd") + _string("cpu")
    climbing = b"\x80\x02(" + storage + b"K\x01tQ."
    many = folder / "entries.pt"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65_534, 65_534, 4_000_000_000, 0, 0)
    many.write_bytes(b"PK\x03\x04" + bytes(100) + end)
    return [
        half,
        many,
        archive("nothing.pt", {}),
        archive("foreign.zip", {"hello.txt": b"hello"}),
        archive("picture-set.npz", {"a.npy": b"\x93NUMPY"}),
        archive("compressed.pt", {"m/data.pkl": numbers}, zipfile.ZIP_DEFLATED),
        archive("zip-bomb.pt", {"m/data.pkl": numbers, "m/data/0": bytes(200_000_000)}, zipfile.ZIP_DEFLATED),
        archive("climbing.pt", {"../../x/data.pkl": climbing, "../../x/data/0": b"1234"}),
        archive("two.pt", {"a/data.pkl": numbers, "b/data.pkl": numbers}),
        archive("script.pt", {"m/data.pkl": numbers, "m/constants.pkl": numbers, "m/code/x.py": command.encode()}),
        archive("big-endian.pt", {"m/data.pkl": numbers, "m/byteorder": b"big"}),
        archive("program.pt", {"m/data.pkl": pickle.dumps(_Call(os.system, command), 2)}),
    ]


# networks that are no StyleGAN2 generators, or lie about what they are


def _networks(folder: Path, command: str) -> list[Path]:
    state, config = foreign.tiny_generator()
    write = foreign.write_nvidia
    stylegan3 = {"synthesis.input.freqs": np.zeros((4, 2)), "synthesis.L0_36_4.weight": np.zeros((4, 4, 3, 3))}
    broken = {name: array for name, array in state.items() if name != "synthesis.b8.conv0.bias"}
    nan = state | {"synthesis.b4.const": state["synthesis.b4.const"] * np.nan}
    residual = state | {"synthesis.b8.skip.weight": np.zeros((4, 4, 1, 1))}
    filtered = state | {"synthesis.b8.resample_filter": np.ones((4, 4))}
    shaped = state | {"mapping.fc1.weight": np.zeros((4, 5))}
    first = {"version": 3, "variables": [("synthesis/ToRGB_lod0/weight", np.zeros((1, 1, 4, 3)))], "components": {}}
    networks = [foreign.Network(first)] * 3
    circle = foreign.Network({"version": 4, "variables": []})
    circle.components = foreign.EasyDict(synthesis=circle)  # type: ignore[attr-defined]
    laughing, snake = foreign.module({}), foreign.module({})
    for _ in range(12):  # 100 to the power of 12 modules
        laughing = foreign.module({str(number): laughing for number in range(100)})
    snake.state["_modules"] = {"tail": snake.state}
    # Wide layers at a high resolution in a small file: the picture would take many times its memory.
    shapes = Shape(4, 0, 4, 2048, 3, 2, {2**power: 64 for power in range(2, 12)}).tensors()
    wide = {name: np.zeros(size) for name, size in shapes.items() if "noise" not in name and "filter" not in name}
    # One big storage shown many times over: 50 tensors of 4 MB in a file of 4 MB.
    shared = torch.zeros(1_000_000)
    repeated = {f"convs.{n}.activate.bias": shared for n in range(50)} | {"input.input": torch.zeros(1, 4, 4, 4)}
    expanded = {"input.input": torch.zeros(1).expand(2**31)}
    return [
        write(folder / "stylegan3.pkl", stylegan3, config, stylegan3=True),
        write(folder / "incomplete.pkl", broken, config),
        write(folder / "not-finite.pkl", nan, config),
        write(folder / "residual.pkl", residual, config),
        write(folder / "filter.pkl", filtered, config),
        write(folder / "misshapen.pkl", shaped, config),
        foreign.dump(folder / "stylegan1.pkl", tuple(networks)),
        foreign.dump(folder / "circle-networks.pkl", (circle, circle, circle)),
        write(folder / "wide.pkl", wide, config),
        foreign.dump(folder / "laughing-modules.pkl", {"G_ema": laughing}),
        foreign.dump(folder / "snake.pkl", {"G_ema": snake}),
        _written(folder / "repeated.pt", foreign.saved({"g_ema": repeated})),
        _written(folder / "expanded.pt", foreign.saved({"g_ema": expanded})),
        _written(folder / "program-inside.pt", foreign.saved({"g_ema": _Call(os.system, command)})),
    ]


# folders


def _folders(folder: Path, command: str) -> list[Path]:
    def text_model(name: str, config: object, **files: bytes) -> Path:
        path = folder / name
        path.mkdir()
        (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        for file, content in files.items():
            (path / file.replace("__", ".")).write_bytes(content)
        return path

    tensors = _safetensors({"a": ("F32", [2], [0, 8])}, bytes(8))
    program = f"import os\nos.system({command!r})\n".encode()
    own = folder / "own-model"
    own.mkdir()
    (own / "model.toml").write_text('format = 1\nname = "x"\nkind = "image-gan"\nadapter = "stylegan2"\n')
    (own / "weights.safetensors").write_bytes(tensors)
    unknown = folder / "own-unknown"
    unknown.mkdir()
    (unknown / "model.toml").write_text('format = 1\nname = "x"\nkind = "y"\nadapter = "evil-module"\n')
    gpt = {"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": 16, "vocab_size": 16}
    remote = {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "modeling.Evil"}}
    outside = {"weight_map": {"a": "../../secret.safetensors"}}
    return [
        own,
        unknown,
        text_model("text-no-weights", gpt),
        text_model("text-remote-code", remote, model__safetensors=tensors, modeling__py=program),
        text_model("text-unknown", {"model_type": "nonsense"}, model__safetensors=tensors),
        text_model("text-not-causal", {"model_type": "vit"}, model__safetensors=tensors),
        text_model("text-not-json", "{", model__safetensors=tensors),
        text_model("text-layers", gpt | {"n_layer": 10**9}, model__safetensors=tensors, tokenizer__json=b"{}"),
        text_model("text-widths", gpt | {"n_embd": 10**6}, model__safetensors=tensors, tokenizer__json=b"{}"),
        text_model("text-bad-bin", gpt, pytorch_model__bin=pickle.dumps(_Call(os.system, command), 2)),
        text_model("text-bad-zip", gpt, pytorch_model__bin=_torch_zip(pickle.dumps(_Call(os.system, command), 2))),
        text_model("text-outside", gpt, **{"model.safetensors.index__json": json.dumps(outside).encode()}),
    ]


# pieces


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _string(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _load_from_bytes(inner: bytes) -> bytes:
    return b"\x80\x03ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner)) + inner + b"\x85R."


def _torch_stream(inner: bytes) -> bytes:
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    return b"".join(parts) + inner + pickle.dumps([], 2)


def _torch_zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", "little")
    return file.getvalue()


def _safetensors(entries: dict[str, tuple[str, list[int], list[int]]], body: bytes) -> bytes:
    header = {
        name: {"dtype": kind, "shape": shape, "data_offsets": span} for name, (kind, shape, span) in entries.items()
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body
