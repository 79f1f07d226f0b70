"""What a branch takes from the run that it comes from: one checkpoint, and the history that led there."""

from __future__ import annotations

from pathlib import Path

from core.errors import NotFound
from core.runs.adoption import link
from core.runs.events import Checkpoint, Metrics, Sample, Score
from core.runs.folder import RunFolder
from core.runs.journal import FILE_NAME, Journal, decode


def carry_over(parent: Path, child: Path, step: int) -> None:
    """Put the parent's checkpoint of `step`, and its curves, scores and samples up to there, into a new folder.

    Files are shared where the disk can: a checkpoint and a sample are never written again. What the parent went on to
    tell of steps that it trained twice comes last and counts.

    Raises:
        NotFound: The checkpoint was dropped meanwhile: a run that trains keeps the newest few only.
        OSError: The disk said no.
    """
    old, new = RunFolder(parent), RunFolder(child)
    place = new.checkpoints / str(step)
    place.mkdir(mode=0o700, parents=True)
    source = old.checkpoints / str(step)
    try:
        for path in sorted(source.rglob("*")):
            target = place / path.relative_to(source)
            if path.is_dir():
                target.mkdir(mode=0o700)
            else:
                link(path, target)
    except FileNotFoundError:
        pass
    if not source.is_dir():  # it goes by one rename: if it is still there, all of it was taken
        why, do = "its run keeps only the newest, and has just dropped this one", "Choose a newer one"
        raise NotFound(f"the checkpoint of step {step} is gone", why, do)
    journal = Journal(child)
    try:
        for line in _told(parent):
            told = decode(line)
            if told is None:
                continue
            at, event = told
            if not isinstance(event, Metrics | Sample | Score | Checkpoint):
                continue
            if event.step > step or (isinstance(event, Checkpoint) and event.step != step):
                continue
            if isinstance(event, Sample) and not _share(old.samples, new.samples, event.file):
                continue
            journal.tell(event, at)
    finally:
        journal.close()


def _told(parent: Path) -> list[bytes]:
    """The lines of the parent's journal; none where it has been lost, which takes the history and not the weights."""
    try:
        return (parent / FILE_NAME).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []


def _share(old: Path, new: Path, name: str) -> bool:
    """Whether a sample could be taken over; its name comes from a file and must not lead elsewhere."""
    source, target = old / Path(name).name, new / Path(name).name
    if target.exists():
        return True
    if not source.is_file():
        return False
    link(source, target)
    return True
