# Generated from ``aio`` by ``tools/make_sync.py``; do not edit.
"""The synchronous client."""

from .client import Client, connect
from .propagation import Propagation
from .session import Session

__all__ = ["Client", "Propagation", "Session", "connect"]
