"""What a field is called on a form."""

from __future__ import annotations

import re

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def field_label(name: str) -> str:
    """The label of an input: camelCase and underscores split, words capitalised.

    >>> field_label("max_tokens"), field_label("topP"), field_label("RGBImage")
    ('Max Tokens', 'Top P', 'RGB Image')
    """
    words = re.split(r"[\s_\-]+", _HUMPS.sub(" ", name).strip())
    return " ".join(word[:1].upper() + word[1:] for word in words if word)
