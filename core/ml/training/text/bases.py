"""The model that a text training begins from, loaded to be trained and nothing in its folder ever executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import Refused, out_of_memory
from core.library.text_facts import TextFacts, read_facts, weight_files
from core.ml.generation.loading import read_config
from core.ml.generation.tokens import Tokens, load_tokens


@dataclass(frozen=True)
class Base:
    """A model that can be trained.

    Attributes:
        model: A causal language model of transformers in float32, on the processor.
        tokens: Its tokenizer.
        facts: Its sizes.
    """

    model: Any
    tokens: Tokens
    facts: TextFacts


def load_base(folder: Path) -> Base:
    """Load the model in a folder of Hugging Face layout.

    Raises:
        Refused: It brings code of its own, its weights are a pickle, quantised or incomplete, its tokenizer does not
            fit, or transformers does not know it; says which.
    """
    facts = read_facts(folder)
    if any(path.suffix != ".safetensors" for path in weight_files(folder)):
        raise Refused(
            "its weights are a pickle",
            "such a file can run code when it is loaded",
            f"`tarmac models import {folder}` reads them safely and keeps them as safetensors",
        )
    tokens = load_tokens(folder, read_config(folder))
    model = read_network(folder)
    rows = int(model.get_input_embeddings().weight.shape[0])
    if tokens.vocabulary > rows:
        why = f"it has {tokens.vocabulary:,} ids, the network {rows:,}"
        raise Refused(f"the tokenizer of {folder.name} does not fit its weights", why, "Copy the model again, whole")
    return Base(model, tokens, facts)


def read_network(folder: Path) -> Any:
    """The network alone, from safetensors, in float32.

    Raises:
        Refused: transformers does not know it, or its weights do not fit its config.json.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    read_config(folder)
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (ValueError, KeyError, OSError, RuntimeError, TypeError, AttributeError, ImportError) as error:
        if out_of_memory(error):
            raise
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise Refused(f"{folder.name} cannot be trained", reason, "Choose a causal language model") from error
    if report["missing_keys"]:
        raise Refused(f"the weights of {folder.name} are incomplete", f"there is no {min(report['missing_keys'])}")
    return model
