"""Tokens: 128 random bits each, shown once, kept as SHA-256, compared in constant time.

A token is "tm_" and sixteen bytes in URL-safe base64, so that it can be pasted anywhere. A hash without salt is enough:
nobody guesses 128 bits. The file tokens.json (0600) lies in the folder of what the tokens open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.errors import InvalidInput, NotFound, Refused
from core.interface.base import nearest, shorten
from core.library.manifest import clean_line
from core.paths import write_atomic

FORMAT = 1
FILE_NAME = "tokens.json"
PREFIX = "tm_"
MOST = 100
"""Tokens of one deployment."""

MAX_LABEL = 40

_PAD = 8
"""Comparisons are made in multiples of this, so that their number does not tell how many tokens there are."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    Attributes:
        label: Who or what it is for; unique in its deployment.
        digest: SHA-256 of the token.
        hint: Its last two characters, to tell tokens apart on a screen.
        created: When it was made, in UTC.
    """

    label: str
    digest: bytes
    hint: str
    created: datetime


def new_token(label: str) -> tuple[Token, str]:
    """A token and its secret, which is nowhere kept.

    Raises:
        InvalidInput: The label is empty or too long.
    """
    label = check_label(label)
    secret = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    return Token(label, digest(secret), secret[-2:], datetime.now(UTC).replace(microsecond=0)), secret


def check_label(label: str) -> str:
    """`label` on one clean line.

    Raises:
        InvalidInput: It is empty or too long.
    """
    line = clean_line(label)
    if not 1 <= len(line) <= MAX_LABEL:
        raise InvalidInput(f"a token cannot be called {shorten(line)}", f"allowed are 1 to {MAX_LABEL} characters")
    return line


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


class Verifier:
    """Tells whose token a secret is, in a time that depends on neither."""

    def __init__(self, tokens: Sequence[Token] = ()) -> None:
        self.tokens = tuple(tokens)
        missing = -len(self.tokens) % _PAD or (_PAD if not self.tokens else 0)
        self._digests = [token.digest for token in self.tokens] + [secrets.token_bytes(32) for _ in range(missing)]

    def match(self, presented: bytes) -> Token | None:
        """The token whose digest is `presented`; None if it is no one's."""
        found = -1
        for index, known in enumerate(self._digests):
            if hmac.compare_digest(known, presented):
                found = index
        return self.tokens[found] if 0 <= found < len(self.tokens) else None


def read_tokens(folder: Path) -> tuple[Token, ...]:
    """The tokens in `folder`; none where there is no file.

    Raises:
        Refused: The file is not one of tokens: then nothing may be opened.
    """
    path = folder / FILE_NAME
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Refused(f"{path} cannot be used", "it is not a plain file", "Delete it and make new tokens")
        data = json.loads(path.read_bytes())
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {shorten(data['format'])}, known is {FORMAT}")
        return tuple(
            Token(
                clean_line(str(each["label"])),
                _digest(each["sha256"]),
                clean_line(str(each["hint"]))[:2],
                datetime.fromisoformat(each["created"]),
            )
            for each in data["tokens"]
        )
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Refused(f"{path} cannot be read", error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"{path} cannot be used", str(error), "Delete it and make new tokens") from error


def write_tokens(folder: Path, tokens: Sequence[Token]) -> None:
    """Write the tokens of `folder`, whole or not at all, for this user alone.

    Raises:
        StorageError: The disk said no.
    """
    rows = [
        {"label": each.label, "sha256": each.digest.hex(), "hint": each.hint, "created": each.created.isoformat()}
        for each in tokens
    ]
    write_atomic(folder / FILE_NAME, json.dumps({"format": FORMAT, "tokens": rows}, indent=1) + "\n", 0o600)


def add(tokens: Sequence[Token], label: str) -> tuple[tuple[Token, ...], str]:
    """`tokens` with one more, and its secret.

    Raises:
        InvalidInput: The label is taken or not allowed, or there are too many.
    """
    token, secret = new_token(label)
    if any(each.label == token.label for each in tokens):
        raise InvalidInput(f"there is a token called {token.label} already", "", "Choose another label, or rotate it")
    if len(tokens) >= MOST:
        raise InvalidInput("no more tokens can be made", f"there are {MOST}", "Revoke some")
    return (*tokens, token), secret


def rotate(tokens: Sequence[Token], label: str) -> tuple[tuple[Token, ...], str]:
    """`tokens` with a new secret for one of them.

    Raises:
        NotFound: There is no such token.
    """
    index = _index(tokens, label)
    token, secret = new_token(tokens[index].label)
    return (*tokens[:index], token, *tokens[index + 1 :]), secret


def revoke(tokens: Sequence[Token], label: str) -> tuple[Token, ...]:
    """`tokens` without one of them.

    Raises:
        NotFound: There is no such token.
    """
    index = _index(tokens, label)
    return (*tokens[:index], *tokens[index + 1 :])


def _index(tokens: Sequence[Token], label: str) -> int:
    for index, token in enumerate(tokens):
        if token.label == clean_line(label):
            return index
    raise NotFound(f"no token is called {shorten(clean_line(label))}", "", nearest(label, [t.label for t in tokens]))


def _digest(text: object) -> bytes:
    data = bytes.fromhex(str(text))
    if len(data) != 32:
        raise ValueError("a SHA-256 has 32 bytes")
    return data
