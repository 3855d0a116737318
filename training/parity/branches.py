"""Counts what a run of `Sam3VideoModel` did, by listening to its own methods, and how near it came to doing otherwise: a
recording is only worth comparing with if rounding cannot flip a decision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from transformers import Sam3VideoModel
from transformers.models.sam3_video.modeling_sam3_video import mask_iou

from .overlaps import hangs, iou_bounds, may_empty, may_turn, remaining_bounds

GIVEN = 0.5
"""What logits of detections have to reach where they become memories, in `_tracker_add_new_objects` and `_prepare_recondition_masks`."""


class Listener:
    def __init__(self, hung: Callable[[str], None]) -> None:
        """:param hung: is told of decisions about masks that were a matter of single pixels next to their threshold, and may raise"""
        self.hung = hung
        self.counts: Counter[str] = Counter()
        """How often each rule fired"""
        self.nearest: dict[str, float] = {}
        """Smallest distance of any score to the threshold that decided about it"""

    def hangs(self, kind: str, decisions: torch.Tensor) -> None:
        if decisions.any():
            self.hung(kind)

    def near(self, kind: str, values: torch.Tensor | list[float], threshold: float) -> None:
        values = torch.as_tensor(values, dtype=torch.float32).flatten()
        if len(values):
            distance = float((values - threshold).abs().min())
            self.nearest[kind] = min(self.nearest.get(kind, distance), distance)


@contextmanager
def listening(model: Sam3VideoModel, hung: Callable[[str], None]) -> Iterator[Listener]:
    """While inside, the model's rules report to the listener; what they return is unchanged."""
    heard = Listener(hung)
    rivals: set[int] = set()
    """Detections of the frame that fit two tracks equally well, as far as rounding lets one say"""
    tracker = model.tracker_model
    stack = ExitStack()

    def wrap(owner: Any, name: str, hear: Callable[..., None]) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            hear(result, *args, **kwargs)
            return result

        stack.enter_context(patch.object(owner, name, call))

    def detections(result, inference_session, vision_embeds):
        heard.counts["detections"] += sum(len(part["scores"]) for part in result.values())

    def scores(result, **inputs):
        probability = result.pred_logits.sigmoid() * result.presence_logits.sigmoid()
        for threshold in (model.score_threshold_detection, model.new_det_thresh, model.high_conf_thresh):
            heard.near("detection score", probability, threshold)

    def association(result, **inputs):
        new, unmatched, matches, confident, empty = result
        trk, det = inputs["trk_masks"], inputs["det_masks"]
        heard.counts["births"] += len(new)
        heard.counts["unmatched"] += len(unmatched)
        heard.counts["empty"] += len(empty)
        heard.counts["matched"] += sum(bool(ids) for ids in matches.values())
        heard.counts["shared detections"] += sum(len(ids) > 1 for ids in matches.values())
        heard.counts["late births"] += len(new) if len(trk) else 0
        heard.counts["weak detections refused"] += sum(not ids and index not in new for index, ids in matches.items())
        heard.hangs("birth", may_turn(det[new], GIVEN))
        rivals.clear()
        if len(trk):
            heard.hangs("emptiness", may_empty(trk))
        if len(trk) and len(det):
            ious = mask_iou(det > 0, trk > 0)
            same = inputs["det_prompt_ids"][:, None] == inputs["trk_prompt_ids"][None]
            heard.counts["overlap across phrases ignored"] += int(((ious >= model.assoc_iou_thresh) & ~same).sum())
            bounds = iou_bounds(det, trk)
            for threshold in (model.assoc_iou_thresh, model.trk_assoc_iou_thresh, model.high_iou_thresh):
                heard.hangs("association IoU", hangs(bounds, threshold) & same)
            least, largest = (torch.where(same, bound, 0.0) for bound in bounds)
            best = ious.where(same, torch.zeros(())).argmax(1, keepdim=True)
            fit, others = least.gather(1, best), torch.arange(len(trk))
            # Of equals the first is taken.
            ahead = (largest > fit) & (others != best) | (largest == fit) & (others < best)
            rivals.update(torch.nonzero(ahead.any(1)).flatten().tolist())
        if len(trk) > 1:
            together = inputs["trk_prompt_ids"][:, None] == inputs["trk_prompt_ids"][None]
            unsure = hangs(iou_bounds(trk, trk), model.suppress_overlapping_based_on_recent_occlusion_threshold) & together
            heard.hangs("occlusion IoU", unsure.triu(1))

    def hotstart(result, **inputs):
        removed, metadata = result
        for removed_id in removed:
            unmatched = len(metadata["unmatched_frame_inds"].get(removed_id, []))
            heard.counts["removed unmatched" if unmatched >= model.hotstart_unmatch_thresh else "removed duplicate"] += 1

    def recondition(result, **inputs):
        heard.counts["reconditioned"] += len(result[1])
        heard.near("recondition score", inputs["tracker_obj_scores_global"], model.high_conf_thresh)
        corrections = list(inputs["trk_id_to_max_iou_high_conf_det"].values())
        heard.hangs("which track is corrected", torch.tensor([index in rivals for index in corrections]))
        heard.hangs("correction", may_turn(inputs["det_out"]["mask"][corrections], GIVEN))

    def occlusion(result, masks, last_occluded, obj_ids, reverse=False):
        heard.counts["suppressed by occlusion"] += int(result.sum())

    def shrinkage(result, pred_masks, new_pred_masks, shrink_threshold=0.3):
        before = (pred_masks > 0).sum((-1, -2))
        after = (new_pred_masks > 0).sum((-1, -2))
        ratio = after[before > 0] / before[before > 0]
        heard.counts["suppressed by shrinking"] += int((ratio < shrink_threshold).sum())
        heard.hangs("shrink ratio", hangs(remaining_bounds(pred_masks[:, 0]), shrink_threshold))

    def conditioning(result, frame_idx, outputs, max_cond_frame_num):
        heard.counts["conditioning frames left out"] += bool(result[1])
        heard.counts["frames with several conditioning frames"] += len(result[0]) > 1

    def rerun(result, *args, run_mem_encoder=True, **inputs):
        if run_mem_encoder:
            session = inputs["inference_session"]
            heard.counts["frames tracked again for a birth"] += session.get_obj_num() > 1

    def decoded(result, *args, **inputs):
        logits = result.object_score_logits
        heard.near("object score", logits, 0.0)
        heard.counts["absent"] += int((logits <= 0).sum())
        if result.iou_scores.shape[-1] > 1:
            best = result.iou_scores.flatten(0, -2).topk(2).values
            heard.near("candidate IoU", best[:, 0] - best[:, 1], 0.0)

    wrap(model, "run_detection", detections)
    wrap(model.detector_model, "forward", scores)
    wrap(model, "_associate_det_trk", association)
    wrap(model, "_process_hotstart", hotstart)
    wrap(model, "_prepare_recondition_masks", recondition)
    wrap(model, "_get_objects_to_suppress_based_on_most_recently_occluded", occlusion)
    wrap(model, "_suppress_shrunk_masks", shrinkage)
    wrap(tracker, "_select_closest_cond_frames", conditioning)
    wrap(tracker, "forward", rerun)
    wrap(tracker, "_single_frame_forward", decoded)
    with stack:
        yield heard
