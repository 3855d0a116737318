"""Aims a small random tracker (SAM 3's, SAM 2's or EdgeTAM's: they share their parts) at drawn shapes. Memory attention is made to
look at the same place first, and the decoder's last layers are solved for, so that a mask follows its shape, goes out when the
shape does, and the object score falls. Everything before them is random.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import ridge
from .scene import MIN_SEEN, draw
from .scripts import FRAMES, Script

Levels = list[Tensor]
"""Feature levels of frames, finest first: [n, D/8, 4g, 4g], [n, D/4, 2g, 2g], [n, D, g, g]."""
_MASK_LOGIT, _SCORE_LOGIT = 5.0, 4.0
_ROW_LOUDNESS = 30.0
_POINT_BLUR, _POINT_AXES, _POINT_LOUDNESS = 0.4, 12, 2.5


@dataclass(frozen=True)
class Manner:
    """How strongly memories speak. What a readout magnifies, it magnifies in rounding too, and since masks are remembered and
    read again, that would grow from frame to frame, in transformers as much as anywhere."""

    penalty: float = 0.1
    """Of the readouts: large, so that they rest on what varies most."""
    sight_penalty: float | None = None
    """The same of what is seen, where it differs: pictures do not come back, and may be looked at closely."""
    trust: float = 0.0
    """Added to object scores."""
    loudness: float = 1.0
    """How much louder masks are in a memory than a random encoder has them, so that less magnifying finds them."""
    surety: float = 6.0
    """What the first upscaling is to say of places, before it is normalised among channels that are about 1. Large values leave
    the normalisation saturated: it then says yes or no, and errors of memories end there."""
    reach: int = 0
    """With 1, the place of a shape is all of the patches that it touches, with 2 also their neighbours, so that edges are left to
    what is seen."""
    heard: float = 1.5
    """How loud memories are to memory attention."""
    choosy: float = 0.3
    """How much of what memories say decides where memory attention looks, next to their place."""
    recent: float = 0.0
    """By how much memory attention prefers the memory of the frame before, as a difference of logits."""
    places: int = 0
    """How many of the rotary frequencies, the fastest first, tell memory attention where it is; 0 for all of them. Few tell
    neighbours apart, all together hardly do."""
    sharpness: float = 14.0
    """By how much, as a logit, a memory of the same place speaks louder than one of nowhere."""
    quiet: float = 1.0
    """How loud that is in memory attention and in memories which does not carry masks."""
    majority: bool = False
    """Whether a memory says of a patch foremost if most of it is mask, which a few wrong pixels do not change."""
    share: float = 0.02
    """How much of a patch has to be of the shape for the patch to belong to its place."""
    favour: float = 0.0
    """How much better than it would be the second candidate says it is."""
    gain: float = 0.0
    """By how much the tokens of an object decide how large its logits are, as a deviation. That moves no edge, but says which of two
    tracks of the same shape has the larger ones."""
    prompts: int = 0
    """On every so manieth frame a click is looked at too, and clicks speak to their places; 0 for the first frame alone."""


@dataclass
class Sight:
    """How a family's tracker sees: pixels → levels."""

    finest: Callable[[np.ndarray], Tensor]
    """uint8 [n, S, S, 3] → the finest level before the decoder's own 1 by 1 convolution, [n, D, 4g, 4g]"""
    levels: Callable[[np.ndarray], tuple[Levels, Tensor]]
    """→ levels with those convolutions applied, and the position code of the coarsest, [g·g, 1, D]"""


def aim(tracker: Any, sight: Sight, scripts: list[Script], seed: int, manner: Manner = Manner(), stride: int = 2) -> dict[str, float]:
    """
    :param stride: every so manieth frame is looked at
    :return: how well it is aimed: mean IoU of tracked masks given true memories, share of right object scores
    """
    _look_at_same_place(tracker, seed, manner)
    with torch.no_grad():
        if manner.majority:
            _remember_majorities(tracker.memory_encoder.mask_downsampler)
        tracker.memory_encoder.mask_downsampler.final_conv.weight.mul_(manner.loudness)
        tracker.memory_encoder.feature_projection.weight.mul_(manner.quiet)
        # Which of three candidates is best is not to hang by a hair.
        tracker.mask_decoder.iou_prediction_head.proj_out.bias[2] += manner.favour
        skip = tracker.mask_decoder.conv_s1
        skip.weight.mul_(0.3)
        skip.weight[:2] = 0
        skip.bias[:2] = 0
    if manner.prompts:
        _listen_to_points(tracker, seed)
    samples = [sample for script in scripts for sample in _samples(tracker, sight, script, stride, manner.prompts)]
    side = samples[0].second.shape[-1]
    with torch.no_grad():
        # Where a shape has gone out of sight, memories rightly say where it was.
        shown = [sample for sample in samples if sample.seen] if manner.majority else samples
        _aim_upscaling(tracker, shown, manner)
        _aim_masks(tracker, shown, side, seed, manner)
        _aim_scores(tracker, samples, manner.trust)
        good, right = [], []
        for sample in samples:
            masks, quality, _, score = _finish(tracker, sample)
            best = masks[quality.argmax()] > 0
            truth = _shrink(sample.truth, best.shape[-1]) > 0.5
            if sample.seen and sample.tracked:
                good.append(float((best & truth).sum() / (best | truth).sum().clamp(min=1)))
            right.append(float((score > 0) == sample.seen))
    return {"tracked IoU": float(np.mean(good)), "scores right": float(np.mean(right))}


