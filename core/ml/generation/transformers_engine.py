"""Any other causal language model: the network of transformers, our own loop around it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import Refused
from core.library.text_facts import positions
from core.ml.generation.linear import linear


class NetworkEngine:
    """A network of transformers as `completion.Engine`, without a copy of its weights.

    Args:
        model: A causal language model, which is set to evaluation.
        context: Most tokens that it sees at once.
        precision: What its weights are in.
        half: Whether to compute in bfloat16 whatever they are in.
    """

    def __init__(self, model: Any, context: int, precision: str, *, half: bool = False) -> None:
        self._model, self._half = model.eval(), half
        self._device = next(model.parameters()).device
        self.context = context
        self.vocabulary = int(getattr(model.config.get_text_config(), "vocab_size", 0))
        self.precision = "bfloat16" if half else precision
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.row_bytes = _row_bytes(model, context)
        self.bytes_per_token = self.parameters * {"float32": 4, "bfloat16": 2, "int8": 1}[precision]

    rows_alike = True
    """Rows are read one after the other, each with its own cache: nothing is shared that could differ."""

    most_rows = 8
    """Together they are not read faster, but nobody waits for a whole text of somebody else's."""

    cuts = False
    """What networks remember takes many forms, some of which know no tokens."""

    def start(self) -> dict[str, Any]:
        """An empty cache."""
        return {"past": None}

    def places(self, count: int) -> list[dict[str, Any]]:
        """See `Engine.places`."""
        return [self.start() for _ in range(count)]

    def clear(self, cache: dict[str, Any]) -> None:
        """See `Engine.clear`."""
        cache["past"] = None

    def fork(
        self, cache: dict[str, Any], into: dict[str, Any] | None = None, length: int | None = None
    ) -> dict[str, Any]:
        """See `Engine.fork`."""
        assert length is None
        other = self.start() if into is None else into
        other["past"] = copy.deepcopy(cache["past"])
        return other

    def read_rows(self, rows: Sequence[Sequence[int]], caches: Sequence[dict[str, Any]]) -> Tensor:
        """See `Engine.read_rows`."""
        return torch.stack([self.read(ids, cache) for ids, cache in zip(rows, caches, strict=True)])

    @torch.inference_mode()
    def read(self, ids: Sequence[int], cache: dict[str, Any], *, every: bool = False) -> Tensor:
        """See `Engine.read`."""
        rows = torch.tensor([list(ids)], dtype=torch.int64, device=self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            result = self._model(rows, past_key_values=cache["past"], use_cache=True, logits_to_keep=0 if every else 1)
        cache["past"] = result.past_key_values
        logits: Tensor = result.logits[0].float()
        return logits if every else logits[-1]


class TransformersEngine(NetworkEngine):
    """A model folder in the Hugging Face layout, run by transformers with its cache.

    Args:
        folder: The folder; nothing in it is executed and nothing is fetched.
        config: The fields of its config.json.
        precision: float32, bfloat16 or int8 (linear layers only).
        device: Where to compute.

    Raises:
        Refused: transformers does not know the architecture, or the files do not fit it.
    """

    def __init__(self, folder: Path, config: Mapping[str, object], precision: str, device: torch.device) -> None:
        import transformers

        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        try:
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, local_files_only=True, trust_remote_code=False, output_loading_info=True
            )
        except (ValueError, KeyError, OSError, RuntimeError, TypeError, AttributeError, ImportError) as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise Refused("this text model cannot be loaded", reason, "Choose a causal language model") from error
        if report["missing_keys"]:
            raise Refused("the weights are incomplete", f"there is no tensor {min(report['missing_keys'])}")
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if precision == "int8":
            _to_int8(model)
        super().__init__(model.to(device), positions(config), precision)
        # Those that are packed as int8 are no parameters any more.
        self.parameters = parameters
        self.bytes_per_token = parameters * {"float32": 4, "bfloat16": 2, "int8": 1}[precision]


class _Int8Linear(nn.Module):
    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        bias = None if layer.bias is None else layer.bias.detach()
        self._product = linear(layer.weight.detach().T, bias, "int8", torch.device("cpu"))
        self._out = layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        return self._product(x.reshape(-1, x.shape[-1]).contiguous()).view(*x.shape[:-1], self._out)


def _to_int8(model: nn.Module) -> None:
    for name, child in list(model.named_children()):
        if type(child) is nn.Linear:
            setattr(model, name, _Int8Linear(child))
        else:
            _to_int8(child)


def _row_bytes(model: Any, context: int) -> int:
    """Keys and values of a full context, by the configuration's word; a guess on the large side where it has none."""
    config = model.config.get_text_config()
    layers = getattr(config, "num_hidden_layers", None) or 32
    width, heads = getattr(config, "hidden_size", None) or 4096, getattr(config, "num_attention_heads", None) or 1
    size = getattr(config, "head_dim", None) or width // heads
    kept = getattr(config, "num_key_value_heads", None) or heads
    return int(2 * layers * kept * size * context * next(model.parameters()).element_size())
