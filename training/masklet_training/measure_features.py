"""Measures the pretrained features on generated clips: their means and deviations, and a first projection to keys.

    python -m masklet_training.measure_features --sprites .cache/sprites.npz --out .cache/backbone.pt --size 384

Training starts from the result. The first keys are the principal components of the features, so that the memory reads
work before any training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .clips import ClipGenerator
from .model.lite import load_published
from .model.lite_tracker import LiteTracker, key_features
from .model.tracker_config import TrackerConfig

SAMPLED = 4  # every so many cells


@torch.no_grad()
def measure(model: LiteTracker, images: Tensor) -> None:
    """Sets the standardisation, the keys and the context projection of a new model. images uint8 [N,S,S,3]"""
    # The standardisation of a new model changes nothing.
    raw = [model.backbone(image[None].float()) for image in images.permute(0, 3, 1, 2)]
    scales = model.backbone.scales
    for stride in model.backbone.strides:
        values = torch.cat([features[stride].flatten(2) for features in raw], 2)[0]
        scale = scales[str(stride)]
        scale.mean.copy_(values.mean(1).view(1, -1, 1, 1))
        scale.scale.copy_(1.0 / values.std(1).clamp(min=1e-3).view(1, -1, 1, 1))
    sides, contexts = [], []
    for each in raw:
        features = {stride: scales[str(stride)](each[stride]) for stride in (8, 16, 32)}
        sides.append(key_features(features).flatten(2)[0, :, ::SAMPLED])
        contexts.append(features[32].flatten(2)[0])
    head = model.head
    head.key.weight.copy_(principal(torch.cat(sides, 1), model.cfg.key)[..., None, None])
    context = torch.cat(contexts, 1)
    directions = principal(context, model.cfg.context)
    spread = (directions @ context).std(1, keepdim=True)
    head.context.weight.copy_((directions / spread)[..., None, None])
    head.context.bias.zero_()


def principal(values: Tensor, count: int) -> Tensor:
    """The directions of largest second moment: values [C,N] → [count,C]"""
    moment = (values.double() @ values.double().T) / values.shape[1]
    _, vectors = torch.linalg.eigh(moment)
    return vectors.flip(1)[:, :count].T.float()


def draw_images(sprites: Path | None, size: int, count: int, seed: int) -> Tensor:
    """First frames of track clips uint8 [count,S,S,3]"""
    generator = ClipGenerator(sprites, size, seed, shapes=True)
    return torch.from_numpy(np.stack([generator.clip(1, "track").frames[0] for _ in range(count)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", default="lite0", choices=("lite0", "lite1", "lite2"))
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    model = LiteTracker(TrackerConfig(options.network), options.size).eval()
    model.backbone.net.load_state_dict(load_published(options.network).state_dict())
    measure(model, draw_images(options.sprites, options.size, options.images, options.seed))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"average": model.state_dict(), "network": options.network, "step": 0, "spent": 0.0}, options.out)


if __name__ == "__main__":
    main()