@dataclass
class _Sample:
    """One object on one frame, half way through the decoder."""

    tokens: Tensor
    """[6 + prompts, D]"""
    image: Tensor
    """[D, g, g]"""
    second: Tensor
    """[D/4, 2g, 2g], what the first upscaling adds"""
    finest: Tensor
    """[D, 4g, 4g]"""
    truth: Tensor
    """float [S, S]"""
    shapes: Tensor
    """float [S, S], the same of all shapes"""
    seen: bool
    tracked: bool


def _look_at_same_place(tracker: Any, seed: int, manner: Manner) -> None:
    """Equal biases of query and key give every pair of places at one place the largest product, since both are turned by their
    place (rotary positions): a memory of the same place speaks loudest."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in tracker.memory_attention.layers:
            attention = layer.cross_attn_image
            width = attention.q_proj.bias.shape[0]
            attention.q_proj.weight.mul_(manner.choosy)
            attention.k_proj.weight.mul_(manner.choosy)
            # Pairs of the first half turn with one coordinate, of the second with the other, faster ones first.
            turning = torch.zeros(2, width // 2)
            turning[:, : 2 * manner.places or None] = 1
            heard = turning.flatten() * (manner.sharpness * width**0.5 / turning.sum()) ** 0.5
            common = heard + 0.1 * torch.randn(width, generator=generator)
            attention.q_proj.bias.copy_(common)
            attention.k_proj.bias.copy_(common)
            attention.o_proj.weight.mul_(manner.heard)
            if manner.quiet != 1:
                layer.self_attn.o_proj.weight.mul_(manner.quiet)
                layer.linear2.weight.mul_(manner.quiet)
            if manner.recent:
                # Memories have nothing along one axis, so that there the row of the temporal table speaks alone.
                attention.k_proj.weight[:, 0] = common * manner.recent / (manner.sharpness * _ROW_LOUDNESS)
        if manner.recent:
            last = tracker.memory_encoder.projection
            last.weight[0], last.bias[0] = 0, 0
            rows = tracker.memory_temporal_positional_encoding
            rows[..., 0] = 0
            rows[0, ..., 0] = _ROW_LOUDNESS
            # A frame on which there was nothing says little, so that older ones are heard.
            tracker.occlusion_spatial_embedding_parameter[..., 0] = -2 * _ROW_LOUDNESS


def _listen_to_points(tracker: Any, seed: int) -> None:
    """A place listens to the point that is nearest to it: places and points are projected alike, onto what tells places apart
    rather than onto everything, most of which is what pictures and tokens say. Codes that are drawn anew for places and points, as
    they are in a model that was never loaded, would make that impossible; checkpoints hold the same ones twice."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        waves = tracker.prompt_encoder.shared_embedding.positional_embedding
        waves.mul_(_POINT_BLUR)
        tracker.shared_image_embedding.positional_embedding.copy_(waves)
        places = tracker.get_image_wide_positional_embeddings()[0].flatten(1).T
        apart = torch.linalg.svd(places - places.mean(0), full_matrices=False)[2][:_POINT_AXES]
        for layer in tracker.mask_decoder.transformer.layers:
            attention = layer.cross_attn_image_to_token
            inner = attention.k_proj.weight.shape[0]
            mix = torch.linalg.qr(torch.randn(inner, inner, generator=generator))[0][:, :_POINT_AXES]
            for projection in (attention.k_proj, attention.q_proj):
                projection.weight.copy_(_POINT_LOUDNESS * mix @ apart)
                projection.bias.zero_()


