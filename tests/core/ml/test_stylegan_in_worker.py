"""A projection in a real worker: it streams, ends soon after it is given up, and the worker goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled
from core.workers.adapter import Target
from core.workers.session import Session
from tests.core.ml.test_adapter_stylegan import CONDITIONAL, write_model


async def test_given_up_in_the_middle(tmp_path: Path) -> None:
    session = Session(Target("stylegan2", write_model(tmp_path / "model", CONDITIONAL), device="cpu"))
    await session.start()
    try:
        z = np.ones(64, np.float32)
        face = (await session.run("generate", {"z": z, "label": "1"}))["image"]
        call = session.run("project", {"image": face, "label": "1", "steps": 5000})
        parts = 0
        async for part in call:
            parts += 1
            assert part.outputs.keys() == {"z", "image", "distance"}
            assert part.progress is not None
            assert part.progress < 1
            if parts == 3:
                break
        call.cancel()
        with pytest.raises(Cancelled):
            await call
        # Thousands of steps were left: an answer in time says that they were not taken.
        again = await asyncio.wait_for(session.run("generate", {"z": z, "label": "1"}), 10)
        assert np.array_equal(again["image"], face)  # type: ignore[arg-type]
        short = await session.run("project", {"image": face, "label": "1", "steps": 2})
        assert 0 < float(short["distance"]) < 255  # type: ignore[arg-type]
    finally:
        await session.stop()
