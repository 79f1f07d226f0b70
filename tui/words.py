"""Numbers and times in the words that the screens use. Units are always shown; a time is relative."""

from __future__ import annotations

import math
import re
import textwrap
from datetime import UTC, datetime


def hanging(text: str, width: int, indent: int) -> str:
    """`text` broken at spaces to `width` cells, lines after the first set in by `indent` spaces."""
    lines = textwrap.wrap(text, max(12, width - indent), break_long_words=True, break_on_hyphens=False) or [""]
    return ("\n" + " " * indent).join(lines)


def reflowed(text: str) -> str:
    """`text` with each paragraph on one line, to be broken anew; lists and indented lines keep their breaks."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n").rstrip()):
        paragraphs.append(re.sub(r"(?<=\S)[ \t]*\n(?![ \t]|[-*•] |\d+[.)] )", " ", paragraph))
    return "\n\n".join(paragraphs)


def size(count: int) -> str:
    """Bytes in three figures with a decimal unit: 742 kB, 7.1 MB, 1.2 GB."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def count(number: int) -> str:
    """A large number of things in three figures: 812, 5.1 k, 24.8 M, 1.6 B."""
    if number < 1000:
        return str(number)
    value = float(number)
    for unit in ("k", "M", "B"):
        value /= 1000
        if value < 999.5 or unit == "B":
            break
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:,.0f} {unit}"


def counted(number: int, thing: str) -> str:
    """ "1 document", "1,204 documents"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def figures(value: float) -> str:
    """A measured number in three figures: 0.0031, 0.42, 8.90, 61.2, 812, 12,345."""
    size = abs(value)
    if not math.isfinite(value):
        return str(value)
    if size >= 99.95 or size == 0:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.0995 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """How long something takes: 0.4 s, 12 s, 3 min 20 s, 1 h 12 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 and whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """When something was: just now, 3 min ago, yesterday, 12 d ago; the date after a month."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h ago"
    days = int(seconds // 86400)
    if days > 31:
        return moment.strftime("%Y-%m-%d")
    return "yesterday" if days == 1 else f"{days} d ago"
