"""What a dataset is, as the list and its card tell it: words, glyphs and tones; no widget, no disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core.datasets.cropping import CONTRAST, CROPS
from tui import words

if TYPE_CHECKING:
    from core.datasets.library import Dataset
    from core.runs.view import RunView
    from tui.datasets.jobs import Job

_ADVICE = {
    "few": ("! few", "busy"),
    "right": ("● right", "good"),
    "plenty": ("● plenty", "good"),
    "large": ("● large", "good"),
    "refused": ("✕ too few", "bad"),
}
_LISTED = 4
_LONGEST = 3


def table(dataset: Dataset, key: str) -> Mapping[str, Any]:
    """One of the tables of its manifest; empty where there is none."""
    value = dataset.about.get(key)
    return value if isinstance(value, Mapping) else {}


def advice(dataset: Dataset) -> tuple[str, str]:
    """(glyph and word, tone): whether there is enough to learn from."""
    if dataset.problem:
        return ("✕ not here", "bad") if dataset.source == "starter" else ("✕ broken", "bad")
    level = table(dataset, "report").get("level")
    if level is None and dataset.count and dataset.kind == "image":
        from core.datasets.advice import advise

        level = advise(dataset.count).level
    return _ADVICE.get(str(level), ("–", "muted"))


def holds(dataset: Dataset) -> str:
    """ "812 pictures", "1,204 documents"; without a number where nobody knows it yet, "–" of what is broken."""
    if not dataset.count:
        return "–" if dataset.problem else "documents" if dataset.kind == "text" else "pictures"
    return words.counted(dataset.count, "document" if dataset.kind == "text" else "picture")


def number(dataset: Dataset, key: str) -> int:
    """A number of its report; 0 where it is not told."""
    value = table(dataset, "report").get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def samples(dataset: Dataset) -> list[str]:
    """The beginnings of some of its texts."""
    found = table(dataset, "report").get("samples")
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def prepared(dataset: Dataset, job: Job | None) -> tuple[str, str]:
    """(words, tone): at which size and by which crop it is ready, or what is missing."""
    if job is not None:
        return f"◐ {job.verb} {job.short}" if job.share is not None else f"◐ {job.verb}", "busy"
    if dataset.ready and dataset.kind == "text":
        return f"{number(dataset, 'held_out'):,} held out", ""
    if dataset.ready:
        return f"{dataset.size}×{dataset.size} {crop(dataset)}".rstrip(), ""
    if dataset.problem:
        return "–", "muted"
    if dataset.kind == "text":
        return "gathered when used", "muted"
    return ("drawn when it is used", "muted") if dataset.source == "starter" else ("! not yet", "busy")


def crop(dataset: Dataset) -> str:
    """How it was cut: "auto", "centre", "random", "none"; "" where it was drawn."""
    found = str(table(dataset, "preparation").get("crop", ""))
    return found if found in CROPS else ""


def reviewable(dataset: Dataset) -> bool:
    """Whether there are found subjects to judge."""
    return dataset.ready and dataset.source != "starter" and crop(dataset) == "auto"


def consistency(dataset: Dataset) -> tuple[float, float] | None:
    """How alike subjects are placed before and after the crop, 0 to 1; None where it was not measured."""
    subjects = table(dataset, "subjects")
    before, after = subjects.get("alignment_before"), subjects.get("alignment_after")
    if isinstance(before, int | float) and isinstance(after, int | float):
        return float(before), float(after)
    return None


def found_by(subjects: Mapping[str, Any]) -> str:
    """Who found the subjects of auto-crop, by that table of the manifest."""
    if subjects.get("by", CONTRAST) == CONTRAST:
        instead, why = subjects.get("instead_of"), subjects.get("why_not")
        return "contrast" if not instead else f"contrast, since {instead} could not be used: {why}"
    name, unseen = str(subjects.get("by_name", subjects["by"])), subjects.get("unseen")
    return f"{name}; contrast where it saw none ({unseen:,})" if unseen else name


def unsure(dataset: Dataset) -> int:
    """Pictures whose subject auto-crop was unsure of."""
    found = table(dataset, "subjects").get("unsure")
    return found if isinstance(found, int) else 0


def left_out(dataset: Dataset) -> dict[str, int]:
    """How many files are left out, by reason."""
    found = table(dataset, "report").get("left_out")
    return {str(reason): number for reason, number in found.items()} if isinstance(found, Mapping) else {}


def made_from(dataset: Dataset, runs: Sequence[RunView]) -> list[RunView]:
    """The runs that were trained on it, the newest first."""
    return [view for view in runs if view.plan.dataset in (dataset.id, dataset.name)]


def card_lines(dataset: Dataset, job: Job | None, failure: str, runs: Sequence[RunView]) -> list[tuple[str, str, str]]:
    """(label, text, tone) of what is known, what matters most first."""
    lines: list[tuple[str, str, str]] = []
    if job is not None:
        lines.append(("now", f"◐ {job.line}", "busy"))
    elif failure:
        lines.append(("", f"✕ {failure}", "bad"))
    if dataset.problem:
        lines.append(("", f"✕ {dataset.problem}", "bad"))
    lines += _text_lines(dataset) if dataset.kind == "text" else _picture_lines(dataset)
    report = table(dataset, "report")
    if report.get("advice"):
        word, tone = advice(dataset)
        lines.append(("advice", f"{word.split()[0]} {report['advice']}", tone))
    lines += _origins(dataset)
    found = made_from(dataset, runs)
    for view in found[:_LISTED]:
        model = f" → {view.model}" if view.model else ""
        lines.append(("used by" if view is found[0] else "", f"{view.plan.name}{model}", ""))
    if len(found) > _LISTED:
        lines.append(("", f"and {len(found) - _LISTED} more", "muted"))
    return lines


def _picture_lines(dataset: Dataset) -> list[tuple[str, str, str]]:
    lines: list[tuple[str, str, str]] = []
    count = f"{dataset.count:,}" if dataset.count else "–"
    if dataset.channels == 4 and dataset.ready:
        count += ", with transparency"
    lines.append(("pictures", count, ""))
    if dataset.classes:
        shown = ", ".join(dataset.classes[:_LISTED]) + (" …" if len(dataset.classes) > _LISTED else "")
        lines.append(("classes", f"{len(dataset.classes):,}: {shown}", ""))
    text, tone = prepared(dataset, None)
    if (way := crop(dataset)) and dataset.ready:
        text = f"{dataset.size}×{dataset.size}, {way}: {CROPS[way]}"
    lines.append(("prepared", text, tone))
    return lines + _findings(dataset)


def _text_lines(dataset: Dataset) -> list[tuple[str, str, str]]:
    """What was found out when it was added."""
    if not dataset.ready:
        return [("documents", prepared(dataset, None)[0], "muted")]
    told = partial(number, dataset)
    lines = [("documents", f"{dataset.count:,}, {words.size(told('bytes'))} of text", "")]
    if told("held_out"):
        lines.append(("held out", f"{told('held_out'):,}, {words.size(told('held_bytes'))}: no step sees them", ""))
    fields = table(dataset, "origin").get("fields")
    if isinstance(fields, list) and fields:
        lines.append(("field", ", ".join(map(str, fields)), ""))
    report = table(dataset, "report")
    if out := left_out(dataset):
        named = ", ".join(f"{many:,} {reason}" for reason, many in out.items())
        lines.append(("left out", f"{sum(out.values()):,} of {told('files'):,} files: {named}. l lists them", ""))
    twice = [f"{told('duplicates'):,} there twice"] if told("duplicates") else []
    twice += [f"{told('empty'):,} empty"] if told("empty") else []
    if twice:
        lines.append(("dropped", "documents: " + ", ".join(twice), ""))
    encodings = report.get("encodings")
    if isinstance(encodings, Mapping) and encodings:
        lines.append(("encoding", ", ".join(f"{name} {many:,}" for name, many in encodings.items()), "muted"))
    broken = [
        f"{told(key):,} {what}"
        for key, what in (
            ("broken_lines", "lines with bytes that do not decode"),
            ("bad_records", "records that do not parse"),
            ("without_field", "records without the field"),
            ("cut_lines", "cuts inside a line that was too long"),
        )
        if told(key)
    ]
    if broken:
        lines.append(("broken", ", ".join(broken), "busy"))
    longest = report.get("longest")
    for index, each in enumerate(longest[:_LONGEST] if isinstance(longest, list) else ()):
        if isinstance(each, Mapping) and isinstance(size := each.get("bytes"), int):
            lines.append(("" if index else "longest", f"{words.size(size)}  {each.get('name', '')}", "muted"))
    return lines


def _findings(dataset: Dataset) -> list[tuple[str, str, str]]:
    """What was found out when it was added and prepared."""
    lines: list[tuple[str, str, str]] = []
    if (scores := consistency(dataset)) is not None:
        before, after = scores
        doubtful = f"; {unsure(dataset):,} unsure, c shows them" if unsure(dataset) else ""
        lines.append(("alignment", f"{before:.2f} → {after:.2f} of 1{doubtful}", ""))
        subjects = table(dataset, "subjects")
        if subjects.get("by", CONTRAST) != CONTRAST or subjects.get("instead_of"):
            lines.append(("found by", found_by(subjects), "busy" if subjects.get("instead_of") else ""))
    report = table(dataset, "report")
    out = left_out(dataset)
    if out:
        named = ", ".join(f"{number:,} {reason}" for reason, number in out.items())
        lines.append(("left out", f"{sum(out.values()):,} of {report.get('files', 0):,}: {named}. l lists them", ""))
    near = report.get("near_duplicates")
    if isinstance(near, int) and near > out.get("near duplicate", 0):
        lines.append(("near", f"{near - out.get('near duplicate', 0):,} almost the same as another one, kept", ""))
    excluded = table(dataset, "preparation").get("excluded")
    if excluded:
        lines.append(("excluded", f"{excluded:,} by you", ""))
    lost = table(dataset, "preparation").get("failed")
    if lost:
        lines.append(("lost", f"{lost:,} could not be read again when it was prepared", "busy"))
    notes = report.get("notes")
    if isinstance(notes, Mapping) and notes:
        lines.append(("converted", ", ".join(f"{number:,} {note}" for note, number in notes.items()), "muted"))
    return lines


def _origins(dataset: Dataset) -> list[tuple[str, str, str]]:
    lines: list[tuple[str, str, str]] = []
    if dataset.about.get("licence"):
        lines.append(("licence", str(dataset.about["licence"]), "muted"))
    sources = table(dataset, "origin").get("sources")
    if isinstance(sources, list) and sources:
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        lines.append(("from", f"{sources[0]}{more}", "muted"))
    if dataset.size_bytes:
        lines.append(("on disk", words.size(dataset.size_bytes), "muted"))
    if dataset.created.year > 1970:
        verb = "gathered" if dataset.kind == "text" else "drawn"
        lines.append(("added" if dataset.source != "starter" else verb, words.ago(dataset.created), "muted"))
    if dataset.source != "starter" or dataset.ready:
        lines.append(("lies in", str(dataset.folder), "muted"))
    return lines
