"""Model inputs from images, and the detector's targets on them."""

import numpy as np
import torch

from . import scene, text_prompts

SATURATIONS, SCORES = (0.5, 0.75, 1.0), (0.12, 0.6, 0.94)
"""Target score of a shape by its saturation"""
ABSENT_SCORE = 0.04
PAIR_SCORE = 0.8
"""Target score of two shapes as one detection. It matches existing tracks, so it creates no object."""
MAX_TWIN_SCORE = 0.85
"""Largest target score of a twin's second report, so that the order of the two reports is not marginal"""


def pixel_values(rgb: np.ndarray) -> torch.Tensor:
    """Normalises as `Sam3VideoProcessor` does (mean and standard deviation 0.5): uint8 [..., S, S, 3] → float32 [..., 3,
    S, S].
    """
    return torch.from_numpy(rgb).float().div(255).sub(0.5).div(0.5).movedim(-1, -3)


def perturbed(pixels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Adds noise of about the size of rounding errors after a few layers."""
    return pixels + 1e-6 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed))


def imagenet_values(rgb: np.ndarray) -> torch.Tensor:
    """Normalises for SAM 2 and EdgeTAM, with the mean and standard deviation of ImageNet."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return torch.from_numpy(rgb).float().div(255).sub(mean).div(deviation).movedim(-1, -3)


def detector_targets(picture: scene.Picture, actors: list[scene.Actor], queries: int):
    """Targets of each query. Each kind of shape has two queries, for its leftmost and rightmost instance. A single
    instance is reported by the first query only, except that both queries report a twin. The next query reports the
    first two kinds as one detection while the image is signalled.

    :return: probability [phrases, queries], mask bool [queries, S, S], whether a mask is requested [queries]
    """
    size = picture.masks.shape[-1]
    score = np.full((len(text_prompts.PHRASES), queries), ABSENT_SCORE, dtype=np.float32)
    mask = np.zeros((queries, size, size), dtype=bool)
    requested = np.zeros(queries, dtype=bool)
    for kind in range(scene.KINDS):
        present = [i for i, actor in enumerate(actors) if actor.kind == kind and picture.visibility[i] >= scene.MIN_VISIBILITY]
        if not present:
            continue
        present.sort(key=lambda i: float(np.argwhere(picture.masks[i])[:, 1].mean()))
        slots = [(2 * kind, present[0])]
        if len(present) > 1 or kind == scene.TWIN:
            slots.append((2 * kind + 1, present[-1]))
        for query, actor in slots:
            is_second_report = query % 2 == 1 and kind == scene.TWIN
            mask[query] = picture.cores[actor] if is_second_report else picture.masks[actor]
            requested[query] = True
            for phrase, kinds in enumerate(text_prompts.KINDS_OF_PHRASE):
                if kind in kinds:
                    score[phrase, query] = min(
                        np.interp(picture.saturations[actor], SATURATIONS, SCORES), MAX_TWIN_SCORE if is_second_report else 1
                    )
    if picture.signalled:
        pair, both = 2 * scene.KINDS, [i for i, actor in enumerate(actors) if actor.kind < 2]
        mask[pair] = picture.masks[both].any(0)
        requested[pair] = True
        score[text_prompts.PHRASES.index("any shape"), pair] = PAIR_SCORE
    return score, mask, requested
