"""What is recorded of each family."""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable
from unittest.mock import patch

import numpy as np
import torch
import transformers
from transformers import Sam3TrackerVideoModel, Sam3VideoModel
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import Sam3TrackerVideoInferenceSession

from . import aim_tracker, concept_model, graph_cases, run_clicks, run_concepts, scripts, words
from .inputs import imagenet_values, pixel_values
from .make_models import MAKERS, Sizes
from .run_clicks import Click, Propagation
from .run_concepts import Exemplars
from .sizes import coarsen

VIDEO_SIZE = (180, 240)
"""Height and width that masks are asked for in; nothing like the model's sizes."""
KEPT = 6
Say = Callable[[str], None]


@dataclass
class Plan:
    """A run of `Sam3VideoModel`; settings are fields of its configuration."""

    name: str
    clip: str
    phrases: list[str]
    passes: list[tuple[int, bool]]
    settings: dict[str, float] = field(default_factory=dict)
    exemplars: Exemplars | None = None


@dataclass
class Recording:
    family: str
    seed: int
    pack: Path
    clips: dict[str, np.ndarray]
    graphs: list[graph_cases.Case]
    runs: list[dict[str, Any]]
    """`name`, `clip`, `kind` (concepts or clicks), what was asked, `answers` (one list of frames per act), `fired`, `margins`"""
    complaints: list[str] = field(default_factory=list)
    """Why another seed would be better: a rule that did not fire, a decision that hung by a hair."""
    transformers: str = transformers.__version__


# How near a decision may come to its threshold. Rounding moves probabilities and logits by about 1e-5. Overlaps are counted in
# whole pixels, so rounding does not move them unless a pixel turns.
MARGINS = {"detection score": 1e-4, "recondition score": 1e-3, "object score": 1e-3, "candidate IoU": 1e-4}

FIRES = (
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
"""Rules of `Sam3VideoModel` that the runs of one recording must make use of, all together."""


def export(checkpoint: Path, pack: Path, say: Say) -> None:
    """As the documentation of the exporter says, with the rules of transformers."""
    from masklet_export.__main__ import main

    shutil.rmtree(pack, ignore_errors=True)
    status = main([str(checkpoint), "--out", str(pack), "--preset", "transformers", "--detections", str(KEPT)])
    if status != 0:
        sys.exit(status)
    say(f"exported {pack}")


def concept_scripts(seed: int) -> Callable[[int], list[scripts.Script]]:
    def at(size: int) -> list[scripts.Script]:
        rng = np.random.default_rng(seed)
        return [scripts.crossing(size, rng), scripts.ghosts(size, rng)]

    return at


def sam3(folder: Path, seed: int, say: Say, variant: int = 0) -> Recording:
    model, tokenizer = concept_model.make(folder / "checkpoint", variant, seed, concept_scripts(seed), say)
    clips = {script.name: script for script in concept_scripts(seed)(model.config.image_size)}
    export(folder / "checkpoint", folder / "pack", say)
    rgb = clips["crossing"].frames()[12]
    vision = model.detector_model.get_vision_features(pixel_values(rgb[None]))
    levels, positions = model.get_vision_features_for_tracker(vision)
    side = model.tracker_model.prompt_encoder.image_embedding_size[0]
    trunk = vision.last_hidden_state.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    cases = [
        graph_cases.encode_case(levels, rgb, trunk),
        *graph_cases.detector_cases(model, rgb, words.encode(tokenizer, list(words.PHRASES)), KEPT),
        *graph_cases.tracker_cases(model.tracker_model, levels, positions[-1], seed),
        *graph_cases.remember_cases(model.tracker_model, levels, seed, direct=True),
    ]
    every, both, alone = [words.PHRASES[2]], [words.PHRASES[2], words.PHRASES[0]], [words.PHRASES[0]]
    often = {"recondition_every_nth_frame": 2, "high_iou_thresh": 0.2}
    boxes = Exemplars(0, 0, [[0.2, 0.2, 0.3, 0.3], [0.8, 0.2, 0.3, 0.28]], [1, 0])
    plans: tuple[Plan, ...] = (
        Plan("forward", "crossing", every, [(0, False)]),
        Plan("two phrases", "ghosts", both, [(0, False)]),
        Plan("both ways", "crossing", every, [(15, False), (15, True)]),
        Plan("corrected often", "ghosts", every, [(0, False)], often),
        Plan("exemplars", "ghosts", alone, [(0, False)], exemplars=boxes),
    )
    runs, fired, margins = [], dict.fromkeys(FIRES, 0), {}
    for plan in plans:
        with ExitStack() as stack:
            for name, value in plan.settings.items():
                stack.enter_context(patch.object(model, name, value))
            recorded, heard = run_concepts.run(
                model, tokenizer, clips[plan.clip].frames(), plan.phrases, VIDEO_SIZE, plan.passes, plan.exemplars
            )
        say(f"{plan.name}: {dict(heard.counts)}; nearest {heard.nearest}")
        for kind, count in heard.counts.items():
            fired[kind] = fired.get(kind, 0) + count
        for kind, distance in heard.nearest.items():
            margins[kind] = min(margins.get(kind, distance), distance)
        runs.append({
            "name": plan.name, "kind": "concepts", "clip": plan.clip, "size": VIDEO_SIZE, "phrases": plan.phrases,
            "policy": plan.settings, "exemplars": None if plan.exemplars is None else vars(plan.exemplars),
            "passes": [{"start": start, "reverse": reverse} for start, reverse in plan.passes],
            "fired": dict(heard.counts), "margins": heard.nearest, "answers": [each.results for each in recorded],
        })  # fmt: skip
    complaints = [f"never happened: {kind}" for kind in FIRES if not fired[kind]]
    complaints += [f"hung by a hair: {kind}" for kind, least in MARGINS.items() if margins.get(kind, 1) < least]
    tracker = click_tracker(model)
    clicked, more = click_runs(tracker, Sam3TrackerVideoInferenceSession, clips["crossing"], pixel_values, say)
    complaints += more
    stills = {name: clip.frames() for name, clip in clips.items()}
    return Recording("sam3", seed, folder / "pack", stills, cases, [*runs, *clicked], complaints)


def click_tracker(model: Sam3VideoModel) -> Sam3TrackerVideoModel:
    """The same weights as a tracker that answers clicks: what loading the checkpoint as `Sam3TrackerVideoModel` gives."""
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
    tracker: torch.nn.Module, session_class: type, clip: scripts.Script, pixels: Callable[[np.ndarray], torch.Tensor], say: Say
) -> tuple[list[dict[str, Any]], list[str]]:
    """Points, boxes, corrections, and both directions, on one clip. → runs, complaints"""
    masks = clip.masks()

    def centre(frame: int, actor: int) -> list[float]:
        return [float(v) for v in ((np.argwhere(masks[frame, actor]).mean(0) + 0.5) / masks.shape[-1])[::-1]]

    def box(frame: int, actor: int) -> list[float]:
        places = np.argwhere(masks[frame, actor])
        (top, left), (bottom, right) = places.min(0), places.max(0) + 1
        return [float(v) / masks.shape[-1] for v in (left, top, right, bottom)]

    plans = (
        (
            "clicks",
            [
                Click(0, 1, [centre(0, 0)], [1]),
                Click(0, 2, [centre(0, 1), centre(0, 0)], [1, 0]),
                Click(0, 3, [], [], box(0, 2)),
                Propagation(0, False),
            ],
        ),
        (
            "corrections",
            [
                Click(2, 1, [centre(2, 0)], [1]),
                Click(2, 1, [centre(2, 1)], [0], clear=False),
                Propagation(2, False, 16),
                Click(14, 1, [centre(14, 0), centre(14, 1)], [1, 0]),
                Propagation(15, False),
            ],
        ),
        ("backward", [Click(20, 5, [centre(20, 2)], [1]), Propagation(20, False), Propagation(20, True)]),
    )
    runs, complaints = [], []
    for name, acts in plans:
        recorded, nearest = run_clicks.run(tracker, session_class, pixels(clip.frames()), VIDEO_SIZE, acts)
        areas = [int(mask.sum()) for answer in recorded for frame in answer.results for mask in frame.masks]
        say(f"{name}: nearest {nearest:.1e}, {np.mean(np.array(areas) > 0):.2f} of the masks are not empty")
        if nearest < 1e-4:
            complaints.append(f"hung by a hair: {name}")
        if np.mean(np.array(areas) > 0) < 0.2:
            complaints.append(f"mostly empty masks: {name}")
        runs.append({
            "name": name, "kind": "clicks", "clip": clip.name, "size": VIDEO_SIZE,
            "acts": [vars(each.act) | {"act": "click" if isinstance(each.act, Click) else "propagate"} for each in recorded],
            "margins": {"choice": nearest}, "answers": [each.results for each in recorded],
        })  # fmt: skip
    return runs, complaints


