"""One training step of the tracker on stored features: prompts on single frames, and tracking through clips.

Tracking remembers the model's own masks, as at run time, but gradients do not pass through them. The errors that accumulate
are then in the training data, while a step costs no more than the same frames one by one.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import prompt_for
from .losses import four_mask_loss, hard_iou, mask_loss
from .model.lite_tracker import Levels, LiteTracker
from .steps import correction_click

VISIBLE = 0.0008  # smallest share of the frame of a visible object
START = 0.002  # of an object that is prompted
LONGEST = 10  # frames of a tracked clip, which is played back and forth
READ_LOSS = 0.3  # weight of the loss of what is read from memory, before the decoder
REFINED = 0.4  # share of second passes that only refine the mask: `segment` of the pack runs one after a box
PLAIN, CORRECTED = 0.75, 0.25  # shares of the prompts without and with a previous mask
Losses = dict[str, Tensor]


class ClipSample:
    """Objects of one stored clip: features by stride f32 [T,·,·,·], labels 0..1 [K,T,m,m]"""

    def __init__(self, stored: dict, rng: np.random.Generator, objects: int) -> None:
        labels = stored["labels"].float() / 255.0
        features = {stride: values.float() for stride, values in stored["features"].items()}
        if rng.random() < 0.5:
            labels, features = labels.flip(1), {stride: values.flip(0) for stride, values in features.items()}
        areas = labels.mean((2, 3))
        starts = torch.nonzero(areas[:, 0] > START)[:, 0]
        chosen = starts[torch.from_numpy(rng.permutation(len(starts))[:objects])]
        self.features = features
        self.labels = labels[chosen]
        self.all_labels = labels
        self.areas = areas[chosen]


def frame_at(levels: Levels, index: int) -> Levels:
    return tuple(level[index : index + 1] for level in levels)


def prompts_for(rng: np.random.Generator, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Random prompts for masks [B,m,m] → points [B,4,2], labels int32 [B,4], and 1 for single clicks [B]"""
    drawn = [prompt_for(rng, mask.numpy() > 0.5) for mask in masks]
    points, labels, single = zip(*drawn)
    return torch.from_numpy(np.stack(points)), torch.from_numpy(np.stack(labels)), torch.tensor(single, dtype=torch.float32)


def prompt_losses(model: LiteTracker, levels: Levels, target: Tensor, rng: np.random.Generator) -> tuple[Losses, Tensor]:
    """Prompts on one frame, then a click that corrects the result: levels of the frame, target [B,m,m] → losses, and the
    mask logits of the first mask [B,1,m,m]
    """
    b, side, _ = target.shape
    blank = torch.zeros(b, 1, side, side)
    wanted = target.unsqueeze(1)
    points, labels, single = prompts_for(rng, target)
    masks, iou, score = model.segment(levels, points, labels, blank, torch.zeros(b))
    first = four_mask_loss(masks, wanted, single).mean()
    off = (iou - hard_iou(masks, wanted.expand_as(masks))).abs().mean()
    presence = F.binary_cross_entropy_with_logits(score, torch.ones_like(score))
    click, label = correction_click(masks[:, 0].detach(), target)
    # The previous mask comes with the click alone, with both prompts, or as in `REFINED` passes with the earlier one.
    kind = rng.random()
    if kind > REFINED:
        alone = kind > (1 + REFINED) / 2
        points = click.unsqueeze(1) if alone else torch.cat([points, click.unsqueeze(1)], 1)
        labels = label.unsqueeze(1) if alone else torch.cat([labels, label.unsqueeze(1)], 1)
    fixed, _, _ = model.segment(levels, points, labels, masks[:, :1].detach(), torch.ones(b))
    losses = {
        "prompt": PLAIN * first + CORRECTED * mask_loss(fixed[:, :1], wanted).mean(),
        "prompt_iou": 0.3 * off,
        "m_prompt": hard_iou(masks[:, :1], wanted).mean().detach(),
        "m_fixed": hard_iou(fixed[:, :1], wanted).mean().detach(),
        "prompt_score": 0.1 * presence,
    }
    return losses, masks[:, :1].detach()


def playing_order(stored: int, rng: np.random.Generator) -> list[int]:
    """Indices of the frames of a clip, played back and forth from the first one on, up to a random length. So errors
    accumulate for longer than the clip lasts.
    """
    length = stored if rng.random() < 0.5 else int(rng.integers(stored, LONGEST + 1))
    there_and_back = [*range(stored), *range(stored - 2, 0, -1)]
    return [there_and_back[index % len(there_and_back)] for index in range(length)]


