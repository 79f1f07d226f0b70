"""The wizard's pages in their order: one question each, with an answer filled in and a word about what it means."""

from __future__ import annotations

from tui.widgets.wizard_base import BasePage
from tui.widgets.wizard_dataset import DatasetPage
from tui.widgets.wizard_kind import KindPage
from tui.widgets.wizard_options import OptionsPage
from tui.widgets.wizard_preparation import PreparationPage
from tui.widgets.wizard_summary import SummaryPage

PAGES = (KindPage, DatasetPage, PreparationPage, BasePage, OptionsPage, SummaryPage)
