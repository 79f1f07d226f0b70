"""Where a completion is read: the text as the model writes it, and in the rule above how it went."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from tui.samples import Sample
from tui.widgets.titled import Titled

_ENDS = {"stop": "● end of text", "length": "● length reached", "stopped": "○ stopped", "failed": "✕ failed"}


class Output(Titled, VerticalScroll, can_focus=True, inherit_bindings=False):
    """One sample at a time."""

    HELP = "What the model wrote. Escape stops it; every sample stays in the history."
    HELP_TITLE = "Completion"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", id="output.up", show=False, tooltip="Read further up"),
        Binding("down,j", "scroll_down", "Down", id="output.down", show=False, tooltip="Read further down"),
        Binding("pageup", "page_up", "Page up", id="output.page-up", show=False, tooltip="Read a page up"),
        Binding("pagedown", "page_down", "Page down", id="output.page-down", show=False, tooltip="Read a page down"),
        Binding("home", "scroll_home", "Start", id="output.home", show=False, tooltip="To the start"),
        Binding("end", "scroll_end", "End", id="output.end", show=False, tooltip="To the end"),
    ]

    def compose(self) -> ComposeResult:
        yield Static(id="output-text", markup=False)

    def show(
        self,
        sample: Sample | None,
        title: str,
        *,
        before: str = "",
        writing: int = 0,
        waits_for: str = "",
        error: TarmacError | None = None,
        empty: str = "What the model writes appears here.",
    ) -> None:
        """Show a sample.

        Args:
            sample: The one on the screen; None when there is none yet.
            title: What stands in the rule: "completion 2 of 3".
            before: What was written before it, after the prompt that all of it goes on from.
            writing: How many texts the model is writing now, this one among them; then the end stays in view.
            waits_for: The model that has to load first, or "".
            error: Why nothing more comes, or None.
            empty: What to say when there is nothing.
        """
        follow = self.max_scroll_y - self.scroll_y <= 1
        self.query_one("#output-text", Static).update(_content(sample, before, writing, waits_for, error, empty))
        self.set_title(title.rstrip(), _told(sample, writing))
        if follow and writing:
            self.scroll_end(animate=False)


def _content(
    sample: Sample | None, before: str, writing: int, waits_for: str, error: TarmacError | None, empty: str
) -> Content:
    parts: list[tuple[str, str] | str] = []
    if sample is not None:
        if sample.dropped:
            count = f"{sample.dropped:,} {'token' if sample.dropped == 1 else 'tokens'}"
            parts.append((f"○ The prompt was too long: its first {count} were not read.\n", "$warning"))
        # The line that the model went on from, so that what it wrote stands where it belongs.
        prompt = sample.prompt[: len(sample.prompt) - len(before)]
        parts.append((prompt.rsplit("\n", 1)[-1], "$muted"))
        parts.append((before, "$text"))
        parts.append((sample.text, "$accent"))
        if writing:
            parts.append(("▌", "$accent"))
    elif not waits_for and error is None:
        parts.append((empty, "$muted"))
    if waits_for:
        parts.append((f"\n◐ waits until {waits_for} has loaded", "$warning"))
    if error is not None:
        parts.append((f"\n✕ {error}", "$error"))
    return Content.assemble(*parts)


def _told(sample: Sample | None, writing: int) -> str:
    if sample is None:
        return ""
    speed = f"{sample.rate:.0f} tok/s · " if sample.rate else ""
    # Told here too: the sentence above the text is soon out of sight.
    cut = f"prompt cut by {sample.dropped:,} · " if sample.dropped else ""
    if writing:
        characters = sample.options.get("max_characters")
        most = sample.options.get("max_tokens")
        of = f" of {most:.0f}" if most else ""
        length = f"{len(sample.text)} of {characters:.0f} characters" if characters else f"{sample.tokens}{of} tokens"
        many = f" {writing} at once" if writing > 1 else ""
        return f"◐ writing{many} · {cut}{length} · {speed}".rstrip(" ·")
    seed = f"seed {sample.options['seed']:.0f} · " if "seed" in sample.options else ""
    # The most telling first: what does not fit is cut at the end.
    end = "● ended" if sample.finish == "stop" and sample.stop else _ENDS.get(sample.finish, sample.finish)
    count = f"{sample.tokens} {'token' if sample.tokens == 1 else 'tokens'}"
    return f"{end} · {cut}{count} · {speed}{seed}".rstrip(" ·")
