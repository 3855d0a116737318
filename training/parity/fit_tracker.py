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

from . import least_squares
from .scene import MIN_VISIBILITY, draw
from .scripts import FRAMES, Script

Levels = list[Tensor]
"""Feature levels of frames, finest first: [n, D/8, 4g, 4g], [n, D/4, 2g, 2g], [n, D, g, g]."""
_MASK_LOGIT, _SCORE_LOGIT = 5.0, 4.0
_TEMPORAL_ROW_GAIN = 30.0
_POINT_FREQUENCY_SCALE, _POINT_AXES, _POINT_GAIN = 0.4, 12, 2.5


@dataclass(frozen=True)
class FitOptions:
    """How strongly memories speak. What a readout magnifies, it magnifies in rounding too, and since masks are remembered and
    read again, that would grow from frame to frame, in transformers as much as anywhere."""

    penalty: float = 0.1
    """Of the readouts: large, so that they rest on what varies most."""
    feature_penalty: float | None = None
    """The same of what is seen, where it differs: pictures do not come back, and may be looked at closely."""
    score_offset: float = 0.0
    """Added to object scores."""
    mask_gain: float = 1.0
    """How much louder masks are in a memory than a random encoder has them, so that less magnifying finds them."""
    place_logit: float = 6.0
    """What the first upscaling is to say of places, before it is normalised among channels that are about 1. Large values leave
    the normalisation saturated: it then says yes or no, and errors of memories end there."""
    dilation: int = 0
    """With 1, the place of a shape is all of the patches that it touches, with 2 also their neighbours, so that edges are left to
    what is seen."""
    memory_gain: float = 1.5
    """How loud memories are to memory attention."""
    content_weight: float = 0.3
    """How much of what memories say decides where memory attention looks, next to their place."""
    recency_logit: float = 0.0
    """By how much memory attention prefers the memory of the frame before, as a difference of logits."""
    rotary_frequencies: int = 0
    """How many of the rotary frequencies, the fastest first, tell memory attention where it is; 0 for all of them. Few tell
    neighbours apart, all together hardly do."""
    position_logit: float = 14.0
    """By how much, as a logit, a memory of the same place speaks louder than one of nowhere."""
    residual_gain: float = 1.0
    """How loud that is in memory attention and in memories which does not carry masks."""
    majority_vote: bool = False
    """Whether a memory says of a patch foremost if most of it is mask, which a few wrong pixels do not change."""
    min_coverage: float = 0.02
    """How much of a patch has to be of the shape for the patch to belong to its place."""
    candidate_offset: float = 0.0
    """How much better than it would be the second candidate says it is."""
    logit_gain_std: float = 0.0
    """By how much the tokens of an object decide how large its logits are, as a deviation. That moves no edge, but says which of two
    tracks of the same shape has the larger ones."""
    prompt_stride: int = 0
    """On every so manieth frame a click is looked at too, and clicks speak to their places; 0 for the first frame alone."""


@dataclass
class FeatureExtractor:
    """How a family's tracker sees: pixels → levels."""

    finest: Callable[[np.ndarray], Tensor]
    """uint8 [n, S, S, 3] → the finest level before the decoder's own 1 by 1 convolution, [n, D, 4g, 4g]"""
    levels: Callable[[np.ndarray], tuple[Levels, Tensor]]
    """→ levels with those convolutions applied, and the position code of the coarsest, [g·g, 1, D]"""


def fit(
    tracker: Any, feature_extractor: FeatureExtractor, scripts: list[Script], seed: int, options: FitOptions = FitOptions(), stride: int = 2
) -> dict[str, float]:
    """
    :param stride: every so manieth frame is looked at
    :return: how well it is aimed: mean IoU of tracked masks given true memories, share of right object scores
    """
    _attend_to_same_place(tracker, seed, options)
    with torch.no_grad():
        if options.majority_vote:
            _encode_majorities(tracker.memory_encoder.mask_downsampler)
        tracker.memory_encoder.mask_downsampler.final_conv.weight.mul_(options.mask_gain)
        tracker.memory_encoder.feature_projection.weight.mul_(options.residual_gain)
        # Which of three candidates is best is not to hang by a hair.
        tracker.mask_decoder.iou_prediction_head.proj_out.bias[2] += options.candidate_offset
        skip = tracker.mask_decoder.conv_s1
        skip.weight.mul_(0.3)
        skip.weight[:2] = 0
        skip.bias[:2] = 0
    if options.prompt_stride:
        _attend_to_points(tracker, seed)
    samples = [sample for script in scripts for sample in _samples(tracker, feature_extractor, script, stride, options.prompt_stride)]
    side = samples[0].second.shape[-1]
    with torch.no_grad():
        # Where a shape has gone out of sight, memories rightly say where it was.
        shown = [sample for sample in samples if sample.visible] if options.majority_vote else samples
        _fit_upscaling(tracker, shown, options)
        _fit_masks(tracker, shown, side, seed, options)
        _fit_scores(tracker, samples, options.score_offset)
        good, right = [], []
        for sample in samples:
            masks, quality, _, score = _finish(tracker, sample)
            best = masks[quality.argmax()] > 0
            truth = _shrink(sample.truth, best.shape[-1]) > 0.5
            if sample.visible and sample.tracked:
                good.append(float((best & truth).sum() / (best | truth).sum().clamp(min=1)))
            right.append(float((score > 0) == sample.visible))
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
    visible: bool
    tracked: bool


