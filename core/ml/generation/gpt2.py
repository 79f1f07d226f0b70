"""GPT-2 as plain tensors: the fast way to generate text with the models that people fine-tune most.

Source: Radford et al. 2019, "Language models are unsupervised multitask learners" (pre-norm transformer decoder,
learned positions, tied embeddings), weights in the Hugging Face layout (Conv1D: [in, out]).
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from core.errors import Refused
from core.ml.generation.attention import Cache, Shelf, Span, attend, groups
from core.ml.generation.linear import Linear, linear
from core.ml.generation.pages import large_pages

_SLOPE = torch.tensor(2 * math.sqrt(2 / math.pi))
"""Twice the factor in Hendrycks & Gimpel 2016, section 2: GELU by tanh, of which 0.5 (1 + tanh u) is sigmoid(2 u)."""

SPARE = 16
"""Tokens that memories are longer than the context. With heads a power of two apart, the CPU's caches and the memory's
banks get in each other's way: 6 % of the time of attention."""

APPROXIMATIONS = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "none"}
"""Known activation functions, as `approximate` of torch's gelu."""


Norm = tuple[Tensor | None, Tensor | None]
"""Gain and bias of a layer normalisation [width]; None where the product after it has taken them over."""


@dataclass(frozen=True)
class _Block:
    norm1: Norm
    attention: Linear
    merge: Linear
    norm2: Norm
    rise: Linear
    fall: Linear


