"""Generators in the pickles of NVIDIA's PyTorch repositories (stylegan2-ada-pytorch; StyleGAN2 in stylegan3)."""

from __future__ import annotations

from core.ml.checkpoints.generator import Found, clamp_of, same
from core.ml.checkpoints.problems import MAX_ENTRIES, Unreadable, shown
from core.ml.checkpoints.tensors import Tensor
from core.ml.checkpoints.vocabulary import NumPyArray, Persisted

FORMAT = "NVIDIA StyleGAN2 pickle (PyTorch)"
_MAX_NESTING = 16


def find(content: object) -> Found | None:
    """The generator in a pickle's content (the average one if it has one); None if this is another kind of file.

    Raises:
        Unreadable: A network, but no StyleGAN2 generator.
    """
    network = content
    if type(content) is dict:
        network = content.get("G_ema") or content.get("G")
    if not isinstance(network, Persisted):
        return None
    modules = walk(network)
    weights = {name: tensor for path, module in modules.items() for name, tensor in _tensors(path, module).items()}
    if not any(name.startswith(("synthesis.", "mapping.")) for name in weights):
        raise Unreadable(f"it holds a {shown(network.class_name, 40)}, not a StyleGAN2 generator")
    if any(name.startswith("synthesis.input.") for name in weights):
        raise Unreadable("it is a StyleGAN3 network, which is not supported yet", "Import a StyleGAN2 network")
    for path, module in modules.items():
        if path.startswith("synthesis.b"):
            same(module.state.get("architecture"), "skip", "generator architecture")
            same(module.state.get("activation"), "lrelu", "activation")
    first = modules.get("mapping.fc0")
    if first is not None:
        same(first.state.get("bias_gain"), 0.01, "learning-rate multiplier of the mapping")
        same(first.state.get("activation"), "lrelu", "activation")
    layer = modules.get("synthesis.b4.conv1")
    return Found(weights, FORMAT, clamp_of(layer.state.get("conv_clamp") if layer else None))


def walk(network: Persisted) -> dict[str, Persisted]:
    """The network and the modules in it by path ("" is the network itself).

    Raises:
        Unreadable: Modules within each other without end, or more than a network has.
    """
    found: dict[str, Persisted] = {}
    waiting: list[tuple[str, Persisted, int]] = [("", network, 0)]
    while waiting:
        path, module, depth = waiting.pop()
        if depth > _MAX_NESTING or len(found) + len(waiting) > MAX_ENTRIES:
            raise Unreadable("its modules hold each other without end")
        found[path] = module
        for name, child in _entries(module, "_modules"):
            if isinstance(child, Persisted):
                waiting.append((f"{path}.{name}" if path else name, child, depth + 1))
            elif child is not None:
                raise Unreadable("it holds a module of an unknown kind")
    return found


def _tensors(path: str, module: Persisted) -> dict[str, Tensor]:
    passing = module.state.get("_non_persistent_buffers_set")
    left_out = passing if isinstance(passing, set) else set()
    found: dict[str, Tensor] = {}
    for name, value in [*_entries(module, "_parameters"), *_entries(module, "_buffers")]:
        tensor = value.tensor if isinstance(value, NumPyArray) else value
        if tensor is None or name in left_out:
            continue
        if not isinstance(tensor, Tensor):
            raise Unreadable("it holds a parameter without numbers")
        found[f"{path}.{name}" if path else name] = tensor
    return found


def _entries(module: Persisted, kind: str) -> list[tuple[str, object]]:
    entries = module.state.get(kind)
    if entries is None:
        return []
    if type(entries) is not dict or len(entries) > MAX_ENTRIES:
        raise Unreadable("it is a damaged pickle")
    if any(type(name) is not str or len(name) > 200 for name in entries):
        raise Unreadable("it holds a module without a name")
    return list(entries.items())
