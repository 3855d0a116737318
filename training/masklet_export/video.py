"""SAM 2.1 (`Sam2VideoModel`) and EdgeTAM (`EdgeTamVideoModel`): trackers without a detector."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from timm.utils import reparameterize_model
from torch import Tensor, nn

from .attention import Form
from .family import Family, expect, pixel_statistics, tracker_geometry, tracker_parts
from .hiera import hiera
from .joined import joined
from .pixels import Pixels
from .tracker import Remember, Seed, Segment, Track

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


class Encode(nn.Module):
    """image → the tracker's three levels"""

    def __init__(self, model: nn.Module, backbone: nn.Module, pixels: Pixels) -> None:
        super().__init__()
        self.pixels, self.backbone = pixels, backbone
        neck, decoder = model.vision_encoder.neck, model.mask_decoder
        self.convs, self.top_down = neck.convs, neck.fpn_top_down_levels
        # Where the two finer levels get no input from the coarser one, they are merged with the decoder's
        # convolutions.
        self.apart = not {0, 1} & set(self.top_down)
        ends = (decoder.conv_s0, decoder.conv_s1)
        if self.apart:
            ends = tuple(joined(neck.convs[-1 - index], end) for index, end in enumerate(ends))
        self.conv_s0, self.conv_s1 = ends

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = self.backbone(self.pixels(image))
        coarsest = len(maps) - 1
        levels = dict(enumerate(maps))
        for index in range(coarsest, 1 if self.apart else -1, -1):
            level = self.convs[coarsest - index](maps[index])
            if index != coarsest and index in self.top_down:
                level = level + F.interpolate(levels[index + 1], scale_factor=2.0, mode="nearest")
            levels[index] = level
        return levels[2], self.conv_s1(levels[1]), self.conv_s0(levels[0])


class RememberPerceived(Remember):
    """EdgeTAM's memory: a few tokens that attend to the map, the first of them without a position"""

    def __init__(self, tracker: nn.Module, form: Form) -> None:
        super().__init__(tracker, tracker.image_size, form, direct=False)
        self.perceiver = tracker.spatial_perceiver
        _, memory = tracker_parts(tracker, tracker.vision_encoder.neck)
        self.register_buffer("places", memory[None], persistent=False)
        self.windows = int(self.perceiver.num_latents_2d**0.5)
        self.window_side = tracker.prompt_encoder.image_embedding_size[0] // max(1, self.windows)

    def tokens(self, memory: Tensor) -> Tensor:
        perceiver, cells = self.perceiver, memory.permute(0, 2, 3, 1)
        count, found = memory.shape[0], []
        if perceiver.num_latents_1d > 0:
            latents = perceiver.latents_1d[None].expand(count, -1, -1)
            seen = cells.flatten(1, 2)
            places = self.places.expand(count, -1, -1)
            for layer in perceiver.layers:
                latents = layer(latents, seen, places)
            found.append(perceiver.layer_norm(latents))
        if perceiver.num_latents_2d > 0:
            n, side = self.windows, self.window_side
            latents = perceiver.latents_2d[None].expand(count, -1, -1).reshape(-1, 1, memory.shape[1])
            width = memory.shape[1]
            seen = cells.reshape(-1, n, side, n, side, width).transpose(2, 3).reshape(-1, side * side, width)
            for layer in perceiver.layers:
                latents = layer(latents, seen, None)
            found.append(perceiver.layer_norm(latents.reshape(-1, n * n, memory.shape[1])))
        return torch.cat(found, 1)


class Sam2(Family):
    name = "sam2"

    def __init__(self, model: nn.Module, form: Form, *, processor: dict[str, Any]) -> None:
        super().__init__(model, form, processor)
        self.model, self.geometry = model, tracker_geometry(model)
        expect(model.config.vision_config.num_feature_levels, 3, "vision_config.num_feature_levels")
        self.pixels = Pixels(*pixel_statistics(processor, *IMAGENET))

    def modules(self) -> dict[str, nn.Module]:
        tracker = self.model
        return {
            "encode": Encode(tracker, self.backbone(), self.pixels),
            "segment": Segment(tracker),
            "seed": Seed(tracker),
            "track": Track(tracker, *self.positions(), self.form),
            "remember": self.remember(),
        }

    def backbone(self) -> nn.Module:
        return hiera(self.model.vision_encoder.backbone, 4 * self.geometry.g, self.form)

    def remember(self) -> Remember:
        return Remember(self.model, 4 * self.geometry.m, self.form, direct=False)

    def positions(self) -> tuple[Tensor, Tensor]:
        return tracker_parts(self.model, self.model.vision_encoder.neck)


class EdgeTam(Sam2):
    name = "edgetam"
    memory_precision = "float32"

    def __init__(self, model: nn.Module, form: Form, *, processor: dict[str, Any]) -> None:
        super().__init__(model, form, processor=processor)
        perceiver, g = model.spatial_perceiver, self.geometry.g
        windows = int(perceiver.num_latents_2d**0.5)
        expect(windows**2, perceiver.num_latents_2d, "the squared integer root of perceiver_resampler_num_latents_2d")
        if windows > 0:
            expect(g % windows, 0, f"the feature map's side {g} modulo the perceiver's {windows} windows")
        keys = list(model.config.memory_attention_rope_k_sizes)
        expect(keys, [windows, windows], "memory_attention_rope_k_sizes")
        expect(4 * self.geometry.m, self.geometry.S, "the memory encoder's mask side (the image's side)")
        self.geometry = replace(self.geometry, T=perceiver.num_latents_1d + perceiver.num_latents_2d)

    def backbone(self) -> nn.Module:
        backbone = self.model.vision_encoder.backbone
        if not hasattr(backbone, "timm_model"):
            return super().backbone()
        # RepViT trains three branches that one convolution can replace. The sum is computed in double precision, so
        # nothing is lost.
        return reparameterize_model(deepcopy(backbone.timm_model).double(), inplace=True).float()

    def remember(self) -> Remember:
        return RememberPerceived(self.model, self.form)

    def positions(self) -> tuple[Tensor, Tensor]:
        image, _ = super().positions()
        perceiver, z = self.model.spatial_perceiver, self.geometry
        n = int(perceiver.num_latents_2d**0.5)
        placed = perceiver.positional_encoding((1, z.Dm, n, n), "cpu", torch.float32)[0].flatten(1).transpose(0, 1)
        return image, torch.cat([torch.zeros(perceiver.num_latents_1d, z.Dm), placed])
