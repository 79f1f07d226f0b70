"""What a deployment is and does, in the words and glyphs that the screens use."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tui import words

if TYPE_CHECKING:
    from core.hosting.process import GatewayStatus
    from tui.hosting.services import Hosting, Seen

_STATES = {
    "awake": ("●", "awake", "good"),
    "asleep": ("○", "asleep", "muted"),
    "waking": ("◐", "waking", "busy"),
    "inactive": ("○", "paused", "muted"),
    "failed": ("✕", "failed", "bad"),
    "down": ("✕", "gateway off", "bad"),
}
_BLOCKS = "▁▂▃▄▅▆▇█"


def state(seen: Seen) -> tuple[str, str, str]:
    """(glyph, word, tone) of what a deployment does. One that others serve while the gateway's workers sleep is up."""
    if seen.status.state == "asleep" and seen.spread is not None and seen.spread.listening:
        return "●", f"spread ×{seen.spread.listening}", "good"
    glyph, word, tone = _STATES[seen.status.state]
    return glyph, word, tone


def replicas(seen: Seen) -> str:
    """Workers that are ready of those that there should be: "1/2"; "–" where none should run now. Behind it how many
    processes elsewhere take requests: "1/2 +3"."""
    status = seen.status
    more = f" +{seen.spread.listening}" if seen.spread is not None else ""
    if status.state not in ("awake", "waking", "failed"):
        return f"–{more}"
    return f"{status.replicas_ready}/{status.replicas}{more}"


def milliseconds(value: float | None) -> str:
    """A latency: "8.2 ms", "38 ms", "1.2 s"; "–" where there is none."""
    if value is None:
        return "–"
    if value >= 999.5:
        return f"{value / 1000:.1f} s" if value < 99_950 else f"{value / 1000:,.0f} s"
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"


def sparkline(rate: Sequence[int], width: int) -> str:
    """Requests of the last seconds in at most `width` cells, the newest at the right; a cell may be several seconds."""
    if width < 1 or not rate:
        return ""
    wide = -(-len(rate) // width)
    padded = [0] * (-len(rate) % wide) + list(rate)
    sums = [sum(padded[at : at + wide]) for at in range(0, len(padded), wide)]
    most = max(sums)
    if not most:
        return _BLOCKS[0] * len(sums)
    return "".join(_BLOCKS[-(-each * (len(_BLOCKS) - 1) // most)] for each in sums)


def load(rate: Sequence[int]) -> str:
    """What the sparkline shows, in words: "12 requests in 60 s, at most 4 a second"."""
    total = sum(rate)
    if not total:
        return f"no requests for {len(rate)} s"
    return f"{words.counted(total, 'request')} in {len(rate)} s, at most {max(rate)} a second"


def gateway_line(hosting: Hosting | None) -> tuple[str, str]:
    """(what there is to say of the gateway, tone); empty while all is well."""
    if hosting is None or hosting.gateway.state == "running":
        return "", ""
    gateway = hosting.gateway
    if gateway.state == "stopping":
        return "◐ The gateway is stopping: requests that run get their time.", "busy"
    if gateway.state == "died":
        why = gateway.sentence.removesuffix("Start it: tarmac gateway start").strip()
        return f"✕ {why}", "bad"
    if hosting.wanted:
        why = f" ({gateway.sentence})" if gateway.sentence else ""
        return f"✕ The gateway is off: {words.counted(hosting.wanted, 'deployment')} cannot be reached{why}.", "bad"
    return "", ""


def ssh_line(gateway: GatewayStatus, user: str, host: str, environment: Mapping[str, str] | None = None) -> str:
    """What to type on one's own machine, so that the gateway's address works there too; empty without a port.

    Args:
        gateway: Where it listens.
        user, host: Of this machine.
        environment: By default this process's: SSH tells in it which port it came by, and by which public address.
    """
    if not gateway.port:
        return ""
    found = (os.environ if environment is None else environment).get("SSH_CONNECTION", "").split()
    port = ""
    if len(found) == 4:
        port = f" -p {found[3]}" if found[3] != "22" else ""
        host = found[2] if _public(found[2]) else host
    return f"ssh -L {gateway.port}:{_inside(gateway.host)}:{gateway.port}{port} {user}@{host}"


def reached_at(gateway: GatewayStatus, host: str) -> str:
    """Where others reach the gateway: through the tunnel on a loopback address, else where it listens; empty without a
    port. `host` is this machine's name."""
    if not gateway.port:
        return ""
    name = host if gateway.host in ("0.0.0.0", "::") else _inside(gateway.host)
    return f"{gateway.scheme}://{name}:{gateway.port}"


def page(seen: Seen, gateway: GatewayStatus, host: str) -> str:
    """The address of the page for people, as others reach it; empty without a port."""
    base = reached_at(gateway, host)
    return f"{base}/{seen.name}/" if base else ""


def local_only(gateway: GatewayStatus) -> bool:
    """Whether only this machine gets to the gateway."""
    try:
        return gateway.host == "localhost" or ipaddress.ip_address(gateway.host).is_loopback
    except ValueError:
        return False


def token_age(created: datetime) -> str:
    """When a token was made."""
    return words.ago(created)


def request_cells(line: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """A line of the request log as cells of a table: time, status, ms, client, what, error."""
    status = line.get("status")
    number = status if isinstance(status, int) else 0
    tone = "good" if number < 400 else "busy" if number < 500 else "bad"
    glyph = {"good": "●", "busy": "◐", "bad": "✕"}[tone]
    duration = line.get("ms")
    return (
        (glyph, tone),
        (_clock(line.get("time")), "muted"),
        (str(number or "–"), tone),
        (milliseconds(duration) if isinstance(duration, int | float) else "–", ""),
        (_plain(line.get("client"), 40), ""),
        (f"{_plain(line.get('method'), 16)} {_plain(line.get('route'), 120)}".strip(), "muted"),
        (_plain(line.get("error"), 300), "bad" if tone == "bad" else "muted"),
    )


def _clock(text: object) -> str:
    """The time of the day here."""
    try:
        return datetime.fromisoformat(str(text)).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return "–"


def _plain(value: object, most: int) -> str:
    """Whatever stands in a log on one line, without anything that a terminal would follow."""
    text = "" if value is None else str(value)[:most]
    return "".join(char if char.isprintable() else " " for char in text)


def _inside(host: str) -> str:
    """The address by which this very machine reaches what listens on `host`, as it stands in a URL."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{reached}]" if ":" in reached else reached


def _public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
