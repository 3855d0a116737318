"""Runs transformers' `Sam3VideoModel` over a clip as documented and keeps the postprocessed output."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from transformers import Sam3VideoModel
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession
from transformers.models.sam3_video.processing_sam3_video import Sam3VideoProcessor

from . import rounding_sensitivity
from .rule_coverage import RuleMonitor, monitor_rules


@dataclass
class FrameResult:
    frame: int
    ids: list[int]
    scores: list[float]
    boxes: list[list[float]]
    """x0, y0, x1, y1 in pixels of the video, last pixel included"""
    masks: np.ndarray
    """bool [objects, height, width]"""
    raw: Any = None
    """The model's own output before postprocessing"""
    extrapolated: "list[FrameResult]" = field(default_factory=list)
    """Results of extrapolated outputs, see `rounding_sensitivity`; only for runs with `against`"""


@dataclass
class Pass:
    start: int
    reverse: bool
    results: list[FrameResult] = field(default_factory=list)


@dataclass
class Exemplars:
    """Positive and negative boxes on one frame"""

    frame: int
    phrase: int
    boxes: list[list[float]]
    """Centre x and y, width, height, relative to the frame"""
    labels: list[int]


def run(
    model: Sam3VideoModel,
    tokenizer: Any,
    pixels: torch.Tensor,
    phrases: list[str],
    video_size: tuple[int, int],
    passes: list[tuple[int, bool]],
    exemplars: Exemplars | None = None,
    on_marginal: Callable[[str], None] = lambda kind: None,
    against: Iterator[FrameResult] | None = None,
    on_frame_result: Callable[[FrameResult], None] = lambda result: None,
) -> tuple[list[Pass], RuleMonitor]:
    """
    :param pixels: float32 [frames, 3, S, S], normalised
    :param video_size: height and width of the output masks
    :param passes: start frame and direction of each propagation, in sequence on one session
    :param on_marginal: called for decisions that depend on single pixels; may raise to stop
    :param against: results of an earlier run over the same clip
    :param on_frame_result: called for every frame; may raise to stop
    """
    session = Sam3VideoInferenceSession(video=pixels, video_height=video_size[0], video_width=video_size[1], dtype=torch.float32)
    # Without the image processor, which would resize frames that already have the model's size.
    processor = Sam3VideoProcessor.__new__(Sam3VideoProcessor)
    processor.tokenizer = tokenizer
    processor.add_text_prompt(session, phrases)
    recorded = []
    with monitor_rules(model, on_marginal) as monitor, with_exemplars(model, exemplars):
        for start, reverse in passes:
            record = Pass(start, reverse)
            for output in model.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse):
                result = _result(processor, session, output)
                if against is not None:
                    result.extrapolated = [
                        _result(processor, session, each) for each in rounding_sensitivity.extrapolate_concepts(next(against).raw, output)
                    ]
                record.results.append(result)
                on_frame_result(result)
            recorded.append(record)
    return recorded, monitor


def _result(processor: Sam3VideoProcessor, session: Sam3VideoInferenceSession, output: Any) -> FrameResult:
    shown = processor.postprocess_outputs(session, output)
    ids, scores, boxes = (shown[name].tolist() for name in ("object_ids", "scores", "boxes"))
    return FrameResult(output.frame_idx, ids, scores, boxes, shown["masks"].numpy(), output)


@contextmanager
def with_exemplars(model: Sam3VideoModel, given: Exemplars | None) -> Iterator[None]:
    """Passes exemplar boxes to the detector on one frame for one phrase. `Sam3VideoModel` does not support this, but
    `Sam3Model`, which it calls for every frame and phrase in turn, does.
    """
    if given is None:
        yield
        return
    detect_frame, detect = model._det_track_one_frame, model.detector_model.forward
    place = {"frame": -1, "phrase": 0}

    def on_frame(*args: Any, frame_idx: int, **kwargs: Any) -> Any:
        place.update(frame=frame_idx, phrase=0)
        return detect_frame(*args, frame_idx=frame_idx, **kwargs)

    def on_phrase(**inputs: Any) -> Any:
        if place["frame"] == given.frame and place["phrase"] == given.phrase:
            inputs["input_boxes"] = torch.tensor([given.boxes])
            inputs["input_boxes_labels"] = torch.tensor([given.labels])
        place["phrase"] += 1
        return detect(**inputs)

    with (
        patch.object(model, "_det_track_one_frame", on_frame),
        patch.object(model.detector_model, "forward", on_phrase),
    ):
        yield
