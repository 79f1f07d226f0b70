"""What went wrong, as a sentence for a person; what nobody foresaw also goes to a log."""

from __future__ import annotations

import contextlib
import traceback
from datetime import UTC, datetime
from pathlib import Path

from core.errors import TarmacError
from core.paths import cache_dir, private_dir


def log_path() -> Path:
    """Where unforeseen failures of the studio are written."""
    return cache_dir() / "logs" / "studio.log"


def told(error: BaseException, doing: str = "") -> tuple[str, bool]:
    """The sentence for `error`, and whether it is of the family that the program foresees."""
    if isinstance(error, TarmacError):
        return str(error), True
    cause = getattr(error, "error", None)  # Textual wraps what a worker raised
    if isinstance(cause, TarmacError):
        return str(cause), True
    where = f" while {doing}" if doing else ""
    kind = type(error).__name__
    return f"Something unforeseen happened{where} ({kind}: {error}). The details are in {log_path()}", False


def write_log(error: BaseException) -> None:
    """Append the traceback to the log; a log that cannot be written is not worth a second trouble."""
    with contextlib.suppress(OSError, TarmacError):
        private_dir(log_path().parent)
        with log_path().open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat()}\n")
            traceback.print_exception(error, file=file)
