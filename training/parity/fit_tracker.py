"""Fits a small random tracker (of SAM 3, SAM 2 or EdgeTAM, which share their parts) to drawn shapes. Memory attention is
set to match positions first, and the decoder's last layers are solved for, so that a mask follows its shape and
disappears with it, and the object score falls. All other layers are random.
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
    """How strongly memories affect the output. A fitted layer also amplifies rounding errors. Masks are remembered and
    read again, so such errors would grow from frame to frame, in transformers as well.
    """

    penalty: float = 0.1
    """Ridge penalty of the fitted layers. A large value makes them depend on the features that vary most."""
    feature_penalty: float | None = None
    """Ridge penalty for image features, if different. Images do not feed back, so a smaller penalty is safe."""
    score_offset: float = 0.0
    """Added to object scores"""
    mask_gain: float = 1.0
    """Gain of masks in memories over a random encoder, so that the fitted layers need less amplification"""
    place_logit: float = 6.0
    """Target of the first upscaling for "this place belongs to the object", before it is normalised with channels of
    about 1. Large values saturate the normalisation to a binary value, which stops errors of memories.
    """
    dilation: int = 0
    """With 1, the place of a shape is every patch that it touches; with 2, also their neighbours. Edges then depend on
    the image alone.
    """
    memory_gain: float = 1.5
    """Gain of memory attention's output"""
    content_weight: float = 0.3
    """Weight of memory content relative to position in memory attention"""
    recency_logit: float = 0.0
    """Logit by which memory attention prefers the previous frame's memory"""
    rotary_frequencies: int = 0
    """Number of rotary frequencies, fastest first, that encode position in memory attention; 0 for all. Few frequencies
    separate neighbouring places, all of them hardly do.
    """
    position_logit: float = 14.0
    """Logit by which memory attention prefers a memory at the same position"""
    residual_gain: float = 1.0
    """Gain of the parts of memory attention and memories that do not carry masks"""
    majority_vote: bool = False
    """Whether a memory mainly encodes if most of a patch is mask, which a few wrong pixels do not change"""
    min_coverage: float = 0.02
    """Minimum share of a patch that the shape covers for the patch to belong to its place"""
    candidate_offset: float = 0.0
    """Added to the predicted IoU of the second candidate"""
    logit_gain_std: float = 0.0
    """Standard deviation of the logit gain that an object's tokens determine. It moves no edge, but decides which of two
    tracks of the same shape has larger logits.
    """
    prompt_stride: int = 0
    """Step between frames that are also sampled with clicks, and whether clicks act on their places; 0 samples the first
    frame only
    """


@dataclass
class FeatureExtractor:
    """Extracts a family's features from pixels."""

    finest: Callable[[np.ndarray], Tensor]
    """uint8 [n, S, S, 3] → the finest level before the decoder's own 1×1 convolution, [n, D, 4g, 4g]"""
    levels: Callable[[np.ndarray], tuple[Levels, Tensor]]
    """uint8 [n, S, S, 3] → levels with those convolutions applied, and the position encoding of the coarsest, [g·g, 1,
    D]
    """


def fit(
    tracker: Any, feature_extractor: FeatureExtractor, scripts: list[Script], seed: int, options: FitOptions = FitOptions(), stride: int = 2
) -> dict[str, float]:
    """
    :param stride: step between sampled frames
    :return: quality of the fit: mean IoU of tracked masks given true memories, share of correct object scores
    """
    _attend_to_same_place(tracker, seed, options)
    with torch.no_grad():
        if options.majority_vote:
            _encode_majorities(tracker.memory_encoder.mask_downsampler)
        tracker.memory_encoder.mask_downsampler.final_conv.weight.mul_(options.mask_gain)
        tracker.memory_encoder.feature_projection.weight.mul_(options.residual_gain)
        # Separates the best of the three candidates from the others, so that the choice is not marginal.
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
        # Where a shape is hidden, memories correctly contain its last position.
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
    """One object on one frame, halfway through the decoder."""

    tokens: Tensor
    """[6 + prompts, D]"""
    image: Tensor
    """[D, g, g]"""
    second: Tensor
    """[D/4, 2g, 2g], added by the first upscaling"""
    finest: Tensor
    """[D, 4g, 4g]"""
    truth: Tensor
    """float [S, S]"""
    shapes: Tensor
    """float [S, S], the union of all shapes"""
    visible: bool
    tracked: bool


