"""SAM 3's detector as `detect`: C concepts at once over one image.

The parts are those of transformers' `Sam3Model`, in the order of its `forward`. Where that method accepts lists of
boxes, empty geometry or prompts of one length, this module accepts padding. A slot labelled -10 is ignored. A concept
whose slots are all padding is queried by its text alone, exactly as if no geometry had been given.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from .attention import padding_bias

PADDING = -10


class _RoiAlign(torch.autograd.Function):
    """x [1,D,g,g], boxes [R,4] in cells → [R,D,size,size]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, boxes: Tensor, size: int) -> Tensor:  # noqa: ARG004
        return torchvision.ops.roi_align(x, F.pad(boxes, (1, 0)), size)

    @staticmethod
    def symbolic(g: Any, x: Any, boxes: Any, size: int) -> Any:
        zero = g.op("Constant", value_t=torch.tensor([0], dtype=torch.int64))
        one = g.op("Constant", value_t=torch.tensor([1], dtype=torch.int64))
        count = g.op("Slice", g.op("Shape", boxes), zero, one, zero)
        images = g.op("ConstantOfShape", count, value_t=torch.tensor([0], dtype=torch.int64))
        return g.op(
            "RoiAlign", x, boxes, images,
            coordinate_transformation_mode_s="output_half_pixel", mode_s="avg",
            output_height_i=size, output_width_i=size, sampling_ratio_i=0, spatial_scale_f=1.0,
        )  # fmt: skip


