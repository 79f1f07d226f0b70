"""The interfaces of a StyleGAN and of a language model: what they declare, fill in, and that they survive the wire."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import InvalidInput
from core.interface import Interface
from core.library.interfaces import image_gan_interface, interface_of, text_interface
from core.library.manifest import Manifest

INTERFACE = image_gan_interface(16, 64, w_dim=10)


def test_generate_comes_first_and_takes_what_it_always_did() -> None:
    assert INTERFACE.default.name == "generate"
    assert list(INTERFACE.default.inputs) == ["z", "truncation"]
    assert list(INTERFACE.default.outputs) == ["image"]
    assert list(image_gan_interface(16, 64, classes=2).default.inputs) == ["z", "truncation", "label"]


def test_it_is_the_same_after_the_wire() -> None:
    assert Interface.from_spec(json.loads(json.dumps(INTERFACE.spec()))) == INTERFACE


def test_extras_have_defaults_that_do_nothing() -> None:
    z = np.ones(16, np.float32)
    inputs = INTERFACE.commands["styled"].check_inputs({"z": z})
    mix = inputs.pop("mix")
    assert np.array_equal(mix, np.zeros(16))  # type: ignore[arg-type]
    assert inputs.pop("z") is not None
    ranges = {key: [] for key in ("truncation_layers", "mix_layers", "edits", "edit_layers")}
    assert inputs == {"truncation": 0.7, **ranges}
    assert INTERFACE.commands["directions"].check_inputs({}) == {"layers": []}


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("mix_layers", [0, 10], "from 0 to 9"),  # 64 pixels have ten style layers
        ("edit_layers", [0.5, 3], "a whole number"),
        ("truncation_layers", [1, 2, 3], "0 to 2 elements"),
        ("edits", [11], "from -10 to 10"),
        ("edits", [0] * 11, "0 to 10 elements"),  # no more than w is long
        ("mix", [0] * 3, "16 finite numbers"),
    ],
)
def test_values_that_are_not_allowed(name: str, value: object, allowed: str) -> None:
    with pytest.raises(InvalidInput, match=allowed):
        INTERFACE.commands["styled"].check_inputs({"z": np.zeros(16), name: value})


def test_at_most_sixteen_directions() -> None:
    assert image_gan_interface(16, 64).commands["styled"].inputs["edits"].spec("edits")["maxLength"] == 16


def test_a_projection_takes_any_picture_and_streams() -> None:
    command = INTERFACE.commands["project"]
    inputs = command.check_inputs({"image": np.zeros((5, 9, 3), np.uint8)})
    assert {name: value for name, value in inputs.items() if name != "image"} == {
        "truncation": 0.7,
        "steps": 200,
        "seed": 0,
    }
    assert command.streaming
    assert not command.batchable


def test_a_language_model_of_long_ago_can_do_what_its_kind_has_learned_since() -> None:
    spec = text_interface(256).spec()
    command = spec["commands"][0]  # type: ignore[index]
    old = {"prompt", "max_tokens", "temperature", "top_p", "seed"}
    command["inputs"] = [each for each in command["inputs"] if each["name"] in old]
    declared = {"options": spec["options"], "commands": [command]}
    manifest = Manifest(name="old", kind="text", adapter="causal-lm", interface=declared)
    assert interface_of(manifest).spec() == text_interface(256).spec()
    broken = Manifest(name="odd", kind="text", adapter="causal-lm", interface={"commands": [{"name": "complete"}]})
    assert list(interface_of(broken).commands["complete"].inputs) == []


def test_what_was_asked_of_old_is_still_allowed() -> None:
    command = text_interface(64).commands["complete"]
    inputs = command.check_inputs({"prompt": "a", "max_tokens": 5, "temperature": 1, "top_p": 1, "seed": 2})
    assert (inputs["top_k"], inputs["repetition_penalty"], inputs["stop"], inputs["logprobs"]) == (0, 1, [], -1)
    assert (inputs["max_characters"], inputs["seed"]) == (0, 2)
