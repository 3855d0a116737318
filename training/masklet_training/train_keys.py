"""Trains the keys of the tracker alone, on stored features, before the tracker itself; writes a checkpoint for `--init`.

    python -m masklet_training.train_keys --frames .cache/frames --init .cache/backbone.pt --out .cache/keys.pt --minutes 15

The masks of one frame of a clip are read at every cell of another frame of the clip, and have to be those of that frame (STCN
learns its keys in this way). A step takes a tenth of a step of `train_tracker`, because nothing else is computed. The result
tracks real videos by label propagation alone; see the table in README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checkpoint import load_tracker, save_whole
from .model.lite_tracker import LiteTracker
from .model.reads import read_far, share, weighted
from .train_tracker import learning_rate

LOG_EVERY = 200  # steps
PAIRS = 2  # pairs of frames per step
HEAT_RATE = 3.0  # the temperature learns faster than the weights
VISIBLE = 0.001  # smallest share of the frame of an object on both frames


def read_loss(model: LiteTracker, stored: dict, rng: np.random.Generator) -> tuple[Tensor, float] | None:
    """Loss of one read, and its mean Dice coefficient. None when no object is visible on both frames.

    :param stored: a clip of `frame_cache`
    """
    pair = torch.from_numpy(rng.permutation(stored["labels"].shape[1])[:2])
    labels = stored["labels"][:, pair].float() / 255.0
    labels = labels[(labels.mean((2, 3)) > VISIBLE).all(1)]
    if len(labels) == 0:
        return None
    features = {stride: values[pair].float() for stride, values in stored["features"].items()}
    keys = model.head.keys(features, model.head.neck(features)).flatten(2).transpose(1, 2)  # [2,4g²,key]
    cells = F.pixel_unshuffle(labels.transpose(0, 1).flatten(0, 1).unsqueeze(1), 2).unflatten(0, (2, -1))  # [2,K,4,2g,2g]
    given, wanted = cells.flatten(3).permute(0, 3, 1, 2).flatten(2)  # [4g²,4K] each
    heat = model.heats()[0]
    sums = read_far(keys[1], keys[:1], weighted(given[None, None], torch.zeros(1, 1), heat)[0], heat)
    read, truth = (values.unflatten(-1, (len(labels), 4)) for values in (share(sums)[0].clamp(1e-3, 1 - 1e-3), wanted))
    wrong = F.binary_cross_entropy(read, truth, reduction="none").mean((0, 2)) / (truth.mean((0, 2)).sqrt() + 0.05)
    dice = 2 * (read * truth).sum((0, 2)) / (read.sum((0, 2)) + truth.sum((0, 2)) + 1)
    return (0.3 * wrong + 1 - dice).mean(), float(dice.detach().mean())


def train(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model, source = load_tracker(options.init, options.size)
    source = {name: source[name] for name in ("network", "step", "spent")}
    model.requires_grad_(False)
    trained = [*model.head.neck.parameters(), *model.head.key.parameters(), *model.head.key_shift.parameters()]
    for parameter in (*trained, model.heat):
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW([{"params": trained, "factor": 1.0}, {"params": [model.heat], "factor": HEAT_RATE}], weight_decay=1e-4)
    files = sorted(options.frames.glob("*.pt"))
    if not files:
        raise FileNotFoundError(f"{options.frames} contains no clips: run masklet_training.frame_cache first")
    rng = np.random.default_rng(options.seed)
    start, step, seen = time.process_time(), 0, []
    while (progress := (time.process_time() - start) / 60 / options.minutes) < 1:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress, options.peak) * group["factor"]
        for _ in range(PAIRS):
            result = read_loss(model, torch.load(files[int(rng.integers(len(files)))], weights_only=True), rng)
            if result:
                (result[0] / PAIRS).backward()
                seen.append(result[1])
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if step % LOG_EVERY == 0:
            heat = math.exp(float(model.heat[0].detach()))
            print(
                json.dumps({"step": step, "progress": round(progress, 3), "dice": round(float(np.mean(seen)), 4), "heat": round(heat, 1)}),
                flush=True,
            )
            seen = []
            save_whole(source | {"average": model.state_dict()}, options.out)
    with torch.no_grad():
        model.heat[1] = model.heat[0]
    save_whole(source | {"average": model.state_dict()}, options.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="folder of frame_cache")
    parser.add_argument("--init", type=Path, required=True, help="output of measure_features, or a checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0, help="processor time")
    parser.add_argument("--peak", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--size", type=int, default=256, help="side of the stored frames in pixels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
