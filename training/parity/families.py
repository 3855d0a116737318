"""Recordings of each model family."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import transformers
from transformers import Sam3TrackerVideoModel, Sam3VideoModel
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import Sam3TrackerVideoInferenceSession

from . import agreement, click_model, concept_model, graph_cases, run_clicks, run_concepts, scripts, text_prompts
from .draws import MAX_CLICK_DRAWS, Rejected, first_accepted
from .inputs import imagenet_values, perturbed, pixel_values
from .make_models import Sizes
from .rule_coverage import RuleMonitor
from .run_clicks import Act, Click, Propagation
from .run_concepts import Exemplars, FrameResult
from .sizes import SAM3_SIZES

VIDEO_SIZE = (270, 360)
"""Height and width of the recorded masks, unlike any size of the model."""
KEPT_DETECTIONS = 7
"""Detections that the pack returns per phrase and frame: equal to the number of queries, since all of them may be
confident.
"""
Report = Callable[[str], None]
Answers = list[list[FrameResult]]
"""One list of frames per pass or act."""


@dataclass
class Plan:
    """A run of `Sam3VideoModel`. `settings` are fields of its configuration."""

    name: str
    clip: str
    phrases: list[str]
    passes: list[tuple[int, bool]]
    settings: dict[str, float] = field(default_factory=dict)
    exemplars: Exemplars | None = None
    required_rules: tuple[str, ...] = ()
    """Rules that this run must apply. The last run must also apply those that no earlier run did."""


@dataclass
class Recording:
    family: str
    seed: int
    pack: Path
    graphs: list[graph_cases.Case]
    runs: list[dict[str, Any]]
    """Keys: `name`, `clip`, `kind` (concepts or clicks), the prompts, `answers` (one list of frames per act), `fired`,
    `margins`
    """
    transformers: str = transformers.__version__


# Minimum distance of a decision from its threshold. Rounding moves probabilities and logits by about 1e-5.
MARGINS = {"detection score": 1e-4, "recondition score": 1e-3, "object score": 1e-3, "candidate IoU": 2e-4}
MIN_MASKS = 20
"""Minimum number of masks in a recording."""
PERTURBATIONS, CLICK_PERTURBATIONS = 5, 12
"""Runs on images perturbed by the size of rounding errors. With three runs, every other case that one run in five
changes was accepted: a patch of a click that was remembered or not. Clicks have more runs, because detections do not
correct them and they are quick to record.
"""
STABLE_IOU = 0.9995
"""Minimum mask IoU of transformers with itself on perturbed images: half of the server's tolerance. A clip below this
does not test the server.
"""

REQUIRED_RULES = (
    "births",
    "late births",
    "matched",
    "unmatched",
    "empty",
    "shared detections",
    "weak detections refused",
    "removed unmatched",
    "removed duplicate",
    "reconditioned",
    "suppressed by occlusion",
    "suppressed by shrinking",
    "frames with several conditioning frames",
    "conditioning frames left out",
    "frames tracked again for a birth",
    "absent",
    "overlap across phrases ignored",
)
"""Rules of `Sam3VideoModel` that the runs of one recording must apply, taken together."""


def export(checkpoint: Path, pack: Path, report: Report) -> None:
    """Exports the checkpoint as the exporter's documentation describes, with the preset `transformers`."""
    from masklet_export.__main__ import main

    shutil.rmtree(pack, ignore_errors=True)
    status = main([str(checkpoint), "--out", str(pack), "--preset", "transformers", "--detections", str(KEPT_DETECTIONS)])
    if status != 0:
        sys.exit(status)
    report(f"exported {pack}")


def draw_script(clip: str, size: int, seed: int, draw: int = 0) -> scripts.Script:
    """Models are fitted to draw 0 of a clip. The other draws are close enough for the fit to hold, but round
    differently.
    """
    script = {
        "apart": scripts.apart,
        "paired": scripts.paired,
        "ghosts": scripts.ghosts,
        "parting": scripts.parting,
        "clicks": scripts.clicks,
    }[clip]
    made = script(size, np.random.default_rng([seed, 0]))
    return replace(made.jittered(np.random.default_rng([seed, draw])) if draw else made, name=f"{clip} {draw}")


