"""`tarmac deployments`: what is hosted, looked at and changed; a gateway that runs sees it at once."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

from tui.commands import deployments_set, scale
from tui.commands.common import harmless, json_flag, print_json, table
from tui.hosting import spread as hosting_spread
from tui.hosting.changes import time_of
from tui.words import ago, size

if TYPE_CHECKING:
    from core.hosting.deployment import Deployment
    from core.hosting.tokens import Token
    from tui.hosting.services import HostingServices, Seen


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser("deployments", help="list, change, pause, delete what is hosted; tokens, logs")
    verbs = parser.add_subparsers(metavar="list|show|set|stop|start|rm|token|log|scale", required=True)

    listing = verbs.add_parser("list", help="all deployments by name")
    json_flag(listing)
    listing.set_defaults(run=_list)

    def one(name: str, about: str, run: Any) -> argparse.ArgumentParser:
        verb: argparse.ArgumentParser = verbs.add_parser(name, help=about)
        verb.add_argument("name", metavar="NAME")
        json_flag(verb)
        verb.set_defaults(run=run)
        return verb

    one("show", "everything about one deployment", _show)
    deployments_set.add(verbs)
    one("stop", "serve it no longer; it keeps its address and its tokens", _stop)
    one("start", "serve it again; starts the gateway where none runs", _start)
    one("rm", "delete it with its tokens and its log for ever; its model stays", _remove)
    token = one("token", "list its tokens, make, renew and revoke them", _token)
    verb = token.add_mutually_exclusive_group()
    verb.add_argument("what", nargs="?", choices=("list",), default="list", help="its tokens without their secrets")
    verb.add_argument("--new", metavar="LABEL", help="make one; it is shown this once")
    verb.add_argument("--rotate", metavar="LABEL", help="a new secret for one; the old one opens nothing any more")
    verb.add_argument("--revoke", metavar="LABEL", help="make one worthless")
    log = one("log", "its requests: when, who, what, how it ended", _log)
    log.add_argument("--lines", type=int, metavar="N", default=0, help="only the last N")
    scale.add(verbs)


def summary(seen: Seen) -> dict[str, object]:
    """One deployment in `deployments list --json`."""
    made, status = seen.hosted.deployment, seen.status
    return {
        "name": seen.name,
        "model": made.model if made else None,
        "command": made.command if made else None,
        "url": seen.url or None,
        "private": made.private if made else None,
        "active": made.active if made else False,
        "state": status.state,
        "sentence": status.sentence or None,
        "requests": status.requests,
        "errors": status.errors,
        "requests_today": status.requests_today,
        "errors_today": status.errors_today,
        "p50_ms": status.p50_ms,
        "p95_ms": status.p95_ms,
        "queue": status.queue,
        "running": status.running,
        "replicas": made.replicas if made else 0,
        "replicas_ready": status.replicas_ready,
        "sleep_after": made.sleep_after if made else None,
        "created": made.created.isoformat() if made else None,
        "folder": str(seen.hosted.folder),
        "problem": seen.hosted.problem or None,
    }


def _list(options: argparse.Namespace) -> int:
    hosting = _hosting().look()
    found = hosting.deployments if hosting is not None else ()
    if options.json:
        print_json([summary(seen) for seen in found])
        return 0
    if not found:
        print("nothing is hosted; `tarmac host MODEL --name NAME` serves a model")
        return 0
    rows = [["name", "state", "model", "url", "today", "errors", "p50", "p95", "queue"]]
    for seen in found:
        status = seen.status
        model = seen.hosted.deployment.model if seen.hosted.deployment else "–"
        numbers = [f"{status.requests_today:,}", f"{status.errors_today:,}", _ms(status.p50_ms), _ms(status.p95_ms)]
        rows.append([seen.name, status.state, model, seen.url or "–", *numbers, f"{status.queue:,}"])
    print(harmless(table(rows, right=frozenset({4, 5, 6, 7, 8}))))
    return 0


def _show(options: argparse.Namespace) -> int:
    seen = _hosting().seen(options.name)
    made, status = seen.hosted.deployment, seen.status
    if options.json:
        more = {
            "options": dict(made.options) if made else {},
            "limits": asdict(made.limits) if made else None,
            "spread": asdict(seen.spread) if seen.spread is not None else None,
            "tokens": [_token_facts(each) for each in seen.tokens],
            "rate": list(status.rate),
            "log": str(seen.hosted.folder / "requests.log"),
        }
        print_json({**summary(seen), **more})
        return 0
    facts = [["name", seen.name], ["state", status.state]]
    facts += [["", status.sentence]] if status.sentence else []
    facts += [["url", seen.url or "none before the gateway runs"]]
    if made is not None:
        sleeps = f"after {time_of(made.sleep_after)} without a request" if made.sleep_after else "never"
        facts += [["model", made.model], ["command", made.command], ["sleeps", sleeps]]
        facts += [["option", f"{name} = {value}"] for name, value in made.options.items()]
        facts += [["access", "with a token" if made.private else "public: no token is needed"]]
        facts += [["replicas", f"{status.replicas_ready} of {made.replicas} ready"]]
        facts += [["limits", _limits(made)]]
    if seen.spread is not None:
        facts += [["spread", hosting_spread.summary(seen.spread)[0]]]
        facts += [["", f"{seen.spread.url}/v1 divides requests among them"]] if seen.spread.url else []
        facts += [["", hosting_spread.process_line(each)[0]] for each in seen.spread.replicas]
    facts += [["token", f"{each.label}  …{each.hint}  made {ago(each.created)}"] for each in seen.tokens]
    facts += [
        ["requests", f"{status.requests:,}, {status.requests_today:,} of them today"],
        ["errors", f"{status.errors:,}, {status.errors_today:,} of them today"],
        ["latency", f"p50 {_ms(status.p50_ms)}, p95 {_ms(status.p95_ms)}"],
        ["waiting", f"{status.queue:,}, {status.running:,} under way"],
        ["folder", str(seen.hosted.folder)],
    ]
    print(harmless(table(facts)))
    return 0


def _stop(options: argparse.Namespace) -> int:
    hosting = _hosting()
    hosting.store.set_active(options.name, False)
    return _told(hosting, options)


def _start(options: argparse.Namespace) -> int:
    hosting = _hosting()
    hosting.store.set_active(options.name, True)
    hosting.start_gateway()
    return _told(hosting, options)


def _remove(options: argparse.Namespace) -> int:
    hosting = _hosting()
    folder = hosting.store.path(options.name)
    hosting.store.remove(options.name)
    if options.json:
        print_json({"name": options.name, "folder": str(folder)})
    else:
        print(f"deleted {options.name}")
    return 0


def _token(options: argparse.Namespace) -> int:
    store = _hosting().store
    label = options.new or options.rotate or options.revoke
    for given in (options.new, options.rotate, options.revoke):
        label = given if given is not None else label
    if options.new is not None or options.rotate is not None:
        make = store.add_token if options.new is not None else store.rotate_token
        secret = make(options.name, label)
        if options.json:
            print_json({"name": options.name, "label": label, "token": secret})
        else:
            print(secret)
    elif options.revoke is not None:
        store.revoke_token(options.name, label)
        if options.json:
            print_json({"name": options.name, "label": label})
        else:
            print(harmless(f"revoked {label}"))
    else:
        tokens = store.tokens(options.name)
        if options.json:
            print_json([_token_facts(each) for each in tokens])
        else:
            rows = [["label", "ends in", "made"], *([each.label, each.hint, ago(each.created)] for each in tokens)]
            print(harmless(table(rows)))
    return 0


def _log(options: argparse.Namespace) -> int:
    lines = _hosting().log(options.name, max(0, options.lines))
    if options.json:
        print_json(lines)
        return 0
    rows = [[str(line.get(key, "")) for key in ("time", "client", "method", "route", "status", "ms")] for line in lines]
    for row, line in zip(rows, lines):
        row[-1] += " ms"
        row.append(str(line.get("error", "")))
    if rows:
        print(harmless(table(rows, right=frozenset({5}))))
    return 0


def _hosting() -> HostingServices:
    from tui.hosting.services import HostingServices

    return HostingServices()


def _told(hosting: HostingServices, options: argparse.Namespace) -> int:
    seen = hosting.seen(options.name)
    if options.json:
        print_json(summary(seen))
    else:
        print(f"{seen.name} {seen.status.state}")
    return 0


def _token_facts(token: Token) -> dict[str, object]:
    return {"label": token.label, "hint": token.hint, "created": token.created.astimezone(UTC).isoformat()}


def _limits(made: Deployment) -> str:
    limits = made.limits
    return f"{time_of(limits.timeout)} a request, {size(limits.max_body)} at most; {limits.max_queue:,} may wait"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"
