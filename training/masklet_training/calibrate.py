"""Fits the score of the detector's candidates.

    python -m masklet_training.calibrate --checkpoint .cache/run/checkpoint.pt --sprites .cache/sprites.npz

A centre map trained with focal loss is underconfident and does not predict the quality of a mask. On newly generated
frames, every candidate is labelled by whether its mask overlaps an instance of the concept. A small network learns
this probability from heat, match, presence, mask certainty, and the lead of the match over names that exclude the
concept.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
from pathlib import Path

import cv2
import numpy as np
import torch

from .batches import BatchShape, ConceptSampler, phrase_tokens, soft_mask
from .checkpoint import load_average
from .clips import Clip, ClipGenerator, ClipObject
from .model.compact import CompactModel
from .model.drawn_frames import is_photograph
from .vocabulary import ALL_PHRASES, SHAPE_PHRASES, rival_phrases

Exemplar = tuple[float, float, float, float]
Levels = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

CANDIDATES = 12  # per phrase and frame
CORRECT_IOU = 0.5  # mask IoU from which a detection counts as correct
SEED = 23  # of the first worker's scenes
STEPS = 8000
BATCH = 1024


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 0.0


@torch.no_grad()
def levels_of(model: CompactModel, image: np.ndarray, side: int) -> Levels:
    """A frame uint8 [S,S,3] → features at strides 8 and 4 of the frame at `side` pixels, and the normalised frame, as in
    `ConceptDetector.detect`
    """
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    full, reduced = (torch.from_numpy(each).permute(2, 0, 1).unsqueeze(0).float() for each in (image, small))
    return *model.detector.refine(*model.encode(reduced)), model.encoder.normalise(full)


@torch.no_grad()
def candidates_of(
    model: CompactModel, levels: Levels, tokens: tuple[np.ndarray, np.ndarray], exemplar: Exemplar | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of a phrase, or of an exemplar box cxcywh, on one frame: evidence [k,EVIDENCE], bool masks [k,m,m]."""
    detector = model.detector
    ids, mask = (torch.from_numpy(array).unsqueeze(0) for array in tokens)
    boxes = torch.tensor([[exemplar or (0.0, 0.0, 0.0, 0.0)]], dtype=torch.float32)
    p8, p4, picture = levels
    text = model.text_encoder(ids, mask)
    concept = detector.concepts(p8, text, mask, boxes, torch.full((1, 1), 1 if exemplar else -10))
    evidence, real, _, masks, _ = detector.candidates(p8, p4, picture, concept)
    kept = np.flatnonzero(real[0].numpy())[:CANDIDATES]
    return evidence[0].numpy()[kept], (masks[0] > 0).numpy()[kept]


@torch.no_grad()
def store_vocabulary(model: CompactModel) -> None:
    """Stores the model's vectors of the vocabulary's names, which names exclude each other, and which are those of pictures."""
    ids, mask = (torch.from_numpy(array) for array in phrase_tokens())
    concept = model.detector.name_concept(model.text_encoder(ids, mask), mask)
    model.detector.evidence_names.copy_(model.detector.namer.name(concept))
    model.detector.evidence_rivals.copy_(torch.from_numpy(rival_phrases()))
    model.detector.evidence_pictures.copy_(torch.tensor([float(phrase not in SHAPE_PHRASES) for phrase in ALL_PHRASES]))


