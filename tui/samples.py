"""What a text model wrote, kept with what it was asked and what it went on from: the history of a completion pane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

MOST_KEPT = 60
_MOST_CHARACTERS = 200_000


@dataclass(frozen=True)
class Sample:
    """One completion.

    `finish` is why it ended: "stop" (end of text, or a stop string), "length", "stopped" (by the user), "failed", or ""
    while it runs.
    """

    prompt: str
    text: str = ""
    options: Mapping[str, float] = field(default_factory=dict)
    finish: str = ""
    tokens: int = 0
    rate: float = 0.0
    """Tokens a second."""
    number: int = 0
    """Its own in the history, rising."""
    parent: int | None = None
    """Number of the completion that it went on from; None: a prompt of its own."""
    stop: tuple[str, ...] = ()
    """Stop strings."""
    dropped: int = 0
    """Tokens cut from the left of the prompt."""

    def grown(self, text: str, tokens: int, rate: float) -> Sample:
        """The same, further on."""
        return replace(self, text=text, tokens=tokens, rate=rate)

    def to_state(self) -> dict[str, object]:
        """As plain data for the workspace file."""
        data = asdict(self) | {"options": dict(self.options), "stop": list(self.stop)}
        if self.parent is None:
            del data["parent"]  # the file's format has no word for nothing
        return data

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
        stop, number, parent, dropped = (data.get(key) for key in ("stop", "number", "parent", "dropped"))
        return Sample(
            prompt[:_MOST_CHARACTERS],
            text[:_MOST_CHARACTERS],
            numbers,
            finish,
            tokens,
            float(rate),
            number if isinstance(number, int) and number > 0 else 0,
            parent if isinstance(parent, int) else None,
            tuple(string for string in stop if isinstance(string, str)) if isinstance(stop, list | tuple) else (),
            dropped if isinstance(dropped, int) else 0,
        )


def history_from_state(data: object) -> list[Sample]:
    """The samples in a workspace file, the newest last, each with a number of its own and a parent before it."""
    if not isinstance(data, list):
        return []
    history: list[Sample] = []
    for item in data[-MOST_KEPT:]:
        sample = Sample.from_state(item)
        if sample is None:
            continue
        known = {each.number for each in history}
        number = sample.number if sample.number > max(known, default=0) else max(known, default=0) + 1
        history.append(replace(sample, number=number, parent=sample.parent if sample.parent in known else None))
    return history


def asked(
    history: Sequence[Sample],
    prompt: str,
    parent: int | None,
    options: Mapping[str, float],
    stop: Sequence[str],
    count: int,
) -> list[Sample]:
    """The empty samples that `count` completions of `prompt` will fill, each with the seed after the one before it."""
    first = max((sample.number for sample in history), default=0) + 1
    samples = []
    for index in range(count):
        # Seeds go round at the end of their range.
        seed = {"seed": (int(options["seed"]) + index) % 2**31} if "seed" in options else {}
        own = {**options, **seed}
        samples.append(Sample(prompt, "", own, number=first + index, parent=parent, stop=tuple(stop)))
    return samples


def place_of(history: Sequence[Sample], number: int) -> int | None:
    """Where in the history the sample `number` is, if it still is."""
    return next((place for place, sample in enumerate(history) if sample.number == number), None)


def ancestors(history: Sequence[Sample], sample: Sample) -> list[Sample]:
    """What a sample went on from, the first first; without itself."""
    by_number = {each.number: each for each in history}
    chain: list[Sample] = []
    while sample.parent is not None and sample.parent < sample.number and sample.parent in by_number:
        sample = by_number[sample.parent]
        chain.insert(0, sample)
    return chain


@dataclass(frozen=True)
class Branch:
    """One line of the tree: a prompt (then `sample` is None) or a completion below it.

    Attributes:
        depth: How far it is set in.
        prompt: What its completions go on from.
        sample: The completion.
        last: Whether nothing follows on this level.
    """

    depth: int
    prompt: str
    sample: Sample | None = None
    last: bool = False


def tree(history: Sequence[Sample]) -> list[Branch]:
    """The history from top to bottom: every prompt in order of its first completion, what went on from it below."""
    numbers = {sample.number for sample in history}
    children: dict[int | None, list[Sample]] = {}
    for sample in history:
        children.setdefault(sample.parent if sample.parent in numbers else None, []).append(sample)
    prompts: dict[str, list[Sample]] = {}
    for sample in children.get(None, []):
        prompts.setdefault(sample.prompt, []).append(sample)
    lines: list[Branch] = []
    for prompt, first in prompts.items():
        lines.append(Branch(0, prompt))
        # Without recursion: a text that was continued five hundred times is five hundred levels deep.
        waiting = [(1, sample, sample is first[-1]) for sample in reversed(first)]
        while waiting:
            depth, sample, last = waiting.pop()
            lines.append(Branch(depth, sample.prompt, sample, last))
            below = children.get(sample.number, [])
            waiting += [(depth + 1, child, child is below[-1]) for child in reversed(below)]
    return lines
