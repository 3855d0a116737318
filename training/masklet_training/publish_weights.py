"""Writes the weights that the repository keeps: those that were trained, in half precision.

    python -m masklet_training.publish_weights --checkpoint .cache/tracker/step-01000.pt --checkpoint .cache/tracker/checkpoint.pt \
        --out weights/tracker.pt
    python -m masklet_training.publish_weights --checkpoint .cache/calibrated.pt --out weights/compact.pt

Several checkpoints of one run give the mean of their weights, which varies less on real sequences than the weights of one step.
The result can be exported, evaluated, and trained further (`--init` of `train_tracker` and `train`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .checkpoint import mean_of, save_whole, trained_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, action="append", required=True, help="repeatable; the last one is the newest")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    saved = [torch.load(path, weights_only=True) for path in options.checkpoint]
    save_whole(trained_weights(mean_of(saved)), options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
