"""What a model takes and gives: data types, commands, their JSON forms, and validation."""

from core.interface.command import Command, Interface
from core.interface.labels import field_label
from core.interface.types import (
    Any,
    Array,
    Boolean,
    Category,
    DataType,
    Directory,
    File,
    Image,
    ImageBoundingBox,
    ImageLandmarks,
    ImagePoint,
    Number,
    Segmentation,
    Text,
    Vector,
)

__all__ = [
    "Any",
    "Array",
    "Boolean",
    "Category",
    "Command",
    "DataType",
    "Directory",
    "File",
    "Image",
    "ImageBoundingBox",
    "ImageLandmarks",
    "ImagePoint",
    "Interface",
    "Number",
    "Segmentation",
    "Text",
    "Vector",
    "field_label",
]
