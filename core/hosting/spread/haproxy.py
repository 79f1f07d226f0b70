"""HAProxy in front of the replicas of one deployment: its configuration, its process, its admin socket.

It is a program of the system (the package `haproxy`), started by us with a configuration of our own that names free
slots; replicas are put into slots and taken out over the admin socket, without a reload. A request whose replica dies
before it has answered goes to another one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import NotFound, TarmacError
from core.hosting.spread.endpoints import Endpoint
from core.paths import private_dir, write_atomic

SLOTS = 64
"""Replicas that one front can have."""

REPEATED = 256 * 2**10
"""Bytes of a request (with its head) up to which it is kept to be sent again."""

WHOLE = REPEATED - 80 * 2**10
"""Bytes of an answer's body up to which it is passed on whole or not at all; its head has to fit beside it."""

_SOCKET = "admin.sock"
_CERTIFICATE = "front.pem"
_COMMIT = f"commit ssl cert {_CERTIFICATE}"
_STARTS_WITHIN = 10.0


def program() -> str:
    """Path of the program.

    Raises:
        NotFound: It is not installed.
    """
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NotFound(
            "HAProxy is not installed", "it spreads requests over processes", "Install it: apt install haproxy"
        )
    return found


@dataclass(frozen=True)
class Front:
    """Where it listens, and what it allows.

    Attributes:
        address: Address to bind.
        port: Its port.
        timeout: Seconds that an answer may take to begin, and a stream to go on.
        certificate: PEM file of the certificate chain for TLS; empty for plain HTTP.
        key: PEM file of its private key; empty if the certificate's file holds it.
    """

    address: str
    port: int
    timeout: float
    certificate: str = ""
    key: str = ""

    def configuration(self) -> str:
        """The text of haproxy.cfg; paths in it are relative to its folder.

        How many requests a replica takes is its own affair: it refuses what is beyond its queue, with the seconds after
        which to ask again. A bound here would keep requests waiting that nobody counts and no client has its share of.

        An answer of known length is passed on once it is whole; what breaks off before is told as an error.
        """
        bind = f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
        if self.certificate:
            bind += f" ssl crt {_CERTIFICATE} ssl-min-ver TLSv1.2 alpn http/1.1"
        return f"""\
global
    maxconn 8192
    tune.bufsize {REPEATED}
    hard-stop-after {int(self.timeout) + 30}s
    stats socket unix@{_SOCKET} mode 600 level admin

defaults
    mode http
    timeout connect 2s
    timeout http-request 20s
    timeout http-keep-alive 75s
    timeout client {int(self.timeout) + 60}s
    timeout server {int(self.timeout) + 60}s
    retries 3
    retry-on conn-failure empty-response
    option redispatch 1
    option http-buffer-request
    errorfile 502 502.http
    errorfile 503 503.http
    errorfile 504 504.http

frontend in
    bind {bind}
    default_backend replicas

backend replicas
    balance leastconn
    http-request set-var(txn.head) bool(true) if METH_HEAD
    http-response set-var(txn.size) res.hdr_val(content-length)
    acl whole_fits var(txn.size) -m int 1:{WHOLE}
    acl is_short res.body_len,sub(txn.size) lt 0
    http-response wait-for-body time 20s if whole_fits !{{ var(txn.head) -m bool }}
    http-response deny deny_status 502 if whole_fits is_short !{{ var(txn.head) -m bool }}
    option httpchk
    http-check send meth GET uri /livez ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
    default-server check inter 1s fall 2 rise 1
    server-template r 1-{SLOTS} 127.0.0.1:1 disabled
"""

    def write(self, folder: Path) -> None:
        """Write haproxy.cfg and the errors that it tells itself, in JSON, into `folder`.

        The certificate and its key stay where they are: links stand for them, by the names that HAProxy looks for.

        Raises:
            StorageError: The disk said no.
        """
        private_dir(folder)
        write_atomic(folder / "haproxy.cfg", self.configuration())
        for name, target in ((_CERTIFICATE, self.certificate), (f"{_CERTIFICATE}.key", self.key)):
            with contextlib.suppress(FileNotFoundError):
                (folder / name).unlink()
            if target:
                (folder / name).symlink_to(target)
        for status, phrase, what in (
            (502, "Bad Gateway", "the replica failed under this request"),
            (503, "Service Unavailable", "no replica answers. Ask again"),
            (504, "Gateway Timeout", "the request took too long"),
        ):
            body = f'{{"error": "{what}"}}'
            head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\naccess-control-allow-origin: *\r\n"
            again = "retry-after: 5\r\n" if status == 503 else ""
            text = f"{head}{again}content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}"
            write_atomic(folder / f"{status}.http", text)