def check_stable(one: FrameResult, other: FrameResult, scored: bool) -> None:
    """Raises `Rejected` if a frame is sensitive to rounding.

    :param other: the same frame on perturbed images, run with `against`
    :param scored: whether the server's scores are compared
    """
    for again, iou, verb in (
        (other, STABLE_IOU, "changes"),
        *((each, agreement.MASK_IOU, "nearly changes") for each in other.extrapolated),
    ):
        found = agreement.of_frames(one, again, scored)
        if not found.holds(iou):
            ids = f"ids {found.ids} or {found.other_ids}, IoU {found.iou:.4f}, box {found.box_error:.0f}, score {found.score_error:.1e}"
            raise Rejected(f"rounding {verb} frame {one.frame} ({ids})")


def check_margins(nearest: dict[str, float]) -> None:
    for kind, least in MARGINS.items():
        if nearest.get(kind, 1) < least:
            raise Rejected(f"{kind} is marginal: {nearest[kind]:.1e} from its threshold")


def reject_marginal(kind: str) -> None:
    raise Rejected(f"{kind} depends on single pixels")


def sam3(folder: Path, seed: int, report: Report, variant: int = 0) -> Recording:
    fit_scripts = lambda size: [draw_script(clip, size, seed) for clip in ("paired", "ghosts", "parting")]  # noqa: E731
    model, tokenizer = concept_model.make(folder / "checkpoint", SAM3_SIZES[variant], seed, fit_scripts, report)
    size = model.config.image_size
    every, both = [text_prompts.PHRASES[2]], [text_prompts.PHRASES[2], text_prompts.PHRASES[0]]
    often = {"recondition_every_nth_frame": 2, "high_iou_thresh": 0.2}
    touching = {"suppress_overlapping_based_on_recent_occlusion_threshold": 0.1}
    boxes = Exemplars(0, 0, *scripts.SHOWN)
    plans = (
        Plan("forward", "paired", every, [(0, False)], required_rules=("removed duplicate", "suppressed by shrinking")),
        Plan("exemplars", "apart", every, [(0, False)], exemplars=boxes),
        Plan("two phrases", "ghosts", both, [(0, False)]),
        Plan("corrected often", "ghosts", every, [(0, False)], often, required_rules=("reconditioned", "conditioning frames left out")),
        Plan("one occluded", "parting", every, [(15, False), (15, True)], touching, required_rules=("suppressed by occlusion",)),
        Plan("both ways", "ghosts", every, [(15, False), (15, True)]),
    )
    # Before the clips, which take far longer, because this step can also reject the model.
    frames = np.roll(draw_script("apart", size, seed).frames(), -12, axis=0)
    rgb = frames[0]
    vision = model.detector_model.get_vision_features(pixel_values(rgb[None]))
    levels, positions = model.get_vision_features_for_tracker(vision)
    side = model.tracker_model.prompt_encoder.image_embedding_size[0]
    trunk = vision.last_hidden_state.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    cases = [
        graph_cases.encode_case(levels, rgb, trunk),
        *graph_cases.detector_cases(model, frames, text_prompts.encode(tokenizer, list(text_prompts.PHRASES)), KEPT_DETECTIONS),
        *graph_cases.tracker_cases(model.tracker_model, levels, positions[-1], seed),
        *graph_cases.remember_cases(model.tracker_model, levels, seed, direct=True),
    ]
    runs: list[dict[str, Any]] = []
    for plan in plans:
        if plan is plans[-1]:
            plan.required_rules = tuple(kind for kind in REQUIRED_RULES if not any(run["fired"].get(kind) for run in runs))
        attempt = lambda draw: concept_run(model, tokenizer, plan, draw_script(plan.clip, size, seed, draw), report)  # noqa: E731
        runs.append(first_accepted(plan.name, attempt, report))
    runs += click_runs(click_tracker(model), Sam3TrackerVideoInferenceSession, "apart", seed, pixel_values, report)
    export(folder / "checkpoint", folder / "pack", report)
    return Recording("sam3", seed, folder / "pack", cases, runs)