def _attend_to_same_place(tracker: Any, seed: int, options: FitOptions) -> None:
    """Makes memories at the same position receive the most attention. Rotary positions rotate queries and keys alike, so
    equal biases of both give pairs at the same position the largest product.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in tracker.memory_attention.layers:
            attention = layer.cross_attn_image
            width = attention.q_proj.bias.shape[0]
            attention.q_proj.weight.mul_(options.content_weight)
            attention.k_proj.weight.mul_(options.content_weight)
            # Pairs in the first half rotate with one coordinate, in the second half with the other, fastest first.
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
                # Memories are zero along one axis, so only the temporal table contributes there.
                attention.k_proj.weight[:, 0] = common * options.recency_logit / (options.position_logit * _TEMPORAL_ROW_GAIN)
        if options.recency_logit:
            last = tracker.memory_encoder.projection
            last.weight[0], last.bias[0] = 0, 0
            rows = tracker.memory_temporal_positional_encoding
            rows[..., 0] = 0
            rows[0, ..., 0] = _TEMPORAL_ROW_GAIN
            # A frame without the object is weighted down, so that older frames are used.
            tracker.occlusion_spatial_embedding_parameter[..., 0] = -2 * _TEMPORAL_ROW_GAIN


def _attend_to_points(tracker: Any, seed: int) -> None:
    """Makes each place attend to its nearest point. Places and points are projected with the same matrix, onto the axes
    that distinguish places; most other axes carry image content and tokens. This requires equal position encodings
    for places and points. Checkpoints store the same encoding twice; a freshly created model draws them
    independently.
    """
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
    """Makes each downsampling step compute a majority vote of its nine inputs: half of the channels rise with mask, the
    others fall, and the normalisation over channels turns the difference into a binary value.
    """
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
                    # One click on the shape, then another one on a different shape.
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
    """Encodes a true mask in the same way as tracked masks.

    :param mask: float [S, S]
    :return: tokens and position encodings, [T, 1, Dm] each
    """
    flat = levels[-1].flatten(2).permute(2, 0, 1)
    score = torch.tensor([[10.0 if mask.any() else -10.0]])
    return token_major(tracker, *tracker._encode_new_memory(flat, mask[None, None] * 20 - 10, score, False))


def token_major(tracker: Any, memory: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
    """Returns [T, B, Dm]. EdgeTAM stores memories as [B, T, Dm] and transposes them when it reads them; the others store
    [T, B, Dm].
    """
    if hasattr(tracker, "spatial_perceiver"):
        return memory.permute(1, 0, 2), code.squeeze(1).permute(1, 0, 2)
    return memory, code


def attend(tracker: Any, feature: Tensor, position: Tensor, memory: list, rows: list[int], pointer: Tensor, distance: int) -> Tensor:
    """Conditions a feature map on memories, each with its temporal row, and on one pointer.

    :param feature: [1, D, g, g]
    :param pointer: [1, D]
    :return: [1, D, g, g]
    """
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
    """Features after the first upscaling, [D/4, 2g, 2g]"""
    decoder = tracker.mask_decoder
    raised = decoder.upscale_conv1(sample.image[None]) + sample.second[None]
    return decoder.activation(decoder.upscale_layer_norm(raised))[0]


def _shrink(mask: Tensor, side: int) -> Tensor:
    return F.interpolate(mask[None, None], (side, side), mode="area")[0, 0]


def _place_mask(mask: Tensor, side: int, options: FitOptions) -> Tensor:
    """Share of each patch that the shape covers; with dilation, 1 for patches of the shape and its neighbours, else 0.

    :param mask: float [S, S]
    :return: float [side, side]
    """
    min_coverage, dilation = _shrink(mask, side), options.dilation
    return (
        F.max_pool2d((min_coverage > options.min_coverage).float()[None], 2 * dilation - 1, 1, dilation - 1)[0]
        if dilation
        else min_coverage
    )


def _fit_upscaling(tracker: Any, samples: list[_Sample], options: FitOptions) -> None:
    """Writes the object's place, as far as memory attention determines it, to the first two channels of the first
    upscaling.
    """
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
    """Weights that give four classes equal influence: inside, around it, other shapes, and the rest. The mask is a sum
    of position and appearance. It acts as a logical "and" only if the far more common places do not dominate the fit,
    and if other shapes, with the right appearance at another position, count as much as the rest.
    """
    kinds = torch.stack([inside, near & ~inside, ~near & shape, ~near & ~shape & ~inside])
    return (kinds / kinds.sum(1, keepdim=True).clamp(min=1)).sum(0)


def _fit_masks(tracker: Any, samples: list[_Sample], side: int, seed: int, options: FitOptions) -> None:
    """Solves for the target logit from the inputs of the last upscaling. The value passes the activation twice, once
    with its sign inverted, because gelu(z) - gelu(-z) = z.
    """
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
    """:param tokens: [n, D], the head's inputs"""
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
    """Runs the rest of the decoder.

    :return: candidates [3, 4g, 4g], their predicted IoU [3], their tokens [3, D], object score
    """
    decoder = tracker.mask_decoder
    fine = decoder.activation(decoder.upscale_conv2(_after_first_upscaling(tracker, sample)[None]) + decoder.conv_s0(sample.finest[None]))[
        0
    ]
    tokens = sample.tokens
    kernels = torch.stack([head(tokens[2 + i]) for i, head in enumerate(decoder.output_hypernetworks_mlps)])
    masks = torch.einsum("kc,chw->khw", kernels, fine)
    return masks[1:], decoder.iou_prediction_head(tokens[1])[1:], tokens[3:6], decoder.pred_obj_score_head(tokens[0])[0]
