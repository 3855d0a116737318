"""The server of the drop-in modules: the one of ``MASKLET_URL``, or a private one for this program."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import ExitStack

from ._serve import Server, serve
from ._sync import Client, connect

_lock = threading.Lock()
_server: Server | None = None
_shared_lock = threading.Lock()
_shared: tuple[str | None, Client] | None = None


def connect_or_serve(url: str | None, key: str | None) -> Client:
    """A client of ``url``, of the variable ``MASKLET_URL``, or of a private server that ends with this program."""
    address = url or os.environ.get("MASKLET_URL")
    if address:
        return connect(address, key)
    return _private_server().connect()


def shared_client() -> Client:
    """One client for all calls without an address of their own; another one after ``MASKLET_URL`` has changed."""
    global _shared
    address = os.environ.get("MASKLET_URL")
    with _shared_lock:
        if _shared is None or _shared[0] != address or _shared[1].closed:
            _shared = (address, connect_or_serve(None, None))
        return _shared[1]


def _private_server() -> Server:
    global _server
    with _lock:
        if _server is None:
            stack = ExitStack()
            _server = stack.enter_context(serve())
            atexit.register(stack.close)
        return _server
