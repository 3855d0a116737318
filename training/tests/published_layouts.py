"""Writes files with the names, shapes and layouts in which others publish SAM 3, SAM 2.1 and EdgeTAM, from any
checkpoint.

The published files cannot be downloaded where the tests run. These files are traced from the same methods of
transformers, one object at a time, so an adapter that accepts them also accepts the published ones.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from masklet_export.detector import Detect, padding_bias

OPSET = 17
INTERPOLATE = torch.nn.functional.interpolate


def write(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], axes: dict[str, dict[int, str]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), tuple(inputs.values()), str(path), input_names=list(inputs), output_names=outputs,
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip


class Vision(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.tracker = getattr(model, "tracker_model", model)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        if self.tracker is self.model:
            seen = self.tracker.get_image_features(pixel_values, return_dict=True)
            levels, places = seen.fpn_hidden_states, seen.fpn_position_encoding
        else:
            seen = self.model.detector_model.vision_encoder(pixel_values)
            levels, places = self.model.get_vision_features_for_tracker(seen)
        sides = [side[0] for side in self.tracker.backbone_feature_sizes]

        def maps(flat: list[Tensor]) -> list[Tensor]:
            return [x.permute(1, 2, 0).reshape(1, x.shape[2], s, s) for x, s in zip(flat, sides)]

        return (*maps(levels), *maps(places))


class Decoder(nn.Module):
    def __init__(self, tracker: nn.Module) -> None:
        super().__init__()
        self.tracker = tracker

    def forward(self, feats0: Tensor, feats1: Tensor, feats2: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        out = self.tracker._single_frame_forward(
            input_points=points, input_labels=labels, image_embeddings=[feats0, feats1, feats2], multimask_output=True
        )
        return out.pred_masks, out.high_res_masks, out.iou_scores, out.object_pointer, out.object_score_logits


class Attention(nn.Module):
    def __init__(self, tracker: nn.Module, tokens_per_memory: int) -> None:
        super().__init__()
        self.attention, self.tokens = tracker.memory_attention, tokens_per_memory
        self.counts_memories = hasattr(tracker, "spatial_perceiver")

    def forward(
        self, feat: Tensor, position: Tensor, spatial: Tensor, spatial_position: Tensor, pointers: Tensor, pointer_position: Tensor
    ) -> Tensor:
        more = {"num_spatial_memory_tokens": spatial.shape[0] // self.tokens} if self.counts_memories else {}
        return self.attention(
            current_vision_features=feat,
            current_vision_position_embeddings=position,
            memory=torch.cat([spatial, pointers]),
            memory_posision_embeddings=torch.cat([spatial_position, pointer_position]),
            num_object_pointer_tokens=pointers.shape[0],
            **more,
        )


class Encoder(nn.Module):
    def __init__(self, tracker: nn.Module) -> None:
        super().__init__()
        self.tracker = tracker

    def forward(self, feat: Tensor, mask: Tensor, is_mask_from_pts: Tensor) -> tuple[Tensor, Tensor]:
        flat, seen = feat.flatten(2).permute(2, 0, 1), torch.ones(1, 1)

        # SAM 3 enlarges the mask. Antialiasing has no effect then, but cannot be traced.
        def plain(*inputs: Any, antialias: bool = False, **more: Any) -> Tensor:  # noqa: ARG001
            return INTERPOLATE(*inputs, **more)

        with patch.object(torch, "bfloat16", torch.float32), patch.object(torch.nn.functional, "interpolate", plain):
            given, place = self.tracker._encode_new_memory(flat, mask, seen, True)
            tracked, _ = self.tracker._encode_new_memory(flat, mask, seen, False)
        memory = torch.where(is_mask_from_pts, given, tracked)
        width = memory.shape[-1]
        if isinstance(place, list):
            place = place[-1]
        if place.dim() == 4:
            place = place.flatten(2).permute(2, 0, 1)
        return memory.reshape(-1, 1, width), place.reshape(-1, 1, width)


def write_jax_video(model: nn.Module, folder: Path) -> None:
    """`jax-image-tools/*-video-onnx`, with the constants that the graphs expect from their host in `constants.npz`"""
    tracker = getattr(model, "tracker_model", model)
    S = tracker.image_size if isinstance(tracker.image_size, int) else tracker.image_size[0]
    g, D, Dm = tracker.prompt_encoder.image_embedding_size[0], tracker.hidden_dim, tracker.mem_dim
    feats = {
        "feats0": torch.randn(1, D // 8, 4 * g, 4 * g),
        "feats1": torch.randn(1, D // 4, 2 * g, 2 * g),
        "feats2": torch.randn(1, D, g, g),
    }
    names = [f"{kind}{level}" for kind in ("feats", "pos") for level in range(3)]
    write(Vision(model), {"pixel_values": torch.randn(1, 3, S, S)}, names, {}, folder / "vision_encoder.onnx")
    prompt = {"input_points": torch.rand(1, 1, 2, 2) * S, "input_labels": torch.ones(1, 1, 2, dtype=torch.int32)}
    write(
        Decoder(tracker), feats | prompt,
        ["pred_masks", "high_res_masks", "iou_scores", "object_pointer", "object_score_logits"],
        {"input_points": {2: "P"}, "input_labels": {2: "P"}}, folder / "mask_decoder.onnx",
    )  # fmt: skip
    large = {"pred_masks_high_res": torch.randn(1, 1, S, S), "is_mask_from_pts": torch.ones(1, dtype=torch.bool)}
    encoder = Encoder(tracker)
    write(
        encoder, {"vision_features": feats["feats2"]} | large, ["memory_tokens", "memory_pos_enc"], {},
        folder / "memory_encoder.onnx",
    )  # fmt: skip
    with torch.no_grad():
        tokens = encoder(feats["feats2"], *large.values())[0].shape[0]
    spatial, pointers = (torch.randn(count, 1, Dm) for count in (2 * tokens, 3 * D // Dm))
    write(
        Attention(tracker, tokens),
        {
            "current_vision_features": torch.randn(g * g, 1, D),
            "current_vision_position_embeddings": torch.randn(g * g, 1, D),
            "spatial_memory": spatial, "spatial_memory_position_embeddings": torch.randn_like(spatial),
            "pointer_memory": pointers, "pointer_memory_position_embeddings": torch.randn_like(pointers),
        },
        ["conditioned_features"],
        {
            f"{kind}_memory{what}": {0: kind} for kind in ("spatial", "pointer")
            for what in ("", "_position_embeddings")
        },
        folder / "memory_attention.onnx",
    )  # fmt: skip
    np.savez(folder / "constants.npz", **constants_of(tracker))


def constants_of(tracker: nn.Module) -> dict[str, np.ndarray]:
    wanted = (
        "no_memory_embedding", "no_object_pointer", "memory_temporal_positional_encoding",
        "temporal_positional_encoding_projection_layer", "occlusion_spatial_embedding_parameter",
    )  # fmt: skip
    return {name: values.detach().numpy() for name, values in tracker.state_dict().items() if name.startswith(wanted)}


class PyramidVision(nn.Module):
    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.encoder = detector.vision_encoder

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        seen = self.encoder(images)
        return (*seen.fpn_hidden_states[:3], seen.fpn_position_encoding[2].expand(images.shape[0], -1, -1, -1))


class Words(nn.Module):
    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.detector.get_text_features(input_ids, attention_mask).pooler_output, attention_mask > 0


class PyramidDecoder(nn.Module):
    """Geometry encoder and decoder over all queries, from the exporter's parts, which are tested against transformers"""

    def __init__(self, detector: nn.Module, side: int) -> None:
        super().__init__()
        self.parts = Detect(detector, side, kept=detector.config.detr_decoder_config.num_queries)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        fine, middle, coarse, place, text, text_mask, boxes, labels = inputs
        parts = self.parts
        geometry, geometry_mask = parts.geometry(boxes, labels, coarse, place)
        prompt = torch.cat([text, geometry], 1)
        mask = torch.cat([text_mask.to(text.dtype), geometry_mask], 1)
        bias = padding_bias(mask)
        cells, position = (x.flatten(2).transpose(1, 2).expand(text.shape[0], -1, -1) for x in (coarse, place))
        for layer in parts.encoder.layers:
            cells = layer(cells, prompt_feats=prompt, vision_pos_encoding=position, prompt_cross_attn_mask=bias)
        found, found_boxes, presence = parts.queries(cells, position, prompt, bias)
        logits = parts.scoring(found[None], prompt, mask)[0, :, :, 0]
        centre, half = found_boxes[..., :2], found_boxes[..., 2:] * 0.5
        masks = parts.masks(found, [fine, middle, coarse], cells, prompt, bias)
        return masks, torch.cat([centre - half, centre + half], -1), logits, presence


