"""The tracker's graphs: `segment`, `seed`, `track` and `remember`.

SAM 2, SAM 3 and EdgeTAM share their tracker classes under different names in transformers
(`{Sam2Video,Sam3TrackerVideo,EdgeTamVideo}Model`). These modules call the classes' parts for B objects at once. They
compute `_single_frame_forward`, `_use_mask_as_output`, `_prepare_memory_conditioned_features` and
`_encode_new_memory`, except for the cast of memories to bfloat16.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Form
from .memory_attention import MemoryAttention
from .memory_fuser import Fuser
from .resize import Resize, enlarge

ABSENT_LOGIT = -1024.0  # mask logits of an absent object
MASK_SCALE, MASK_BIAS = 20.0, -10.0  # convert a given mask to logits


class Prompts(nn.Module):
    """points [B,N,2] relative to the frame, labels [B,N] → prompt tokens [B,1,N+1,D]"""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.side = encoder.input_image_size
        self.register_buffer("waves", 2 * math.pi * encoder.shared_embedding.positional_embedding.data, persistent=False)
        self.kinds, self.padding = encoder.point_embed, encoder.not_a_point_embed

    def forward(self, points: Tensor, labels: Tensor) -> Tensor:
        # Without a box, the models append a padding point to every prompt.
        points = F.pad(points * self.side, (0, 0, 0, 1))
        labels = F.pad(labels, (0, 1), value=-1)[..., None]
        angles = (2 * ((points + 0.5) / self.side) - 1) @ self.waves
        place = torch.cat([angles.sin(), angles.cos()], -1)
        place = torch.where(labels == -1, self.padding.weight, place)
        place = torch.where(labels == -10, 0.0, place)
        kind = self.kinds(labels[..., 0].clamp(min=0).long()) * (labels >= 0).to(place.dtype)
        return (place + kind)[:, None]


class Decoder(nn.Module):
    """Prompted features → four masks per object, their predicted IoU, and the object score"""

    def __init__(self, tracker: nn.Module) -> None:
        super().__init__()
        decoder = tracker.mask_decoder
        self.delta, self.threshold = decoder.dynamic_multimask_stability_delta, decoder.dynamic_multimask_stability_thresh
        self.falls_back = decoder.dynamic_multimask_via_stability
        self.prompts = Prompts(tracker.prompt_encoder)
        self.transformer, self.heads = decoder.transformer, decoder.output_hypernetworks_mlps
        self.up1, self.up2 = decoder.upscale_conv1, decoder.upscale_conv2
        self.up_norm, self.activation = decoder.upscale_layer_norm, decoder.activation
        self.iou_head, self.score_head = decoder.iou_prediction_head, decoder.pred_obj_score_head
        self.pointer_head = tracker.object_pointer_proj
        self.no_pointer = tracker.no_object_pointer
        tokens = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
        self.register_buffer("tokens", tokens.detach()[None, None], persistent=False)
        self.register_buffer("position", tracker.get_image_wide_positional_embeddings().detach(), persistent=False)

    def tokens_out(self, image: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """image [B,D,g,g], prompts [B,1,N,D] → tokens [B,6+N,D], image tokens [B,g²,D]"""
        tokens = torch.cat([self.tokens.expand(prompts.shape[0], -1, -1, -1), prompts], 2)
        tokens, image = self.transformer(tokens, image, self.position, None)
        return tokens[:, 0], image[:, 0]

    def masks(self, tokens: Tensor, image: Tensor, side: int, feat_s1: Tensor, feat_s0: Tensor) -> Tensor:
        """:return: [B,4,m,m]"""
        image = image.transpose(1, 2).reshape(-1, image.shape[2], side, side)
        fine = self.activation(self.up_norm(self.up1(image) + feat_s1))
        fine = self.activation(self.up2(fine) + feat_s0)
        kernels = torch.stack([head(tokens[:, 2 + i]) for i, head in enumerate(self.heads)], 1)
        return (kernels @ fine.flatten(2)).reshape(-1, 4, 4 * side, 4 * side)

    def iou(self, tokens: Tensor) -> Tensor:
        """:return: [B,4]"""
        return self.iou_head(tokens[:, 1])

    def score(self, tokens: Tensor) -> Tensor:
        """:return: [B,1]"""
        return self.score_head(tokens[:, 0])

    def pointers(self, tokens: Tensor, score: Tensor) -> Tensor:
        """:return: [B,4,D], the pointer for each selected mask; an absent object has the same pointer four times"""
        seen = (score > 0).to(tokens.dtype)[:, None]
        return seen * self.pointer_head(tokens[:, 2:6]) + (1 - seen) * self.no_pointer

    def stability(self, masks: Tensor) -> Tensor:
        """[B,4,m,m] → [B], stability of the first mask"""
        first = masks[:, 0].flatten(1)
        inner = (first > self.delta).to(masks.dtype).sum(1)
        outer = (first > -self.delta).to(masks.dtype).sum(1)
        return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)

    def choose(self, iou: Tensor, stability: Tensor, several: Tensor) -> Tensor:
        """Index of the mask that the model would return: [B] 0..3. several: [B] bool, whether the prompt is ambiguous."""
        candidate = iou[:, 1:].argmax(1) + 1
        unstable = stability < (self.threshold if self.falls_back else -1)
        return torch.where(several | unstable, candidate, 0)


def row(x: Tensor, index: Tensor) -> Tensor:
    """x [B,4,…], index [B] → [B,…]"""
    shape = [-1, 1, *[1] * (x.dim() - 2)]
    return x.gather(1, index.view(shape).expand(-1, -1, *x.shape[2:]))[:, 0]


class Ambiguity(nn.Module):
    """labels [B,N] → [B] bool, whether the decoder returns several masks"""

    def __init__(self, config: Any, *, tracking: bool) -> None:
        super().__init__()
        self.enabled = config.multimask_output_in_sam and (not tracking or config.multimask_output_for_tracking)
        self.fewest, self.most = config.multimask_min_pt_num, config.multimask_max_pt_num

    def forward(self, labels: Tensor) -> Tensor:
        points = (labels >= 0).int().sum(1)
        if not self.enabled:
            return points < 0
        return (points >= self.fewest) & (points <= self.most)


class Segment(nn.Module):
    """A prompt on a frame without memories"""

    def __init__(self, tracker: nn.Module) -> None:
        super().__init__()
        self.decoder = Decoder(tracker)
        self.mask_embed = tracker.prompt_encoder.mask_embed
        self.no_mask = tracker.prompt_encoder.no_mask_embed
        self.register_buffer("no_memory", tracker.no_memory_embedding.detach()[0, :, :, None, None], persistent=False)
        self.ambiguity = Ambiguity(tracker.config, tracking=False)
        self.side = tracker.prompt_encoder.image_embedding_size[0]

    def forward(
        self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, points: Tensor, labels: Tensor, mask_in: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, ...]:
        given = has_mask.view(-1, 1, 1, 1)
        dense = torch.where(given > 0, self.mask_embed(mask_in), self.no_mask.weight[:, :, None, None])
        decoder = self.decoder
        tokens, image = decoder.tokens_out(feat + self.no_memory + dense, decoder.prompts(points, labels))
        masks = decoder.masks(tokens, image, self.side, feat_s1, feat_s0)
        iou, score, stability = decoder.iou(tokens), decoder.score(tokens), decoder.stability(masks)
        several = self.ambiguity(labels)
        best = decoder.choose(iou, stability, several)
        pointers = decoder.pointers(tokens, score)
        # A mask that replaces an unstable first one keeps the first one's pointer.
        pointers = torch.where(several[:, None, None], pointers, pointers[:, :1])
        masks = torch.where(score[:, :, None, None] > 0, masks, ABSENT_LOGIT)
        return masks, iou, stability, score[:, 0], pointers, best.int()


class Seed(nn.Module):
    """A given mask: its pointer, and the mask as logits"""

    def __init__(self, tracker: nn.Module) -> None:
        super().__init__()
        self.decoder = Decoder(tracker)
        self.mask_embed = tracker.prompt_encoder.mask_embed
        self.to_prompt = tracker.mask_downsample
        self.image_side = tracker.image_size
        m = tracker.prompt_encoder.mask_input_size[0]
        self.shrink = Resize(self.image_side, m)
        self.fit = Resize(self.image_side // 4, m)
        self.register_buffer("point", torch.zeros(1, 1, 2), persistent=False)
        self.register_buffer("label", torch.full((1, 1), -1, dtype=torch.int32), persistent=False)

    def forward(self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        decoder = self.decoder
        large = enlarge(mask, self.image_side)
        prompt = decoder.prompts(self.point, self.label).expand(mask.shape[0], -1, -1, -1)
        dense = self.mask_embed(self.fit(self.to_prompt(large)))
        tokens, _ = decoder.tokens_out(feat + dense, prompt)
        best = decoder.iou(tokens)[:, 1:].argmax(1) + 1
        pointer = row(decoder.pointers(tokens, decoder.score(tokens)), best)
        seen = (mask.flatten(1).amax(1) > 0).to(mask.dtype)
        pointer = seen[:, None] * pointer + (1 - seen)[:, None] * decoder.no_pointer
        return pointer, MASK_SCALE * seen + MASK_BIAS, self.shrink(large * MASK_SCALE + MASK_BIAS)


class PointerTime(nn.Module):
    """Encoded age of pointers: [B,P] → [B,P,Dm]"""

    def __init__(self, tracker: nn.Module) -> None:
        super().__init__()
        half = tracker.hidden_dim // 2
        steps = torch.arange(half, dtype=torch.float32)
        self.register_buffer("period", 10000 ** (2 * (steps // 2) / half), persistent=False)
        self.projection = tracker.temporal_positional_encoding_projection_layer

    def forward(self, dt: Tensor) -> Tensor:
        angles = dt[..., None] / self.period
        return self.projection(torch.cat([angles.sin(), angles.cos()], -1))


class Track(nn.Module):
    """A frame conditioned on memories"""

    def __init__(self, tracker: nn.Module, image_position: Tensor, memory_position: Tensor, form: Form) -> None:
        """
        :param image_position: [1,D,g,g]
        :param memory_position: [T,Dm]
        """
        super().__init__()
        self.decoder = Decoder(tracker)
        self.attention = MemoryAttention(tracker.memory_attention, image_position, memory_position.shape[0], form)
        self.ambiguity = Ambiguity(tracker.config, tracking=True)
        timed = tracker.config.enable_temporal_pos_encoding_for_object_pointers
        self.pointer_time = PointerTime(tracker) if timed else None
        self.register_buffer("rows", tracker.memory_temporal_positional_encoding.detach()[:, 0], persistent=False)
        self.register_buffer("place", memory_position.detach(), persistent=False)
        no_mask = tracker.prompt_encoder.no_mask_embed.weight.detach()
        self.register_buffer("no_mask", no_mask[:, :, None, None], persistent=False)
        self.side = image_position.shape[-1]
        self.parts, self.width = tracker.hidden_dim // tracker.mem_dim, tracker.mem_dim

    def forward(
        self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, memory: Tensor, memory_t: Tensor, pointers: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        points, labels = rest[-2:]
        position = self.place + self.rows[memory_t.long()]  # [B,M,T,Dm]
        age = None
        if self.pointer_time is not None:
            age = self.split(torch.cat([self.pointer_time(rest[0])] * self.parts, 2))
        image = self.attention(feat, memory, position, self.split(pointers), age)

        decoder = self.decoder
        tokens, image = decoder.tokens_out(image + self.no_mask, decoder.prompts(points, labels))
        masks = decoder.masks(tokens, image, self.side, feat_s1, feat_s0)
        iou, score = decoder.iou(tokens), decoder.score(tokens)
        several = self.ambiguity(labels)
        best = decoder.choose(iou, decoder.stability(masks), several)
        all_pointers = decoder.pointers(tokens, score)
        # A mask that replaces an unstable first one keeps the first one's pointer.
        pointer = torch.where(several[:, None], row(all_pointers, best), all_pointers[:, 0])
        mask = row(masks, best)[:, None]
        mask = torch.where(score[:, :, None, None] > 0, mask, ABSENT_LOGIT)
        return mask, score[:, 0], row(iou[..., None], best)[:, 0], pointer

    def split(self, pointers: Tensor) -> Tensor:
        """[B,P,D] → tokens of the memory's width, [B,P·D/Dm,Dm]"""
        return pointers.reshape(pointers.shape[0], -1, self.width)


