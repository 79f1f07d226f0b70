"""The wizard asks what writing starts from: a language model, with what training it takes here, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from tui import words
from tui.widgets.table import Column, Row, Table
from tui.widgets.wizard.page import Page
from tui.wizard import texts as facts

if TYPE_CHECKING:
    from core.runs.text_bases import TextBase

_NOTHING = "nothing:"
"""The row of random weights, whose id is empty."""


class TextBasePage(Page):
    """What writing starts from."""

    key, title, kind = "base", "What shall it start from?", "text"

    def compose(self) -> ComposeResult:
        yield Table(
            [
                Column("base", 12, grow=True),
                Column("params", 6, right=True),
                Column("full", 6, right=True),
                Column("LoRA", 6, right=True),
                Column("licence", 8, grow=True, importance=1),
                Column("", 12, grow=True),
            ]
        )
        yield Static(classes="told", markup=False)

    def enter(self) -> None:
        found = self.materials.text_bases
        if found is None:
            self.tell("◐ reading the library", "$warning")
            return
        rows = [self._row(each) for each in sorted(found, key=_order)]
        table = self.query_one(Table)
        table.set_rows(rows, self.materials.base(self.answers) or _NOTHING)
        table.styles.height = len(rows) + 1
        self._about()

    @staticmethod
    def _row(base: TextBase) -> Row:
        word, tone = facts.verdict(base)
        muted = "muted" if tone == "bad" else ""

        def memory(needed: int, method: str) -> tuple[str, str]:
            return words.size(needed) if needed else "–", "muted" if facts.fits(base, method) else "bad"

        return Row(
            base.id or _NOTHING,
            (
                (base.name.removeprefix("starter/"), muted),
                (words.count(base.parameters) if base.parameters else "–", "muted"),
                memory(base.full_memory, "full"),
                memory(base.lora_memory, "lora") if base.id else ("–", "muted"),
                (base.licence or "–", "muted"),
                (word, tone),
            ),
        )

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        if event.key and not self.refusal():
            self.answers.text.base = event.key.removeprefix(_NOTHING)
            facts.settle(self.answers, self.materials)
            self.post_message(self.Answered())
        self._about()

    def _under(self) -> TextBase | None:
        key = self.query_one(Table).current
        return self.materials.text_base(key.removeprefix(_NOTHING)) if key is not None else None

    def _about(self) -> None:
        base = self._under()
        if base is None:
            self.tell("")
            return
        if refusal := facts.refusal(base):
            self.tell(f"✕ {refusal}. {self._instead(base)}".rstrip(), "$error" if base.on_disk else "$warning")
        elif not base.id:
            self.tell(
                "Random weights and a tokenizer made of the dataset: it learns everything anew, which takes many "
                f"times the text and the steps that a base needs. {self._memory(base)}"
            )
        elif not facts.fits(base, "full"):
            lora = f"! All weights of {base.name} do not fit, so LoRA is taken: small matrices learn."
            self.tell(f"{lora} {self._memory(base)}", "$warning")
        else:
            self.tell(
                f"{base.name} looks at {base.context:,} tokens; what it has learned carries over. {self._memory(base)}"
            )

    @staticmethod
    def _memory(base: TextBase) -> str:
        licence = f"Licence {base.licence}. " if base.licence else ""
        there = f"; {words.size(base.memory_there)} are free now" if base.memory_there else ""
        return f"{licence}Memory is an estimate{there}."

    def _instead(self, base: TextBase) -> str:
        """What would fit."""
        if base.on_disk and not base.problem:
            good = [each for each in self.materials.text_bases or () if each.id and not facts.refusal(each)]
            least = max(good, key=lambda each: each.parameters, default=None)
            return f"The largest that fits: {least.name}." if least is not None else ""
        return ""

    def answer(self) -> str:
        if self.materials.text_bases is None:
            return ""
        found = self.materials.text_base(self.materials.base(self.answers))
        return found.name.removeprefix("starter/") if found is not None else "random weights"

    def refusal(self) -> str:
        base = self._under()
        if self.materials.text_bases is None or base is None:
            return "the library is still being read"
        return facts.refusal(base)


def _order(base: TextBase) -> tuple[bool, bool, bool, int]:
    """Starters, then what is here, then what is not, the small ones first; nothing at the end."""
    return not base.id, not base.on_disk, base.source != "starter", base.parameters
