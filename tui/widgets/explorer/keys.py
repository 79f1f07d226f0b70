"""The explorer's keys: what each is called in the footer, in the help and in `keymap.toml`."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tui.widgets.explorer.state import MOST_BOOKMARKS

_MOVE = Binding.Group("move", compact=True)
_PAGE = Binding.Group("page", compact=True)
_ZOOM = Binding.Group("zoom", compact=True)
_DISTANCE = Binding.Group("distance", compact=True)
_TRUNCATION = Binding.Group("truncation", compact=True)


def _binding(
    key: str, action: str, about: str, name: str, tip: str, group: Binding.Group | None = None, show: bool = True
) -> Binding:
    return Binding(key, action, about, id=f"explorer.{name}", tooltip=tip, group=group, show=show)


KEYS: list[BindingType] = [
    _binding("left,h", "move(-1,0)", "left", "left", "Move the cursor", _MOVE),
    _binding("down,j", "move(0,1)", "down", "down", "Move the cursor", _MOVE),
    _binding("up,k", "move(0,-1)", "up", "up", "Move the cursor", _MOVE),
    _binding("right,l", "move(1,0)", "right", "right", "Move the cursor", _MOVE),
    _binding("enter", "recentre", "recentre", "recentre", "A new neighbourhood around this tile"),
    _binding("backspace", "back", "back", "back", "To the plane before"),
    _binding("f,shift+backspace", "forward", "Forward", "forward", "Undo going back", show=False),
    _binding("plus,equals_sign", "zoom(1)", "larger", "zoom-in", "Larger tiles", _ZOOM),
    _binding("minus", "zoom(-1)", "smaller", "zoom-out", "Smaller tiles", _ZOOM),
    _binding("left_square_bracket", "distance(-1)", "nearer", "nearer", "Neighbours more alike", _DISTANCE),
    _binding("right_square_bracket", "distance(1)", "farther", "farther", "Neighbours less alike", _DISTANCE),
    _binding("comma", "truncation(-1)", "typical", "typical", "More typical pictures", _TRUNCATION),
    _binding("full_stop", "truncation(1)", "unusual", "unusual", "More unusual pictures", _TRUNCATION),
    _binding("space", "big", "big", "big", "The picture under the cursor, large"),
    _binding("m", "mix", "mix", "mix", "Mix the styles of this tile into all others"),
    _binding("e", "edit", "edit", "edit", "Move all pictures along the model's own directions"),
    _binding("p", "pin", "pin", "pin", "Hold this tile where it is, or let it go"),
    _binding("b", "bookmark", "bookmark", "bookmark", "Keep this tile for alt and a number, or drop it"),
    _binding("s", "save", "save", "save", "Save this picture as a PNG"),
    _binding("w", "walk", "film", "walk", "A film through the pins or the bookmarks"),
    _binding("c", "compare", "compare", "compare", "Mark this tile and see others beside it"),
    _binding("i", "project", "find", "project", "Find the place of a picture of your own"),
    _binding("t", "truncation_layers", "layers", "truncation-layers", "Truncate in all layers or in some"),
    _binding("r", "random", "random", "random", "A new random plane"),
    _binding("g", "seed", "seed", "seed", "Go to the plane of a seed"),
    _binding("B", "bookmarks", "Bookmarks", "bookmarks", "Choose a bookmark and go there", show=False),
    _binding("S", "sheet", "Contact sheet", "sheet", "Save all bookmarks as one picture", show=False),
    _binding("shift+left,H", "page(-1,0)", "Page left", "page-left", "One screen to the left", _PAGE, False),
    _binding("shift+down,J", "page(0,1)", "Page down", "page-down", "One screen down", _PAGE, False),
    _binding("shift+up,K", "page(0,-1)", "Page up", "page-up", "One screen up", _PAGE, False),
    _binding("shift+right,L", "page(1,0)", "Page right", "page-right", "One screen to the right", _PAGE, False),
    _binding("escape", "close", "close", "close", "Back to the grid", show=False),
    # The numbers by themselves are the places of the studio.
    *(
        _binding(f"alt+{number}", f"jump({number})", f"Bookmark {number}", f"jump-{number}", "Go there", show=False)
        for number in range(1, MOST_BOOKMARKS + 1)
    ),
]