class HAProxy:
    """The process that serves the configuration in `folder`; it may have been started by another of us.

    Args:
        folder: Where haproxy.cfg and the admin socket are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def taking(self) -> int:
        """How many processes get requests now; 0 where HAProxy does not answer (yet)."""
        try:
            rows = [line.split(",") for line in self.ask("show stat").splitlines() if line.startswith("replicas,r")]
        except OSError:
            return 0
        return sum(row[17].startswith("UP") for row in rows)

    def ask(self, command: str) -> str:
        """The answer to commands of the admin socket (joined with ";").

        Raises:
            OSError: Nobody answers.
        """
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(5)
                sock.connect(f"/proc/self/fd/{handle}/{_SOCKET}")  # a path of any length
                sock.sendall(command.encode() + b"\n")
                parts = []
                while part := sock.recv(65536):
                    parts.append(part)
                return b"".join(parts).decode(errors="replace")
        finally:
            os.close(handle)

    def pid(self) -> int:
        """Its process; 0 if none answers."""
        try:
            lines = self.ask("show info").splitlines()
        except OSError:
            return 0
        told = next((line.partition(":")[2].strip() for line in lines if line.startswith("Pid:")), "")
        return int(told) if told.isdigit() else 0

    def start(self, log: BinaryIO | None = None) -> bool:
        """Start it unless it runs; whether it had to be started.

        Raises:
            NotFound: It is not installed.
            TarmacError: It does not start; the sentence is its own.
        """
        if self._process is not None:
            self._process.poll()
        if self.pid():
            return False
        errors = self.folder / "errors.txt"
        with errors.open("wb") as file:
            self._process = subprocess.Popen(
                [program(), "-db", "-C", str(self.folder), "-f", "haproxy.cfg"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # it goes on answering while whoever looks after it is started again
            )
        end = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < end:
            if self.pid():
                return True
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        else:
            self._process.kill()
        self._process.wait()
        told = [line for line in errors.read_text(errors="replace").splitlines() if "ALERT" in line]
        why = told[0].rpartition("] ")[2][:300] if told else "it said nothing"
        raise TarmacError("HAProxy does not start", why, "See haproxy/ in the run's folder")

    def put(self, slot: int, endpoint: Endpoint) -> None:
        """Let a replica take requests in a slot (from 1).

        Raises:
            OSError: Nobody answers.
        """
        server = f"replicas/r{slot}"
        self.ask(
            f"set server {server} state maint; "
            f"set server {server} addr {endpoint.address} port {endpoint.port}; "
            f"set server {server} health up; set server {server} state ready"
        )

    def drain(self, slot: int) -> None:
        """No new requests to a slot; those that it has go on.

        Raises:
            OSError: Nobody answers.
        """
        self.ask(f"set server replicas/r{slot} state drain")

    def take(self, slot: int) -> None:
        """Empty a slot.

        Raises:
            OSError: Nobody answers.
        """
        self.ask(f"set server replicas/r{slot} state maint")

    def renew(self) -> None:
        """Take the certificate's files as they are now; connections stay.

        Raises:
            OSError: Nobody answers, or a file cannot be read.
            TarmacError: It does not take them; what it had stays.
        """
        files = [self.folder / _CERTIFICATE, self.folder / f"{_CERTIFICATE}.key"]
        text = "\n".join(path.read_text(errors="replace") for path in files if path.is_file())
        pem = "\n".join(filter(None, (line.strip() for line in text.splitlines())))  # an empty line would end it
        for command, good in ((f"set ssl cert {_CERTIFICATE} <<\n{pem}\n", "ransaction"), (_COMMIT, "Success")):
            answer = self.ask(command)
            if good not in answer:
                self.ask(f"abort ssl cert {_CERTIFICATE}")
                raise TarmacError("HAProxy does not take the certificate", " ".join(answer.split())[:200])

    def stop(self, patience: float) -> None:
        """End it: it takes no new connections, finishes what it has for `patience` seconds, and goes."""
        pid = self.pid()
        for number, seconds in ((signal.SIGUSR1, patience), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
            if not pid or self._gone(pid):
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
            end = time.monotonic() + seconds
            while time.monotonic() < end and not self._gone(pid):
                time.sleep(0.02)

    def _gone(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is not None
        return not Path(f"/proc/{pid}").exists()