def concept_run(model: Sam3VideoModel, tokenizer: Any, plan: Plan, clip: scripts.Script, report: Report) -> dict[str, Any]:
    def record(pixels: torch.Tensor, **watched: Any) -> tuple[Answers, RuleMonitor]:
        with ExitStack() as stack:
            for name, value in plan.settings.items():
                stack.enter_context(patch.object(model, name, value))
            passes, monitor = run_concepts.run(model, tokenizer, pixels, plan.phrases, VIDEO_SIZE, plan.passes, plan.exemplars, **watched)
        return [each.results for each in passes], monitor

    pixels = pixel_values(clip.frames())
    answers, monitor = record(pixels, on_marginal=reject_marginal)
    shown = sum(bool(mask.any()) for answer in answers for frame in answer for mask in frame.masks)
    report(f"{plan.name}: {shown} masks; {dict(monitor.counts)}; nearest {monitor.nearest}")
    if shown < MIN_MASKS:
        raise Rejected(f"only {shown} non-empty masks")
    missing = [kind for kind in plan.required_rules if not monitor.counts[kind]]
    if missing:
        raise Rejected(f"never applied: {', '.join(missing)}")
    check_margins(monitor.nearest)
    for perturbation in range(PERTURBATIONS):
        against, expected = chain.from_iterable(answers), chain.from_iterable(answers)
        record(
            perturbed(pixels, perturbation),
            against=against,
            on_frame_result=lambda result: check_stable(next(expected), result, scored=True),
        )
    return {
        "name": plan.name, "kind": "concepts", "clip": clip, "size": VIDEO_SIZE, "phrases": plan.phrases,
        "policy": plan.settings, "exemplars": None if plan.exemplars is None else vars(plan.exemplars),
        "passes": [{"start": start, "reverse": reverse} for start, reverse in plan.passes],
        "fired": dict(monitor.counts), "margins": monitor.nearest, "answers": answers,
    }  # fmt: skip


def click_tracker(model: Sam3VideoModel) -> Sam3TrackerVideoModel:
    """The same weights as a click tracker, equal to loading the checkpoint as `Sam3TrackerVideoModel`."""
    tracker = Sam3TrackerVideoModel._from_config(model.config.tracker_config, attn_implementation="eager").eval()
    weights = {
        **{name: value for name, value in tracker.state_dict().items() if name.startswith("vision_encoder.")},
        **model.tracker_model.state_dict(),
        **{f"vision_encoder.backbone.{name}": value for name, value in model.detector_model.vision_encoder.backbone.state_dict().items()},
        **{f"vision_encoder.neck.{name}": value for name, value in model.tracker_neck.state_dict().items()},
    }
    tracker.load_state_dict(weights)
    return tracker


def click_runs(
    tracker: torch.nn.Module, session_class: type, clip: str, seed: int, pixels: Callable[[np.ndarray], torch.Tensor], report: Report
) -> list[dict[str, Any]]:
    """Runs with points, boxes, corrections, and both directions."""
    size = tracker.image_size

    def attempt(name: str) -> Callable[[int], dict[str, Any]]:
        def at(draw: int) -> dict[str, Any]:
            script = draw_script(clip, size, seed, draw)
            return click_run(tracker, session_class, name, script, pixels(script.frames()), click_plans(script.masks())[name], report)

        return at

    return [first_accepted(name, attempt(name), report, MAX_CLICK_DRAWS) for name in ("clicks", "corrections", "backward")]


