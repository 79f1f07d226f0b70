"""What a branch takes from the run that it comes from: one checkpoint, and the history that led there."""

from __future__ import annotations

from pathlib import Path

from core.runs.adoption import link
from core.runs.events import Checkpoint, Metrics, Sample, Score
from core.runs.folder import RunFolder
from core.runs.journal import FILE_NAME, Journal, decode


def carry_over(parent: Path, child: Path, step: int) -> None:
    """Put the parent's checkpoint of `step`, and its curves, scores and samples up to there, into a new folder.

    Files are shared where the disk can: a checkpoint and a sample are never written again. What the parent went on to
    tell of steps that it trained twice comes last and counts.

    Raises:
        OSError: The checkpoint cannot be read, or the disk said no.
    """
    old, new = RunFolder(parent), RunFolder(child)
    place = new.checkpoints / str(step)
    place.mkdir(mode=0o700, parents=True)
    source = old.checkpoints / str(step)
    for path in sorted(source.rglob("*")):
        target = place / path.relative_to(source)
        if path.is_dir():
            target.mkdir(mode=0o700)
        else:
            link(path, target)
    journal = Journal(child)
    try:
        for line in (parent / FILE_NAME).read_bytes().split(b"\n"):
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


def _share(old: Path, new: Path, name: str) -> bool:
    """Whether a sample could be taken over; its name comes from a file and must not lead elsewhere."""
    source, target = old / Path(name).name, new / Path(name).name
    if target.exists():
        return True
    if not source.is_file():
        return False
    link(source, target)
    return True
