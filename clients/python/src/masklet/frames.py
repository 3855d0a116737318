"""The objects of one frame, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .masks import masks_of

if TYPE_CHECKING:
    import fiftyone
    import pandas
    import supervision

__all__ = ["Frame"]


class Frame:
    """The objects of one frame. All arrays have one entry for each object, ids ascending.

    An object that is not visible on the frame is not listed; ``states`` lists it.
    """

    def __init__(self, message: Mapping[str, Any], width: int, height: int) -> None:
        self.message = message
        """The message of the server, with the fields of PROTOCOL.md; packed masks are ``bytes``."""
        self.width = width
        """Width of the frame in pixels."""
        self.height = height
        """Height of the frame in pixels."""

    @property
    def index(self) -> int:
        """The number of the frame in display order, from 0."""
        return int(self.message["frame_index"])

    @property
    def timestamp_us(self) -> int | None:
        """The time at which a player displays the frame, in microseconds; None for pictures without times."""
        time = self.message.get("timestamp_us")
        return None if time is None else int(time)

    @property
    def damaged(self) -> bool:
        """True when the picture of the frame is damaged; the nearest readable one stands in."""
        return bool(self.message.get("damaged", False))

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The field ``outputs`` of the message; without objects for a frame that was dropped."""
        return self.message.get("outputs", {"out_obj_ids": [], "out_probs": [], "out_boxes_xywh": []})

    @property
    def dropped(self) -> bool:
        """True for a frame of a live session that was not tracked, with ``drop="oldest"``."""
        return self.message.get("type") == "frame_dropped"

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Object ids, int64 ``[n]``."""
        return np.asarray(self.outputs["out_obj_ids"], np.int64)

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """float32 ``[n]``, 0 to 1: the detection score; 1 for objects of clicks, a box or a mask."""
        return np.asarray(self.outputs["out_probs"], np.float32)

    @cached_property
    def boxes_xywh(self) -> NDArray[np.float32]:
        """Boxes ``[x, y, width, height]`` of the masks, 0 to 1 of the frame, float32 ``[n, 4]``."""
        return np.asarray(self.outputs["out_boxes_xywh"], np.float32).reshape(-1, 4)

    @cached_property
    def boxes_xyxy(self) -> NDArray[np.float32]:
        """Corners ``[x0, y0, x1, y1]`` of the masks in pixels, x1 and y1 exclusive, float32 ``[n, 4]``."""
        boxes = np.array(self.outputs["out_boxes_xywh"], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        pixels = boxes * (self.width, self.height, self.width, self.height)
        return pixels.astype(np.float32)

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """Masks at the size of the frame, bool ``[n, h, w]``. Decoded when they are first read."""
        masks = list(masks_of(self.outputs).values())
        if len(masks) != len(self.ids):
            raise ValueError("expected outputs with masks, got those of a request with the mask format none")
        return np.stack(masks) if masks else np.zeros((0, self.height, self.width), np.bool_)

    @property
    def states(self) -> list[dict[str, Any]]:
        """For each object, also one without a mask on the frame: ``obj_id``, ``state``, ``score``, ``suspect``."""
        return list(self.outputs.get("out_states", []))

    def mask_of(self, obj_id: int) -> NDArray[np.bool_]:
        """The mask of one object, bool ``[h, w]``; without pixels when it is not visible."""
        at = np.flatnonzero(self.ids == obj_id)
        return self.masks[at[0]] if at.size else np.zeros((self.height, self.width), np.bool_)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Frame(index={self.index}, timestamp_us={self.timestamp_us}, ids={self.ids.tolist()})"

    def to_supervision(self, *, compact: bool = False) -> supervision.Detections:
        """``supervision.Detections`` with the ids as ``tracker_id``. Needs the extra ``supervision``.

        Args:
            compact: ``mask`` is a ``supervision.CompactMask`` instead of an array ``[n, h, w]``. The run lengths of a
                session with ``mask_format="rle"`` are passed on without being decoded. Needs supervision 0.31.
        """
        import supervision

        return supervision.Detections(
            xyxy=self.boxes_xyxy,
            mask=self._compact_masks() if compact else self.masks,
            confidence=self.scores,
            class_id=np.zeros(len(self), np.int64),
            tracker_id=self.ids,
        )

    def _compact_masks(self) -> supervision.CompactMask:
        import supervision

        if not hasattr(supervision, "CompactMask"):
            version = supervision.__version__
            raise ImportError(f"compact: expected supervision 0.31 or newer, which has CompactMask, got {version}")
        # The corners of CompactMask are the first and the last pixel.
        corners = np.rint(self.boxes_xyxy) - (0, 0, 1, 1)
        size = (self.height, self.width)
        if "out_binary_masks" in self.outputs:
            return supervision.CompactMask.from_coco_rle(self.outputs["out_binary_masks"], corners, size)
        return supervision.CompactMask.from_dense(self.masks, corners, size)

    def to_fiftyone(self, label: str | Mapping[int, str] = "object") -> fiftyone.Detections:
        """``fiftyone.Detections`` with masks inside boxes and the ids as ``index``. Needs the package ``fiftyone``.

        Frame ``n`` of a session is ``sample.frames[n + 1]``: FiftyOne counts frames from 1.

        Args:
            label: of all objects, or of each object by its id; ``object`` for ids that are missing.
        """
        import fiftyone

        detections = []
        for obj_id, score, mask in zip(self.ids.tolist(), self.scores.tolist(), self.masks):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            if rows.size == 0:
                continue
            left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            x, end_x = _edges(left, right, self.width)
            y, end_y = _edges(top, bottom, self.height)
            detections.append(
                fiftyone.Detection(
                    label=label if isinstance(label, str) else label.get(obj_id, "object"),
                    bounding_box=[x, y, end_x - x, end_y - y],
                    mask=mask[top:bottom, left:right],
                    confidence=score,
                    index=obj_id,
                )
            )
        return fiftyone.Detections(detections=detections)

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each object, without masks; ``area`` is in pixels. Needs the extra ``pandas``."""
        import pandas

        x0, y0, x1, y1 = self.boxes_xyxy.T
        columns = {
            "frame_index": np.full(len(self), self.index, np.int64),
            "timestamp_us": [self.timestamp_us] * len(self),
            "id": self.ids,
            "score": self.scores,
            "x0": x0,
            "y0": y0,
            "x1": x1,
            "y1": y1,
            "area": self.masks.sum(axis=(1, 2)),
        }
        return pandas.DataFrame(columns)


def _edges(first: int, end: int, size: int) -> tuple[float, float]:
    """Pixels as fractions of a side, such that FiftyOne, which rounds down, finds the same pixels again."""
    margin = 1e-3
    return (float(first) + margin) / size, min(1.0, (float(end) + margin) / size)
