"""The asynchronous client: the names of the package ``masklet``, with ``await`` and ``async for``.

The package ``_sync`` is generated from this one: ``python tools/make_sync.py``.
"""

from .client import Client, connect
from .propagation import Propagation
from .session import Session

__all__ = ["Client", "Propagation", "Session", "connect"]
