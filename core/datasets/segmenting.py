"""A model of the library that looks for the subjects of pictures: chosen, started once for all, asked by many threads.

It runs in a worker process like every other model. What becomes of a preparation whose model cannot be used is decided
in `core.datasets.jobs`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.cropping import AUTO, CONTRAST, Preparation
from core.errors import Refused, TarmacError
from core.library.subjects import SUBJECT, finders, finds_subjects
from core.workers.session import Session, Target

if TYPE_CHECKING:
    from core.library.models import Library, Model

_USUAL_SIDE = 512
"""Pixels that a picture is brought in with, where the model does not tell how large it looks at one."""

_Result = TypeVar("_Result")
Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Finder:
    """A model that looks for subjects, as plain data for a job.

    Attributes:
        id, name: Of the library.
        adapter, folder: What a worker needs.
        weights: Checksum of its weights, as it was imported; "" where nobody knows it.
        device: Where it shall run.
    """

    id: str
    name: str
    adapter: str
    folder: str
    weights: str = ""
    device: str = "auto"

    @staticmethod
    def of(model: Model, device: str = "auto") -> Finder:
        """The model as a finder."""
        weights = str(model.manifest.origin.get("sha256", ""))
        return Finder(model.id, model.name, model.adapter, str(model.folder), weights, device)

    def told(self) -> dict[str, object]:
        """What a dataset's manifest keeps of it: with another model, or other weights, it is another preparation."""
        told = {"by": self.id, "by_name": self.name, "weights": self.weights}
        return {key: value for key, value in told.items() if value}


class FinderFailed(Exception):
    """The model cannot be used: it does not load, does not fit, or its worker died.

    Args:
        error: What went wrong, in its own words.
    """

    def __init__(self, error: TarmacError) -> None:
        super().__init__(str(error))
        self.error = error


def choose(preparation: Preparation, library: Library, device: str) -> tuple[Preparation, Finder | None]:
    """Which model looks for subjects (None: the contrast), and the preparation that names it by its id. Reads the disk.

    Args:
        preparation: "auto" takes the best one of the library, if there is one.
        library: Where models are.
        device: Where it shall run.

    Raises:
        NotFound: It names a model that is not there.
        Refused: That model finds no subjects.
    """
    wanted = preparation.subject
    if preparation.crop != "auto" or wanted == CONTRAST:
        return preparation, None
    if wanted == AUTO:
        best = next(iter(finders(library.models())), None)
        return preparation, Finder.of(best, device) if best is not None else None
    model = library.get(wanted)
    if not finds_subjects(model):
        why = model.problem or f"it is a model of the kind {model.kind}"
        raise Refused(f"{model.name} finds no subjects", why, "Choose a segmentation model, auto or contrast")
    return replace(preparation, subject=model.id), Finder.of(model, device)


@contextmanager
def looking(finder: Finder, progress: Progress) -> Iterator[ModelSegmenter]:
    """Start the model's worker; while this lasts it can be asked from any thread.

    Raises:
        FinderFailed: It does not start.
    """
    progress(f"loading {finder.name}", None)
    segmenter = ModelSegmenter(finder)
    try:
        with _full_memory():
            segmenter.start()
        yield segmenter
    finally:
        segmenter.close()


class ModelSegmenter:
    """A `core.datasets.subject.Segmenter` that asks a model in a worker process.

    The session lives on a loop of its own, in a thread of its own.
    """

    def __init__(self, finder: Finder) -> None:
        self._target = Target(finder.adapter, Path(finder.folder), {}, finder.device, name=finder.name)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="finder", daemon=True)
        self._thread.start()
        self._session: Session | None = None
        self._side = _USUAL_SIDE

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return self._session.pid if self._session is not None else None

    def start(self) -> None:
        """Load the model; returns when it can be asked.

        Raises:
            FinderFailed: It cannot be loaded.
        """
        session = self._wait(self._started())
        native = session.info.get("native")
        side = native.get("side") if isinstance(native, Mapping) else None
        self._side = side if isinstance(side, int) and side > 0 else _USUAL_SIDE

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """See `Segmenter`; the map is as large as the model looks at the picture, at most.

        Raises:
            FinderFailed: It did not answer.
        """
        outputs = self._wait(self._asked(_brought(pixels, self._side)))
        share = cast("NDArray[np.uint8]", outputs[SUBJECT])[..., 0].astype(np.float32)
        share /= 255
        return share

    def close(self) -> None:
        """End the worker; may be called twice."""
        if self._loop.is_closed():
            return
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _started(self) -> Session:
        self._session = Session(self._target)
        await self._session.start()
        return self._session

    async def _asked(self, pixels: NDArray[np.uint8]) -> dict[str, object]:
        assert self._session is not None
        return await self._session.run(SUBJECT, {"image": pixels})

    def _wait(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except TarmacError as error:
            raise FinderFailed(error) from error


def _brought(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture no larger than the model looks at it: what travels to the worker is small whatever the picture is."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.BOX, reducing_gap=2.0))


@contextmanager
def _full_memory() -> Iterator[None]:
    """Let the worker that is started meanwhile have all the memory there is.

    The limit of a process that decodes foreign pictures is inherited, and a model needs more than a hostile file may.
    """
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def as_job(finder: Finder | None) -> dict[str, object] | None:
    """Plain data for a job."""
    return asdict(finder) if finder is not None else None


def from_job(told: Mapping[str, Any] | None) -> Finder | None:
    """What `as_job` told."""
    return Finder(**told) if told is not None else None
