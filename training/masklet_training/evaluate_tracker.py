"""Measures a checkpoint of the tracker on real sequences in PyTorch, to choose between checkpoints before an export.

    python -m masklet_training.evaluate_tracker --checkpoint .cache/tracker/checkpoint.pt --sequences FOLDER --size 384

The memory policy is simple (first frame, recent frames, pointers), without the server's mask clean-up; `evaluate` measures
a pack through the server. With `--untrained`, the result of the memory reads is used without the decoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checkpoint import load_tracker
from .davis_metrics import NEAR, area_under_curve, region_similarity
from .evaluate import PROMPTS, report
from .model.lite_tracker import Levels, LiteTracker
from .sequences import Sequence, load_sequences, prompt_marks


def first_mask(model: LiteTracker, levels: Levels, mask: np.ndarray, prompt: str) -> Tensor:
    """Mask logits [1,1,m,m] of the prompted frame."""
    m = model.side // 4
    if prompt == "mask":
        return model.seed(levels[0], torch.from_numpy(mask).float()[None, None])[2]
    points, labels = (torch.tensor([marks]) for marks in prompt_marks(mask, prompt))
    masks, _, _, best = model.prompt(levels, points.float(), labels, torch.zeros(1, 1, m, m), torch.zeros(1))
    return masks[:, best]


@torch.no_grad()
def track_sequence(
    model: LiteTracker, sequence: Sequence, prompt: str, recent: int, caution: float, limit: int | None, untrained: bool
) -> tuple[list[np.ndarray], list[float]]:
    """Bool masks [H,W] and object score logits of the first `limit` frames"""
    side, rows = model.side, model.cfg.temporal_rows
    one = torch.ones(1)
    recents: list[Tensor] = []
    pointers: dict[int, Tensor] = {}
    masks, scores = [], []
    given = None
    for t, path in enumerate(sorted(sequence.frames.iterdir())[:limit]):
        small = cv2.resize(cv2.imread(str(path))[:, :, ::-1], (side, side), interpolation=cv2.INTER_AREA)
        levels = model.encode(torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].float())
        if given is None:
            logits, score = first_mask(model, levels, sequence.masks[0], prompt), one
            kept = logits
            given = model.remember(levels[0], logits, one, one)
        else:
            used = recents[-recent:][::-1] if recent else []
            memory_t = torch.tensor([[rows - 1, *range(len(used))]])
            known = sorted(pointers)
            ages = torch.tensor([[(t - k) / (model.cfg.max_pointers - 1) for k in known]]).clamp(max=2.0)
            memory = torch.stack([given, *used], 1)
            logits, _, score, votes = model.track(levels, memory, memory_t, torch.stack([pointers[k] for k in known], 1), ages)
            if untrained:
                logits, score = torch.logit(votes[:, :1].clamp(1e-4, 1 - 1e-4)), one
            kept = logits - caution
            if float(score) > 0:
                recents = [*recents, model.remember(levels[0], kept, score, torch.zeros(1))][-max(recent, 1) :]
        pointers[t] = model.pointer(levels[0], kept, score)[:, 0]
        pointers = {k: value for k, value in pointers.items() if k == 0 or k > t - model.cfg.max_pointers + 1}
        shown = logits if float(score) > 0 else torch.full_like(logits, -1.0)
        full = F.interpolate(shown, size=sequence.masks[0].shape, mode="bilinear", align_corners=False)
        masks.append(full[0, 0].numpy() > 0)
        scores.append(float(score))
    return masks, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--sequences", type=Path, required=True)
    parser.add_argument("--only", action="append", help="name of a sequence, repeatable; default: all")
    parser.add_argument("--prompt", action="append", choices=PROMPTS, help="repeatable; default: box")
    parser.add_argument("--size", type=int, default=384, help="side of the frames in pixels")
    parser.add_argument("--recent", type=int, default=4)
    parser.add_argument("--caution", type=float, default=0.0, help="subtracted from a tracked mask before it is remembered")
    parser.add_argument("--limit", type=int, help="number of frames to use per sequence")
    parser.add_argument("--untrained", action="store_true", help="without the decoder")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, _ = load_tracker(options.checkpoint, options.size)
    for prompt in options.prompt or ["box"]:
        rows, overlaps, scores = [], [], []
        for sequence in load_sequences(options.sequences, options.only):
            masks, logits = track_sequence(model, sequence, prompt, options.recent, options.caution, options.limit, options.untrained)
            each = [region_similarity(a, b) for a, b in zip(masks, sequence.masks)]
            copied = float(np.mean([region_similarity(sequence.masks[0], b) for b in sequence.masks[1 : len(masks)]]))
            rows.append({"J": float(np.mean(each[1:])), "first": each[0], "last": float(np.mean(each[-10:])), "copied": copied})
            report(f"{prompt} {sequence.name}", rows[-1])
            overlaps += each[1:]
            scores += logits[1:]
        auc = area_under_curve(np.array(scores), np.array(overlaps) >= NEAR)
        means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        report(f"{prompt} all", means | ({} if auc is None else {"auc": auc}))


if __name__ == "__main__":
    main()
