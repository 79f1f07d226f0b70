"""What a text model wrote, kept with what it was asked: the history of a completion pane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

MOST_KEPT = 60
_MOST_CHARACTERS = 200_000


@dataclass(frozen=True)
class Sample:
    """One completion.

    `finish` is why it ended: "stop" (end of text), "length", "stopped" (by the user), "failed", or "" while it runs.
    """

    prompt: str
    text: str = ""
    options: Mapping[str, float] = field(default_factory=dict)
    finish: str = ""
    tokens: int = 0
    rate: float = 0.0
    """Tokens a second."""

    def grown(self, text: str, tokens: int, rate: float) -> Sample:
        """The same, further on."""
        return replace(self, text=text, tokens=tokens, rate=rate)

    def to_state(self) -> dict[str, object]:
        """As plain data for the workspace file."""
        return asdict(self) | {"options": dict(self.options)}

    @staticmethod
    def from_state(data: object) -> Sample | None:
        """Out of a workspace file that anybody may have edited; None when it is not one."""
        if not isinstance(data, Mapping):
            return None
        prompt, text, finish = data.get("prompt"), data.get("text"), data.get("finish", "")
        options, tokens, rate = data.get("options", {}), data.get("tokens", 0), data.get("rate", 0.0)
        if not (isinstance(prompt, str) and isinstance(text, str) and isinstance(finish, str)):
            return None
        if not (isinstance(options, Mapping) and isinstance(tokens, int) and isinstance(rate, int | float)):
            return None
        numbers = {str(key): value for key, value in options.items() if isinstance(value, int | float)}
        return Sample(prompt[:_MOST_CHARACTERS], text[:_MOST_CHARACTERS], numbers, finish, tokens, float(rate))


def history_from_state(data: object) -> list[Sample]:
    """The samples in a workspace file, the newest last."""
    if not isinstance(data, list):
        return []
    samples = [Sample.from_state(item) for item in data[-MOST_KEPT:]]
    return [sample for sample in samples if sample is not None]
