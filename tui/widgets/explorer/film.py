"""The explorer's films and contact sheets: what w and S do. Mixed into `Explorer`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from textual import on

from core.errors import InvalidInput, TarmacError
from core.exports.drawing import Drawing, pictures
from core.latent.journey import View
from core.latent.walk import Circle, Moment, Walk, Way
from tui.widgets.explorer.pane import ExplorerPane
from tui.widgets.explorer.saving import save_sheet
from tui.widgets.explorer.state import MOST_BOOKMARKS, Bookmark
from tui.widgets.film.player import FilmPlayer

_LEAST = 2


class Filming(ExplorerPane):
    """An explorer that makes films."""

    film: FilmPlayer | None = None
    """What plays in the explorer's place."""

    def focus_first(self) -> None:
        """Give the keys to what is seen."""
        self.screen.set_focus(self.film or self)

    # -- places

    def visit(self, place: Mapping[str, object]) -> None:
        """Go where a saved picture was found; a sheet's bookmarks are added as far as there are numbers for them.

        Args:
            place: `view`, and perhaps `bookmarks`, as the explorer's state has them.
        """
        try:
            view = View.from_json(place.get("view"))
            if view.plane.dim != self.dim:
                raise InvalidInput("this place cannot be shown", f"the model's vectors have {self.dim} numbers")
            listed = place.get("bookmarks", [])
            marks = [Bookmark.from_json(data, self.dim) for data in listed] if isinstance(listed, list) else []
        except TarmacError as error:
            self._failed(error)
            return
        if self.film is not None:
            self._close_film(self.film)
        there = {mark.z.tobytes() for mark in self._bookmarks}
        new = [mark for mark in marks if mark.z.tobytes() not in there]
        kept = new[: MOST_BOOKMARKS - len(self._bookmarks)]
        self._bookmarks += kept
        if marks:
            left = f", {len(new) - len(kept)} had no number left" if len(new) > len(kept) else ""
            self.notify(f"{len(kept)} of its {len(marks)} bookmarks are new here{left}.", markup=False)
        self._journey = self._journey.go(replace(view, zoom=self.view.zoom))
        self._arrived()

    # -- films

    def action_walk(self) -> None:
        """A film through the pins or the bookmarks; asks which where there are both."""
        from tui.screens.chooser import Choice, Chooser

        choices = []
        pins, marks = self.view.plane.pins, self._bookmarks
        if len(pins) >= _LEAST:
            choices.append(Choice("pins", f"Through the {len(pins)} pins", "in the order in which they were set"))
        if len(marks) >= _LEAST:
            choices.append(Choice("bookmarks", f"Through the {len(marks)} bookmarks", "by their numbers"))
        if not choices:
            self.notify(
                "A film needs two pins or two bookmarks to go through: p pins the tile under the cursor, b bookmarks "
                "it.",
                title="Nothing to walk through yet",
                markup=False,
            )
            return
        if len(choices) == 1:
            self._walk(choices[0].value)
            return
        choices.append(Choice("circle", "Around this tile", "once around it, two tiles away"))
        self.app.push_screen(Chooser("A film", choices), self._walk)

    def _walk(self, what: str | None) -> None:
        view = self.view
        way: Way
        try:
            if what == "pins":
                keys = [Moment(pin.z, view.truncation) for pin in view.plane.pins]
                way, title = Walk(keys, closed=True), f"Film through {len(keys)} pins"
            elif what == "bookmarks":
                keys = [Moment(mark.z, mark.view.truncation) for mark in self._bookmarks]
                way, title = Walk(keys, closed=True), f"Film through {len(keys)} bookmarks"
            elif what == "circle":
                way, title = Circle(view.plane, view.cursor, 2, view.truncation), "Film around a tile"
            else:
                return
        except TarmacError as error:
            self._failed(error)
            return
        self._play(way, title, self._dressed(view) if what == "bookmarks" else view)

    def _dressed(self, view: View) -> View:
        """The view with the style that all bookmarks have; with its own where theirs differ."""
        styles = {mark.view.style for mark in self._bookmarks}
        return replace(view, style=styles.pop()) if len(styles) == 1 else view

    def _arrived(self) -> None:
        """The view is another one: `Explorer` says what follows."""
        raise NotImplementedError

    def _play(self, way: Way, title: str, view: View) -> None:
        self._maker.stop()  # the film needs the worker more
        self.add_class("-film")
        self.film = FilmPlayer(self.session, self.model, self.model.interface.default, view, way, title)
        self.mount(self.film)
        self.screen.set_focus(self.film)
        self.refresh_bindings()

    @on(FilmPlayer.Closed)
    def _film_closed(self, event: FilmPlayer.Closed) -> None:
        event.stop()
        self._close_film(event.player)
        self._show()

    def _close_film(self, player: FilmPlayer) -> None:
        self.film = None
        self.remove_class("-film")
        self.screen.set_focus(self)
        player.remove()
        self.refresh_bindings()

    @on(FilmPlayer.Written)
    def _film_written(self, event: FilmPlayer.Written) -> None:
        event.stop()
        self._saved(str(event.path))

    @on(FilmPlayer.Failed)
    def _film_failed(self, event: FilmPlayer.Failed) -> None:
        event.stop()
        self._failed(event.error)

    # -- contact sheets

    def action_sheet(self) -> None:
        """Write all bookmarks as one picture and tell where."""
        if not self._bookmarks:
            self.notify("A contact sheet shows the bookmarks, and there are none yet: b bookmarks this tile.")
        elif self.session.state != "ready":
            self.notify("The model is not running; a sheet can be written when it is.", severity="warning")
        else:
            self.run_worker(self._write_sheet(list(self._bookmarks)), group="save", exit_on_error=False)

    async def _write_sheet(self, marks: list[Bookmark]) -> None:
        try:
            found = []
            for mark in marks:
                interface = self.session.interface or self.model.interface
                drawing = Drawing.of(interface, self.model.interface.default, mark.view.style)
                found += await pictures(self.session, drawing, [Moment(mark.z, mark.view.truncation)])
            path = await asyncio.to_thread(save_sheet, list(zip(marks, found)), self.model)
        except TarmacError as error:
            self._failed(error)
        else:
            self._saved(str(path))

    def _saved(self, path: str) -> None:
        self.notify(path, title="Saved", timeout=8, markup=False)
        self.post_message(self.Saved(self, path))
