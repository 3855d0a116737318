"""Turns the detector's three opinions into one probability.

    python -m masklet_training.calibrate --checkpoint .cache/run/checkpoint.pt --sprites .cache/sprites.npz --side 320

A centre map trained with focal loss is sure of itself far too seldom. On freshly generated frames every peak is labelled
by whether its mask overlaps an instance of the phrase; a logistic regression of centre heat, text match and presence on
those labels gives the weights that the exported `detect` graph uses, so that 0.5 means as likely right as wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from .batches import BatchShape, ConceptSampler, soft_mask
from .clips import ClipGenerator, ClipObject
from .model.compact import CompactModel

PEAKS = 12  # per phrase and frame
RIGHT = 0.5  # mask IoU from which a detection is right


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 0.0


@torch.no_grad()
def peaks_of(model: CompactModel, trunk: torch.Tensor, tokens: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The strongest peaks of one phrase: heat, match and presence logits [k,3] and bool masks [k,m,m]."""
    detector = model.detector
    ids, mask = (torch.from_numpy(array).unsqueeze(0) for array in tokens)
    none = (torch.zeros(1, 1, 4), torch.full((1, 1), -10))
    p8, prototypes = detector.pyramid(trunk)
    concept = detector.concepts(p8, model.text_encoder(ids, mask), mask, *none)
    heat, sides, coefficients, present = detector.dense(p8, concept)
    pool = torch.nn.functional.max_pool2d
    strength = torch.where(heat >= pool(heat, 3, 1, 1), heat, torch.full_like(heat, -99.0)).flatten(1)
    top, index = strength.topk(PEAKS, 1)
    match = pool(detector.match(p8, concept), 3, 1, 1).flatten(1).gather(1, index)
    boxes = detector.decode_boxes(sides, index)
    picked = coefficients.flatten(2).gather(2, index.unsqueeze(1).expand(-1, coefficients.shape[1], -1))
    masks = detector.crop(detector.assemble(prototypes, picked.transpose(1, 2), boxes), boxes)
    features = torch.stack([top, match, present.unsqueeze(1).expand_as(top)], -1)[0].numpy()
    real = features[:, 0] > -50
    return features[real], (masks[0] > 0).numpy()[real]


def label(mask: np.ndarray, phrase: str, objects: list[ClipObject], truths: list[np.ndarray]) -> float | None:
    """1 when the mask is an instance of the phrase, 0 when it is not, None when that is debatable."""
    overlaps = [mask_iou(mask, truth) for truth in truths]
    wanted = max((o for o, thing in zip(overlaps, objects) if phrase in thing.phrases), default=0.0)
    maybe = max((o for o, thing in zip(overlaps, objects) if phrase in thing.maybe), default=0.0)
    if wanted >= RIGHT:
        return 1.0
    return None if maybe >= 0.3 or wanted >= 0.3 else 0.0


def collect(model: CompactModel, generator: ClipGenerator, side: int, scenes: int) -> tuple[np.ndarray, np.ndarray]:
    """Features [n,3] and labels [n] of all peaks on `scenes` generated frames."""
    sampler, rng = ConceptSampler(BatchShape(size=side)), np.random.default_rng(17)
    rows, labels = [], []
    for _ in range(scenes):
        clip = generator.clip(1, "named")
        image = torch.from_numpy(clip.frames[0]).permute(2, 0, 1).unsqueeze(0).float()
        with torch.no_grad():
            trunk = model.trunk(model.encode(image))
        truths = [soft_mask(clip.ids[0], k + 1, side // 4) > 0.5 for k in range(len(clip.objects))]
        known = {p for thing in clip.objects for p in (*thing.phrases, *thing.maybe)}
        present = sorted({p for thing in clip.objects for p in thing.phrases})
        asked = [str(p) for p in rng.permutation(present)[:5]] + [sampler.absent_phrase(rng, known) for _ in range(5)]
        for phrase in asked:
            features, masks = peaks_of(model, trunk, sampler.tokens(phrase, rng))
            for row, mask in zip(features, masks):
                truth = label(mask, phrase, clip.objects, truths)
                if truth is not None:
                    rows.append(row)
                    labels.append(truth)
    return np.array(rows), np.array(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--sprites", required=True)
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint with the fitted weights")
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--scenes", type=int, default=150)
    options = parser.parse_args()
    torch.set_num_threads(1)
    saved = torch.load(options.checkpoint, weights_only=True)
    model = CompactModel().eval()
    model.load_state_dict(saved["average"], strict=False)
    rows, labels = collect(model, ClipGenerator(options.sprites, options.side, seed=23), options.side, options.scenes)
    fit = LogisticRegression(C=10.0).fit(rows, labels)
    score = fit.predict_proba(rows)[:, 1]
    model.detector.calibration.copy_(torch.tensor([*fit.coef_[0], fit.intercept_[0]], dtype=torch.float32))
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
        chosen = score > threshold
        precision = labels[chosen].mean() if chosen.any() else 0.0
        print(f"score > {threshold}: precision {precision:.3f}, recall of peaks {labels[chosen].sum() / labels.sum():.3f}")
    print("weights of heat, match, presence, 1:", [round(float(v), 3) for v in model.detector.calibration])
    saved["average"] = model.state_dict()
    torch.save({key: saved[key] for key in ("average", "words", "step", "spent")}, options.out)


if __name__ == "__main__":
    main()
