"""Which models of a library find subjects, and which is taken first."""

from datetime import UTC, datetime
from pathlib import Path

from core.interface import Interface
from core.library.interfaces import detection_interface, image_gan_interface, segmentation_interface
from core.library.manifest import Manifest
from core.library.models import Library
from core.library.subjects import finders, finds_subjects

MANY = ["wall", "cat", "dog"]


def put(folder: Path, id_: str, kind: str, interface: Interface, foreground: int = 0, *, whole: bool = True) -> None:
    """A model folder; its weights are never read here."""
    place = folder / "models" / id_
    place.mkdir(parents=True)
    Manifest(
        name=id_.split("-")[-1],
        kind=kind,
        adapter=kind,
        interface=interface.spec(),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        architecture={"foreground": foreground},
    ).write(place)
    for name in ("config.json", "model.safetensors", "weights.safetensors") if whole else ():
        (place / name).write_bytes(b"x")


def test_the_best_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "20260101-000000-salient", "segmentation", segmentation_interface(["background", "x"]), 1)
    put(tmp_path, "20260102-000000-old", "segmentation", segmentation_interface(MANY), 2)
    put(tmp_path, "20260103-000000-new", "segmentation", segmentation_interface(MANY), 2)
    put(tmp_path, "20260104-000000-boxes", "detection", detection_interface(), 80)
    put(tmp_path, "20260105-000000-broken", "segmentation", segmentation_interface(MANY), 1, whole=False)
    put(tmp_path, "20260106-000000-gan", "stylegan2", image_gan_interface(16, 32))
    models = Library(tmp_path, starters=tmp_path / "none").models()
    assert [model.name for model in finders(models)] == ["salient", "new", "old", "boxes"]
    assert not finds_subjects(next(model for model in models if model.name == "gan"))


def test_the_interface_survives_the_manifest(tmp_path: Path) -> None:
    interface = segmentation_interface(MANY)
    put(tmp_path, "20260101-000000-x", "segmentation", interface)
    model = Library(tmp_path, starters=tmp_path / "none").get("x")
    assert model.interface.spec() == interface.spec()
