"""Measures the mean IoU on real sequences with ground truth, prompted on the first frame only.

    python -m masklet_training.evaluate --checkpoint .cache/run/checkpoint.pt --sequences FOLDER --side 320

FOLDER contains one folder per sequence with frames/NNNNN.jpg and masks/NNNNN.png (0 and 255), as in DAVIS 2016. The
baseline is copying the first mask to every frame. The memory policy is simple (first frame, recent frames, pointers),
without any of the server's mask clean-up. Use it to choose between checkpoints and sizes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .checkpoint import load_average
from .model.compact import CompactModel


def iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 1.0


def load(folder: Path, limit: int | None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames uint8 [H,W,3] RGB and bool masks [H,W]."""
    names = sorted(path.stem for path in (folder / "frames").iterdir())[:limit]
    frames = [cv2.imread(str(folder / "frames" / f"{name}.jpg"))[:, :, ::-1] for name in names]
    masks = [cv2.imread(str(folder / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE) > 127 for name in names]
    return frames, masks


@torch.no_grad()
def track_sequence(
    model: CompactModel, frames: list[np.ndarray], first: np.ndarray, prompt: str, side: int, recent: int
) -> list[np.ndarray]:
    """Tracks one object through all frames; prompt is "box" or "mask". Returns bool masks [H,W]."""
    cfg = model.cfg
    h, w = first.shape
    none = (torch.zeros(1, 1, 2), torch.full((1, 1), -1, dtype=torch.int32))
    memories: dict[int, Tensor] = {}
    pointers: dict[int, Tensor] = {}
    results = []
    for t, frame in enumerate(frames):
        small = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1).unsqueeze(0).float()
        levels = model.encode(image)
        if t == 0 and prompt == "box":
            ys, xs = np.flatnonzero(first.any(1)), np.flatnonzero(first.any(0))
            corners = [[xs[0] / w, ys[0] / h], [(xs[-1] + 1) / w, (ys[-1] + 1) / h]]
            blank = torch.zeros(1, 1, side // 4, side // 4)
            points = torch.tensor([corners], dtype=torch.float32)
            masks, _, score = model.segment(levels, points, torch.tensor([[2, 3]]), blank, torch.zeros(1))
            logits, score = masks[:, :1], torch.ones(1)
        elif t == 0:
            _, score, logits = model.seed(levels[0], torch.from_numpy(first).float().view(1, 1, h, w))
        else:
            back = [k for k in range(1, recent + 1) if t - k > 0]
            rows = torch.tensor([[cfg.temporal_rows - 1] + [k - 1 for k in back]], dtype=torch.int32)
            memory = torch.stack([memories[0]] + [memories[t - k] for k in back], 1)
            known = [k for k in range(max(0, t - cfg.max_pointers + 1), t)]
            known = known if 0 in known else [0] + known[1:]
            ages = torch.tensor([[(t - k) / (cfg.max_pointers - 1) for k in known]])
            masks, _, score = model.track(levels, memory, rows, torch.stack([pointers[k] for k in known], 1), ages.clamp(max=2.0), *none)
            logits = masks[:, :1] if float(score) > 0 else torch.full_like(masks[:, :1], -16.0)
        memories[t] = model.remember(levels[0], logits, score, torch.tensor([float(t == 0)]))
        pointers[t] = model.pointers.create(levels[0], logits, score)[:, 0]
        memories.pop(t - recent - 1 if t - recent - 1 > 0 else -1, None)
        full = torch.nn.functional.interpolate(logits, size=(h, w), mode="bilinear", align_corners=False)
        results.append(full[0, 0].numpy() > 0)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--sequences", type=Path, required=True)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--recent", type=int, default=6)
    parser.add_argument("--prompt", choices=("box", "mask"), default="box")
    parser.add_argument("--limit", type=int, help="number of frames to use per sequence")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, _ = load_average(options.checkpoint)
    rows = {}
    for folder in sorted(path for path in options.sequences.iterdir() if (path / "frames").is_dir()):
        frames, masks = load(folder, options.limit)
        results = track_sequence(model, frames, masks[0], options.prompt, options.side, options.recent)
        ours = [iou(a, b) for a, b in zip(results[1:], masks[1:])]
        copied = [iou(masks[0], b) for b in masks[1:]]
        rows[folder.name] = {
            "first": round(iou(results[0], masks[0]), 3),
            "mean": round(float(np.mean(ours)), 3),
            "last": round(float(np.mean(ours[-10:])), 3),
            "copied": round(float(np.mean(copied)), 3),
        }
        print(folder.name, json.dumps(rows[folder.name]), flush=True)
    means = {key: round(float(np.mean([row[key] for row in rows.values()])), 3) for key in ("first", "mean", "copied")}
    print("all", json.dumps(means))


if __name__ == "__main__":
    main()
