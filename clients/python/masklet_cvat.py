"""masklet as a native function of CVAT 2.80: a tracker, an interactor or a detector.

    cvat-cli function create-native masklet --function-file masklet_cvat.py -p url=str:ws://127.0.0.1:8765
    cvat-cli function run-agent ID --function-file masklet_cvat.py -p url=str:ws://127.0.0.1:8765

Needs ``pip install 'masklet[cvat]'``, which installs this file as the module ``masklet_cvat``. CVAT loads the function
in two processes; the one that serves requests connects with its first request. CVAT displays the text of
``BadFunctionError`` and replaces other errors by "Unknown error".
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing.util
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import cvat_sdk.auto_annotation as cvataa
import numpy as np
from cvat_sdk.masks import decode_mask, encode_mask

import masklet
from masklet.masks import decode_polygons

__all__ = ["Detector", "Interactor", "Tracker", "create"]

KINDS = ("tracker", "interactor", "detector")
SHAPES = ("mask", "polygon", "rectangle")
OBJ_ID = 1
"""Of the only object of a session."""

ENDED = ("session_not_found", "session_detached", "connection_lost")
"""Errors of a session that the server or its connection has ended."""

F = TypeVar("F", bound=Callable[..., Any])


def create(
    url: str = "ws://127.0.0.1:8765", key: str = "", kind: str = "tracker", labels: str = ""
) -> Tracker | Interactor | Detector:
    """The entry for CVAT, with the parameters of ``-p``.

    Args:
        url: of the masklet server.
        key: of a server with keys. Default: the variable ``MASKLET_KEY``.
        kind: ``tracker``, ``interactor`` or ``detector``.
        labels: of a detector: phrases, separated by commas. A label of the task with the same name gets their objects.
    """
    server = _Server(url, key)
    if kind == "tracker":
        return Tracker(server)
    if kind == "interactor":
        return Interactor(server)
    if kind == "detector":
        phrases = [phrase.strip() for phrase in labels.split(",") if phrase.strip()]
        if not phrases:
            raise cvataa.BadFunctionError("labels: a detector needs phrases, such as -p labels=str:dog,ball")
        return Detector(server, phrases)
    raise cvataa.BadFunctionError(f"kind: expected {', '.join(KINDS)}, got {kind!r}")


def _explained(method: F) -> F:
    """Errors of masklet and of arguments become errors whose text CVAT displays."""

    @functools.wraps(method)
    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except masklet.MaskletError as error:
            if error.code in ENDED:
                text = "the session of this track has ended; start the track again on this frame"
                raise cvataa.BadFunctionError(f"masklet: {text}: {error}") from error
            raise cvataa.BadFunctionError(f"masklet: {error}") from error
        except (ValueError, OSError) as error:
            raise cvataa.BadFunctionError(f"masklet: {error}") from error

    return explained  # type: ignore[return-value]


class _Session:
    """A session that ends with this object, with the process, or in favour of another one."""

    def __init__(self, session: masklet.Session) -> None:
        self.session = session
        self._end = weakref.finalize(self, _leave, session)

    def end(self) -> None:
        self._end()


def _leave(session: masklet.Session) -> None:
    with contextlib.suppress(Exception):
        session._leave()


class _Server:
    """One connection, opened by the first request of the process. Sessions are known in the order of their use."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key or None
        self._client: masklet.Client | None = None
        self._used: list[weakref.ref[_Session]] = []

    def start(self, **fields: Any) -> _Session:
        """Starts a session. If the server permits no more, the one that was used least recently ends."""
        if self._client is None or self._client.closed:
            self._client = masklet.connect(self._url, self._key)
            # Workers of CVAT run no functions of atexit.
            multiprocessing.util.Finalize(None, self._client.close, exitpriority=1)
        while True:
            try:
                started = _Session(self._client.start_session(**fields))
                self.use(started)
                return started
            except masklet.MaskletError as error:
                oldest = self._oldest()
                if error.code != "session_limit" or oldest is None:
                    raise
                oldest.end()

    def use(self, session: _Session) -> None:
        """Moves a session to the end of the order."""
        open_ones = [one for one in self._used if one() is not None and one() is not session]
        self._used = [*open_ones, weakref.ref(session)]

    def _oldest(self) -> _Session | None:
        while self._used:
            session = self._used.pop(0)()
            if session is not None:
                return session
        return None


