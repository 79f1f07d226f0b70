"""xterm.js, the terminal inside VS Code and many web pages, in a headless Chromium: press keys, look at its pixels.

Chromium is driven over a pair of pipes by the DevTools protocol, and so is the terminal: what the program writes goes
into the page as base64, what the page answers comes back through a binding. No server, no port, no further package.
Source: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import io
import itertools
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.terminals import ROOT, cache, lack, need, python

PACKAGES = ("@xterm/xterm@6.0.0", "@xterm/addon-image@0.9.0")

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--mute-audio"),
    *("--hide-scrollbars", "--force-device-scale-factor=1", "--remote-debugging-pipe", "about:blank"),
)
# DevTools reads commands from descriptor 3 and writes answers to 4.
_WITH_PIPES = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
# The pseudo-terminal becomes the controlling one: without that the program has no /dev/tty.
_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
_PAGE = """
<!doctype html><style>html, body { margin: 0; background: #000 } %s</style><div id="place"></div>
"""
_START = """
window.term = new Terminal({
    cols: %d, rows: %d, fontFamily: 'DejaVu Sans Mono', fontSize: %s, lineHeight: 1, cursorBlink: false,
    allowProposedApi: true, scrollback: 0,
});
term.loadAddon(new ImageAddon.ImageAddon());
term.open(document.getElementById('place'));
term.onData(text => typed(text));
term.onBinary(text => typed(text));
window.feed = text => new Promise(done =>
    term.write(Uint8Array.from(atob(text), each => each.charCodeAt(0)), done));
term.focus();
"""
_GEOMETRY = """
(() => { const size = term._core._renderService.dimensions.css; return [size.cell.width, size.cell.height]; })()
"""
_KEYS = {
    "Right": ("ArrowRight", 39, ""),
    "Left": ("ArrowLeft", 37, ""),
    "Down": ("ArrowDown", 40, ""),
    "Up": ("ArrowUp", 38, ""),
    "Return": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "space": (" ", 32, " "),
    **{f"F{number}": (f"F{number}", 111 + number, "") for number in range(1, 13)},
}
WHOLE = 9.97
"""A font size at which a character of DejaVu Sans Mono (1233/2048 of it wide) has whole pixels, 6x11."""


def xterm_js() -> Path:
    """The folder with xterm.js and its image add-on, installed by npm into the cache when it is not there."""
    need("chromium")
    folder = cache() / "-".join(["xterm-js", *(package.rpartition("@")[2] for package in PACKAGES)])
    if not folder.exists():
        need("npm")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            line = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", *PACKAGES]
            try:
                subprocess.run(line, cwd=made, check=True, capture_output=True, timeout=120)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                lack(f"npm could not fetch {' '.join(PACKAGES)}: {error}")
            with contextlib.suppress(OSError):  # another test may have been faster
                (Path(made) / "node_modules").rename(folder)
    return folder / "@xterm"


class Page:
    """A page of a headless Chromium."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="tarmac-chromium-")
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        chromium = ["chromium", f"--user-data-dir={self._profile}", *_FLAGS]
        self.process = subprocess.Popen(
            [*python("-c", _WITH_PIPES, str(commands), str(answers)), *chromium],
            pass_fds=[commands, answers],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._session = ""
        self.on_call: Any = lambda payload: None
        """Called, in another thread, with what the page gave to its binding."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        pages = [each for each in self.do("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        target = pages[0]["targetId"] if pages else self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.do("Page.enable")
        self.do("Runtime.enable")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result."""
        number = next(self._numbers)
        answer: Future[dict[str, Any]] = Future()
        self._waiting[number] = answer
        message = {"id": number, "method": method, "params": parameters}
        data = json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        with self._lock:
            while data:
                data = data[os.write(self._commands, data) :]
        told = answer.result(40)
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    def run(self, script: str) -> Any:
        """The value of a script; waits for it where it is a promise."""
        told = self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(5)
        os.close(self._commands)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _read(self) -> None:
        rest = b""
        while data := os.read(self._answers, 1 << 16):
            *whole, rest = (rest + data).split(b"\0")
            for each in whole:
                message = json.loads(each)
                if "id" in message:
                    self._waiting.pop(message["id"]).set_result(message)
                elif message["method"] == "Runtime.bindingCalled":
                    self.on_call(message["params"]["payload"])
        os.close(self._answers)
        for answer in self._waiting.values():
            answer.set_exception(AssertionError("Chromium ended"))


class WebTerminal:
    """xterm.js with a command in it; the same methods as `tests.terminals.Terminal`.

    Args:
        size: Columns and rows.
        command: What runs in it.
        environ: Additions to a bare environment.
        font_size: Pixels; `WHOLE` for cells of whole pixels.

    Attributes:
        cell: Pixels of a character as xterm.js lays it out; not whole numbers with every font size.
    """

    def __init__(
        self, size: tuple[int, int], command: list[str], environ: Mapping[str, str], font_size: float = WHOLE
    ) -> None:
        folder = xterm_js()
        self._page = Page()
        self._page.do("Emulation.setDeviceMetricsOverride", width=1664, height=1100, deviceScaleFactor=1, mobile=False)
        frame = self._page.do("Page.getFrameTree")["frameTree"]["frame"]["id"]
        style = (folder / "xterm/css/xterm.css").read_text()
        self._page.do("Page.setDocumentContent", frameId=frame, html=_PAGE % style)
        for script in ("xterm/lib/xterm.js", "addon-image/lib/addon-image.js"):
            self._page.run((folder / script).read_text() + "; 0")
        self._page.do("Runtime.addBinding", name="typed")
        self._outer, inner = pty.openpty()
        self._page.on_call = self._typed
        self._page.run("document.fonts.ready.then(() => 0)")
        self._page.run(_START % (*size, font_size))
        self.cell: tuple[float, float] = tuple(self._page.run(_GEOMETRY))
        self._tell_size(*size)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS") if name in os.environ}
        self.process = subprocess.Popen(
            python("-c", _IN_TERMINAL, *command),
            env={**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **environ},
            cwd=ROOT,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        self._ended = threading.Event()
        self._pump = threading.Thread(target=self._feed, daemon=True)
        self._pump.start()

    def pixels(self) -> np.ndarray:
        """The whole page, uint8 [H, W, 3]."""
        data = self._page.do("Page.captureScreenshot", format="png")["data"]
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            return np.asarray(picture.convert("RGB"))

    def press(self, *keys: str) -> None:
        """Type keys by their names in X."""
        for key in keys:
            name, code, text = _KEYS.get(key, (key, ord(key.upper()[0]), key))
            known = {"key": name, "windowsVirtualKeyCode": code}
            self._page.do("Input.dispatchKeyEvent", type="keyDown", **known, **({"text": text} if text else {}))
            self._page.do("Input.dispatchKeyEvent", type="keyUp", **known)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size in characters."""
        self._page.run(f"term.resize({columns}, {rows})")
        self._tell_size(columns, rows)

    def close(self) -> None:
        """End the program, the terminal and the browser."""
        self._ended.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGHUP)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._page.close()
        self._pump.join(5)
        os.close(self._outer)

    def _tell_size(self, columns: int, rows: int) -> None:
        # No pixels: programs that embed xterm.js seldom say them either.
        fcntl.ioctl(self._outer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _typed(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._outer, text.encode())

    def _feed(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            while not self._ended.is_set():
                if select.select([self._outer], [], [], 0.2)[0]:
                    data = os.read(self._outer, 1 << 16)
                    # Answered when the terminal has taken it: a slow page slows the program down, as it should.
                    self._page.run(f"feed('{base64.b64encode(data).decode()}')")