def _attend_to_same_place(tracker: Any, seed: int, options: FitOptions) -> None:
    """Equal biases of query and key give every pair of places at one place the largest product, since both are turned by their
    place (rotary positions): a memory of the same place speaks loudest."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in tracker.memory_attention.layers:
            attention = layer.cross_attn_image
            width = attention.q_proj.bias.shape[0]
            attention.q_proj.weight.mul_(options.content_weight)
            attention.k_proj.weight.mul_(options.content_weight)
            # Pairs of the first half turn with one coordinate, of the second with the other, faster ones first.
            turning = torch.zeros(2, width // 2)
            turning[:, : 2 * options.rotary_frequencies or None] = 1
            memory_gain = turning.flatten() * (options.position_logit * width**0.5 / turning.sum()) ** 0.5
            common = memory_gain + 0.1 * torch.randn(width, generator=generator)
            attention.q_proj.bias.copy_(common)
            attention.k_proj.bias.copy_(common)
            attention.o_proj.weight.mul_(options.memory_gain)
            if options.residual_gain != 1:
                layer.self_attn.o_proj.weight.mul_(options.residual_gain)
                layer.linear2.weight.mul_(options.residual_gain)
            if options.recency_logit:
                # Memories have nothing along one axis, so that there the row of the temporal table speaks alone.
                attention.k_proj.weight[:, 0] = common * options.recency_logit / (options.position_logit * _TEMPORAL_ROW_GAIN)
        if options.recency_logit:
            last = tracker.memory_encoder.projection
            last.weight[0], last.bias[0] = 0, 0
            rows = tracker.memory_temporal_positional_encoding
            rows[..., 0] = 0
            rows[0, ..., 0] = _TEMPORAL_ROW_GAIN
            # A frame on which there was nothing says little, so that older ones are heard.
            tracker.occlusion_spatial_embedding_parameter[..., 0] = -2 * _TEMPORAL_ROW_GAIN


def _attend_to_points(tracker: Any, seed: int) -> None:
    """A place listens to the point that is nearest to it: places and points are projected alike, onto what tells places apart
    rather than onto everything, most of which is what pictures and tokens say. Codes that are drawn anew for places and points, as
    they are in a model that was never loaded, would make that impossible; checkpoints hold the same ones twice."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        waves = tracker.prompt_encoder.shared_embedding.positional_embedding
        waves.mul_(_POINT_FREQUENCY_SCALE)
        tracker.shared_image_embedding.positional_embedding.copy_(waves)
        rotary_frequencies = tracker.get_image_wide_positional_embeddings()[0].flatten(1).T
        place_axes = torch.linalg.svd(rotary_frequencies - rotary_frequencies.mean(0), full_matrices=False)[2][:_POINT_AXES]
        for layer in tracker.mask_decoder.transformer.layers:
            attention = layer.cross_attn_image_to_token
            inner = attention.k_proj.weight.shape[0]
            mix = torch.linalg.qr(torch.randn(inner, inner, generator=generator))[0][:, :_POINT_AXES]
            for projection in (attention.k_proj, attention.q_proj):
                projection.weight.copy_(_POINT_GAIN * mix @ place_axes)
                projection.bias.zero_()


def _encode_majorities(downsampler: Any) -> None:
    """Each step down asks its nine inputs for a vote: half of the channels rise where they are mask, the others fall, and the
    normalisation among channels makes a yes or no of it."""
    with torch.no_grad():
        inwards = torch.ones(1)
        for layer in downsampler.layers:
            weight = layer.conv.weight
            outwards = 1.0 - 2 * (torch.arange(len(weight)) % 2)
            weight.mul_(0.3).add_((outwards[:, None] * inwards / len(inwards) / weight[0, 0].numel())[..., None, None])
            inwards = outwards