class _Track:
    """The state of a track: a live session with one object."""

    def __init__(self, live: _Session, shape_type: str) -> None:
        self.live = live
        self.shape_type = shape_type


class Tracker:
    """Tracks masks, polygons and rectangles. An invisible shape is None, and is found again when it returns."""

    spec = cvataa.TrackingFunctionSpec(supported_shape_types=list(SHAPES))

    def __init__(self, server: _Server) -> None:
        self._server = server

    def preprocess_image(self, context: Any, image: Any) -> Any:
        """CVAT 2.80 calls it without a check."""
        return image.convert("RGB")

    @_explained
    def init_tracking_state(self, context: Any, pp_image: Any, shape: cvataa.TrackableShape) -> _Track:
        prompt = _prompt_of(shape, *pp_image.size)
        live = self._server.start(live=True, mask_format="binary")
        live.session.push(pp_image)
        live.session.add_prompt(frame_index="latest", obj_id=OBJ_ID, pixels=True, **prompt)
        return _Track(live, shape.type)

    @_explained
    def track(self, context: Any, pp_image: Any, state: _Track) -> cvataa.TrackableShape | None:
        self._server.use(state.live)
        frame = state.live.session.push(pp_image)
        points = _points_of(frame.mask_of(OBJ_ID), state.shape_type)
        return None if points is None else cvataa.TrackableShape(type=state.shape_type, points=points)


class _Picture:
    """A picture with the session in which it is encoded. CVAT keeps it for further prompts."""

    def __init__(self, server: _Server, image: Any) -> None:
        self._server = server
        self._image = image
        self._opened: _Session | None = None

    def predict(self, **prompts: Any) -> list[masklet.Prediction]:
        """Predicts in the open session, or in a new one if it has ended."""
        if self._opened is not None:
            try:
                return self._predict(self._opened, prompts)
            except masklet.MaskletError as error:
                if error.code not in ENDED:
                    raise
        self._opened = self._server.start(source=[self._image])
        return self._predict(self._opened, prompts)

    def _predict(self, opened: _Session, prompts: dict[str, Any]) -> list[masklet.Prediction]:
        self._server.use(opened)
        return opened.session.predict(multimask_output=False, pixels=True, **prompts)


class Interactor:
    """Masks for positive and negative points and a box."""

    spec = cvataa.InteractionFunctionSpec(min_pos_points=1, min_neg_points=0, min_bounding_boxes=0)

    def __init__(self, server: _Server) -> None:
        self._server = server

    def preprocess_image(self, context: Any, image: Any) -> _Picture:
        return _Picture(self._server, image.convert("RGB"))

    @_explained
    def detect(self, context: Any, pp_image: _Picture, prompts: Any) -> list[cvataa.InteractionResultShape]:
        points = [*prompts.pos_points, *prompts.neg_points]
        labels = [1] * len(prompts.pos_points) + [0] * len(prompts.neg_points)
        box = prompts.bounding_box
        if not prompts.pos_points and box is None:
            raise ValueError("expected a positive point or a box")
        [prediction] = pp_image.predict(
            points=points or None, labels=labels or None, boxes=None if box is None else [[*box[0], *box[1]]]
        )
        mask = prediction.masks[0]
        return [cvataa.InteractionResultShape(type="mask", points=encode_mask(mask))] if mask.any() else []