def click_family(family: str, side: int, session_class: type) -> Callable[[Path, int, Say], Recording]:
    """SAM 2.1 and EdgeTAM: trackers that are told what to follow."""

    def make(folder: Path, seed: int, say: Say) -> Recording:
        sizes = Sizes(side=side, memories={"sam2": 4, "edgetam": 6}[family])
        tracker = MAKERS[family](sizes, seed).requires_grad_(False)
        tracker.set_attn_implementation("eager")
        coarsen(tracker)
        clip = scripts.clicks(side, np.random.default_rng(seed))

        def pyramid(rgb: np.ndarray) -> Any:
            return tracker.vision_encoder(imagenet_values(rgb), return_dict=True)

        def levels(rgb: np.ndarray) -> tuple[list[torch.Tensor], torch.Tensor]:
            seen, decoder = pyramid(rgb), tracker.mask_decoder
            fine, middle, coarse = seen.fpn_hidden_states
            code = seen.fpn_position_encoding[-1][:1].flatten(2).permute(2, 0, 1)
            return [decoder.conv_s0(fine), decoder.conv_s1(middle), coarse], code

        sight = aim_tracker.Sight(finest=lambda rgb: pyramid(rgb).fpn_hidden_states[0], levels=levels)
        say(f"{family}: {aim_tracker.aim(tracker, sight, [clip], seed)}")
        tracker.save_pretrained(folder / "checkpoint")
        runs, complaints = click_runs(tracker, session_class, clip, imagenet_values, say)
        export(folder / "checkpoint", folder / "pack", say)
        rgb = clip.frames()[12]
        seen = tracker.get_image_features(imagenet_values(rgb[None]), return_dict=True)
        cases = [
            graph_cases.encode_case(seen.fpn_hidden_states, rgb, None),
            *graph_cases.tracker_cases(tracker, seen.fpn_hidden_states, seen.fpn_position_encoding[-1], seed),
            *graph_cases.remember_cases(tracker, seen.fpn_hidden_states, seed, direct=False),
        ]
        return Recording(family, seed, folder / "pack", {clip.name: clip.frames()}, cases, runs, complaints)

    return make


FAMILIES: dict[str, Callable[[Path, int, Say], Recording]] = {
    "sam3": sam3,
    "sam2": click_family("sam2", 96, Sam2VideoInferenceSession),
    "edgetam": click_family("edgetam", 192, EdgeTamVideoInferenceSession),
}
