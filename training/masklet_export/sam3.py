"""SAM 3 (`Sam3VideoModel`): one image encoder, a detector for concepts and a tracker."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .attention import Form
from .detector import Detect
from .family import Family, expect, pixel_statistics, tracker_geometry, tracker_parts
from .joined import joined
from .lite_text import lite_text
from .pixels import Pixels
from .spec import Geometry
from .tracker import Remember, Seed, Segment, Track
from .windows import WindowedLayers, window_of


class Constant(nn.Module):
    """Returns constants for any input."""

    def __init__(self, *tables: Tensor) -> None:
        super().__init__()
        self.count = len(tables)
        for index, table in enumerate(tables):
            self.register_buffer(f"table{index}", table.clone(), persistent=False)

    def forward(self, *_: Any) -> tuple[Tensor, ...]:
        return tuple(getattr(self, f"table{index}") for index in range(self.count))


class Encode(nn.Module):
    """image → trunk and the tracker's three levels"""

    def __init__(self, model: nn.Module, side: int, pixels: Pixels, form: Form) -> None:
        super().__init__()
        vit = model.detector_model.vision_encoder.backbone
        self.pixels, self.side = pixels, side
        embeddings = vit.embeddings
        self.patches = embeddings.patch_embeddings.projection
        position_embedding = embeddings._tile_position_embeddings(embeddings.position_embeddings, side, side)
        self.register_buffer("position_embedding", position_embedding.detach().view(1, side, side, -1), persistent=False)
        self.norm = vit.layer_norm
        window = window_of(vit.layers)
        if form == "fused" and window and side % window == 0:
            self.layers = WindowedLayers(vit.layers, side)
        else:
            for layer in vit.layers:
                layer.rotary_emb = Constant(*layer.rotary_emb(layer.position_ids, layer.position_ids))
            self.layers = nn.Sequential(*vit.layers)
        fine, middle, self.coarse = model.tracker_neck.fpn_layers[:3]
        decoder = model.tracker_model.mask_decoder
        self.fine, self.middle = composed_level(fine, decoder.conv_s0), composed_level(middle, decoder.conv_s1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.norm(self.patches(self.pixels(image)).permute(0, 2, 3, 1) + self.position_embedding)
        trunk = self.layers(x).permute(0, 3, 1, 2)
        return self.coarse(trunk), self.middle(trunk), self.fine(trunk), trunk


def composed_level(level: nn.Module, conv: nn.Conv2d) -> nn.Sequential:
    """A level of the neck, merged with the mask decoder's convolution, its only consumer."""
    return nn.Sequential(*level.scale_layers, level.proj1, joined(level.proj2, conv))


class Text(nn.Module):
    """Token ids → the concept features of the detector"""

    def __init__(self, detector: nn.Module, length: int) -> None:
        super().__init__()
        clip = detector.text_encoder.text_model
        self.tokens, self.layers = clip.embeddings.token_embedding, clip.encoder.layers
        self.norm, self.projection = clip.final_layer_norm, detector.text_projection
        position_embedding = clip.embeddings.position_embedding.weight.detach()[:length]
        self.register_buffer("position_embedding", position_embedding.clone(), persistent=False)
        self.register_buffer("earlier", torch.ones(length, length).tril(), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.tokens(input_ids) + self.position_embedding
        seen = self.earlier[None] * attention_mask[:, None].to(self.earlier.dtype)
        bias = ((1 - seen) * torch.finfo(seen.dtype).min)[:, None]
        for layer in self.layers:
            x = layer(x, bias)
        return self.projection(self.norm(x))


class Sam3(Family):
    name = "sam3"

    def __init__(self, model: nn.Module, form: Form, *, kept: int | None, processor: dict[str, Any], lite: nn.Module | None = None) -> None:
        """:param lite: a `Sam3LiteTextModel` whose text encoder replaces this model's"""
        config = model.config
        vision, tracker = model.detector_model.config.vision_config, model.tracker_model
        sides = tracker_geometry(tracker)
        backbone = vision.backbone_config
        expect(backbone.patch_size, tracker.config.prompt_encoder_config.patch_size, "patch_size of detector and tracker")
        expect(backbone.image_size, tracker.image_size, "image_size of detector and tracker")
        expect(list(vision.scale_factors[:3]), [4.0, 2.0, 1.0], "the first three vision_config.scale_factors")
        expect(config.low_res_mask_size, sides.m, "low_res_mask_size (four times the feature map's side)")
        expect(vision.fpn_hidden_size, sides.D, "hidden width of detector and tracker")
        queries = model.detector_model.config.detr_decoder_config.num_queries
        length = model.detector_model.config.text_config.max_position_embeddings
        self.geometry = Geometry(**vars(sides) | {"Ct": backbone.hidden_size, "L": length, "K": min(kept or 64, queries)})
        super().__init__(model.tracker_model, form, processor)
        self.model, self.form = model, form
        self.pixels = Pixels(*pixel_statistics(processor, [0.5] * 3, [0.5] * 3))
        text_model = lite or model.detector_model
        self.vocabulary = text_model.config.text_config.vocab_size
        self.text = lite_text(lite, length, sides.D) if lite else Text(model.detector_model, length)

    def modules(self) -> dict[str, nn.Module]:
        model, tracker, z = self.model, self.model.tracker_model, self.geometry
        image, memory = self.positions()
        assert z.K is not None
        return {
            "encode": Encode(model, z.g, self.pixels, self.form),
            "text": self.text,
            "detect": Detect(model.detector_model, z.g, z.K),
            "segment": Segment(tracker),
            "seed": Seed(tracker),
            "track": Track(tracker, image, memory, self.form),
            "remember": Remember(tracker, 4 * z.m, self.form, direct=True),
        }

    def positions(self) -> tuple[Tensor, Tensor]:
        return tracker_parts(self.tracker, self.model.tracker_neck)

    def detect_rules(self) -> dict[str, float]:
        config = self.model.config
        return {
            "scoreThreshold": config.score_threshold_detection,
            "nmsIou": config.det_nms_thresh,
            "newObjectScore": config.new_det_thresh,
        }
