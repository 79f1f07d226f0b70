"""Servers on this machine that notifications are sent to: one that takes JSON over HTTP, one that takes letters."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@contextmanager
def web() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A server that takes JSON, and what it was given."""
    given: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            given.append({"path": self.path, **json.loads(body)})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, given
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def post() -> Iterator[tuple[int, list[str]]]:
    """A mail server that takes one letter, line by line."""
    letter: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            connection, _ = listener.accept()
            connection.settimeout(20)
            with connection, connection.makefile("rwb") as wire:

                def say(line: str) -> None:
                    wire.write(line.encode() + b"\r\n")
                    wire.flush()

                say("220 here")
                while line := wire.readline().decode().rstrip("\r\n"):
                    if line.upper().startswith("DATA"):
                        say("354 go on")
                        while (text := wire.readline().decode().rstrip("\r\n")) != ".":
                            letter.append(text)
                    if line.upper().startswith("QUIT"):
                        say("221 bye")
                        return
                    say("250 fine")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], letter
        thread.join(10)
