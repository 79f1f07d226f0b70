"""The keys of the completion pane, and how they stand together where the footer has no room for each."""

from __future__ import annotations

from textual.binding import Binding

_HISTORY = Binding.Group("history", compact=True)
_MORE, _TAKE, _LOOK = Binding.Group("more"), Binding.Group("edit/copy"), Binding.Group("tree/odds/compare")
"""At 80 columns: without them the keys that open the tree, the odds and a second model would not be seen."""


def _key(
    key: str, action: str, label: str, name: str, tooltip: str, *, group: Binding.Group | None = None, show: bool = True
) -> Binding:
    return Binding(key, action, label, id=f"completion.{name}", tooltip=tooltip, group=group, show=show)


KEYS = (
    _key("enter", "complete", "complete", "complete", "Complete the prompt once more"),
    _key("escape", "stop", "stop", "stop", "Stop; what is there stays"),
    _key("n", "next_sample", "another", "next", "Another one, with the next seed", group=_MORE),
    _key("c", "continue", "continue", "continue", "Go on from where it ended", group=_MORE),
    _key("e", "edit", "edit", "edit", "Prompt and completion into the editor", group=_TAKE),
    _key("y", "copy", "copy", "copy", "The completion to your own clipboard (OSC 52)", group=_TAKE),
    _key("Y", "copy_all", "Copy all", "copy-all", "Prompt and completion", show=False),
    _key("t", "tree", "tree", "tree", "Every completion below what it went on from", group=_LOOK),
    _key("p", "probabilities", "odds", "chances", "How likely each token was", group=_LOOK),
    _key("v", "beside", "compare", "compare", "A second model on the same prompt, or none", group=_LOOK),
    _key("left,h", "history(-1)", "Earlier", "back", "The sample before", group=_HISTORY),
    _key("right,l", "history(1)", "Later", "forward", "The sample after", group=_HISTORY),
    _key("o", "options", "options", "options", "Length, temperature, seed, stop strings"),
    _key("i,tab", "write", "prompt", "write", "Back into the prompt"),
)