def write_usls_detector(detector: nn.Module, folder: Path) -> None:
    """`jamjamjon/usls` release `sam3`, version 2."""
    config = detector.config
    side = config.vision_config.backbone_config.image_size
    g = side // config.vision_config.backbone_config.patch_size
    width, length = config.vision_config.fpn_hidden_size, config.text_config.max_position_embeddings
    pyramid = ["fpn_feat_0", "fpn_feat_1", "fpn_feat_2", "fpn_pos_2"]
    batch = {0: "batch"}
    write(
        PyramidVision(detector), {"images": torch.randn(1, 3, side, side)}, pyramid,
        {name: batch for name in ("images", *pyramid)}, folder / "vision-encoder.onnx",
    )  # fmt: skip
    words = {
        "input_ids": torch.ones(1, length, dtype=torch.long), "attention_mask": torch.ones(1, length, dtype=torch.long),
    }  # fmt: skip
    outputs = ["text_features", "text_mask"]
    write(Words(detector), words, outputs, {name: batch for name in (*words, *outputs)}, folder / "text-encoder.onnx")
    inputs = {
        name: torch.randn(1, width, scale * g, scale * g) for name, scale in zip(pyramid, (4, 2, 1, 1))
    } | {
        "text_features": torch.randn(1, length, width), "text_mask": torch.ones(1, length, dtype=torch.bool),
        "input_boxes": torch.full((1, 2, 4), 0.5), "input_boxes_labels": torch.ones(1, 2, dtype=torch.long),
    }  # fmt: skip
    outputs = ["pred_masks", "pred_boxes", "pred_logits", "presence_logits"]
    axes = {name: dict(batch) for name in (*inputs, *outputs)}
    for name in ("input_boxes", "input_boxes_labels"):
        axes[name][1] = "boxes"
    write(PyramidDecoder(detector, g), inputs, outputs, axes, folder / "geo-encoder-mask-decoder.onnx")