def _samples(tracker: Any, feature_extractor: FeatureExtractor, script: Script, stride: int, prompt_stride: int = 0):
    pictures = [draw(script.scene, frame) for frame in range(FRAMES)]
    rgb = np.stack([picture.rgb for picture in pictures])
    with torch.no_grad():
        levels, position = feature_extractor.levels(rgb)
        finest = feature_extractor.finest(rgb)
        shapes = torch.from_numpy(np.stack([picture.masks.any(0) for picture in pictures])).float()
        for actor in range(len(script.scene.actors)):
            visible = [bool(picture.visibility[actor] >= MIN_VISIBILITY) for picture in pictures]
            masks = torch.from_numpy(np.stack([picture.masks[actor] for picture in pictures])).float()
            first = visible.index(True)
            at = lambda frame: [level[frame : frame + 1] for level in levels]  # noqa: E731
            prompted = at(first)
            base = [*prompted[:-1], prompted[-1] + tracker.no_memory_embedding.view(1, -1, 1, 1)]
            pointer = _pointer(tracker, prompted, masks[first])
            yield _decode_halfway(
                tracker, base, finest[first], masks[first], shapes[first], True, False, _centre(masks[first]).view(1, 1, 1, 2)
            )
            for frame in range(first + 1, FRAMES, prompt_stride) if prompt_stride else ():
                if visible[frame]:
                    clicked = at(frame)
                    alone = [*clicked[:-1], clicked[-1] + tracker.no_memory_embedding.view(1, -1, 1, 1)]
                    points = [_centre(masks[frame])]
                    # One click on the shape, then also one beside it, on another.
                    for other in (None, (actor + 1) % len(script.scene.actors)):
                        if other is not None and pictures[frame].masks[other].any():
                            points.append(_centre(torch.from_numpy(pictures[frame].masks[other])))
                        yield _decode_halfway(
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
                yield _decode_halfway(tracker, [*now[:-1], fused], finest[frame], masks[frame], shapes[frame], visible[frame], True)


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


def _decode_halfway(
    tracker: Any, levels: Levels, finest: Tensor, truth: Tensor, shapes: Tensor, visible: bool, tracked: bool, points: Tensor | None = None
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
    return _Sample(tokens.flatten(0, 2), image[0], levels[1][0], finest, truth, shapes, visible, tracked)


def _after_first_upscaling(tracker: Any, sample: _Sample) -> Tensor:
    """After the first upscaling, [D/4, 2g, 2g]"""
    decoder = tracker.mask_decoder
    raised = decoder.upscale_conv1(sample.image[None]) + sample.second[None]
    return decoder.activation(decoder.upscale_layer_norm(raised))[0]


def _shrink(mask: Tensor, side: int) -> Tensor:
    return F.interpolate(mask[None, None], (side, side), mode="area")[0, 0]


def _place_mask(mask: Tensor, side: int, options: FitOptions) -> Tensor:
    """float [S, S] → float [side, side], how much of a patch the shape has; with reach, 1 where it has anything of it or of one
    that is less than so many away"""
    min_coverage, dilation = _shrink(mask, side), options.dilation
    return (
        F.max_pool2d((min_coverage > options.min_coverage).float()[None], 2 * dilation - 1, 1, dilation - 1)[0]
        if dilation
        else min_coverage
    )


def _fit_upscaling(tracker: Any, samples: list[_Sample], options: FitOptions) -> None:
    """Where the object is, as far as memory attention could tell, on the first two channels of the first upscaling."""
    side = samples[0].image.shape[-1]
    features = torch.cat([sample.image.flatten(1).T for sample in samples])
    inside = torch.cat([_place_mask(sample.truth, side, options).flatten() * sample.visible for sample in samples])
    goals = options.place_logit * (2 * inside - 1)[:, None]
    matrix, bias = least_squares.solve(features, goals, least_squares.class_weights(inside > 0.3) ** 0.5, options.penalty)
    up = tracker.mask_decoder.upscale_conv1
    for channel, sign in ((0, 1.0), (1, -1.0)):
        up.weight[:, channel] = sign * matrix[0, :, None, None]
        up.bias[channel] = sign * bias[0]


def _balanced_weights(inside: Tensor, near: Tensor, shape: Tensor) -> Tensor:
    """Weights that give inside, around it, other shapes and all the rest the same say: a sum of where and what is an "and" only
    if far more common places do not decide about it, and if what is elsewhere but looks right counts as much as the rest."""
    kinds = torch.stack([inside, near & ~inside, ~near & shape, ~near & ~shape & ~inside])
    return (kinds / kinds.sum(1, keepdim=True).clamp(min=1)).sum(0)


def _fit_masks(tracker: Any, samples: list[_Sample], side: int, seed: int, options: FitOptions) -> None:
    """The wanted logit is solved for from what the last upscaling reads. It goes through the activation twice, once with its sign
    turned, because gelu(z) - gelu(-z) = z."""
    generator = torch.Generator().manual_seed(seed)
    decoder = tracker.mask_decoder
    width = samples[0].second.shape[0]
    rows, goals, near, shapes = [], [], [], []
    for sample in samples:
        truth = _shrink(sample.truth, 2 * side)
        place = _place_mask(sample.truth, sample.image.shape[-1], options) > 0.02
        near.append((place.repeat_interleave(4, 0).repeat_interleave(4, 1) & sample.visible).flatten())
        shapes.append((_shrink(sample.shapes, 2 * side) > 0.5).flatten())
        spread = torch.zeros(4 * width, 2 * side, 2 * side)
        for phase in range(4):
            spread[phase * width : (phase + 1) * width, phase // 2 :: 2, phase % 2 :: 2] = _after_first_upscaling(tracker, sample)
        rows.append(torch.cat([spread, sample.finest]).flatten(1).T)
        goals.append(truth.flatten() if sample.visible else torch.zeros(truth.numel()))
    inside = torch.cat(goals)
    keep = torch.rand(len(inside), generator=generator) < torch.where(inside > 0.01, 1.0, 0.25)
    inside, close, shape = inside[keep], torch.cat(near)[keep], torch.cat(shapes)[keep]
    weights = _balanced_weights(inside > 0.5, close, shape) if options.dilation else least_squares.class_weights(inside > 0.5) ** 0.25
    features = torch.cat(rows)[keep]
    penalty: float | Tensor = options.penalty
    if options.feature_penalty is not None:
        penalty = torch.full((features.shape[1],), options.penalty)
        penalty[4 * width :] = options.feature_penalty
    matrix, bias = least_squares.solve(features, _MASK_LOGIT * (2 * inside[:, None] - 1), weights, penalty)
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
    if options.logit_gain_std:
        for head, token in zip(decoder.output_hypernetworks_mlps, range(2, 6)):
            _vary_gain(head, torch.stack([sample.tokens[token] for sample in samples]), options.logit_gain_std, generator)


def _vary_gain(head: Any, tokens: Tensor, logit_gain_std: float, generator: torch.Generator) -> None:
    """tokens: [n, D], what the head reads"""
    captured = []
    hook = head.proj_out.register_forward_pre_hook(lambda module, given: captured.append(given[0]))
    head(tokens)
    hook.remove()
    middle = captured[0].mean(0)
    direction = torch.randn(len(middle), generator=generator)
    direction *= logit_gain_std / ((captured[0] - middle) @ direction).std()
    for channel, sign in ((0, 1.0), (1, -1.0)):
        head.proj_out.weight[channel] += sign * direction
        head.proj_out.bias[channel] -= sign * middle @ direction


def _fit_scores(tracker: Any, samples: list[_Sample], score_offset: float) -> None:
    head = tracker.mask_decoder.pred_obj_score_head
    captured = []
    hook = head.proj_out.register_forward_pre_hook(lambda module, given: captured.append(given[0].flatten()))
    for sample in samples:
        head(sample.tokens[0])
    hook.remove()
    visible = torch.tensor([sample.visible for sample in samples])
    matrix, bias = least_squares.solve(
        torch.stack(captured), _SCORE_LOGIT * (2 * visible.float() - 1)[:, None], least_squares.class_weights(visible), 1e-3
    )
    head.proj_out.weight.copy_(matrix)
    head.proj_out.bias.copy_(bias + score_offset)


def _finish(tracker: Any, sample: _Sample) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """→ candidates [3, 4g, 4g], their quality [3], their tokens [3, D], object score"""
    decoder = tracker.mask_decoder
    fine = decoder.activation(decoder.upscale_conv2(_after_first_upscaling(tracker, sample)[None]) + decoder.conv_s0(sample.finest[None]))[
        0
    ]
    tokens = sample.tokens
    kernels = torch.stack([head(tokens[2 + i]) for i, head in enumerate(decoder.output_hypernetworks_mlps)])
    masks = torch.einsum("kc,chw->khw", kernels, fine)
    return masks[1:], decoder.iou_prediction_head(tokens[1])[1:], tokens[3:6], decoder.pred_obj_score_head(tokens[0])[0]