class Geometry(nn.Module):
    """Exemplar boxes → prompt tokens."""

    def __init__(self, encoder: nn.Module, side: int) -> None:
        super().__init__()
        self.encoder, self.side = encoder, side

    def forward(self, boxes: Tensor, labels: Tensor, feat: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """boxes [C,E,4] centre and size, 0..1; feat, position [1,D,g,g] → tokens [C,E+1,D], mask [C,E+1]"""
        encoder = self.encoder
        normed = encoder.vision_layer_norm(feat.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        centre, size = boxes[..., :2], boxes[..., 2:]
        corners = torch.cat([centre - size / 2, centre + size / 2], -1) * self.side
        pooled = _RoiAlign.apply(normed, corners.flatten(0, 1), encoder.roi_size)
        pooled = encoder.boxes_pool_project(pooled).reshape(boxes.shape[0], boxes.shape[1], -1)
        x, y, w, h = boxes.flatten(0, 1).unbind(-1)
        place = encoder.boxes_pos_enc_project(encoder._encode_box_coordinates(x, y, w, h))
        place = place.reshape(boxes.shape[0], boxes.shape[1], -1)
        kind = encoder.label_embed((labels == 1).long())
        tokens = kind + (encoder.boxes_direct_project(boxes) + pooled + place)

        valid = (labels != PADDING).to(boxes.dtype)
        mask = torch.cat([valid, valid.amax(1, keepdim=True)], 1)
        tokens = torch.cat([tokens, encoder.cls_embed.weight[None].expand(boxes.shape[0], -1, -1)], 1)
        tokens = encoder.prompt_layer_norm(encoder.final_proj(tokens))
        cells, cell_position = (x.flatten(2).transpose(1, 2).expand(boxes.shape[0], -1, -1) for x in (feat, position))
        # The tokens of padding are not read, but a mask that hides every cell would make them NaN.
        bias = padding_bias(torch.maximum(mask, (mask.amax(1, keepdim=True) == 0).to(mask.dtype)))
        for layer in encoder.layers:
            tokens = layer(prompt_feats=tokens, vision_feats=cells, vision_pos_encoding=cell_position, prompt_mask=bias)
        return encoder.output_layer_norm(tokens), mask


class Queries(nn.Module):
    """The decoder: queries locate instances and refine their boxes layer by layer."""

    def __init__(self, decoder: nn.Module, side: int) -> None:
        super().__init__()
        self.decoder, self.side = decoder, side
        self.register_buffer("cells", torch.arange(side, dtype=torch.float32) / side, persistent=False)
        frequencies = decoder.position_encoding
        index = torch.arange(frequencies.num_position_features, dtype=torch.float32)
        period = frequencies.temperature ** (2 * (index // 2) / frequencies.num_position_features)
        self.register_buffer("wave", frequencies.scale / period, persistent=False)

    def forward(self, cells: Tensor, position: Tensor, prompt: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """cells, position [C,g²,D], prompt [C,T,D] → queries [C,Q,D], boxes [C,Q,4] centre and size, presence [C,1]"""
        decoder, count = self.decoder, cells.shape[0]
        tokens = torch.cat([decoder.presence_token.weight, decoder.query_embed.weight])[None].expand(count, -1, -1)
        boxes = decoder.reference_points.weight[None].expand(count, -1, -1).sigmoid()
        for layer in decoder.layers:
            tokens = layer(
                tokens, query_pos=decoder.ref_point_head(self.encode(boxes)), text_features=prompt,
                vision_features=cells, vision_pos_encoding=position, text_cross_attn_mask=bias,
                vision_cross_attn_mask=F.pad(self.box_bias(boxes), (0, 0, 1, 0)),
            )  # fmt: skip
            found = decoder.output_layer_norm(tokens[:, 1:])
            boxes = (decoder.box_head(found) + inverse_sigmoid(boxes)).sigmoid()
        limit = decoder.clamp_presence_logit_max_val
        presence = decoder.presence_head(decoder.presence_layer_norm(tokens[:, :1])).squeeze(-1)
        return found, boxes, presence.clamp(-limit, limit)

    def encode(self, boxes: Tensor) -> Tensor:
        """[C,Q,4] → [C,Q,2D]: sines and cosines interleaved, in the order y, x, width, height"""
        angles = boxes[..., None] * self.wave
        waves = torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], -1).flatten(-2)
        x, y, w, h = waves.unbind(2)
        return torch.cat([y, x, w, h], -1)

    def box_bias(self, boxes: Tensor) -> Tensor:
        """Attention bias of a query on each cell, by the cell's position relative to the box: [C,heads,Q,g²]."""
        centre, size = boxes[..., :2], boxes[..., 2:]
        low, high = centre - size / 2, centre + size / 2
        sides = []
        for axis, embed in ((1, self.decoder.box_rpb_embed_y), (0, self.decoder.box_rpb_embed_x)):
            edges = torch.stack([low[..., axis], high[..., axis]], -1)[:, :, None]  # [C,Q,1,2]
            away = (self.cells[:, None] - edges) * 8
            sides.append(embed(torch.sign(away) * torch.log2(away.abs() + 1) / math.log2(8)))  # [C,Q,g,heads]
        return (sides[0][:, :, :, None] + sides[1][:, :, None]).flatten(2, 3).permute(0, 3, 1, 2)


def inverse_sigmoid(x: Tensor, eps: float = 1e-3) -> Tensor:
    return torch.log(x.clamp(eps, 1) / (1 - x).clamp(eps, 1))


class Masks(nn.Module):
    """Mask logits of selected queries"""

    def __init__(self, decoder: nn.Module, side: int) -> None:
        super().__init__()
        self.decoder, self.side = decoder, side

    def forward(self, queries: Tensor, levels: list[Tensor], cells: Tensor, prompt: Tensor, bias: Tensor) -> Tensor:
        """queries [C,K,D], levels fine to coarse [1,D,·,·], cells [C,g²,D] → [C,K,m,m]"""
        decoder, pixels = self.decoder, self.decoder.pixel_decoder
        normed = decoder.prompt_cross_attn_norm(cells)
        attended, _ = decoder.prompt_cross_attn(query=normed, key=prompt, value=prompt, attention_mask=bias)
        x = (cells + attended).transpose(1, 2).reshape(-1, cells.shape[2], self.side, self.side)
        for step, level in enumerate(reversed(levels[:-1])):
            x = F.interpolate(x, size=(self.side << (step + 1),) * 2, mode="nearest") + level
            x = F.relu(pixels.norms[step](pixels.conv_layers[step](x)))
        x = decoder.instance_projection(x)
        side = self.side << (len(levels) - 1)
        return (decoder.mask_embedder(queries) @ x.flatten(2)).reshape(-1, queries.shape[1], side, side)


class Detect(nn.Module):
    def __init__(self, detector: nn.Module, side: int, kept: int) -> None:
        super().__init__()
        self.neck = nn.ModuleList(detector.vision_encoder.neck.fpn_layers[:3])
        self.encoder, self.scoring = detector.detr_encoder, detector.dot_product_scoring
        self.geometry = Geometry(detector.geometry_encoder, side)
        self.queries = Queries(detector.detr_decoder, side)
        self.masks = Masks(detector.mask_decoder, side)
        self.kept = kept
        width = detector.config.vision_config.fpn_hidden_size
        position = detector.vision_encoder.neck.position_encoding((1, width, side, side), "cpu", torch.float32)
        self.register_buffer("position", position.clone(), persistent=False)

    def forward(self, trunk: Tensor, text: Tensor, text_mask: Tensor, boxes: Tensor, box_labels: Tensor) -> tuple[Tensor, ...]:
        levels = [layer(trunk) for layer in self.neck]
        geometry, geometry_mask = self.geometry(boxes, box_labels, levels[-1], self.position)
        prompt = torch.cat([text, geometry], 1)
        mask = torch.cat([text_mask.to(text.dtype), geometry_mask], 1)
        bias = padding_bias(mask)
        cells, position = (x.flatten(2).transpose(1, 2).expand(text.shape[0], -1, -1) for x in (levels[-1], self.position))
        for layer in self.encoder.layers:
            cells = layer(cells, prompt_feats=prompt, vision_pos_encoding=position, prompt_cross_attn_mask=bias)
        found, found_boxes, presence = self.queries(cells, position, prompt, bias)
        logits = self.scoring(found[None], prompt, mask)[0, :, :, 0]
        presence = presence.sigmoid()
        scores, query = (logits.sigmoid() * presence).topk(self.kept, dim=1)
        best, chosen = (x.gather(1, query[..., None].expand(-1, -1, x.shape[2])) for x in (found_boxes, found))
        centre, half = best[..., :2], best[..., 2:] * 0.5
        corners = torch.cat([centre - half, centre + half], -1)
        masks = self.masks(chosen, levels, cells, prompt, bias)
        return scores, corners, masks, presence[:, 0], query.int()
