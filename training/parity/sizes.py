"""Small random configurations of the model families. Heads, layers, widths, queries, memory slots and pointers all
differ, so that a swapped axis or a wrong constant causes an error.
"""

from dataclasses import dataclass

import torch
from transformers import (
    Sam3Config,
    Sam3TrackerVideoConfig,
    Sam3VideoConfig,
    Sam3VideoModel,
)


@dataclass(frozen=True)
class Sam3Sizes:
    """Sizes of one small SAM 3. Each variant uses another row of `SAM3_SIZES`."""

    patch: int
    grid: int
    vit_width: int
    vit_heads: int
    window: int
    table: int
    """Side of the position table, which is tiled over the grid"""
    width: int
    """Hidden width of detector and tracker"""
    queries: int
    detector_heads: int
    geometry_heads: int
    decoder_heads: int
    memory_slots: int
    pointers: int
    max_conditioning: int
    text_width: int


# In transformers, memories are 64 wide regardless of the configuration, and pointers must be wider than that.
SAM3_SIZES = (
    Sam3Sizes(8, 12, 48, 3, 5, 8, 128, 7, 4, 8, 2, 5, 11, 3, 40),
    Sam3Sizes(10, 9, 52, 2, 3, 6, 128, 9, 8, 4, 2, 7, 16, 4, 24),
    Sam3Sizes(12, 7, 56, 4, 5, 7, 192, 8, 6, 8, 4, 4, 9, 2, 36),
)


def sam3_config(sizes: Sam3Sizes, vocabulary: int) -> Sam3VideoConfig:
    """The complete nested configuration"""
    patch, width = sizes.patch, sizes.width
    size = patch * sizes.grid
    levels = [[4 * sizes.grid] * 2, [2 * sizes.grid] * 2, [sizes.grid] * 2]
    vision = {
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": sizes.vit_width,
            "intermediate_size": 2 * sizes.vit_width + 8,
            "num_hidden_layers": 2,
            "num_attention_heads": sizes.vit_heads,
            "image_size": size,
            "patch_size": patch,
            "window_size": sizes.window,
            "global_attn_indexes": [1],
            "pretrain_image_size": patch * sizes.table,
            "layer_norm_eps": 1e-5,
        },
        "fpn_hidden_size": width,
        "backbone_feature_sizes": levels,
    }
    detector = Sam3Config(
        vision_config=vision,
        text_config={
            "model_type": "clip_text_model",
            "vocab_size": vocabulary,
            "hidden_size": sizes.text_width,
            "intermediate_size": 3 * sizes.text_width,
            "projection_dim": 12,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 32,
            "hidden_act": "gelu",
        },
        geometry_encoder_config={
            "hidden_size": width,
            "num_layers": 2,
            "num_attention_heads": sizes.geometry_heads,
            "intermediate_size": width + 24,
            "roi_size": 3,
        },
        detr_encoder_config={
            "hidden_size": width,
            "num_layers": 1,
            "num_attention_heads": sizes.detector_heads,
            "intermediate_size": width + 8,
        },
        detr_decoder_config={
            "hidden_size": width,
            "num_layers": 2,
            "num_queries": sizes.queries,
            "num_attention_heads": sizes.detector_heads,
            "intermediate_size": width + 16,
        },
        mask_decoder_config={"hidden_size": width, "num_attention_heads": sizes.detector_heads},
    )
    tracker = Sam3TrackerVideoConfig(
        vision_config={"model_type": "sam3_vision_model", **vision},
        prompt_encoder_config={"hidden_size": width, "image_size": size, "patch_size": patch, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": width + 40,
            "num_attention_heads": sizes.decoder_heads,
            "iou_head_hidden_dim": width - 8,
        },
        num_maskmem=sizes.memory_slots,
        max_object_pointers_in_encoder=sizes.pointers,
        max_cond_frame_num=sizes.max_conditioning,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=width + 8,
        memory_attention_rope_feat_sizes=[sizes.grid, sizes.grid],
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=width,
        image_size=size,
    )
    return Sam3VideoConfig(
        detector_config=detector,
        tracker_config=tracker,
        low_res_mask_size=4 * sizes.grid,
    )


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Draws weights large enough to affect the output, also where a new model has zeros or ones (biases, norms,
    embeddings). Each has one of fifteen values, so that a pack compresses to an eighth.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = coarse_noise(parameter.shape, generator)
            if parameter.dim() >= 2 and "embed" not in name and "position" not in name and "no_" not in name:
                fan_in = parameter[0].numel()
                parameter.copy_(noise / fan_in**0.5)
            elif name.endswith("weight") and parameter.dim() == 1:
                parameter.copy_(1 + 0.1 * noise)
            elif name.endswith("scale") or name.endswith("lambda1"):
                parameter.copy_(0.5 + 0.1 * noise)
            else:
                parameter.copy_(0.3 * noise)


def coarse_noise(shape: torch.Size | tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Normally distributed numbers, rounded to halves, at most 3.5"""
    return (2 * torch.randn(shape, generator=generator)).round().clamp(-7, 7) / 2


def sam3_model(sizes: Sam3Sizes, vocabulary: int, seed: int) -> Sam3VideoModel:
    torch.manual_seed(seed)
    model = Sam3VideoModel._from_config(sam3_config(sizes, vocabulary), attn_implementation="eager")
    randomise(model, seed)
    return model.eval()


def coarsen(model: torch.nn.Module) -> None:
    """Reduces each parameter to fifteen values, as `randomise` does, so that a pack compresses."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() < 100:
                continue
            middle, spread = parameter.mean(), parameter.std().clamp(min=1e-6)
            parameter.copy_(middle + (2 * (parameter - middle) / spread).round().clamp(-7, 7) / 2 * spread)
