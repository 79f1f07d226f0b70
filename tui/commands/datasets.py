"""`tarmac datasets`: add pictures or texts, look at what became of them, prepare them anew, throw them away."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import datasets_text
from tui.commands.common import Progress, harmless, json_flag, print_json, run_async, size, table

if TYPE_CHECKING:
    from core.datasets.cropping import Preparation
    from core.datasets.library import Dataset


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser("datasets", help="add, list, prepare, preview and delete datasets")
    verbs = parser.add_subparsers(metavar="add|list|show|prepare|preview|rm", required=True)

    bring = verbs.add_parser(
        "add",
        help="add folders, archives or files as one dataset of pictures or text, and prepare it",
        description="Takes folders, zip and tar archives, pictures and texts: any plain text, source with its "
        ".gitignore, JSON lines, CSV, TSV, Parquet. They are only read; nothing is unpacked. Files that cannot be used "
        "are left out and listed by `tarmac datasets show --files`. Prints the dataset's id.",
    )
    bring.add_argument(
        "path", metavar="PATH", type=Path, nargs="+", help="folder, zip, tar or file; several are one dataset"
    )
    bring.add_argument("--name", help="what to call it (default: the first path's name)")
    bring.add_argument("--kind", choices=("image", "text"), help="what is in it (default: what most files are)")
    bring.add_argument("--classes", action="store_true", help="take sub-folders as classes")
    bring.add_argument(
        "--least-side", type=int, metavar="N", help="leave out pictures with a shorter side (default: 32)"
    )
    bring.add_argument("--drop-near", action="store_true", help="leave out near duplicates, not only exact ones")
    bring.add_argument("--no-prepare", action="store_true", help="only look at the files; prepare later")
    _preparation_flags(bring)
    datasets_text.add_flags(bring)
    json_flag(bring)
    bring.set_defaults(run=_add)

    listing = verbs.add_parser("list", help="all datasets: starters, then your own, the newest first")
    json_flag(listing)
    listing.set_defaults(run=_list)

    show = verbs.add_parser("show", help="everything about one dataset")
    show.add_argument("dataset", metavar="DATASET", help="id or name")
    show.add_argument("--files", action="store_true", help="list each file that was left out, and near duplicates")
    json_flag(show)
    show.set_defaults(run=_show)

    prepare = verbs.add_parser(
        "prepare",
        help="prepare pictures, for the first time or anew; draw a starter",
        description="Options that are not given stay as they were. Until it is done the old data stays.",
    )
    prepare.add_argument("dataset", metavar="DATASET", help="id or name")
    _preparation_flags(prepare)
    json_flag(prepare)
    prepare.set_defaults(run=_prepare)

    preview = verbs.add_parser("preview", help="draw a contact sheet; of text, print beginnings of documents")
    preview.add_argument("dataset", metavar="DATASET", help="id or name")
    preview.add_argument("--out", type=Path, metavar="FILE", help="the PNG to write; not for text")
    preview.add_argument("--boxes", action="store_true", help="show sources beside, with what was found and cut out")
    preview.add_argument("--count", type=int, default=64, metavar="N", help="most pictures (default: 64)")
    preview.add_argument("--tile", type=int, default=64, metavar="N", help="side of each in pixels (default: 64)")
    json_flag(preview)
    preview.set_defaults(run=_preview)

    remove = verbs.add_parser("rm", help="delete a dataset for ever; of a starter, what was drawn")
    remove.add_argument("dataset", metavar="DATASET", help="id, or a name that only one dataset has")
    json_flag(remove)
    remove.set_defaults(run=_remove)


def summary(dataset: Dataset) -> dict[str, object]:
    """One dataset in `datasets list --json`."""
    return {
        "id": dataset.id,
        "name": dataset.name,
        "kind": dataset.kind,
        "source": dataset.source,
        "count": dataset.count,
        "size": dataset.size,
        "channels": dataset.channels,
        "classes": list(dataset.classes),
        "ready": dataset.ready,
        "size_bytes": dataset.size_bytes,
        "created": dataset.created.isoformat(),
        "folder": str(dataset.folder),
        "problem": dataset.problem,
    }


def details(dataset: Dataset) -> dict[str, object]:
    """The dataset in `datasets show --json`: its report, preparation and origin as well."""
    plain = _plain(dict(dataset.about))
    return {**summary(dataset), **(plain if isinstance(plain, dict) else {})}


def _preparation_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size", type=int, metavar="N", help="side in pixels: 16, 32 ... 1024 (default: as they allow)"
    )
    parser.add_argument(
        "--crop",
        choices=("auto", "centre", "random", "none"),
        help="auto: the subject, always at the same place and size; centre: the middle square (default); random: "
        "another square each epoch; none: all of it, padded",
    )
    parser.add_argument("--fill", metavar="COLOUR", help="beyond a picture's edges: edge or #rrggbb (default: edge)")
    parser.add_argument("--filter", choices=("lanczos", "box"), help="how it is made smaller (default: lanczos)")
    parser.add_argument(
        "--subject",
        metavar="MODEL",
        help="who finds the subjects for --crop auto: auto, the best segmentation model in the library, if there is "
        "one (default); contrast, what differs from the border; or a model by id or name",
    )
    parser.add_argument("--alpha", choices=("white", "keep"), help="what becomes of transparency (default: white)")


def _preparation(options: argparse.Namespace, before: Preparation) -> Preparation:
    from dataclasses import replace

    from core.errors import InvalidInput

    names = ("size", "crop", "fill", "filter", "alpha", "subject")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    chosen = replace(before, **given).check()
    if options.subject is not None and chosen.crop != "auto":
        raise InvalidInput("--subject is not used", f"--crop {chosen.crop} looks for none", "Add --crop auto")
    return chosen


def _add(options: argparse.Namespace) -> int:
    from core.datasets.adding import Looking, add_pictures
    from core.datasets.cropping import Preparation
    from core.errors import InvalidInput

    kind = datasets_text.kind_of(options)
    datasets_text.check(options, kind)
    if kind == "text":
        return _added(datasets_text.add(options), options)
    looking = Looking(classes=options.classes, drop_near=options.drop_near)
    if options.least_side is not None:
        if options.least_side < 1:
            raise InvalidInput(f"--least-side {options.least_side} is not allowed", "it must be 1 or more")
        looking = Looking(options.least_side, options.classes, options.drop_near)
    preparation = _preparation(options, Preparation())
    progress = Progress()
    work = add_pictures(
        options.path,
        name=options.name,
        looking=looking,
        preparation=None if options.no_prepare else preparation,
        progress=progress,
    )
    try:
        dataset = run_async(work)
    finally:
        progress.clear()
    return _added(dataset, options)


def _added(dataset: Dataset, options: argparse.Namespace) -> int:
    if options.json:
        print_json(details(dataset))
    else:
        print(dataset.id)
        for line in _report_lines(dataset):
            print(_one_line(line), file=sys.stderr)
    return 0


def _list(options: argparse.Namespace) -> int:
    from core.datasets.library import Datasets

    datasets = Datasets().datasets()
    if options.json:
        print_json([summary(dataset) for dataset in datasets])
        return 0
    if not datasets:
        print("no datasets; `tarmac datasets add FOLDER` adds one")
        return 0
    rows = [["id", "name", "kind", "count", "prepared", "size", ""]]
    for dataset in datasets:
        prepared = f"{dataset.size} × {dataset.size}" if dataset.size else "–"
        if dataset.kind == "text":
            prepared = datasets_text.held_share(dataset)
        count = f"{dataset.count:,}" if dataset.count else "–"
        taken = size(dataset.size_bytes) if dataset.size_bytes else "–"
        rows.append([dataset.id, dataset.name, dataset.kind, count, prepared, taken, _state(dataset)])
    print(harmless(table(rows, right=frozenset({3, 4, 5}))))
    return 0


def _state(dataset: Dataset) -> str:
    if dataset.problem:
        return f"✕ {dataset.problem}"
    if dataset.source == "starter":
        made = "gathered" if dataset.kind == "text" else "drawn"
        return "" if dataset.ready else f"{made} when it is used"
    return "" if dataset.ready else "not prepared"


def _show(options: argparse.Namespace) -> int:
    from core.datasets.library import Datasets
    from core.datasets.scanning import read_index

    dataset = Datasets().get(options.dataset)
    drawn = dataset.source == "starter"
    files = [] if not options.files or drawn else [each for each in read_index(dataset.folder) if _is_told(each)]
    if options.json:
        told = details(dataset)
        if options.files:
            told["files"] = [
                {"name": each.name, "left_out": each.reason, "why": each.why, "like": each.like} for each in files
            ]
        print_json(told)
        return 0
    lines = [dataset.name, f"  id         {dataset.id}", f"  kind       {dataset.kind}"]
    if dataset.problem:
        lines.append(f"  ✕ broken   {dataset.problem}")
    if dataset.kind == "image":
        state = f"{dataset.size} × {dataset.size}, {dataset.channels} channels" if dataset.ready else "no"
        lines += [f"  pictures   {dataset.count:,}" if dataset.count else "  pictures   –", f"  prepared   {state}"]
    if dataset.classes:
        lines.append(f"  classes    {len(dataset.classes)}: {', '.join(dataset.classes[:12])}")
    lines += [f"  size       {size(dataset.size_bytes)}", f"  folder     {dataset.folder}"]
    lines += [f"  {line}" for line in _report_lines(dataset)]
    for label, key in (("about", "description"), ("licence", "licence")):
        if dataset.about.get(key):
            lines.append(f"  {label:<10} {dataset.about[key]}")
    for number, sample in enumerate(datasets_text.samples(dataset)[:3] if dataset.kind == "text" else ()):
        lines.append(f"  {'samples' if not number else '':<10} {' '.join(sample.split())[:100]}")
    for each in files:
        reason = each.told if each.reason else "near duplicate, kept"
        lines.append(f"    {each.name}  {reason}")
    print("\n".join(map(_one_line, lines)))
    return 0


def _one_line(line: str) -> str:
    """For a terminal or a file alike: names of files may hold escapes and line ends."""
    return "".join(char if char.isprintable() else " " for char in line)


def _is_told(record: Any) -> bool:
    return bool(record.reason) or record.like >= 0


def _report_lines(dataset: Dataset) -> list[str]:
    """What was found out when it was added and prepared, a line each: label and words."""
    if dataset.kind == "text":
        return datasets_text.report_lines(dataset)
    from tui.datasets.facts import found_by

    report, preparation, subjects = (_mapping(dataset, key) for key in ("report", "preparation", "subjects"))
    lines = []
    if report.get("advice"):
        lines.append(f"advice     {report['advice']}")
    left_out = report.get("left_out")
    if isinstance(left_out, Mapping) and left_out:
        words = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        lines.append(f"left out   {words} (of {report.get('files', 0):,} files)")
    near = report.get("near_duplicates")
    if near:
        lines.append(f"near       {near:,} almost the same as another one")
    notes = report.get("notes")
    if isinstance(notes, Mapping) and notes:
        lines.append(f"converted  {', '.join(f'{count:,} {note}' for note, count in notes.items())}")
    if preparation.get("crop"):
        lost = f", {preparation['failed']:,} could not be read again" if preparation.get("failed") else ""
        lines.append(f"crop       {preparation['crop']}{lost}")
    if subjects:
        lines.append(
            f"subjects   {subjects.get('found', 0):,} found, {subjects.get('unsure', 0):,} unsure and cut in the middle"
        )
        lines.append(f"found by   {found_by(subjects)}")
        before, after = subjects.get("alignment_before", 0), subjects.get("alignment_after", 0)
        lines.append(f"alignment  {before:.2f} before, {after:.2f} after (1 = all at the same place and size)")
    return lines


def _mapping(dataset: Dataset, key: str) -> Mapping[str, Any]:
    value = dataset.about.get(key)
    return value if isinstance(value, Mapping) else {}


def _prepare(options: argparse.Namespace) -> int:
    from core.datasets.adding import preparation_of, prepare_dataset
    from core.datasets.library import Datasets

    datasets = Datasets()
    found = datasets.get(options.dataset)
    before = preparation_of(found)
    progress = Progress()
    try:
        dataset = run_async(
            prepare_dataset(found.id, _preparation(options, before), datasets=datasets, progress=progress)
        )
    finally:
        progress.clear()
    if options.json:
        print_json(details(dataset))
    else:
        print(dataset.id)
        for line in _report_lines(dataset):
            print(harmless(line), file=sys.stderr)
    return 0


def _preview(options: argparse.Namespace) -> int:
    from core.datasets.adding import draw_sheet
    from core.datasets.library import Datasets
    from core.errors import InvalidInput

    dataset = Datasets().get(options.dataset)
    if dataset.kind == "text":
        return _preview_text(dataset, options)
    if options.out is None:
        raise InvalidInput("no sheet can be drawn", "--out is missing", "Give the PNG to write")
    progress = Progress()
    work = draw_sheet(
        dataset,
        options.out,
        count=options.count,
        tile=options.tile,
        boxes=options.boxes,
        progress=progress,
    )
    try:
        drawn = run_async(work)
    finally:
        progress.clear()
    if options.json:
        print_json(drawn)
    else:
        print(drawn["out"])
    return 0


def _preview_text(dataset: Dataset, options: argparse.Namespace) -> int:
    from core.errors import InvalidInput, Refused

    if options.out is not None or options.boxes:
        word = "--out" if options.out is not None else "--boxes"
        raise InvalidInput(f"{word} is not for text", f"the samples of {dataset.name} are printed", "Leave it away")
    if not dataset.ready:
        raise Refused(f"{dataset.name} has nothing to show", dataset.problem or "it was not drawn yet", "Draw it first")
    told = datasets_text.samples(dataset)[: max(1, options.count)]
    if options.json:
        print_json({"samples": told})
    else:
        print(harmless(f"\n{'─' * 40}\n".join(sample.strip("\n") for sample in told)))
    return 0


def _remove(options: argparse.Namespace) -> int:
    from core.datasets.library import Datasets

    dataset = Datasets().remove(options.dataset)
    if options.json:
        print_json({"removed": dataset.id})
    else:
        print(dataset.id)
    return 0


def _plain(value: object) -> object:
    """What a manifest holds as JSON can say it: dates as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