def _remember_majorities(downsampler: Any) -> None:
    """Each step down asks its nine inputs for a vote: half of the channels rise where they are mask, the others fall, and the
    normalisation among channels makes a yes or no of it."""
    with torch.no_grad():
        inwards = torch.ones(1)
        for layer in downsampler.layers:
            weight = layer.conv.weight
            outwards = 1.0 - 2 * (torch.arange(len(weight)) % 2)
            weight.mul_(0.3).add_((outwards[:, None] * inwards / len(inwards) / weight[0, 0].numel())[..., None, None])
            inwards = outwards


def _samples(tracker: Any, sight: Sight, script: Script, stride: int, prompts: int = 0):
    pictures = [draw(script.scene, frame) for frame in range(FRAMES)]
    rgb = np.stack([picture.rgb for picture in pictures])
    with torch.no_grad():
        levels, position = sight.levels(rgb)
        finest = sight.finest(rgb)
        shapes = torch.from_numpy(np.stack([picture.masks.any(0) for picture in pictures])).float()
        for actor in range(len(script.scene.actors)):
            seen = [bool(picture.seen[actor] >= MIN_SEEN) for picture in pictures]
            masks = torch.from_numpy(np.stack([picture.masks[actor] for picture in pictures])).float()
            first = seen.index(True)
            at = lambda frame: [level[frame : frame + 1] for level in levels]  # noqa: E731
            prompted = at(first)
            base = [*prompted[:-1], prompted[-1] + tracker.no_memory_embedding.view(1, -1, 1, 1)]
            pointer = _pointer(tracker, prompted, masks[first])
            yield _half_way(tracker, base, finest[first], masks[first], shapes[first], True, False, _centre(masks[first]).view(1, 1, 1, 2))
            for frame in range(first + 1, FRAMES, prompts) if prompts else ():
                if seen[frame]:
                    clicked = at(frame)
                    alone = [*clicked[:-1], clicked[-1] + tracker.no_memory_embedding.view(1, -1, 1, 1)]
                    points = [_centre(masks[frame])]
                    # One click on the shape, then also one beside it, on another.
                    for other in (None, (actor + 1) % len(script.scene.actors)):
                        if other is not None and pictures[frame].masks[other].any():
                            points.append(_centre(torch.from_numpy(pictures[frame].masks[other])))
                        yield _half_way(
                            tracker, alone, finest[frame], masks[frame], shapes[frame], True, False, torch.stack(points).view(1, 1, -1, 2)
                        )
            remembered = remember(tracker, prompted, masks[first])
            for frame in range(first + 1, FRAMES, stride):
                memory = [remembered]
                rows = [-1]
                if frame - 1 > first:
                    memory.append(remember(tracker, at(frame - 1), masks[frame - 1]))
                    rows.append(0)
                fused = attend(tracker, levels[-1][frame : frame + 1], position, memory, rows, pointer, frame - first)
                now = at(frame)
                yield _half_way(tracker, [*now[:-1], fused], finest[frame], masks[frame], shapes[frame], seen[frame], True)


def _centre(mask: Tensor) -> Tensor:
    """[S, S] → x and y"""
    return torch.nonzero(mask > 0).float().mean(0).flip(0) + 0.5


def _pointer(tracker: Any, levels: Levels, mask: Tensor) -> Tensor:
    output = tracker._use_mask_as_output(levels[-1], levels[:-1], mask[None, None])
    return output.object_pointer.reshape(1, -1)


def remember(tracker: Any, levels: Levels, mask: Tensor) -> tuple[Tensor, Tensor]:
    """A true mask, as tracked ones are remembered. mask: float [S, S] → tokens and position codes, [T, 1, Dm] each"""
    flat = levels[-1].flatten(2).permute(2, 0, 1)
    score = torch.tensor([[10.0 if mask.any() else -10.0]])
    return token_major(tracker, *tracker._encode_new_memory(flat, mask[None, None] * 20 - 10, score, False))


