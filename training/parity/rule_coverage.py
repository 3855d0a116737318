"""Counts which rules `Sam3VideoModel` applies during a run, by wrapping its methods, and measures how close each
decision came to its threshold. A recording is usable only if rounding cannot change a decision.
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

from .overlap_bounds import emptiness_is_marginal, has_marginal_pixel, iou_bounds, is_marginal, remaining_bounds

MEMORY_MASK_LOGIT = 0.5
"""Threshold for detection logits that become memories, in `_tracker_add_new_objects` and `_prepare_recondition_masks`"""


class RuleMonitor:
    def __init__(self, on_marginal: Callable[[str], None]) -> None:
        """
        :param on_marginal: called for decisions about masks that depend on single pixels close to their threshold;
        may raise
        """
        self.on_marginal = on_marginal
        self.counts: Counter[str] = Counter()
        """How often each rule was applied"""
        self.nearest: dict[str, float] = {}
        """Smallest distance of any score from its threshold"""

    def report_marginal(self, kind: str, decisions: torch.Tensor) -> None:
        if decisions.any():
            self.on_marginal(kind)

    def near(self, kind: str, values: torch.Tensor | list[float], threshold: float) -> None:
        values = torch.as_tensor(values, dtype=torch.float32).flatten()
        if len(values):
            distance = float((values - threshold).abs().min())
            self.nearest[kind] = min(self.nearest.get(kind, distance), distance)


@contextmanager
def monitor_rules(model: Sam3VideoModel, on_marginal: Callable[[str], None]) -> Iterator[RuleMonitor]:
    """Records the model's rules inside the context. Return values are unchanged."""
    monitor = RuleMonitor(on_marginal)
    ambiguous: set[int] = set()
    """Detections of the frame that fit two tracks equally well, within rounding"""
    tracker = model.tracker_model
    stack = ExitStack()

    def observe(owner: Any, name: str, on_call: Callable[..., None]) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            on_call(result, *args, **kwargs)
            return result

        stack.enter_context(patch.object(owner, name, call))

    def detections(result, inference_session, vision_embeds):
        monitor.counts["detections"] += sum(len(part["scores"]) for part in result.values())

    def scores(result, **inputs):
        probability = result.pred_logits.sigmoid() * result.presence_logits.sigmoid()
        for threshold in (model.score_threshold_detection, model.new_det_thresh, model.high_conf_thresh):
            monitor.near("detection score", probability, threshold)

    def association(result, **inputs):
        new, unmatched, matches, confident, empty = result
        trk, det = inputs["trk_masks"], inputs["det_masks"]
        monitor.counts["births"] += len(new)
        monitor.counts["unmatched"] += len(unmatched)
        monitor.counts["empty"] += len(empty)
        monitor.counts["matched"] += sum(bool(ids) for ids in matches.values())
        monitor.counts["shared detections"] += sum(len(ids) > 1 for ids in matches.values())
        monitor.counts["late births"] += len(new) if len(trk) else 0
        monitor.counts["weak detections refused"] += sum(not ids and index not in new for index, ids in matches.items())
        monitor.report_marginal("birth", has_marginal_pixel(det[new], MEMORY_MASK_LOGIT))
        ambiguous.clear()
        if len(trk):
            monitor.report_marginal("emptiness", emptiness_is_marginal(trk))
        if len(trk) and len(det):
            ious = mask_iou(det > 0, trk > 0)
            same = inputs["det_prompt_ids"][:, None] == inputs["trk_prompt_ids"][None]
            monitor.counts["overlap across phrases ignored"] += int(((ious >= model.assoc_iou_thresh) & ~same).sum())
            bounds = iou_bounds(det, trk)
            for threshold in (model.assoc_iou_thresh, model.trk_assoc_iou_thresh, model.high_iou_thresh):
                monitor.report_marginal("association IoU", is_marginal(bounds, threshold) & same)
            least, largest = (torch.where(same, bound, 0.0) for bound in bounds)
            best = ious.where(same, torch.zeros(())).argmax(1, keepdim=True)
            fit, others = least.gather(1, best), torch.arange(len(trk))
            # Of equal values the first is used.
            ahead = (largest > fit) & (others != best) | (largest == fit) & (others < best)
            ambiguous.update(torch.nonzero(ahead.any(1)).flatten().tolist())
        if len(trk) > 1:
            together = inputs["trk_prompt_ids"][:, None] == inputs["trk_prompt_ids"][None]
            unsure = is_marginal(iou_bounds(trk, trk), model.suppress_overlapping_based_on_recent_occlusion_threshold) & together
            monitor.report_marginal("occlusion IoU", unsure.triu(1))

    def hotstart(result, **inputs):
        removed, metadata = result
        for removed_id in removed:
            unmatched = len(metadata["unmatched_frame_inds"].get(removed_id, []))
            monitor.counts["removed unmatched" if unmatched >= model.hotstart_unmatch_thresh else "removed duplicate"] += 1

    def recondition(result, **inputs):
        monitor.counts["reconditioned"] += len(result[1])
        monitor.near("recondition score", inputs["tracker_obj_scores_global"], model.high_conf_thresh)
        corrections = list(inputs["trk_id_to_max_iou_high_conf_det"].values())
        monitor.report_marginal("which track is corrected", torch.tensor([index in ambiguous for index in corrections]))
        monitor.report_marginal("correction", has_marginal_pixel(inputs["det_out"]["mask"][corrections], MEMORY_MASK_LOGIT))

    def occlusion(result, masks, last_occluded, obj_ids, reverse=False):
        monitor.counts["suppressed by occlusion"] += int(result.sum())

    def shrinkage(result, pred_masks, new_pred_masks, shrink_threshold=0.3):
        before = (pred_masks > 0).sum((-1, -2))
        after = (new_pred_masks > 0).sum((-1, -2))
        ratio = after[before > 0] / before[before > 0]
        monitor.counts["suppressed by shrinking"] += int((ratio < shrink_threshold).sum())
        monitor.report_marginal("shrink ratio", is_marginal(remaining_bounds(pred_masks[:, 0]), shrink_threshold))

    def conditioning(result, frame_idx, outputs, max_cond_frame_num):
        monitor.counts["conditioning frames left out"] += bool(result[1])
        monitor.counts["frames with several conditioning frames"] += len(result[0]) > 1

    def rerun(result, *args, run_mem_encoder=True, **inputs):
        if run_mem_encoder:
            session = inputs["inference_session"]
            monitor.counts["frames tracked again for a birth"] += session.get_obj_num() > 1

    def decoded(result, *args, **inputs):
        logits = result.object_score_logits
        monitor.near("object score", logits, 0.0)
        monitor.counts["absent"] += int((logits <= 0).sum())
        if result.iou_scores.shape[-1] > 1:
            best = result.iou_scores.flatten(0, -2).topk(2).values
            monitor.near("candidate IoU", best[:, 0] - best[:, 1], 0.0)

    observe(model, "run_detection", detections)
    observe(model.detector_model, "forward", scores)
    observe(model, "_associate_det_trk", association)
    observe(model, "_process_hotstart", hotstart)
    observe(model, "_prepare_recondition_masks", recondition)
    observe(model, "_get_objects_to_suppress_based_on_most_recently_occluded", occlusion)
    observe(model, "_suppress_shrunk_masks", shrinkage)
    observe(tracker, "_select_closest_cond_frames", conditioning)
    observe(tracker, "forward", rerun)
    observe(tracker, "_single_frame_forward", decoded)
    with stack:
        yield monitor
