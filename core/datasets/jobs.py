"""What the process of `python -m core.datasets` can do: each job takes plain data and gives plain data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from core.datasets.advice import LEAST, advise
from core.datasets.cropping import AUTO, CONTRAST, Preparation
from core.datasets.library import DrawnPictures, GatheredTexts, kind_of, registry
from core.datasets.manifest import Manifest
from core.datasets.preparing import prepare
from core.datasets.preview import before_and_after
from core.datasets.review import save_pictures, sources_of
from core.datasets.scanning import Scan, scan, write_index
from core.datasets.segmenting import FinderFailed, from_job, looking
from core.datasets.store import PictureStore
from core.datasets.subject import Segmenter, find_subject
from core.datasets.texts.gathering import gather, gather_starter
from core.datasets.texts.look import look
from core.datasets.writing import check_space, write_square
from core.errors import InvalidInput, NotFound, Refused
from core.paths import storage_errors

Progress = Callable[[str, float | None], None]


def _add(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    """Scan the sources into a staging folder, write its manifest, and prepare it unless told not to."""
    folder = Path(job["folder"])
    sources = [Path(path) for path in job["sources"]]
    found = scan(
        sources,
        least_side=job["least_side"],
        classes=job["classes"],
        drop_near=job["drop_near"],
        progress=progress,
    )
    report = _report(found)
    kept = found.kept
    if len(kept) < LEAST:
        why = advise(len(kept)).sentence
        left = ", ".join(f"{count} {reason}" for reason, count in found.left_out().items())
        looked = f" ({len(found.records):,} files looked at; left out: {left})" if left else ""
        raise Refused(f"{job['name']} cannot be added", why + looked, "Add more pictures")
    write_index(folder, found.records, sources)
    origin: dict[str, object] = {"sources": [str(path) for path in sources]}
    about = {"origin": origin, "report": report}
    Manifest(name=job["name"], count=len(kept), classes=found.classes, about=about).write(folder)
    if job["preparation"] is not None:
        _prepared(folder, job, progress)
    return {"report": report}


def _prepare(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    manifest = _prepared(Path(job["folder"]), job, progress)
    return {"size": manifest.size, "count": manifest.count}


def _prepared(folder: Path, job: Mapping[str, Any], progress: Progress) -> Manifest:
    """Prepare, with a model that looks for the subjects where the job names one.

    A model that was asked for by name and cannot be used ends it: nobody wants other crops than those asked for. One
    that was taken by itself gives way to the contrast, for all pictures, and the manifest says why.
    """
    preparation, finder = Preparation(**job["preparation"]), from_job(job.get("finder"))
    make = partial(prepare, folder, preparation, base_size=job["base_size"], progress=progress)
    if finder is None or preparation.crop != "auto":
        return make()
    try:
        with looking(finder, progress) as segmenter:
            return make(segmenter=segmenter, looked=finder.told())
    except FinderFailed as failure:
        if preparation.subject != AUTO:
            name = Manifest.read(folder).name
            do = "Take a smaller model or the CPU, or let the contrast find the subjects (--subject contrast)"
            raise Refused(f"{name} cannot be prepared with {finder.name}", failed(failure), do) from failure
        progress(f"{finder.name} cannot be used; by contrast instead", None)
        return make(looked={"by": CONTRAST, "instead_of": finder.name, "why_not": failed(failure)})


def failed(failure: FinderFailed) -> str:
    """Why a model could not be used, as a clause; what to do about it is said by whoever asks."""
    error = failure.error
    return f"{error.what}: {error.why}" if error.why else error.what


def _find(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    """Look for the subjects of some pictures, decoded small, without preparing anything."""
    pictures = sources_of(Path(job["folder"]), job["numbers"], int(job["side"]), progress)
    finder, found = from_job(job.get("finder")), {}

    def look(segmenter: Segmenter | None) -> None:
        for done, (number, pixels) in enumerate(pictures.items(), 1):
            subject = find_subject(pixels, segmenter)
            found[str(number)] = [list(subject.box), subject.confidence, subject.by]
            progress(f"looking for subjects, {done} of {len(pictures)}", done / len(pictures))

    if finder is None:
        look(None)
        return {"subjects": found}
    try:
        with looking(finder, progress) as segmenter:
            look(segmenter)
    except FinderFailed as failure:
        raise Refused(f"{finder.name} cannot be used", failed(failure)) from failure
    return {"subjects": found}


def _draw(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    """Draw or gather a starter into a staging folder."""
    folder, name, size = Path(job["folder"]), str(job["name"]), int(job["size"])
    drawing = registry().get(name)
    if drawing is None:
        raise NotFound(f"no starter dataset is called {name!r}")
    reason = drawing.available()
    if reason is not None:
        raise Refused(f"starter/{name} cannot be drawn here", reason)
    if kind_of(drawing) == "text":
        about = {"description": drawing.about, "licence": drawing.licence}
        return {"count": gather_starter(folder, name, cast(GatheredTexts, drawing).gather(), about, progress).count}
    Preparation(size=size).check()
    progress(f"drawing {name}", None)
    images, names = cast(DrawnPictures, drawing).draw(size)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size, size, 3) or len(names) != len(images):
        raise InvalidInput(f"starter/{name} was drawn wrongly", f"{images.dtype} {images.shape}, {len(names)} names")
    check_space(folder, images.nbytes)
    manifest = Manifest(
        name=name,
        count=len(images),
        size=size,
        layout="square",
        about={
            "description": drawing.about,
            "licence": drawing.licence,
            "preparation": {"size": size, "crop": "drawn"},
            "report": {"kept": len(images), "advice": advise(len(images)).sentence, "level": advise(len(images)).level},
        },
    )
    write_square(folder, manifest, images, names)
    return {"size": size, "count": len(images)}


def _sheet(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    """Draw a contact sheet of a dataset into a PNG."""
    folder, out = Path(job["folder"]), Path(job["out"])
    tile, columns = int(job["tile"]), job["columns"]
    progress("drawing", None)
    if job["boxes"]:
        sheet, rows = before_and_after(folder, job["count"], tile)
    else:
        store = PictureStore.open(folder)
        rows = np.unique(np.linspace(0, len(store) - 1, min(len(store), job["count"])).astype(np.int64)).tolist()
        sheet = store.sheet(rows, tile, columns)
    part = out.with_name(f".{out.name}.{os.getpid()}")
    with storage_errors(out):
        try:
            Image.fromarray(sheet).save(part, format="PNG")
            os.replace(part, out)
        finally:
            part.unlink(missing_ok=True)
    return {"out": str(out), "width": sheet.shape[1], "height": sheet.shape[0], "pictures": len(rows)}


def _sources(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    """Decode the sources of some pictures once more, small, into a file for `load_pictures`."""
    found = sources_of(Path(job["folder"]), job["numbers"], int(job["side"]), progress)
    out = Path(job["out"])
    with storage_errors(out):
        save_pictures(out, found)
    return {"pictures": len(found)}


def _add_text(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    """Read the texts of the sources into a staging folder."""
    manifest = gather(
        [Path(path) for path in job["sources"]],
        Path(job["folder"]),
        job["name"],
        wanted=job["field"],
        share=float(job["held_out"]),
        seed=int(job["seed"]),
        progress=progress,
    )
    return {"documents": manifest.count}


def _look(job: Mapping[str, Any], progress: Progress) -> dict[str, object]:
    progress("looking", None)
    return look([Path(path) for path in job["sources"]])


def _report(found: Scan) -> dict[str, object]:
    """What the manifest says about a scan."""
    rate = len(found.records) / found.seconds if found.seconds > 0 else None
    advice = advise(len(found.kept), found.read_bytes, rate)
    left_out = found.left_out()
    return {
        "files": len(found.records),
        "kept": len(found.kept),
        "duplicates": left_out.get("duplicate", 0),
        "near_duplicates": found.near() + left_out.get("near duplicate", 0),
        "read_bytes": found.read_bytes,
        "seconds": round(found.seconds, 2),
        "advice": advice.sentence,
        "level": advice.level,
        "left_out": left_out,
        "notes": found.notes(),
    }


JOBS: dict[str, Callable[[Mapping[str, Any], Progress], dict[str, object]]] = {
    "add": _add,
    "add-text": _add_text,
    "look": _look,
    "prepare": _prepare,
    "find": _find,
    "draw": _draw,
    "sheet": _sheet,
    "sources": _sources,
}
