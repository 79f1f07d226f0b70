"""`tarmac models`: what there is, bring one in, throw one away."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import export_model, score
from tui.commands.common import Progress, json_flag, print_json, run_async, size, table

if TYPE_CHECKING:
    from core.library.models import Model


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser("models", help="list, show, import, score, export and delete models")
    verbs = parser.add_subparsers(metavar="list|show|import|score|export|rm", required=True)

    listing = verbs.add_parser("list", help="all models: starters, then your own, the newest first")
    json_flag(listing)
    listing.set_defaults(run=_list)

    show = verbs.add_parser("show", help="everything about one model")
    show.add_argument("model", metavar="MODEL", help="id or name, or RUN@STEP, RUN@best, RUN@last")
    json_flag(show)
    show.set_defaults(run=_show)

    bring = verbs.add_parser(
        "import",
        help="take a file or folder into the library",
        description="Takes StyleGAN and StyleGAN2 weights (NVIDIA .pkl, TensorFlow-era .pkl, rosinality .pt and "
        ".model), and text, segmentation and detection models in the Hugging Face layout. Nothing in a file is "
        "executed. Prints the new model's id.",
    )
    bring.add_argument("file", metavar="FILE", type=Path, help="file or folder; it is only read")
    bring.add_argument("--name", help="what to call it (default: the file's name)")
    json_flag(bring)
    bring.set_defaults(run=_import)

    score.add(verbs)
    export_model.add(verbs)

    remove = verbs.add_parser("rm", help="delete a model of your own for ever")
    remove.add_argument("model", metavar="MODEL", help="id, or a name that only one model has")
    json_flag(remove)
    remove.set_defaults(run=_remove)


def summary(model: Model) -> dict[str, object]:
    """One model in `models list --json`."""
    command = next(iter(model.spec.commands.values()), None) if model.spec is not None else None
    return {
        "id": model.id,
        "name": model.name,
        "kind": model.kind,
        "source": model.source,
        "inputs": [kind.type_name for kind in command.inputs.values()] if command else [],
        "outputs": [kind.type_name for kind in command.outputs.values()] if command else [],
        "author": model.author,
        "licence": model.licence,
        "size_bytes": model.size_bytes,
        "created": model.created.isoformat(),
        "folder": str(model.folder),
        "problem": model.problem,
    }


def details(model: Model) -> dict[str, object]:
    """The model in `models show --json`."""
    return {
        **summary(model),
        "adapter": model.adapter,
        "description": model.manifest.description,
        "architecture": model.architecture,
        "interface": model.spec.spec() if model.spec is not None else None,
        "scores": model.scores,
        "lineage": list(model.lineage),
        "recipe": dict(model.manifest.recipe),
        "origin": dict(model.manifest.origin),
    }


def _list(options: argparse.Namespace) -> int:
    from core.library.models import Library

    models = Library().models()
    if options.json:
        print_json([summary(model) for model in models])
        return 0
    if not models:
        print("no models; `tarmac models import FILE` brings one in")
        return 0
    rows = [["id", "name", "in → out", "size", "licence"]]
    for model in models:
        facts = summary(model)
        takes, gives = (_types(facts[key]) for key in ("inputs", "outputs"))
        ways = f"✕ {model.problem}" if model.problem else f"{takes} → {gives}"
        rows.append([model.id, model.name, ways, size(model.size_bytes), model.licence or "–"])
    print(table(rows, right=frozenset({3})))
    return 0


def _types(names: object) -> str:
    """The type names without repetition: a form has many numbers."""
    return ", ".join(dict.fromkeys(names)) if isinstance(names, list) else ""


def _show(options: argparse.Namespace) -> int:
    from core.runs.models import model_named

    model = model_named(options.model)
    if options.json:
        print_json(_json_safe(details(model)))
        return 0
    lines = [model.name, f"  id        {model.id}", f"  kind      {model.kind}"]
    if model.problem:
        lines.append(f"  ✕ broken  {model.problem}")
    for label, value in (("author", model.author), ("licence", model.licence)):
        lines.append(f"  {label:<9} {value or '–'}")
    lines += [f"  size      {size(model.size_bytes)}", f"  folder    {model.folder}"]
    if model.lineage:
        lines.append(f"  from      {' → '.join(model.lineage)}")
    for command in model.spec.commands.values() if model.spec is not None else ():
        lines.append(f"  command   {command.name}: {command.description}")
        for arrow, types in (("in ", command.inputs), ("out", command.outputs)):
            for name, kind in types.items():
                about = f"  {kind.description}" if kind.description else ""
                lines.append(f"    {arrow} {name:<16} {kind.allowed()}{about}")
    for title, values in (("score", model.scores), ("network", model.architecture)):
        lines += [f"  {title:<9} {name} {value}" for name, value in values.items()]
    if model.manifest.description:
        lines += ["", *(f"  {line}".rstrip() for line in model.manifest.description.splitlines())]
    print("\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines))
    return 0


def _import(options: argparse.Namespace) -> int:
    from core.library.importing import import_model
    from core.library.models import Library

    progress = Progress()
    try:
        model = run_async(import_model(options.file, name=options.name, library=Library(), progress=progress))
    finally:
        progress.clear()
    if options.json:
        print_json(_json_safe(details(model)))
    else:
        print(model.id)
    return 0


def _remove(options: argparse.Namespace) -> int:
    from core.library.models import Library

    model = Library().remove(options.model)
    if options.json:
        print_json({"removed": model.id})
    else:
        print(model.id)
    return 0


def _json_safe(value: object) -> object:
    """Dates out of a manifest, as text; numbers that JSON has not, as null."""
    if isinstance(value, dict):
        return {str(key): _json_safe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
