"""The wizard's pages in their order, by kind: one question each, with an answer filled in and what it means."""

from __future__ import annotations

from collections.abc import Mapping

from tui.widgets.wizard.base import ImageBasePage
from tui.widgets.wizard.base_text import TextBasePage
from tui.widgets.wizard.dataset_images import ImageDatasetPage
from tui.widgets.wizard.dataset_texts import TextDatasetPage
from tui.widgets.wizard.kind import KindPage
from tui.widgets.wizard.options import ImageOptionsPage, TextOptionsPage
from tui.widgets.wizard.page import Page
from tui.widgets.wizard.preparation import PreparationPage
from tui.widgets.wizard.prompts import PromptsPage
from tui.widgets.wizard.summary import SummaryPage

IMAGE_PAGES = (KindPage, ImageDatasetPage, PreparationPage, ImageBasePage, ImageOptionsPage, SummaryPage)
TEXT_PAGES = (KindPage, TextDatasetPage, TextBasePage, PromptsPage, TextOptionsPage, SummaryPage)
PAGES: Mapping[str, tuple[type[Page], ...]] = {"image": IMAGE_PAGES, "text": TEXT_PAGES}
