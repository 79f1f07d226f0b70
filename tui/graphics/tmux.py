"""What tmux knows about the terminal around it: its name, whether it shows sixel, whether pictures may pass."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

_FORMAT = "#{version}\t#{client_termname}\t#{client_termtype}\t#{client_termfeatures}"


@dataclass(frozen=True)
class Tmux:
    """The tmux around us.

    Attributes:
        version: For example "3.3a".
        outer_name: TERM of the terminal around tmux, for example "xterm-kitty"; empty when nobody is attached.
        outer_type: Name and version of that terminal as it says them, for example "kitty(0.41.1)".
        sixel: tmux draws sixel itself, and the terminal around it shows it.
        passthrough: tmux hands wrapped sequences on.
    """

    version: str = ""
    outer_name: str = ""
    outer_type: str = ""
    sixel: bool = False
    passthrough: bool = False


def ask(environ: Mapping[str, str]) -> Tmux | None:
    """Ask the tmux server; None outside of tmux, an empty answer when it does not say anything within a second."""
    if not environ.get("TMUX"):
        return None
    described = _tmux("display-message", "-p", _FORMAT).split("\t")
    version, name, kind, features = (described + [""] * 4)[:4]
    return Tmux(
        version=version,
        outer_name=name,
        outer_type=kind,
        sixel="sixel" in features.split(","),
        passthrough=_tmux("show-options", "-Apqv", "allow-passthrough") in ("on", "all"),
    )


def _tmux(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["tmux", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip("\n")


def discarded() -> tuple[str, int] | None:
    """The terminal that tmux writes to, and how many bytes of output for it were thrown away because it was slow."""
    name, _, count = _tmux("display-message", "-p", "#{client_name}\t#{client_discarded}").partition("\t")
    return (name, int(count)) if count.isdecimal() else None
