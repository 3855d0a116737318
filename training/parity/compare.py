"""Compares the output of `masklet track` with that of transformers, for a model with random weights and sizes.

    python -m parity.compare --family sam3 --seed 41
    python -m parity.compare --family edgetam --seed 7 --scale 1.6     # frames larger than the model's input
    python -m parity.compare --family sam2 --checkpoint path/to/model  # your own weights

Creates a model, fits it to a generated clip, exports it with `python -m masklet_export CHECKPOINT --out PACK --preset
transformers`, and runs the clip, as a folder of PNG images, through the command line. Prints one line per frame. The
exit status is 1 if a frame differs by more than the server's tolerances.

Frames on which transformers does not agree with itself on perturbed images are marked `(rounding-sensitive)`: there
the clip amplifies rounding errors and does not test the server. If a mask differs, the line reports how far the
logits of the flipped pixels are from zero and how far perturbation shifts them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as pictures
from transformers import EdgeTamVideoModel, PreTrainedTokenizerFast, Sam2VideoModel, Sam3VideoModel
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import Sam3TrackerVideoInferenceSession

from . import agreement, click_model, concept_model, families, rle, run_clicks, run_concepts, scripts, text_prompts
from .boundary import flipped_pixels
from .inputs import imagenet_values, perturbed, pixel_values
from .make_models import Sizes
from .run_clicks import Click, Propagation
from .run_concepts import FrameResult
from .sizes import SAM3_SIZES, Sam3Sizes

ROOT = Path(__file__).parents[2]
MIDDLE = 12
PERTURBATIONS = 12  # runs of transformers over perturbed images


@dataclass
class Query:
    """One query to both the server and transformers."""

    name: str
    arguments: list[str]
    """Arguments of `masklet track`"""
    reference: Callable[[torch.Tensor], list[FrameResult]]
    scored: bool


@dataclass
class Subject:
    """A model and the clip that it was fitted to."""

    checkpoint: Path
    clip: scripts.Script
    pixels: Callable[[np.ndarray], torch.Tensor]
    tracker: torch.nn.Module
    session_class: type
    concepts: tuple[Sam3VideoModel, Any] | None = None
    """The whole model and its tokenizer; None without a detector"""


@torch.no_grad()
def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m parity.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=sorted(families.FAMILIES), required=True)
    parser.add_argument("--seed", type=int, default=1, help="seed of sizes, weights and clip")
    parser.add_argument("--checkpoint", type=Path, help="model folder to use instead of a random model")
    parser.add_argument("--scale", type=float, default=1.0, help="side of the frames, as a multiple of the model's input")
    parser.add_argument("--work", type=Path, default=Path(".cache/compare"), help="folder of the checkpoint, the pack and the frames")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.work / f"{options.family}-{options.seed}"
    subject = open_subject(options.family, options.seed, options.checkpoint or folder / "checkpoint", options.checkpoint is None)
    families.export(subject.checkpoint, folder / "pack", print)
    side = subject.clip.scene.size
    shown = subject.clip if options.scale == 1 else script_of(options.family, round(side * options.scale), options.seed)
    frames = shown.frames()
    write_frames(frames, folder / "frames")
    pixels = subject.pixels(resized(frames, side))
    results = [compare_query(query, folder, pixels) for query in queries_for(subject, shown)]
    return 0 if all(results) else 1


def open_subject(family: str, seed: int, checkpoint: Path, fresh: bool) -> Subject:
    return (open_sam3 if family == "sam3" else open_tracker)(family, seed, checkpoint, fresh)


def open_sam3(family: str, seed: int, checkpoint: Path, fresh: bool) -> Subject:
    if fresh:
        sizes = draw_sam3_sizes(seed)
        print(sizes)
        script_at = lambda size: [script_of(family, size, seed)]  # noqa: E731
        model, tokenizer = concept_model.make(checkpoint, sizes, seed, script_at, print)
    else:
        model = Sam3VideoModel.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint)
    clip = script_of(family, model.config.image_size, seed)
    tracker = families.click_tracker(model)
    return Subject(checkpoint, clip, pixel_values, tracker, Sam3TrackerVideoInferenceSession, (model, tokenizer))


def open_tracker(family: str, seed: int, checkpoint: Path, fresh: bool) -> Subject:
    model_class = {"sam2": Sam2VideoModel, "edgetam": EdgeTamVideoModel}[family]
    session_class = {"sam2": Sam2VideoInferenceSession, "edgetam": EdgeTamVideoInferenceSession}[family]
    if fresh:
        sizes = draw_tracker_sizes(family, seed)
        print(sizes)
        tracker = click_model.make(checkpoint, family, sizes, seed, script_of(family, sizes.side, seed), print)
    else:
        tracker = model_class.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
    clip = script_of(family, tracker.config.image_size, seed)
    return Subject(checkpoint, clip, imagenet_values, tracker, session_class)


def script_of(family: str, size: int, seed: int) -> scripts.Script:
    return families.draw_script("apart" if family == "sam3" else "clicks", size, seed)


def draw_sam3_sizes(seed: int) -> Sam3Sizes:
    """Draws sizes that the golden files do not use."""
    rng = np.random.default_rng(seed)
    pick = lambda *choices: choices[int(rng.integers(len(choices)))]  # noqa: E731
    while True:
        vit_width, vit_heads = pick((60, 3), (64, 4), (72, 6), (56, 2))
        width, heads = pick((128, 4), (128, 8), (192, 8), (192, 6))
        sizes = Sam3Sizes(
            patch=pick(8, 9, 11, 14), grid=pick(10, 11, 13), vit_width=vit_width, vit_heads=vit_heads, window=pick(3, 4, 5),
            table=pick(5, 6, 7), width=width, queries=pick(6, 10, 11, 12), detector_heads=heads, geometry_heads=pick(4, 8),
            decoder_heads=pick(1, 2), memory_slots=pick(3, 6, 8), pointers=pick(5, 12, 14), max_conditioning=pick(3, 5),
            text_width=pick(28, 32, 44),
        )  # fmt: skip
        # The exporter requires an input side that is a multiple of 4.
        if sizes not in SAM3_SIZES and sizes.patch * sizes.grid % 4 == 0:
            return sizes


def draw_tracker_sizes(family: str, seed: int) -> Sizes:
    """Draws sizes that the golden files do not use."""
    rng = np.random.default_rng(seed)
    pick = lambda *choices: choices[int(rng.integers(len(choices)))]  # noqa: E731
    windows = pick(2, 3, 4)
    sides = {"sam2": (128, 160, 192), "edgetam": (16 * windows * pick(4, 6),)}[family]
    return Sizes(side=pick(*sides), width=pick(128, 192), memories=pick(3, 5, 7), latents=(pick(5, 8, 10), windows**2))


def queries_for(subject: Subject, shown: scripts.Script) -> list[Query]:
    """:param shown: the clip at the size of its frames; arguments of `masklet track` are in pixels of these frames"""
    size = shown.scene.size
    masks = shown.masks()
    corners, inside, outside = [], [], []
    for actor in (0, 1):
        rows, columns = np.nonzero(masks[0, actor])
        corners.append([int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1])
        centre = np.argwhere(masks[MIDDLE, actor]).mean(0).round().astype(int)[::-1].tolist()
        (outside if actor else inside).append(centre)
    boxes = [text for x0, y0, x1, y1 in corners for text in ("--box", f"{x0},{y0},{x1 - x0},{y1 - y0}")]
    (x, y), (off_x, off_y) = inside[0], outside[0]
    points = ["--point", f"{x},{y}", "--point", f"{off_x},{off_y},0", "--at", str(MIDDLE), "--direction", "both"]
    share = lambda values: [value / size for value in values]  # noqa: E731

    def boxed(pixels: torch.Tensor) -> list[FrameResult]:
        return clicked(subject, pixels, size, [Click(0, i, [], [], share(box)) for i, box in enumerate(corners)], [(0, False)])

    def pointed(pixels: torch.Tensor) -> list[FrameResult]:
        click = Click(MIDDLE, 0, [share((x, y)), share((off_x, off_y))], [1, 0])
        return clicked(subject, pixels, size, [click], [(MIDDLE, False), (MIDDLE, True)])

    queries = [Query("boxes, forward", boxes, boxed, False), Query("points, both ways", points, pointed, False)]
    if subject.concepts is not None:
        model, tokenizer = subject.concepts

        def phrased(*phrases: str) -> Query:
            def reference(pixels: torch.Tensor) -> list[FrameResult]:
                passes, _ = run_concepts.run(model, tokenizer, pixels, list(phrases), (size, size), [(0, False)])
                return passes[0].results

            return Query(" and ".join(phrases), [text for phrase in phrases for text in ("--text", phrase)], reference, True)

        queries += [phrased(text_prompts.PHRASES[2]), phrased(text_prompts.PHRASES[0], text_prompts.PHRASES[1])]
    return queries


def clicked(subject: Subject, pixels: torch.Tensor, size: int, clicks: list[Click], passes: list[tuple[int, bool]]) -> list[FrameResult]:
    """Each frame once, in the order of the command line: the backward pass starts before the prompted frame."""
    acts = [*clicks, *(Propagation(start, reverse) for start, reverse in passes)]
    recorded, _ = run_clicks.run(subject.tracker, subject.session_class, pixels, (size, size), acts)
    frames: dict[int, FrameResult] = {}
    for answer in recorded[len(clicks) :]:
        for result in answer.results:
            frames.setdefault(result.frame, visible(result))
    return list(frames.values())


def visible(result: FrameResult) -> FrameResult:
    """Removes empty masks, which transformers also lists for clicks."""
    rows = [row for row, mask in enumerate(result.masks) if mask.any()]
    column = lambda values: [values[row] for row in rows]  # noqa: E731
    return FrameResult(result.frame, column(result.ids), column(result.scores), column(result.boxes), result.masks[rows], result.raw)


def compare_query(query: Query, folder: Path, pixels: torch.Tensor) -> bool:
    reference = query.reference(pixels)
    again = list(zip(*(query.reference(perturbed(pixels, seed)) for seed in range(PERTURBATIONS)), strict=True))  # by frame
    answers = track(folder / "pack", folder / "frames", query.arguments)
    print(f"{query.name}: masklet track {' '.join(query.arguments)}")
    found = [agreement.of_frames(one, answers[one.frame], query.scored) for one in reference]
    for one, others, each in zip(reference, again, found, strict=True):
        stable = all(agreement.of_frames(one, other, query.scored).holds() for other in others)
        verdict = "" if each.holds() else "  DIFFERS"
        flipped = flipped_pixels(one, answers[one.frame], list(others))
        if flipped:
            verdict += f"  ({flipped})"
        print(
            f"  frame {each.frame:2}  ids {each.ids}{'' if each.ids == each.other_ids else f' or {each.other_ids}'}  "
            f"score {each.score_error:.1e}  box {each.box_error:.0f}  IoU {each.iou:.5f}{verdict}{'' if stable else '  (rounding-sensitive)'}"
        )
    worst = [min(each.iou for each in found), max(each.score_error for each in found), max(each.box_error for each in found)]
    nonempty = sum(bool(each.ids) for each in found)
    # A clip without any detected object tests nothing; another seed may contain some.
    good = nonempty > 0 and all(each.holds() for each in found)
    print(
        f"  {'equal' if good else 'different' if nonempty else 'nothing to compare'}: {nonempty} of {len(found)} frames contain objects; "
        f"lowest IoU {worst[0]:.5f}, largest score error {worst[1]:.1e}, largest box error {worst[2]:.1f} pixels"
    )
    return good


def track(pack: Path, frames: Path, arguments: list[str]) -> dict[int, FrameResult]:
    """Output of `masklet track`, by frame index."""
    command = ["node", str(ROOT / "clients/command/masklet.mjs"), "track", str(frames.resolve()), *arguments]
    done = subprocess.run(command, env=os.environ | {"MASKLET_PACK": str(pack.resolve())}, stdout=subprocess.PIPE, text=True, check=True)
    results = [read_result(json.loads(line)) for line in done.stdout.splitlines()]
    return {result.frame: result for result in results}


def read_result(message: dict[str, Any]) -> FrameResult:
    outputs = message["outputs"]
    masks = [rle.decode(mask) for mask in outputs["out_binary_masks"]]
    boxes = []
    for (x, y, w, h), mask in zip(outputs["out_boxes_xywh"], masks):
        height, width = mask.shape
        boxes.append([x * width, y * height, (x + w) * width, (y + h) * height])
    return FrameResult(message["frame_index"], outputs["out_obj_ids"], outputs["out_probs"], boxes, np.array(masks))


def write_frames(frames: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index:05}.png")


def resized(frames: np.ndarray, side: int) -> np.ndarray:
    """Resizes frames as the processors of transformers do."""
    if frames.shape[1] == side:
        return frames
    batch = torch.from_numpy(frames).movedim(-1, 1)
    return pictures.resize(batch, [side, side], antialias=True).movedim(1, -1).contiguous().numpy()


if __name__ == "__main__":
    sys.exit(main())
