"""A second model beside the first: it completes the same prompts with the same seeds, in a worker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from core.errors import TarmacError
from tui import text_models
from tui.samples import MOST_KEPT, Sample
from tui.widgets.completion.calls import growing
from tui.widgets.completion.output import Output

if TYPE_CHECKING:
    from core.library.models import Model
    from core.workers.session import Call, Session
    from tui.services import Services

_PAINT_SECONDS = 0.07
_SHARED = ("temperature", "top_p", "top_k", "repetition_penalty", "seed", "max_tokens", "max_characters", "stop")
"""Inputs that both models are asked with, as far as the second has them."""


class Beside(Output):
    """What the second model writes to the prompt of the sample on the screen. Its worker starts with the first text.

    Args:
        services: Where models and sessions come from.
        reference: Which model it is, see `text_models`.
        samples: What it wrote before, by the numbers of the first model's samples.
    """

    HELP = "What the second model wrote to the same prompt with the same seed."
    HELP_TITLE = "The second model"

    @dataclass
    class Changed(Message):
        """It began or ended a text."""

    def __init__(self, services: Services, reference: str, samples: Mapping[int, Sample]) -> None:
        super().__init__(id="beside", classes="pane")
        self._services, self.reference = services, reference
        self.samples: dict[int, Sample] = dict(samples)
        self.model: Model | None = None
        self.session: Session | None = None
        self.error: TarmacError | None = None
        self._calls: dict[int, Call] = {}
        self._waiting = False
        self._number: int | None = None
        self._paint_due = False

    def on_mount(self) -> None:
        """Say what the model is called; its worker waits for the first text."""
        self.run_worker(self._look_up(), group="look-up", exit_on_error=False, description="looking up a model")

    async def _look_up(self) -> None:
        # What is wrong with it is told when it is asked.
        with suppress(TarmacError):
            self.model = await asyncio.to_thread(text_models.find, self._services, self.reference)
        self._paint()

    @property
    def busy(self) -> bool:
        """Whether it writes, or will as soon as it has loaded."""
        return bool(self._calls) or self._waiting

    def state(self) -> dict[str, object]:
        """What the workspace file keeps."""
        kept = sorted(self.samples.items())[-MOST_KEPT:]
        return {"model": self.reference, "samples": [sample.to_state() | {"of": number} for number, sample in kept]}

    def complete(self, samples: Sequence[Sample]) -> None:
        """Write to the prompts of the first model's `samples`, with their options."""
        self.error = None
        self.run_worker(self._complete(list(samples)), group="beside", exit_on_error=False, description="comparing")

    async def _complete(self, samples: list[Sample]) -> None:
        self._waiting = True
        self._paint()
        try:
            session = await self._ready()
            if not self._waiting:
                return  # stopped meanwhile
            model = self.model
            assert model is not None
            command = model.interface.default
            prompt = next(name for name, kind in command.inputs.items() if kind.type_name == "text")
            output = next(name for name, kind in command.outputs.items() if kind.type_name == "text")
            known = [name for name in _SHARED if name in command.inputs]
            asked = []
            for sample in samples:
                options = {**sample.options, "stop": list(sample.stop)}
                limited = {name: _within(command.inputs[name], options[name]) for name in known if name in options}
                asked.append({prompt: sample.prompt, **limited})
            calls = session.run_together(command.name, asked)
        except TarmacError as error:
            self.error = error
            return
        finally:
            self._waiting = False
            self._paint()
            self.post_message(self.Changed())
        self._calls = {sample.number: call for sample, call in zip(samples, calls, strict=True)}
        await asyncio.gather(*(self._follow(sample, output) for sample in samples))
        self.post_message(self.Changed())

    async def _ready(self) -> Session:
        if self.model is None:
            self.model = await asyncio.to_thread(text_models.find, self._services, self.reference)
        if self.session is None:
            self.session = self._services.session(self.model)
        if self.session.state != "ready":
            await self.session.start()
        return self.session

    async def _follow(self, sample: Sample, output: str) -> None:
        number = sample.number
        twin = Sample(sample.prompt, options=sample.options, number=number, stop=sample.stop)
        try:
            async for grown in growing(self._calls[number], twin, output):
                self.samples[number] = grown
                self._paint_soon()
        except TarmacError as error:
            self.error = error
        finally:
            self._calls.pop(number, None)
            self._paint()

    def stop(self) -> None:
        """Stop writing; what is there stays."""
        self._waiting = False
        for call in list(self._calls.values()):
            call.cancel()
        self._paint()

    async def close(self) -> None:
        """Stop the worker."""
        self._waiting = False
        if self.session is not None:
            await self.session.stop()

    async def on_unmount(self) -> None:
        """The worker ends with what shows it."""
        await self.close()

    # -- showing

    def turn(self, number: int | None) -> None:
        """Show what was written beside the sample `number` of the first model."""
        self._number = number
        self._paint()

    def _paint_soon(self) -> None:
        if not self._paint_due:
            self._paint_due = True
            self.set_timer(_PAINT_SECONDS, self._paint)

    def _paint(self) -> None:
        self._paint_due = False
        if not self.is_attached or not self.is_mounted:
            return
        sample = self.samples.get(self._number) if self._number is not None else None
        name = text_models.title_of(self.model) if self.model is not None else self.reference.partition(":")[2]
        self.show(
            sample,
            name,
            writing=len(self._calls) if self._number in self._calls else 0,
            waits_for=name if self._waiting else "",
            error=self.error,
            empty="It writes with the next completion.",
        )


def samples_from_state(data: object) -> dict[int, Sample]:
    """What a second model wrote, out of a workspace file that anybody may have edited."""
    found: dict[int, Sample] = {}
    for item in data[-MOST_KEPT:] if isinstance(data, list) else []:
        sample = Sample.from_state(item)
        number = item.get("of") if isinstance(item, Mapping) else None
        if sample is not None and isinstance(number, int):
            found[number] = sample
    return found


def _within(kind: object, value: object) -> object:
    """`value` as the second model allows it: lengths may differ."""
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    if isinstance(value, int | float) and isinstance(low, int | float) and isinstance(high, int | float):
        return min(high, max(low, value))
    return value