class GPT2:
    """One GPT-2, ready to read tokens.

    Args:
        config: The fields of config.json.
        weights: Tensors by their Hugging Face names, with or without the prefix "transformer.".
        precision: float32, bfloat16 or int8 (weights; everything between the matrices stays float32).
        device: Where to compute.

    Raises:
        Refused: A setting this network does not have, a missing tensor, or one of the wrong shape.
    """

    def __init__(
        self, config: Mapping[str, object], weights: Mapping[str, Tensor], precision: str, device: torch.device
    ) -> None:
        self.context = _count(config, "n_positions")
        self.vocabulary = _count(config, "vocab_size")
        self._width, self._heads = _count(config, "n_embd"), _count(config, "n_head")
        layers = _count(config, "n_layer")
        inner = _count(config, "n_inner", 4 * self._width)
        self._epsilon = float(str(config.get("layer_norm_epsilon", 1e-5)))
        activation = str(config.get("activation_function", "gelu_new"))
        if self._width % self._heads:
            raise Refused("config.json cannot be used", f"{self._width} is not a multiple of {self._heads} heads")
        if not supports(config):
            raise Refused("config.json cannot be used", "it asks for a variant of GPT-2 that is not known")
        self._approximate = APPROXIMATIONS[activation]
        self.device, self.precision = device, precision
        # Products of whole numbers are exact in any order; those of floats are added up as the shape suggests.
        self.rows_alike = precision == "int8"

        def take(name: str, *shape: int) -> Tensor:
            tensor = weights.get(f"transformer.{name}", weights.get(name))
            if tensor is None:
                raise Refused("the weights are incomplete", f"there is no tensor {name}")
            if tuple(tensor.shape) != shape:
                raise Refused(
                    "the weights do not fit config.json", f"{name} is {list(tensor.shape)}, not {list(shape)}"
                )
            return tensor

        def vector(name: str, size: int) -> Tensor:
            return take(name, size).to(device, torch.float32)

        def product(name: str, rows: int, columns: int) -> Linear:
            return linear(take(f"{name}.weight", rows, columns), take(f"{name}.bias", columns), precision, device)

        def normed(norm: str, weight: Tensor, bias: Tensor | None) -> tuple[Norm, Linear]:
            """A normalisation and the product that reads it."""
            gain, shift = vector(f"{norm}.weight", self._width), vector(f"{norm}.bias", self._width)
            if precision != "int8":
                return (gain, shift), linear(weight, bias, precision, device)
            # Inputs share one scale, which a few channels with a large gain would take for themselves.
            weight = weight.float()
            moved = shift @ weight if bias is None else bias.float() + shift @ weight
            return (None, None), linear(gain[:, None] * weight, moved, precision, device)

        def block(name: str) -> _Block:
            attention, rise = f"{name}.attn.c_attn", f"{name}.mlp.c_fc"
            norm1, first = normed(
                f"{name}.ln_1", take(f"{attention}.weight", width, 3 * width), take(f"{attention}.bias", 3 * width)
            )
            norm2, second = normed(f"{name}.ln_2", take(f"{rise}.weight", width, inner), take(f"{rise}.bias", inner))
            merge, fall = product(f"{name}.attn.c_proj", width, width), product(f"{name}.mlp.c_proj", inner, width)
            return _Block(norm1, first, merge, norm2, second, fall)

        width = self._width
        table = take("wte.weight", self.vocabulary, width)
        self._positions = take("wpe.weight", self.context, width).to(device, torch.float32)
        head = weights.get("lm_head.weight", table)
        if head.shape != table.shape:
            raise Refused("the weights do not fit config.json", f"lm_head.weight is {list(head.shape)}")
        # What is packed as int8 lies where the library that does it wants.
        with large_pages() if precision == "int8" else contextlib.nullcontext():
            self._blocks = [block(f"h.{layer}") for layer in range(layers)]
            self._final, self._head = normed("ln_f", head.T, None)
        # Looked up a row at a time, so it may stay in the file's own memory map and format.
        self._table = table.to(device)
        products = [product for block in self._blocks for product in _products(block)]
        self.bytes_per_token = sum(product.bytes for product in products) + self._head.bytes
        tied = "lm_head.weight" not in weights or head.data_ptr() == table.data_ptr()
        skipped = (".attn.bias", ".attn.masked_bias") + (("lm_head.weight",) if tied else ())
        self.row_bytes = 2 * layers * width * (self.context + SPARE) * 4
        self.most_rows = 32 if device.type == "cpu" else 64
        self.parameters = sum(tensor.numel() for name, tensor in weights.items() if not name.endswith(skipped))

    cuts = True

    def start(self) -> Cache:
        """An empty cache."""
        shape = self._shape(1)
        return Cache(Shelf([torch.empty(shape, device=self.device) for _ in self._blocks]))

    def places(self, count: int) -> list[Cache]:
        """See `Engine.places`: caches of one shelf, which attention is computed over in one go."""
        shape = self._shape(count)
        # What was never written must still be numbers: it is read, and counts for nothing.
        shelf = Shelf([_zeros(shape, self.device) for _ in self._blocks])
        return [Cache(shelf, place) for place in range(count)]

    def _shape(self, rows: int) -> tuple[int, ...]:
        return 2, rows, self._heads, self.context + SPARE, self._width // self._heads

    def clear(self, cache: Cache) -> None:
        """Empty a cache."""
        cache.length = 0

    def fork(self, cache: Cache, into: Cache | None = None, length: int | None = None) -> Cache:
        """See `Engine.fork`."""
        other = self.start() if into is None else into
        other.length = cache.length if length is None else length
        for kept, copy in zip(cache.shelf.layers, other.shelf.layers):
            copy[:, other.place, :, : other.length] = kept[:, cache.place, :, : other.length]
        return other

    @torch.inference_mode()
    def read(self, ids: Sequence[int], cache: Cache, *, every: bool = False) -> Tensor:
        """Read tokens after those in `cache`, which grows by them.

        Args:
            ids: Token ids, at least one, at most what the context has room for.
            cache: What was read before.
            every: Return the logits after every token instead of the last.

        Returns:
            Float32 logits [vocabulary], or [len(ids), vocabulary].
        """
        x = self._read([ids], [cache])
        logits = self._logits(x if every else x[-1:])
        return logits if every else logits[0]

    @torch.inference_mode()
    def read_rows(self, rows: Sequence[Sequence[int]], caches: Sequence[Cache]) -> Tensor:
        """Read several rows, each after its own cache, which grows by it; every weight is read once for all.

        Args:
            rows: Token ids of each, of any lengths that `read` allows.
            caches: What was read before, one for each row.

        Returns:
            Float32 logits after the last token of each row [rows, vocabulary].
        """
        x = self._read(rows, caches)
        if len(x) > len(rows):
            ends = torch.tensor([len(ids) for ids in rows], device=x.device).cumsum(0) - 1
            x = x[ends]
        return self._logits(x)

    def _read(self, rows: Sequence[Sequence[int]], caches: Sequence[Cache]) -> Tensor:
        """The last block's output [tokens of all rows, width]."""
        spans: list[Span] = []
        places: list[int] = []
        begin = 0
        for ids, cache in zip(rows, caches, strict=True):
            start, stop = cache.length, cache.length + len(ids)
            if not 0 < len(ids) <= self.context - start:
                raise ValueError(f"{len(ids)} tokens after {start} do not fit a context of {self.context}")
            spans.append(Span(begin, begin + len(ids), cache))
            places += range(start, stop)
            begin += len(ids)
        index = torch.tensor([number for ids in rows for number in ids], dtype=torch.int64, device=self._table.device)
        x = self._table[index].float() + self._positions[torch.tensor(places, device=self._table.device)]
        grouped = groups(spans, self.rows_alike, self.device)
        for layer, block in enumerate(self._blocks):
            y = functional.layer_norm(x, (self._width,), *block.norm1, self._epsilon)
            parts = block.attention(y).view(begin, 3, self._heads, -1)
            x = x + block.merge(attend(grouped, layer, parts).reshape(begin, -1))
            y = functional.layer_norm(x, (self._width,), *block.norm2, self._epsilon)
            x = x + block.fall(self._activate(block.rise(y)))
        for span in spans:
            span.cache.length += span.last - span.first
        return x

    def _activate(self, x: Tensor) -> Tensor:
        """GELU [rows, inner]."""
        if self._approximate == "none" or x.device.type != "cpu":
            return functional.gelu(x, approximate=self._approximate)
        # PyTorch's takes twice as long from a few rows on: its tanh costs five times what the sigmoid does.
        slope = torch.add(_SLOPE, x * x, alpha=0.044715 * float(_SLOPE))
        return slope.mul_(x).sigmoid_().mul_(x)

    def _logits(self, x: Tensor) -> Tensor:
        return self._head(functional.layer_norm(x, (self._width,), *self._final, self._epsilon))


def supports(config: Mapping[str, object]) -> bool:
    """Whether the model of this config.json is the GPT-2 written here (variants go through transformers)."""
    return (
        config.get("model_type") == "gpt2"
        and config.get("activation_function", "gelu_new") in APPROXIMATIONS
        and config.get("scale_attn_weights", True) is True
        and not config.get("scale_attn_by_inverse_layer_idx", False)
        and not config.get("add_cross_attention", False)
    )


def _zeros(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Float32; on a CPU it costs no memory until it is written to, and then by the small page: heads lie far apart, so
    large pages (which NumPy asks for) would all be there after the first token.

    Raises:
        MemoryError, RuntimeError: There is not so much.
    """
    if device.type != "cpu":
        return torch.zeros(shape, device=device)
    try:
        memory = mmap.mmap(-1, 4 * math.prod(shape), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(str(error)) from error
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)


def _products(block: _Block) -> tuple[Linear, ...]:
    return block.attention, block.merge, block.rise, block.fall


def _count(config: Mapping[str, object], key: str, default: int | None = None) -> int:
    value = config.get(key)
    if value is None:
        value = default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**24:
        raise Refused("config.json cannot be used", f"{key} is {value!r}, not a count")
    return value
