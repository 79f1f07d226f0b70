"""Tells people elsewhere that something has ended: e-mail, ntfy, Slack, a desktop ..., by one URL each (apprise).

apprise is an extra (`pip install 'tarmac[notify]'`). Without it a plan with a URL is refused when it is made; nothing
that runs ever fails because somebody could not be told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from core.errors import InvalidInput

PATIENCE = 60.0
"""Seconds that all services together get."""


def check(urls: Sequence[str]) -> None:
    """Refuse what could never be told.

    Raises:
        InvalidInput: apprise is not installed, or it knows no service by such a URL (whose secrets are not repeated).
    """
    if not urls:
        return
    apprise = _apprise()
    if apprise is None:
        raise InvalidInput(
            "notifications need the package apprise", "it is not installed", "pip install 'tarmac[notify]'"
        )
    for url in urls:
        if not apprise.Apprise().add(url):
            scheme = url.partition("://")[0][:20]
            raise InvalidInput(
                f"the notification URL {scheme}://… is not one that apprise knows",
                "",
                "For example ntfy://TOPIC, or mailto://USER:PASSWORD@HOST; see its wiki for others",
            )


def send(urls: Sequence[str], title: str, body: str) -> str:
    """Send one message to all; blocks for as long as the services take, at most `PATIENCE` seconds. Never raises.

    Returns:
        What went wrong, on one line and without secrets; empty if all have taken it.
    """
    problems: list[str] = []
    worker = threading.Thread(target=_send, args=(tuple(urls), title, body, problems), daemon=True)
    worker.start()
    worker.join(PATIENCE)
    if worker.is_alive():
        return f"no answer within {PATIENCE:.0f} s"
    return "; ".join(problems)[:300]


def words(name: str, state: str, step: int, what: str = "", why: str = "", do: str = "") -> tuple[str, str]:
    """Title and text that tell how the run `name` ended."""
    if state == "finished":
        return f"{name} is finished", f"Trained {step:,} steps; the model is in the library."
    reason = f"{what}: {why}" if why else what
    sentences = (f"It has failed at step {step:,}", reason, do)
    return f"{name} needs attention", ". ".join(part for part in sentences if part)


def _send(urls: Sequence[str], title: str, body: str, problems: list[str]) -> None:
    apprise = _apprise()
    if apprise is None:
        problems.append("the package apprise is not installed")
        return
    logger = logging.getLogger("apprise")
    ear = _Ear()
    logger.addHandler(ear)
    try:
        for url in urls:
            scheme = url.partition("://")[0][:20]
            ear.lines.clear()
            try:
                service = apprise.Apprise()
                if not service.add(url):
                    problems.append(f"{scheme}: not a URL that apprise knows")
                elif not service.notify(title=title, body=body):
                    problems.append(f"{scheme}: {ear.lines[0] if ear.lines else 'refused'}")
            except Exception as error:  # of a plugin: whatever it is, it must not reach the run
                problems.append(f"{scheme}: {type(error).__name__}")
    finally:
        logger.removeHandler(ear)


class _Ear(logging.Handler):
    """Hears what apprise says of a failure: it keeps secrets out of its log itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split())[:150])


def _apprise() -> Any:
    """The package, or None."""
    try:
        return import_module("apprise")
    except ImportError:
        return None
