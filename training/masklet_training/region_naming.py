"""Regions as the detector outlines them, and as they are, must be called by their own names among all of the vocabulary."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .model.compact import CompactModel
from .model.detector import NO_PEAK, ConceptDetector, likeness

EACH = 20  # regions looked at on every frame
SAME, OTHER = 0.5, 0.15  # mask IoU from which an outline is of an object, and up to which it is of none
SMALL = 6  # cells of a mask, fewer of which are not looked at


def naming_loss(
    model: CompactModel, trunk: Tensor, batch: dict[str, Tensor], rows: dict[str, Tensor], phrases: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    """batch: see `ConceptSampler.regions`; rows: the questions whose answers are looked at, see `ConceptSampler.rows`.

    Each true phrase competes with all that are neither true nor doubtful, and with having no name; an outline of nothing in
    particular competes with all names."""
    detector = model.detector
    ids, mask = phrases
    frames = torch.unique(batch["frame"])
    if len(frames) == 0:
        return {"naming": trunk.sum() * 0.0}
    p8, p4 = detector.pyramid(trunk[frames])
    outlines, objects = regions_of(model, frames, p8.detach(), p4.detach(), batch, rows)
    looks = detector.namer(p8, p4, outlines).flatten(0, 1)
    names = detector.namer.name(detector.name_concept(model.text_encoder(ids, mask), mask))
    logits = looks @ names.T / names.shape[1] ** 0.5
    nothing = likeness(looks, detector.namer.nothing).unsqueeze(1)
    objects = objects.flatten()
    some = (objects >= 0).unsqueeze(1)
    positive, doubtful = batch["positive"][objects] & some, batch["doubtful"][objects] & some
    others = logits.masked_fill(positive | doubtful, -1e4)
    named = positive.any(1)
    rest = torch.logsumexp(torch.cat([others, nothing], 1), 1, keepdim=True)
    each = F.softplus(rest - logits) * positive  # −log of the phrase's share against the wrong ones
    unnamed = F.softplus(torch.logsumexp(others, 1) - nothing[:, 0])
    loss = torch.where(named, each.sum(1) / positive.sum(1).clamp(min=1), unnamed)
    best = torch.cat([others, nothing], 1).amax(1)
    hit = (logits.masked_fill(~positive, -1e4).amax(1) > best).float()
    return {
        "naming": loss.mean(),
        "m_named_hit": hit[named].mean().detach(),
        "m_unnamed_hit": (others.amax(1) < nothing[:, 0])[~named].float().mean().detach(),
    }


@torch.no_grad()
def regions_of(
    model: CompactModel, frames: Tensor, p8: Tensor, p4: Tensor, batch: dict[str, Tensor], rows: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """EACH regions of every frame: mask probabilities [frames,EACH,m,m], and which object each is, −1 for none [frames,EACH].

    Objects come as they are, and as the detector outlined them when asked for `rows`; where there are too few, some come
    again."""
    detector: ConceptDetector = model.detector
    kept = torch.isin(rows["frame"], frames)
    rows = {name: value[kept] for name, value in rows.items() if name in ("frame", "ids", "text_mask", "exemplars", "exemplar_labels")}
    place = torch.searchsorted(frames, rows["frame"])
    text = model.text_encoder(rows["ids"], rows["text_mask"])
    concept = detector.concepts(p8[place], text, rows["text_mask"], rows["exemplars"], rows["exemplar_labels"])
    heat, _, _, masks, _ = detector.peaks(p8[place], p4[place], concept)
    prob = torch.sigmoid(masks)
    outlines, objects = [], []
    for number, frame in enumerate(frames):
        own = torch.nonzero(batch["frame"] == frame)[:, 0]
        truths = batch["mask"][own]
        asked = place == number
        found, strength = prob[asked].flatten(0, 1), heat[asked].flatten()
        solid = (strength > NO_PEAK / 2) & ((found > 0.5).flatten(1).sum(1) >= SMALL)
        found, strength = found[solid], strength[solid]
        a, b = (found > 0.5).flatten(1).float(), (truths > 0.5).flatten(1).float()
        both = a @ b.T
        overlap = both / (a.sum(1, keepdim=True) + b.sum(1) - both + 1e-3)
        most, which = overlap.max(1)
        right = torch.nonzero((most >= SAME) & batch["clear"][own][which])[:, 0]
        wrong = torch.nonzero(most <= OTHER)[:, 0]
        wrong = wrong[strength[wrong].argsort(descending=True)][:4]  # those that come nearest to being shown
        clear = torch.nonzero(batch["clear"][own])[:, 0]
        right = right[torch.randperm(len(right))[: max(0, EACH - len(clear) - len(wrong))]]
        every = torch.cat([truths[clear], found[right], found[wrong]])
        of = torch.cat([own[clear], own[which[right]], torch.full((len(wrong),), -1)])
        if len(every) == 0:  # nothing but slivers: look at the first of them as no object at all
            every, of = truths[:1], torch.full((1,), -1)
        order = torch.cat([torch.arange(len(every)), torch.randint(len(every), (EACH,))])[:EACH]
        outlines.append(every[order])
        objects.append(of[order])
    return torch.stack(outlines), torch.stack(objects)
