"""The tokenizer of a model from nothing: byte-level BPE as GPT-2 has it (Radford et al. 2019, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

END_OF_TEXT = "<|endoftext|>"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE tokenizer of exactly GPT-2's kind; id 0 is the end of a text.

    Args:
        texts: What to learn the merges from.
        vocabulary: Number of ids, at least 257 (all bytes and the end of a text).

    Raises:
        ValueError: The vocabulary is smaller than that.
    """
    if vocabulary < 257:
        raise ValueError(f"a byte-level vocabulary has at least 257 entries, not {vocabulary}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # A prompt is the beginning of a text, and every text of the corpus comes after the end of another.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT))]
    )
    return tokenizer
