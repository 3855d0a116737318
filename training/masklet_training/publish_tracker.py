"""Writes the weights of the tracker that the repository keeps: those that were trained, in half precision.

    python -m masklet_training.publish_tracker --checkpoint .cache/tracker/checkpoint.pt --out weights/tracker.pt

The result can be exported, evaluated, and trained further (`--init` of `train_tracker`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .checkpoint import save_whole, trained_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    save_whole(trained_weights(torch.load(options.checkpoint, weights_only=True)), options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