class Remember(nn.Module):
    """A frame and a mask on it → a memory. mask [B,1,h,w]: logits, at most as large as the image."""

    def __init__(self, tracker: nn.Module, memory_side: int, form: Form, *, direct: bool) -> None:
        """
        :param memory_side: side of the memory encoder's mask input, pixels
        :param direct: whether tracked masks are resized directly to that size, as in
          `Sam3VideoModel._tracker_update_memories`;
        otherwise via the image's size, as in the other trackers. Given masks (`binarize`) always use the second way.
        """
        super().__init__()
        encoder = tracker.memory_encoder
        self.downsample, self.project_in = encoder.mask_downsampler, encoder.feature_projection
        self.fuse, self.project_out = encoder.memory_fuser, encoder.projection
        if form == "fused":
            self.fuse = Fuser(self.fuse, tracker.prompt_encoder.image_embedding_size[0])
        self.scale, self.bias = tracker.config.sigmoid_scale_for_mem_enc, tracker.config.sigmoid_bias_for_mem_enc
        self.image_side, self.memory_side = tracker.image_size, memory_side
        self.direct = direct and self.memory_side > self.image_side
        self.fit = Resize(self.image_side, self.memory_side)
        occluded = tracker.occlusion_spatial_embedding_parameter
        self.occluded = None if occluded is None else occluded

    def forward(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        return self.tokens(self.encode(feat, mask, score, binarize))

    def encode(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        """:return: [B,Dm,g,g]"""
        given = self.fit(enlarge(mask, self.image_side))
        tracked = enlarge(mask, self.memory_side) if self.direct else given
        hard = (given > 0).to(mask.dtype)
        seen = torch.where(binarize.view(-1, 1, 1, 1) > 0, hard, torch.sigmoid(tracked)) * self.scale + self.bias
        memory = self.project_out(self.fuse(self.project_in(feat) + self.downsample(seen)))
        if self.occluded is not None:
            gone = (score <= 0).to(mask.dtype).view(-1, 1, 1, 1)
            memory = memory + gone * self.occluded[..., None, None]
        return memory

    def tokens(self, memory: Tensor) -> Tensor:
        """[B,Dm,g,g] → [B,T,Dm]"""
        return memory.flatten(2).transpose(1, 2)
