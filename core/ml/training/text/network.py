"""The network of a text training: a new GPT-2 or a base as it is loaded, with LoRA beside its weights if asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from core.library.text_facts import positions
from core.ml.training.text.loop import own_tensors
from core.ml.training.text.quick import quicken
from core.runs.plan import TextOptions

LORA = ".lora_"
"""In the name of every matrix that LoRA adds."""
_BASE = ".base_layer"


def new_network(options: TextOptions, vocabulary: int, end: int, seed: int) -> Any:
    """An untrained GPT-2; residual projections start smaller with depth (Radford et al. 2019, section 2.3).

    Args:
        options: Resolved: sizes and context.
        vocabulary: Ids of its tokenizer.
        end: The id that ends a text.
        seed: Of the random weights.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=options.context,
        n_embd=options.width,
        n_layer=options.layers,
        n_head=options.heads,
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
    )
    return GPT2LMHeadModel(config)


def prepare(model: Any, options: TextOptions, seed: int) -> None:
    """Make a network ready to be trained, in place: dropout, checkpointing, LoRA, a quicker activation function."""
    model.config.use_cache = False
    _leave_out(model, options.dropout)
    quicken(model)
    if options.checkpointing:
        # Its older name warns where there is the newer one.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    if options.method == "lora":
        _add_lora(model, options, seed)
        if options.checkpointing:
            # Where nothing before a block learns, its input must still carry a gradient.
            model.enable_input_require_grads()


def positions_of(config: Any) -> int:
    """Tokens that a network of transformers sees at once, as its configuration tells."""
    return positions(config.get_text_config().to_dict())


def plain_weights(model: nn.Module) -> dict[str, Tensor]:
    """The network's tensors by their names in a model folder, LoRA merged in; the trained ones not copied."""
    own = own_tensors(model)
    if not any(LORA in name for name in own):
        return own
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = {name.replace(_BASE, ""): tensor for name, tensor in own.items() if LORA not in name}
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, BaseTunerLayer):
                weight: Any = module.get_base_layer().weight
                delta: Any = module.get_delta_weight("default")  # type: ignore[attr-defined]
                found[f"{name}.weight"] = weight.detach() + delta.to(weight.dtype)
    return found


def _leave_out(model: nn.Module, share: float) -> None:
    """Let every dropout of the network leave out `share`; a base's own shares are those of its first training."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name in ("attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, share)


def _add_lora(model: Any, options: TextOptions, seed: int) -> None:
    """Small matrices beside every projection of the blocks; they alone learn."""
    from peft import LoraConfig, inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    kinds = (nn.Linear, Conv1D)
    names = [name for name, module in model.named_modules() if isinstance(module, kinds) and module is not head]
    transposed = any(isinstance(module, Conv1D) for module in model.modules())
    config = LoraConfig(
        r=options.lora_rank,
        lora_alpha=options.lora_alpha,  # type: ignore[arg-type]
        lora_dropout=options.dropout,
        target_modules=names,
        fan_in_fan_out=transposed,
        bias="none",
    )
    torch.manual_seed(seed)
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(LORA in name)
