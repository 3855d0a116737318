"""One training step: forward passes on a batch of clips, and the losses."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .losses import box_loss, centre_focal, four_mask_loss, hard_iou, heat_target, mask_loss
from .model.compact import BOX_CONFIDENCE, CompactModel
from .region_naming import Regions, naming_loss, regions_of

Losses = dict[str, Tensor]


def tracking_losses(
    model: CompactModel, levels: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor], own_start: bool = False
) -> Losses:
    """The first frame is prompted; later frames are tracked from memories of the model's own masks.

    :param levels: features of all frames [clips,T,…]
    :param batch: see `batches.tracked_objects`
    :param own_start: whether half of the objects are remembered from the model's own mask on the first frame, as at
      run time;
    otherwise only corrected ones are
    """
    cfg = model.cfg
    target, visible = batch["mask"], batch["visible"]
    b, frames, side, _ = target.shape
    at = [tuple(level[batch["clip"], t] for level in levels) for t in range(frames)]
    blank = torch.zeros(b, 1, side, side)
    points, labels, single = batch["points"], batch["labels"], batch["single"]
    masks, iou, score = model.segment(at[0], points, labels, blank, torch.zeros(b))
    prompted = target[:, 0:1]
    seg = four_mask_loss(masks, prompted, single).mean()
    iou_error = (iou - hard_iou(masks, prompted.expand_as(masks))).abs().mean()
    presence = F.binary_cross_entropy_with_logits(score, torch.ones_like(score))
    first_iou = hard_iou(masks[:, :1], prompted).mean().detach()
    # Some results are corrected by one more click, with the previous mask as a hint.
    few = max(1, b // 4)
    click, label = correction_click(masks[:few, 0], target[:few, 0])
    fixed, _, _ = model.segment(
        tuple(level[:few] for level in at[0]),
        torch.cat([points[:few], click.unsqueeze(1)], 1),
        torch.cat([labels[:few], label.unsqueeze(1)], 1),
        masks[:few, 0:1].detach(),
        torch.ones(few),
    )
    refine = four_mask_loss(fixed, prompted[:few], torch.zeros(few)).mean()
    # Corrected objects are remembered with the model's mask, others with the true mask or the model's first mask.
    truth = (prompted * 2 - 1) * 10.0
    half = max(few, b // 2) if own_start else few
    boxed = (labels == 2).any(1).float().view(-1, 1, 1, 1)
    outlined = masks[:, 0:1] + BOX_CONFIDENCE * boxed
    start = torch.cat([fixed[:, 0:1], outlined[few:half], truth[half:]])
    hard = torch.ones(b)
    memories = [model.remember(at[0][0], start, torch.ones(b), hard)]
    pointers = [model.pointers.create(at[0][0], start, torch.ones(b))[:, 0]]
    track = torch.zeros(())
    tracked_iou = torch.zeros(())
    for t in range(1, frames):
        rows = [cfg.temporal_rows - 1] + [t - 1 - k for k in range(1, t)]
        rows_t = torch.tensor(rows, dtype=torch.int32).expand(b, -1)
        ages = torch.tensor([float(t - k) for k in range(t)]) / (cfg.max_pointers - 1)
        masks, iou, score = model.track(
            at[t],
            torch.stack(memories, 1),
            rows_t,
            torch.stack(pointers, 1),
            ages.expand(b, -1),
            batch["later_points"][:, t],
            batch["later_labels"][:, t],
        )
        shown = visible[:, t]
        now = target[:, t : t + 1]
        loss = four_mask_loss(masks, now, torch.zeros(b))
        # An absent object should also have no positive pixels, but the score is responsible for absence.
        track = track + (loss * (0.1 + 0.9 * shown)).mean()
        actual = hard_iou(masks, now.expand_as(masks))
        iou_error = iou_error + ((iou - actual).abs().mean(1) * shown).mean()
        presence = presence + F.binary_cross_entropy_with_logits(score, shown)
        tracked_iou = tracked_iou + (actual[:, 0] * shown).sum() / shown.sum().clamp(min=1)
        if t + 1 < frames:
            kept = torch.where(shown.view(-1, 1, 1, 1) > 0, masks[:, 0:1], masks[:, 0:1].clamp(max=-4.0))
            memories.append(model.remember(at[t][0], kept, shown * 2 - 1, torch.zeros(b)))
            pointers.append(model.pointers.create(at[t][0], kept, shown * 2 - 1)[:, 0])
    return {
        "seg": seg,
        "refine": refine,
        "track": track / (frames - 1),
        "iou": iou_error / frames,
        "score": presence / frames,
        "m_track_iou": (tracked_iou / (frames - 1)).detach(),
        "m_seg_iou": first_iou,
    }


def outline_loss(model: CompactModel, levels: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor]) -> Losses:
    """Prompted objects on single frames; batch: see `batches.outlined_objects`."""
    b, side, _ = batch["mask"].shape
    blank = torch.zeros(b, 1, side, side)
    at = tuple(level[batch["frame"]] for level in levels)
    masks, _, _ = model.segment(at, batch["points"], batch["labels"], blank, torch.zeros(b))
    return {"outline": four_mask_loss(masks, batch["mask"].unsqueeze(1), batch["single"]).mean()}


@torch.no_grad()
def correction_click(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The next click of a user who corrects a mask: the middle of the largest error. logits, target [B,m,m] → points
    [B,2] in 0..1, labels int32 [B].
    """
    wrong = ((logits > 0).float() - (target > 0.5).float()).abs().unsqueeze(1)
    depth = sum(F.avg_pool2d(wrong, k, 1, k // 2) for k in (3, 7, 13))
    index = (depth * wrong).flatten(1).argmax(1)
    side = target.shape[-1]
    x, y = index % side, torch.div(index, side, rounding_mode="floor")
    label = target.flatten(1).gather(1, index.unsqueeze(1))[:, 0] > 0.5
    return (torch.stack([x, y], 1).float() + 0.5) / side, label.int()


def detection_losses(model: CompactModel, trunk: Tensor, batch: dict[str, Tensor]) -> Losses:
    """All instances of a concept on a frame. trunk [rows' frames…] is indexed by batch["frame"]."""
    detector = model.detector
    unique, row_of = torch.unique(batch["frame"], return_inverse=True)
    p8, p4, _ = detector.pyramid(trunk[unique])
    p8, prototypes = p8[row_of], detector.prototypes(p4)[row_of]
    text = model.text_encoder(batch["ids"], batch["text_mask"])
    concept = detector.concepts(p8, text, batch["text_mask"], batch["exemplars"], batch["exemplar_labels"])
    heat, sides, coefficients, present = detector.dense(p8, concept)
    side = heat.shape[-1]
    valid, boxes = batch["valid"], batch["boxes"]
    target = heat_target(boxes, valid, side)
    ignore = (F.avg_pool2d(batch["ignore"].unsqueeze(1), 2) > 0.1).float()
    any_valid = (valid.sum(1) > 0).float()
    doubtful = ((batch["ignore"].amax((1, 2)) > 0) & (any_valid == 0)).float()
    presence = F.binary_cross_entropy_with_logits(present, any_valid, reduction="none")
    presence = (presence * (1 - doubtful)).mean()
    losses = {
        "heat": centre_focal(heat, target, ignore),
        "presence": presence,
        "match": match_loss(detector.match(p8, concept), batch["masks"].amax(1, keepdim=True), ignore),
    }
    row, slot = torch.nonzero(valid > 0, as_tuple=True)
    if len(row) == 0:
        zero = heat.sum() * 0.0
        return losses | {"box": zero, "mask": zero, "m_det_iou": zero.detach()}
    chosen = boxes[row, slot]
    x = torch.floor((chosen[:, 0] + chosen[:, 2]) / 2 * side).clamp(0, side - 1).long()
    y = torch.floor((chosen[:, 1] + chosen[:, 3]) / 2 * side).clamp(0, side - 1).long()
    # Neighbouring cells are trained on the box and mask too: at run time the peak may be one cell off.
    x = (x + torch.randint(-1, 2, x.shape)).clamp(0, side - 1)
    y = (y + torch.randint(-1, 2, y.shape)).clamp(0, side - 1)
    index = (y * side + x).unsqueeze(1)
    predicted = detector.decode_boxes(sides[row], index)[:, 0]
    picked = coefficients[row].flatten(2).gather(2, index.unsqueeze(1).expand(-1, coefficients.shape[1], -1))
    masks = detector.assemble(prototypes[row], picked.transpose(1, 2), chosen.unsqueeze(1))
    truth = batch["masks"][row, slot].unsqueeze(1)
    inside = detector.crop(torch.ones_like(masks), chosen.unsqueeze(1)) > 0
    masks = torch.where(inside, masks, torch.full_like(masks, -12.0))
    return losses | {
        "box": box_loss(predicted, chosen).mean(),
        "mask": mask_loss(masks, truth).mean() + detail_loss(masks, truth, inside),
        "m_det_iou": hard_iou(masks, truth).mean().detach(),
    }


MATCH_BIAS = -2.0  # most cells are not the concept


def match_loss(match: Tensor, masks: Tensor, ignore: Tensor) -> Tensor:
    """Classifies every cell as concept or not: dense supervision for text and features.

    :param match: [R,1,2g,2g]
    :param masks: [R,1,m,m]
    :param ignore: [R,1,2g,2g]
    """
    target = F.avg_pool2d(masks, 2)
    each = F.binary_cross_entropy_with_logits(match + MATCH_BIAS, target, reduction="none") * (1 - ignore)
    prob = torch.sigmoid(match + MATCH_BIAS) * (1 - ignore)
    dice = 1 - (2 * (prob * target).sum((1, 2, 3)) + 1) / (prob.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
    return 3.0 * each.mean() + 0.5 * dice.mean()


def detail_loss(masks: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """Cross-entropy over the box only, so that small objects weigh as much as large ones."""
    each = F.binary_cross_entropy_with_logits(masks, truth, reduction="none") * inside
    return (each.sum((-2, -1)) / inside.sum((-2, -1)).clamp(min=1)).mean()


WEIGHTS = {"seg": 1.5, "refine": 0.4, "outline": 0.7, "track": 1.5, "iou": 0.3, "score": 0.3, "heat": 0.6, "presence": 0.6, "box": 0.5, "mask": 0.7,
           "match": 1.0, "naming": 1.0}  # fmt: skip


def as_input(images: Tensor) -> Tensor:
    """images uint8 [frames,S,S,3] → encoder input"""
    return images.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def fixed_trunk(model: CompactModel, images: Tensor) -> Tensor:
    """The detector's input from a frozen encoder"""
    pixels = as_input(images)
    return model.trunk(pixels, model.encode(pixels))


def total_loss(
    model: CompactModel, images: Tensor, batch: dict[str, Any], phrases: tuple[Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """images uint8 [frames,S,S,3], the clips' frames first → weighted loss, and its parts as plain numbers"""
    pixels = as_input(images)
    levels = model.encode(pixels)
    frames = batch["objects"]["mask"].shape[1]
    clips = int(batch["objects"]["clip"].max()) + 1
    split = tuple(level[: clips * frames].reshape(clips, frames, *level.shape[1:]) for level in levels)
    losses = tracking_losses(model, split, batch["objects"])
    losses |= outline_loss(model, levels, batch["outlined"])
    return weighted(losses | detection_and_naming_losses(model, model.trunk(pixels, levels), batch, phrases))


def memory_loss(
    model: CompactModel, images: Tensor, batch: dict[str, Any], phrases: tuple[Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Tracking only, over longer clips; the encoder is frozen. Arguments and results as for `total_loss`."""
    objects = batch["objects"]
    frames = objects["mask"].shape[1]
    with torch.no_grad():
        levels = model.encode(as_input(images))
    split = tuple(level.reshape(-1, frames, *level.shape[1:]) for level in levels)
    return weighted(tracking_losses(model, split, objects, own_start=True))


def concept_loss(
    model: CompactModel, images: Tensor, batch: dict[str, Any], phrases: tuple[Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Detection only; the encoder is frozen. Arguments and results as for `total_loss`."""
    return weighted(detection_and_naming_losses(model, fixed_trunk(model, images), batch, phrases))


def detection_and_naming_losses(model: CompactModel, trunk: Tensor, batch: dict[str, Any], phrases: tuple[Tensor, Tensor]) -> Losses:
    """Losses of detection and naming"""
    losses = detection_losses(model, trunk, batch["concepts"])
    regions = regions_of(model, trunk, batch["regions"], batch["concepts"])
    return losses | namer_losses(model, regions, phrases) if regions else losses


def namer_losses(model: CompactModel, regions: Regions, phrases: tuple[Tensor, Tensor]) -> Losses:
    """Losses of both branches"""
    namer = model.detector.namer
    return naming_loss(model, namer, namer.describe(regions.views), regions.truth, phrases)


@torch.no_grad()
def regions_to_name(model: CompactModel, images: Tensor, batch: dict[str, Any]) -> Regions | None:
    """Regions for training the namer alone. Arguments as for `total_loss`."""
    return regions_of(model, fixed_trunk(model, images), batch["regions"], batch["concepts"])


def name_loss(model: CompactModel, regions: Regions, phrases: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Naming of regions; only the namer is trained. Results as for `total_loss`."""
    return weighted(namer_losses(model, regions, phrases))


def sticker_loss(
    model: CompactModel, sharp: Tensor, extent: Tensor, truth: tuple[Tensor, Tensor], phrases: tuple[Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Naming by pixels only.

    :param sharp: see `RegionViews`
    :param extent: see `RegionViews`
    :param truth: see `Regions`
    :return: as for `total_loss`
    """
    branch = model.detector.namer.by_picture
    return weighted(naming_loss(model, branch, branch(sharp, extent), truth, phrases))


def weighted(losses: Losses) -> tuple[Tensor, dict[str, float]]:
    """Sum of the losses that have a weight, and all losses as plain numbers."""
    total = sum(WEIGHTS[name] * value for name, value in losses.items() if name in WEIGHTS)
    assert isinstance(total, Tensor)
    return total, {name: float(value.detach()) for name, value in losses.items()}
