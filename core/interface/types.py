"""All data types in one place to import from."""

from core.interface.arrays import Array, ImageBoundingBox, ImageLandmarks, ImagePoint, Vector
from core.interface.base import DataType
from core.interface.images import Image, Segmentation
from core.interface.scalars import Any, Boolean, Category, Directory, File, Number, Text

__all__ = [
    "Any",
    "Array",
    "Boolean",
    "Category",
    "DataType",
    "Directory",
    "File",
    "Image",
    "ImageBoundingBox",
    "ImageLandmarks",
    "ImagePoint",
    "Number",
    "Segmentation",
    "Text",
    "Vector",
]
