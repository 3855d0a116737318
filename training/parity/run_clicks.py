"""Runs transformers' click trackers (`Sam3TrackerVideoModel`, `Sam2VideoModel`, `EdgeTamVideoModel`) over a clip."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from . import rounding_sensitivity
from .run_concepts import FrameResult


@dataclass
class Click:
    """Points on one frame for one object, relative to the frame; or a box as corners; or both."""

    frame: int
    object_id: int
    points: list[list[float]]
    labels: list[int]
    box_xyxy: list[float] | None = None
    clear: bool = True


@dataclass
class Propagation:
    start: int
    reverse: bool
    count: int | None = None
    """Number of frames after the first; None for all"""


Act = Click | Propagation


@dataclass
class ActResult:
    act: Act
    results: list[FrameResult]


def run(
    tracker: torch.nn.Module,
    session_class: type,
    pixels: torch.Tensor,
    video_size: tuple[int, int],
    acts: list[Act],
    against: Iterator[FrameResult] | None = None,
) -> tuple[list[ActResult], dict[str, float]]:
    """
    :param pixels: float32 [frames, 3, S, S], normalised
    :param against: results of an earlier run over the same clip
    :return: results of each act, and the smallest margin of object scores and of the choice between candidates
    """
    size = pixels.shape[-1]
    session = session_class(video=pixels, video_height=video_size[0], video_width=video_size[1], dtype=torch.float32)
    answers: list[ActResult] = []
    nearest: dict[str, float] = {}
    decode = tracker._single_frame_forward

    def near(kind: str, distance: float) -> None:
        nearest[kind] = min(nearest.get(kind, distance), distance)

    def monitored(**inputs):
        output = decode(**inputs)
        near("object score", float(output.object_score_logits.abs().min()))
        if output.iou_scores.shape[-1] > 1:
            best = output.iou_scores.flatten().topk(2).values
            near("candidate IoU", float(best[0] - best[1]))
        return output

    object.__setattr__(tracker, "_single_frame_forward", monitored)
    try:
        for act in acts:
            if isinstance(act, Click):
                index = session.obj_id_to_idx(act.object_id)
                corners = [] if act.box_xyxy is None else [act.box_xyxy[:2], act.box_xyxy[2:]]
                points = torch.tensor([[[*corners, *act.points]]], dtype=torch.float32) * size
                labels = torch.tensor([[[2, 3][: len(corners)] + act.labels]], dtype=torch.int32)
                old = None if act.clear else session.point_inputs_per_obj[index].get(act.frame)
                if old is not None:
                    points = torch.cat([old["point_coords"], points], 2)
                    labels = torch.cat([old["point_labels"], labels], 2)
                session.add_point_inputs(index, act.frame, {"point_coords": points, "point_labels": labels})
                session.obj_with_new_inputs = [act.object_id]
                answers.append(ActResult(act, [_result(tracker(session, frame_idx=act.frame), video_size, against)]))
            else:
                outputs = tracker.propagate_in_video_iterator(
                    session, start_frame_idx=act.start, reverse=act.reverse, max_frame_num_to_track=act.count
                )
                answers.append(ActResult(act, [_result(output, video_size, against) for output in outputs]))
    finally:
        object.__delattr__(tracker, "_single_frame_forward")
    return answers, nearest


def _result(output, video_size: tuple[int, int], against: Iterator[FrameResult] | None) -> FrameResult:
    result = _shown(output, output.pred_masks, video_size)
    if against is not None:
        extrapolated = rounding_sensitivity.extrapolate_clicks(next(against).raw.pred_masks, output.pred_masks)
        result.extrapolated = [_shown(output, masks, video_size) for masks in extrapolated]
    return result


def _shown(output, masks: torch.Tensor, video_size: tuple[int, int]) -> FrameResult:
    masks = F.interpolate(masks, size=video_size, mode="bilinear", align_corners=False)[:, 0] > 0
    order = np.argsort(output.object_ids)
    boxes = []
    for mask in masks:
        rows, columns = torch.where(mask)
        boxes.append([] if len(rows) == 0 else [float(v) for v in (columns.min(), rows.min(), columns.max(), rows.max())])
    return FrameResult(
        output.frame_idx,
        [output.object_ids[i] for i in order],
        [float(output.object_score_logits.flatten()[i]) for i in order],
        [boxes[i] for i in order],
        masks.numpy()[order],
        output,
    )
