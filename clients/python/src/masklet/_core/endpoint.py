"""The addresses of a server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Endpoint:
    """Where a server is, and the key of the client."""

    host: str
    port: int
    is_secure: bool
    path: str
    """The path of the WebSocket; HTTP requests are below it."""
    key: str | None

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"{'wss' if self.is_secure else 'ws'}://{self.netloc}{self.path}"

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}

    @property
    def is_this_machine(self) -> bool:
        """True for loopback addresses: the server may see the same files as this program."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def endpoint_of(url: str, key: str | None = None) -> Endpoint:
    """Reads ``ws:``, ``wss:``, ``http:`` and ``https:`` addresses. Without a path, ``/v1`` is added."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise ValueError(f"expected an address like ws://127.0.0.1:8765, got {url!r}")
    if parts.username or parts.password or parts.query:
        raise ValueError("expected an address without a user name, a password and a query; keys are the argument key")
    is_secure = parts.scheme in ("wss", "https")
    path = "/v1" if parts.path in ("", "/") else parts.path.rstrip("/")
    return Endpoint(parts.hostname, parts.port or (443 if is_secure else 80), is_secure, path, key)
