"""Client of masklet, a video segmentation and tracking server.

>>> import masklet
>>> with masklet.serve() as server, server.connect() as client:
...     session = client.start_session("dog.mp4")
...     session.add_prompt(text="dog")
...     for frame in session.propagate():
...         print(frame.index, frame.ids, frame.masks.shape)
"""

from ._core.backoff import Backoff
from ._serve import Server, serve
from ._sync import Client, Propagation, Session, connect
from .errors import MaskletError
from .frames import Frame
from .results import (
    Affected,
    ImportedObject,
    ImportResult,
    LeftOut,
    Prediction,
    PromptResult,
    Suspect,
    VideoFacts,
)

__version__ = "0.1.0"

__all__ = [
    "Affected",
    "Backoff",
    "Client",
    "Frame",
    "ImportResult",
    "ImportedObject",
    "LeftOut",
    "MaskletError",
    "Prediction",
    "PromptResult",
    "Propagation",
    "Server",
    "Session",
    "Suspect",
    "VideoFacts",
    "connect",
    "serve",
]