def fit(model: CompactModel, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Trains the calibration network on evidence [n,EVIDENCE] and labels [n]; returns the scores of the same rows."""
    detector = model.detector
    x, y = torch.from_numpy(rows).float(), torch.from_numpy(labels).float()
    detector.evidence_mean.copy_(x.mean(0))
    detector.evidence_scale.copy_(x.std(0) + 1e-3)
    optimiser = torch.optim.AdamW(detector.judge.parameters(), lr=1e-2, weight_decay=1e-3)
    for step in range(STEPS):
        batch = torch.randint(0, len(y), (BATCH,))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(detector.score(x[batch]), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        optimiser.param_groups[0]["lr"] = 1e-2 * (1 - step / STEPS)
    with torch.no_grad():
        return torch.sigmoid(detector.score(x)).numpy()


def label(mask: np.ndarray, phrase: str, objects: list[ClipObject], truths: list[np.ndarray]) -> float | None:
    """1 if the mask is an instance of the phrase, 0 if it is not, None if that is debatable."""
    overlaps = [mask_iou(mask, truth) for truth in truths]
    wanted = max((o for o, each in zip(overlaps, objects) if phrase in each.phrases), default=0.0)
    maybe = max((o for o, each in zip(overlaps, objects) if phrase in each.maybe), default=0.0)
    if wanted >= CORRECT_IOU:
        return 1.0
    return None if maybe >= 0.3 or wanted >= 0.3 else 0.0


def drawn_frame(generator: ClipGenerator) -> Clip:
    """A clip of one frame that does not look like a photograph"""
    while True:
        clip = generator.clip(1, "named")
        if not is_photograph(torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float()):
            return clip


def collect(model: CompactModel, generator: ClipGenerator, side: int, scenes: int) -> tuple[np.ndarray, np.ndarray]:
    """Evidence [n,EVIDENCE] and labels [n] of the candidates on `scenes` generated frames, found at `side` pixels. Frames that
    look like photographs are left out: the pack asks another detector there.
    """
    sampler, rng = ConceptSampler(BatchShape(size=side)), np.random.default_rng(17)
    rows, labels = [], []
    for _ in range(scenes):
        clip = drawn_frame(generator)
        levels = levels_of(model, clip.frames[0], side)
        truths = [soft_mask(clip.ids[0], k + 1, clip.frames.shape[2] // 4) > 0.5 for k in range(len(clip.objects))]
        known = {p for each in clip.objects for p in (*each.phrases, *each.maybe)}
        present = sorted({p for each in clip.objects for p in each.phrases})
        queries: list[tuple[str, Exemplar | None]] = [(str(p), None) for p in rng.permutation(present)[:5]]
        queries += [(sampler.absent_phrase(rng, known), None) for _ in range(7)]
        shown = [k for k, each in enumerate(clip.objects) if each.phrases and truths[k].any()]
        for k in rng.permutation(shown)[:2]:
            phrase = max(clip.objects[k].phrases, key=lambda p: len(p.split()))
            queries.append((phrase, sampler.exemplar(rng, clip.ids[0] == k + 1)))
        for phrase, exemplar in queries:
            tokens = sampler.tokens("" if exemplar else phrase, rng)
            evidence, masks = candidates_of(model, levels, tokens, exemplar)
            for row, mask in zip(evidence, masks):
                truth = label(mask, phrase, clip.objects, truths)
                if truth is not None:
                    rows.append(row)
                    labels.append(truth)
    return np.array(rows), np.array(labels)


def collect_part(options: argparse.Namespace, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A worker's share of the scenes, see `collect`"""
    torch.set_num_threads(1)
    model, _ = load_average(options.checkpoint)
    store_vocabulary(model)
    generator = ClipGenerator(options.sprites, options.picture, seed=seed, shapes=True)
    return collect(model, generator, options.side, options.scenes // options.workers)


def fit_scores(model: CompactModel, options: argparse.Namespace) -> None:
    """Fits the scores on newly generated frames, and prints their precision and recall."""
    parts = [(options, SEED + worker) for worker in range(options.workers)]
    with mp.get_context("spawn").Pool(options.workers) as pool:
        rows, labels = map(np.concatenate, zip(*pool.starmap(collect_part, parts)))
    torch.manual_seed(5)
    score = fit(model, rows, labels)
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
        chosen = score > threshold
        precision = labels[chosen].mean() if chosen.any() else 0.0
        print(f"score > {threshold}: precision {precision:.3f}, recall of candidates {labels[chosen].sum() / labels.sum():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--sprites", required=True)
    parser.add_argument("--out", type=Path, required=True, help="output checkpoint with the fitted weights")
    parser.add_argument("--side", type=int, default=256, help="side of the frames on which the detector finds regions")
    parser.add_argument("--picture", type=int, default=384, help="side of the frames on which it names them, as in the pack")
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2, help="processes, one core each")
    parser.add_argument("--keep-scores", action="store_true", help="store the names anew, and keep the fitted weights of the checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, saved = load_average(options.checkpoint)
    store_vocabulary(model)
    if not options.keep_scores:
        fit_scores(model, options)
    saved["average"] = model.state_dict()
    torch.save({key: saved[key] for key in ("average", "words", "step", "spent")}, options.out)


if __name__ == "__main__":
    main()