def token_major(tracker: Any, memory: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
    """EdgeTAM keeps memories as [B, T, Dm] and turns them when they are read; the others keep [T, B, Dm]."""
    if hasattr(tracker, "spatial_perceiver"):
        return memory.permute(1, 0, 2), code.squeeze(1).permute(1, 0, 2)
    return memory, code


def attend(tracker: Any, feature: Tensor, position: Tensor, memory: list, rows: list[int], pointer: Tensor, distance: int) -> Tensor:
    """feature [1, D, g, g] conditioned on memories, each with its temporal row, and on one pointer [1, D] → [1, D, g, g]"""
    pieces = [part.float() for part, _ in memory]
    codes = [code + tracker.memory_temporal_positional_encoding[row] for (_, code), row in zip(memory, rows)]
    longest = tracker.config.max_object_pointers_in_encoder
    tokens, token_codes = tracker._process_object_pointers(
        [min(distance, longest - 1)], [pointer], longest, 1, feature.shape[1], feature.device
    )
    fused = tracker.memory_attention(
        current_vision_features=feature.flatten(2).permute(2, 0, 1),
        current_vision_position_embeddings=position,
        memory=torch.cat([*pieces, tokens]),
        memory_posision_embeddings=torch.cat([*codes, token_codes]),
        num_object_pointer_tokens=tokens.shape[0],
        **({"num_spatial_memory_tokens": len(memory)} if hasattr(tracker, "spatial_perceiver") else {}),
    )
    return fused.reshape(1, -1, feature.shape[1]).transpose(1, 2).reshape(feature.shape)


def _half_way(
    tracker: Any, levels: Levels, finest: Tensor, truth: Tensor, shapes: Tensor, seen: bool, tracked: bool, points: Tensor | None = None
):
    labels = torch.full((1, 1, 1 if points is None else points.shape[2]), 0, dtype=torch.int32)
    labels[..., 0] = -1 if points is None else 1
    sparse, dense = tracker.prompt_encoder(torch.zeros(1, 1, 1, 2) if points is None else points, labels, None, None)
    decoder = tracker.mask_decoder
    output = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([output[None, None], sparse], 2)
    tokens, image = decoder.transformer(tokens, levels[-1] + dense, tracker.get_image_wide_positional_embeddings(), None)[:2]
    side = levels[-1].shape[-1]
    image = image.reshape(1, side * side, -1).transpose(1, 2).reshape(1, -1, side, side)
    return _Sample(tokens.flatten(0, 2), image[0], levels[1][0], finest, truth, shapes, seen, tracked)


def _middle(tracker: Any, sample: _Sample) -> Tensor:
    """After the first upscaling, [D/4, 2g, 2g]"""
    decoder = tracker.mask_decoder
    raised = decoder.upscale_conv1(sample.image[None]) + sample.second[None]
    return decoder.activation(decoder.upscale_layer_norm(raised))[0]


def _shrink(mask: Tensor, side: int) -> Tensor:
    return F.interpolate(mask[None, None], (side, side), mode="area")[0, 0]


def _place(mask: Tensor, side: int, manner: Manner) -> Tensor:
    """float [S, S] → float [side, side], how much of a patch the shape has; with reach, 1 where it has anything of it or of one
    that is less than so many away"""
    share, reach = _shrink(mask, side), manner.reach
    return F.max_pool2d((share > manner.share).float()[None], 2 * reach - 1, 1, reach - 1)[0] if reach else share


def _aim_upscaling(tracker: Any, samples: list[_Sample], manner: Manner) -> None:
    """Where the object is, as far as memory attention could tell, on the first two channels of the first upscaling."""
    side = samples[0].image.shape[-1]
    features = torch.cat([sample.image.flatten(1).T for sample in samples])
    inside = torch.cat([_place(sample.truth, side, manner).flatten() * sample.seen for sample in samples])
    goals = manner.surety * (2 * inside - 1)[:, None]
    matrix, bias = ridge.solve(features, goals, ridge.balance(inside > 0.3) ** 0.5, manner.penalty)
    up = tracker.mask_decoder.upscale_conv1
    for channel, sign in ((0, 1.0), (1, -1.0)):
        up.weight[:, channel] = sign * matrix[0, :, None, None]
        up.bias[channel] = sign * bias[0]


def _even(inside: Tensor, near: Tensor, shape: Tensor) -> Tensor:
    """Weights that give inside, around it, other shapes and all the rest the same say: a sum of where and what is an "and" only
    if far more common places do not decide about it, and if what is elsewhere but looks right counts as much as the rest."""
    kinds = torch.stack([inside, near & ~inside, ~near & shape, ~near & ~shape & ~inside])
    return (kinds / kinds.sum(1, keepdim=True).clamp(min=1)).sum(0)


def _aim_masks(tracker: Any, samples: list[_Sample], side: int, seed: int, manner: Manner) -> None:
    """The wanted logit is solved for from what the last upscaling reads. It goes through the activation twice, once with its sign
    turned, because gelu(z) - gelu(-z) = z."""
    generator = torch.Generator().manual_seed(seed)
    decoder = tracker.mask_decoder
    width = samples[0].second.shape[0]
    rows, goals, near, shapes = [], [], [], []
    for sample in samples:
        truth = _shrink(sample.truth, 2 * side)
        place = _place(sample.truth, sample.image.shape[-1], manner) > 0.02
        near.append((place.repeat_interleave(4, 0).repeat_interleave(4, 1) & sample.seen).flatten())
        shapes.append((_shrink(sample.shapes, 2 * side) > 0.5).flatten())
        spread = torch.zeros(4 * width, 2 * side, 2 * side)
        for phase in range(4):
            spread[phase * width : (phase + 1) * width, phase // 2 :: 2, phase % 2 :: 2] = _middle(tracker, sample)
        rows.append(torch.cat([spread, sample.finest]).flatten(1).T)
        goals.append(truth.flatten() if sample.seen else torch.zeros(truth.numel()))
    inside = torch.cat(goals)
    keep = torch.rand(len(inside), generator=generator) < torch.where(inside > 0.01, 1.0, 0.25)
    inside, close, shape = inside[keep], torch.cat(near)[keep], torch.cat(shapes)[keep]
    weights = _even(inside > 0.5, close, shape) if manner.reach else ridge.balance(inside > 0.5) ** 0.25
    features = torch.cat(rows)[keep]
    penalty: float | Tensor = manner.penalty
    if manner.sight_penalty is not None:
        penalty = torch.full((features.shape[1],), manner.penalty)
        penalty[4 * width :] = manner.sight_penalty
    matrix, bias = ridge.solve(features, _MASK_LOGIT * (2 * inside[:, None] - 1), weights, penalty)
    up, skip = decoder.upscale_conv2, decoder.conv_s0
    for channel, sign in ((0, 1.0), (1, -1.0)):
        up.weight[:, channel] = sign * matrix[0, : 4 * width].view(2, 2, width).permute(2, 0, 1)
        up.bias[channel] = sign * bias[0]
        skip.weight[channel, :, 0, 0] = sign * matrix[0, 4 * width :]
        skip.bias[channel] = 0
    for head in decoder.output_hypernetworks_mlps:
        head.proj_out.weight.mul_(0.02)
        head.proj_out.bias.mul_(0.1)
        head.proj_out.bias[0] += 1.0
        head.proj_out.bias[1] -= 1.0
    if manner.gain:
        for head, token in zip(decoder.output_hypernetworks_mlps, range(2, 6)):
            _vary_gain(head, torch.stack([sample.tokens[token] for sample in samples]), manner.gain, generator)


def _vary_gain(head: Any, tokens: Tensor, gain: float, generator: torch.Generator) -> None:
    """tokens: [n, D], what the head reads"""
    caught = []
    hook = head.proj_out.register_forward_pre_hook(lambda module, given: caught.append(given[0]))
    head(tokens)
    hook.remove()
    middle = caught[0].mean(0)
    direction = torch.randn(len(middle), generator=generator)
    direction *= gain / ((caught[0] - middle) @ direction).std()
    for channel, sign in ((0, 1.0), (1, -1.0)):
        head.proj_out.weight[channel] += sign * direction
        head.proj_out.bias[channel] -= sign * middle @ direction


def _aim_scores(tracker: Any, samples: list[_Sample], trust: float) -> None:
    head = tracker.mask_decoder.pred_obj_score_head
    caught = []
    hook = head.proj_out.register_forward_pre_hook(lambda module, given: caught.append(given[0].flatten()))
    for sample in samples:
        head(sample.tokens[0])
    hook.remove()
    seen = torch.tensor([sample.seen for sample in samples])
    matrix, bias = ridge.solve(torch.stack(caught), _SCORE_LOGIT * (2 * seen.float() - 1)[:, None], ridge.balance(seen), 1e-3)
    head.proj_out.weight.copy_(matrix)
    head.proj_out.bias.copy_(bias + trust)


def _finish(tracker: Any, sample: _Sample) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """→ candidates [3, 4g, 4g], their quality [3], their tokens [3, D], object score"""
    decoder = tracker.mask_decoder
    fine = decoder.activation(decoder.upscale_conv2(_middle(tracker, sample)[None]) + decoder.conv_s0(sample.finest[None]))[0]
    tokens = sample.tokens
    kernels = torch.stack([head(tokens[2 + i]) for i, head in enumerate(decoder.output_hypernetworks_mlps)])
    masks = torch.einsum("kc,chw->khw", kernels, fine)
    return masks[1:], decoder.iou_prediction_head(tokens[1])[1:], tokens[3:6], decoder.pred_obj_score_head(tokens[0])[0]
