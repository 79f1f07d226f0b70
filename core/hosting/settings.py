"""gateway.toml: where the gateway listens. The port is chosen once and kept, so that addresses stay what they are."""

from __future__ import annotations

import ipaddress
import ssl
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InvalidInput, Refused
from core.interface.base import shorten
from core.library.toml import dumps
from core.paths import write_atomic

FORMAT = 1
FILE_NAME = "gateway.toml"
FIRST_PORT = 8600


@dataclass(frozen=True)
class GatewaySettings:
    """Where the gateway listens.

    Attributes:
        host: Address to bind; anything but a loopback address needs every deployment to be private.
        port: 0 until it has been chosen.
        certificate: PEM file of the certificate chain for TLS; empty for plain HTTP.
        key: PEM file of its private key; empty if the certificate's file holds it.
        drain: Seconds that running requests get when the gateway stops.
    """

    host: str = "127.0.0.1"
    port: int = 0
    certificate: str = ""
    key: str = ""
    drain: float = 30.0

    def __post_init__(self) -> None:
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 <= self.port <= 65535:
            raise InvalidInput(f"port cannot be {shorten(self.port)}", "allowed is a whole number from 1 to 65535")
        if not isinstance(self.drain, int | float) or not 0 <= self.drain <= 3600:
            raise InvalidInput(f"drain cannot be {shorten(self.drain)}", "allowed are 0 to 3600 seconds")
        if self.host != "localhost":
            try:
                ipaddress.ip_address(self.host)
            except ValueError:
                raise InvalidInput(
                    f"the gateway cannot listen on {shorten(self.host)}",
                    "allowed is an address of this machine: 127.0.0.1, 0.0.0.0, ::",
                ) from None

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def scheme(self) -> str:
        """ "http" or "https"."""
        return "https" if self.certificate else "http"

    def url(self) -> str:
        """Where this machine reaches it: "http://127.0.0.1:8600"."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context; None without a certificate.

        Raises:
            Refused: The files are not a certificate with its key.
        """
        return tls_context(self.certificate, self.key) if self.certificate else None

    def write(self, folder: Path) -> None:
        """Write gateway.toml into `folder`, whole or not at all.

        Raises:
            StorageError: The disk said no.
        """
        data = {"format": FORMAT, "host": self.host, "port": self.port, "drain": self.drain}
        write_atomic(folder / FILE_NAME, dumps(data | {"certificate": self.certificate, "key": self.key}))

    @staticmethod
    def read(folder: Path) -> GatewaySettings:
        """The settings in `folder`; the standard ones where there is no file.

        Raises:
            Refused: The file is none of ours.
        """
        path = folder / FILE_NAME
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
            if data.pop("format", None) != FORMAT:
                raise ValueError(f"it has no format number up to {FORMAT}")
            for name in ("host", "certificate", "key"):
                if not isinstance(data.get(name, ""), str):
                    raise ValueError(f"{name} is no text")
            return replace(GatewaySettings(), **data)
        except FileNotFoundError:
            return GatewaySettings()
        except OSError as error:
            raise Refused(f"{path} cannot be read", error.strerror or str(error)) from error
        except (ValueError, TypeError, InvalidInput) as error:
            raise Refused(f"{path} cannot be used", str(error), "Mend or delete it") from error


def tls_context(certificate: str, key: str = "") -> ssl.SSLContext:
    """The TLS context of a server.

    Args:
        certificate: PEM file of the certificate chain.
        key: PEM file of its private key; empty if the certificate's file holds it.

    Raises:
        Refused: The files are not a certificate with its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in filter(None, (certificate, key)):
        if not Path(path).is_file():
            raise Refused("the certificate cannot be used", f"there is no file {path}", _MEND)
    try:
        context.load_cert_chain(certificate, key or None, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"{key or certificate} is the key of another certificate"
        elif "PEM" in str(error):
            reason = f"{certificate} or its key is no PEM file, or it is encrypted"
        else:
            reason = str(error)
        raise Refused("the certificate cannot be used", reason, _MEND) from error
    except (OSError, ValueError) as error:
        raise Refused("the certificate cannot be used", str(error), _MEND) from error
    return context


_MEND = "Name the files in PEM form with --certificate FILE --key FILE"
