"""What happened, as messages: one dataclass a fact. Screens and workers post them, the app and the screens act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from textual.message import Message


@dataclass
class ShowModel(Message):
    """The user wants a model in the workspace: opened (shown at once) or only added.

    `place` is where its pane shall go: plain data that the pane's `visit` takes.
    """

    model_id: str
    show: bool = True
    new_workspace: bool = False
    place: Mapping[str, object] | None = None


@dataclass
class OpenPicture(Message):
    """The user wants to go where a picture was saved."""

    path: Path


@dataclass
class LibraryChanged(Message):
    """Models were added to or removed from the library; `model_id` is the one to look at, if any."""

    model_id: str | None = None
    removed: bool = False


@dataclass
class Trouble(Message):
    """Something failed outside any place of its own on the screen; the app tells it as a toast."""

    error: BaseException
    doing: str = ""


@dataclass
class WorkersChanged(Message):
    """The number of running workers may have changed; the header shows it."""

    namespace = "studio"


@dataclass
class HostModel(Message):
    """The user wants to serve a model under a URL."""

    model_id: str


@dataclass
class ShowDeployment(Message):
    """The user wants to see this deployment."""

    name: str


@dataclass
class TrainOn(Message):
    """The user wants to plan an experiment that learns from this dataset."""

    dataset_id: str


@dataclass
class AddDataset(Message):
    """The user wants to bring pictures or text in, to train on them."""
