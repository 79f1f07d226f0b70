"""`make bench`: every measurement in turn, or the ones named on the command line."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import tests.bench


def main() -> int:
    """Run the measurements whose names were given, or all; the exit code counts those that could not run."""
    known = sorted(module.name for module in pkgutil.iter_modules(tests.bench.__path__) if module.name[0] != "_")
    chosen = sys.argv[1:] or known
    failures = 0
    for name in chosen:
        if name not in known:
            print(f"no measurement is called {name}; there are {', '.join(known)}", file=sys.stderr)
            return 2
        print(f"\n## {name}\n", flush=True)
        started = time.monotonic()
        try:
            importlib.import_module(f"tests.bench.{name}").main([])
        except Exception as error:  # one measurement that cannot run must not hide the others
            failures += 1
            print(f"could not be measured: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"\n({time.monotonic() - started:.0f} s)", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main())