def click_plans(masks: np.ndarray) -> dict[str, list[Act]]:
    """masks: bool [frames, actors, S, S]"""

    def centre(frame: int, actor: int) -> list[float]:
        return [float(v) for v in ((np.argwhere(masks[frame, actor]).mean(0) + 0.5) / masks.shape[-1])[::-1]]

    def box(frame: int, actor: int) -> list[float]:
        places = np.argwhere(masks[frame, actor])
        (top, left), (bottom, right) = places.min(0), places.max(0) + 1
        return [float(v) / masks.shape[-1] for v in (left, top, right, bottom)]

    return {
        "clicks": [
            Click(0, 1, [centre(0, 0)], [1]),
            Click(0, 2, [centre(0, 1), centre(0, 0)], [1, 0]),
            Click(0, 3, [], [], box(0, 2)),
            Propagation(0, False),
        ],
        "corrections": [
            Click(2, 1, [centre(2, 0)], [1]),
            Click(2, 1, [centre(2, 1)], [0], clear=False),
            Propagation(2, False, 16),
            Click(14, 1, [centre(14, 0), centre(14, 1)], [1, 0]),
            Propagation(15, False),
        ],
        "backward": [Click(20, 5, [centre(20, 2)], [1]), Propagation(20, False), Propagation(20, True)],
    }


def click_run(
    tracker: torch.nn.Module, session_class: type, name: str, clip: scripts.Script, pixels: torch.Tensor, acts: list[Act], report: Report
) -> dict[str, Any]:
    recorded, nearest = run_clicks.run(tracker, session_class, pixels, VIDEO_SIZE, acts)
    answers = [each.results for each in recorded]
    shown = np.mean([mask.any() for answer in answers for frame in answer for mask in frame.masks])
    report(f"{name}: nearest {nearest}, {shown:.2f} of the masks are non-empty")
    if shown < 0.2:
        raise Rejected("most masks are empty")
    check_margins(nearest)
    for perturbation in range(CLICK_PERTURBATIONS):
        again, _ = run_clicks.run(tracker, session_class, perturbed(pixels, perturbation), VIDEO_SIZE, acts, chain.from_iterable(answers))
        for each, expected in zip(again, answers, strict=True):
            for one, other in zip(expected, each.results, strict=True):
                check_stable(one, other, scored=False)
    return {
        "name": name, "kind": "clicks", "clip": clip, "size": VIDEO_SIZE,
        "acts": [vars(each.act) | {"act": "click" if isinstance(each.act, Click) else "propagate"} for each in recorded],
        "margins": nearest, "answers": answers,
    }  # fmt: skip


def click_family(family: str, side: int, session_class: type) -> Callable[[Path, int, Report], Recording]:
    """Recorder for SAM 2.1 and EdgeTAM, which track prompted objects only."""

    def make(folder: Path, seed: int, report: Report) -> Recording:
        sizes = Sizes(side=side, memories={"sam2": 4, "edgetam": 6}[family])
        clip = draw_script("clicks", side, seed)
        tracker = click_model.make(folder / "checkpoint", family, sizes, seed, clip, report)
        runs = click_runs(tracker, session_class, "clicks", seed, imagenet_values, report)
        export(folder / "checkpoint", folder / "pack", report)
        rgb = clip.frames()[12]
        seen = tracker.get_image_features(imagenet_values(rgb[None]), return_dict=True)
        cases = [
            graph_cases.encode_case(seen.fpn_hidden_states, rgb, None),
            *graph_cases.tracker_cases(tracker, seen.fpn_hidden_states, seen.fpn_position_encoding[-1], seed),
            *graph_cases.remember_cases(tracker, seen.fpn_hidden_states, seed, direct=False),
        ]
        return Recording(family, seed, folder / "pack", cases, runs)

    return make


FAMILIES: dict[str, Callable[[Path, int, Report], Recording]] = {
    "sam3": sam3,
    "sam2": click_family("sam2", 96, Sam2VideoInferenceSession),
    "edgetam": click_family("edgetam", 192, EdgeTamVideoInferenceSession),
}
