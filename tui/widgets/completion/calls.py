"""A completion on its way: the sample that grows with every part that a worker gives."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from core.errors import Cancelled
from tui.samples import Sample

if TYPE_CHECKING:
    from core.workers.session import Call


async def growing(call: Call, sample: Sample, text_output: str) -> AsyncIterator[Sample]:
    """`sample` with what `call` has given so far, after every part; the last one says why it ended.

    A call that is cancelled leaves it as it was, "stopped".

    Raises:
        TarmacError: The model could not go on.
    """
    began = time.monotonic()
    finish = "stop"
    try:
        async for part in call:
            outputs = part.outputs
            tokens, rate, dropped = (outputs.get(name) for name in ("tokens", "tokens_per_second", "dropped"))
            count = (
                tokens if isinstance(tokens, int) else round((part.progress or 0) * sample.options.get("max_tokens", 0))
            )
            passed = time.monotonic() - began
            speed = float(rate) if isinstance(rate, int | float) else count / passed if passed > 0.2 else 0.0
            sample = sample.grown(str(outputs.get(text_output) or ""), count, speed)
            if isinstance(dropped, int) and dropped:
                sample = replace(sample, dropped=dropped)
            if call.done and part.progress == 1.0:
                finish = str(outputs.get("finish_reason") or "stop")
            else:
                yield sample
    except Cancelled:
        finish = "stopped"
    yield replace(sample, finish=finish)