class Detector:
    """Finds all instances of phrases."""

    def __init__(self, server: _Server, phrases: Sequence[str]) -> None:
        self._server = server
        self._phrases = list(phrases)
        labels = [cvataa.label_spec(phrase, at, type="any") for at, phrase in enumerate(self._phrases)]
        self.spec = cvataa.DetectionFunctionSpec(labels=labels)

    @_explained
    def detect(self, context: Any, image: Any) -> list[Any]:
        opened = self._server.start(source=[image.convert("RGB")])
        try:
            shapes = []
            for label, phrase in enumerate(self._phrases):
                found = opened.session.add_prompt(
                    text=phrase, replace=True, output_prob_thresh=context.conf_threshold
                ).frame
                for mask in found.masks:
                    as_polygon = context.conv_mask_to_poly
                    points = _points_of(mask, "polygon" if as_polygon else "mask")
                    if points is not None:
                        shapes.append((cvataa.polygon if as_polygon else cvataa.mask)(label, points))
            return shapes
        finally:
            opened.end()


def _prompt_of(shape: cvataa.TrackableShape, width: int, height: int) -> dict[str, Any]:
    """The prompt of a shape, in pixels. Raises ValueError for a shape without pixels in the picture."""
    points = shape.points
    if shape.type == "rectangle":
        x0, y0, x1, y1 = np.clip(points[:4], 0, [width, height, width, height]).tolist()
        if x1 <= x0 or y1 <= y0:
            raise ValueError(f"the rectangle {points} is outside the picture of {width} x {height} pixels")
        return {"box": [x0, y0, x1, y1]}
    if shape.type == "polygon":
        mask = decode_polygons([points], (height, width))
    elif shape.type == "mask":
        mask = decode_mask(points, image_width=width, image_height=height)
    else:
        raise ValueError(f"shape: expected {', '.join(SHAPES)}, got {shape.type!r}")
    if not mask.any():
        raise ValueError(f"the {shape.type} has no pixels inside the picture of {width} x {height} pixels")
    return {"mask": mask}


def _points_of(mask: Any, shape_type: str) -> list[float] | None:
    """The points of a shape of CVAT; None for a mask without pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    if shape_type == "mask":
        return [float(number) for number in encode_mask(mask)]
    if shape_type == "rectangle":
        return [float(edge) for edge in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]
    return _outline(mask)


def _outline(mask: Any) -> list[float]:
    """The largest outline of a mask along its pixels, as ``[x, y, ...]``. Polygons of CVAT have no holes."""
    padded = np.pad(mask, 1)
    # By the corner where it begins: edges in whose direction the mask is on the right.
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def add(starts: Any, step: tuple[int, int], shift: tuple[int, int]) -> None:
        for row, column in zip(*(axis.tolist() for axis in np.nonzero(starts))):
            begin = (column - 1 + shift[0], row - 1 + shift[1])
            edges.setdefault(begin, []).append((begin[0] + step[0], begin[1] + step[1]))

    above, below = np.roll(padded, 1, axis=0), np.roll(padded, -1, axis=0)
    before, after = np.roll(padded, 1, axis=1), np.roll(padded, -1, axis=1)
    add(padded & ~above, (1, 0), (0, 0))
    add(padded & ~after, (0, 1), (1, 0))
    add(padded & ~below, (-1, 0), (1, 1))
    add(padded & ~before, (0, -1), (0, 1))
    largest: list[tuple[int, int]] = []
    while edges:
        ring = _follow(edges)
        largest = max(largest, ring, key=_area)
    corners = [
        here
        for last, here, following in zip([largest[-1], *largest], largest, [*largest[1:], largest[0]])
        if (here[0] - last[0], here[1] - last[1]) != (following[0] - here[0], following[1] - here[1])
    ]
    return [float(number) for corner in corners for number in corner]


def _follow(edges: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Removes one closed ring of edges and returns its corners."""
    start = here = next(iter(edges))
    ring = []
    while True:
        ring.append(here)
        ends = edges[here]
        following = ends.pop()
        if not ends:
            del edges[here]
        here = following
        if here == start:
            return ring


def _area(ring: Sequence[tuple[int, int]]) -> float:
    """Of a ring with the mask on its right; holes are negative."""
    if not ring:
        return -1.0
    x, y = np.asarray(ring, np.float64).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)