def tracking_losses(model: LiteTracker, levels: Levels, sample: ClipSample, start: Tensor, recent: int, order: list[int]) -> Losses:
    """Tracks from the first frame on: levels of all frames, start logits [B,1,m,m], indices of the frames to track.

    Gradients reach the keys of memories, but not the masks in them.
    """
    target = sample.labels
    b, steps = len(target), len(order) - 1
    ones = torch.ones(b)
    last = model.cfg.temporal_rows - 1
    feats = [level[:1] for level in levels]
    given = model.remember(feats[0], start, ones, ones)
    recents: list[Tensor] = []
    pointers = [model.pointer(feats[0], start, ones)[:, 0]]
    sums = dict.fromkeys(("mask", "read", "iou", "score", "agreement"), torch.zeros(()))
    counted = 0.0
    for t, index in enumerate(order[1:], start=1):
        now = frame_at(levels, index)
        used = recents[-recent:][::-1]
        rows = torch.tensor([[last, *range(len(used))]], dtype=torch.int32).expand(b, -1)
        known = range(max(0, t - model.cfg.max_pointers + 1), t)
        ages = torch.tensor([[(t - k) / (model.cfg.max_pointers - 1) for k in known]]).expand(b, -1)
        memory = torch.stack([given, *used], 1)
        logits, iou, score, votes = model.track(now, memory, rows, torch.stack([pointers[k] for k in known], 1).detach(), ages)
        wanted = target[:, index : index + 1]
        shown = (sample.areas[:, index] > VISIBLE).float()
        weight = 0.1 + 0.9 * shown
        actual = hard_iou(logits, wanted)[:, 0]
        step = {
            "mask": (mask_loss(logits, wanted)[:, 0] * weight).mean(),
            "read": (mask_loss(torch.logit(votes.clamp(1e-3, 1 - 1e-3)), wanted.expand_as(votes)).mean(1) * shown).mean(),
            "iou": ((iou - actual).abs() * shown).mean(),
            "score": F.binary_cross_entropy_with_logits(score, shown),
            "agreement": (actual * shown).sum().detach(),
        }
        sums = {name: value + step[name] for name, value in sums.items()}
        counted += float(shown.sum())
        kept = torch.where(shown.view(-1, 1, 1, 1) > 0, logits, logits.clamp(max=-4.0)).detach()
        recents.append(model.remember(now[0], kept, shown * 2 - 1, torch.zeros(b)))
        pointers.append(model.pointer(now[0], kept, shown * 2 - 1)[:, 0])
    return {
        "track": sums["mask"] / steps,
        "track_read": READ_LOSS * sums["read"] / steps,
        "track_iou": 0.3 * sums["iou"] / steps,
        "track_score": 0.3 * sums["score"] / steps,
        "m_track": sums["agreement"] / max(counted, 1.0),
    }


def still_loss(model: LiteTracker, stored: dict, rng: np.random.Generator, objects: int) -> tuple[Tensor, dict[str, float]] | None:
    """Loss of prompts on one stored single frame; None for a frame without objects."""
    labels = stored["labels"][:, 0].float() / 255.0
    visible = labels[(labels.mean((1, 2)) > START) & (labels.amax((1, 2)) > 0.5)]
    if len(visible) == 0:
        return None
    chosen = visible[torch.from_numpy(rng.permutation(len(visible))[:objects])]
    levels = model.head({stride: values.float() for stride, values in stored["features"].items()})
    losses, _ = prompt_losses(model, levels, chosen, rng)
    total = sum(value for name, value in losses.items() if not name.startswith("m_"))
    return total, {f"still_{name}": float(value.detach()) for name, value in losses.items()}


def clip_loss(
    model: LiteTracker, stored: dict, rng: np.random.Generator, objects: int, recent: int, own_start: float
) -> tuple[Tensor, dict[str, float]] | None:
    """Loss of one clip; None for a clip without an object on its first frame.

    :param own_start: share of clips whose first memory is the model's own mask
    """
    sample = ClipSample(stored, rng, objects)
    if len(sample.labels) == 0:
        return None
    levels = model.head(sample.features)
    prompted = int(rng.integers(len(sample.labels[0])))
    visible = sample.all_labels[:, prompted]
    visible = visible[(visible.mean((1, 2)) > START) & (visible.amax((1, 2)) > 0.5)]
    losses: Losses = {}
    if len(visible):
        losses, _ = prompt_losses(model, frame_at(levels, prompted), visible, rng)
    truth = (sample.labels[:, :1] * 2 - 1) * 10.0
    if rng.random() < own_start and bool((sample.labels[:, 0].amax((1, 2)) > 0.5).all()):
        more, start = prompt_losses(model, frame_at(levels, 0), sample.labels[:, 0], rng)
        # Where the model missed the object, tracking starts from the true mask.
        good = hard_iou(start, sample.labels[:, :1]) > 0.5
        start = torch.where(good.unsqueeze(-1).unsqueeze(-1), start, truth)
        losses = {name: (losses[name] + more[name]) / 2 if name in losses else more[name] for name in more}
    else:
        start = truth
    losses |= tracking_losses(model, levels, sample, start, recent, playing_order(sample.labels.shape[1], rng))
    total = sum(value for name, value in losses.items() if not name.startswith("m_"))
    return total, {name: float(value.detach()) for name, value in losses.items()}
