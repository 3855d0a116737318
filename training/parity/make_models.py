"""Writes small models of the supported families, with random weights and configurable sizes.

    python -m parity.make_models --out .cache/models --seed 3
    python -m parity.make_models --family sam3 --side 168 --width 64 --out .cache/models
    python -m parity.make_models --family sam3 --full --out .cache/full     # published sizes: 3.4 GB

Weights have a wide distribution, and parameters that are initialised to zeros or ones are drawn as well, so that
every part of the network affects the output. Models are written with `save_pretrained`; the SAM 3 model includes a
small CLIP tokenizer.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn


@dataclass(frozen=True)
class Sizes:
    """Widths and depths all differ, so that swapped axes cause errors."""

    side: int  # of the square image in pixels; a multiple of the patch (14, or 32 for SAM 2 and EdgeTAM)
    width: int = 128  # hidden width: a multiple of 64
    trunk: int = 48  # ViT width
    queries: int = 11
    text_length: int = 9
    text_width: int = 40
    memories: int = 5  # rows of the temporal table
    latents: tuple[int, int] = (6, 9)  # EdgeTAM: 1D latents, 2D latents (a square number)


def scramble(model: nn.Module, seed: int) -> nn.Module:
    """Draws every parameter anew and raises the object scores, for a tracker or a detector with a tracker."""
    return mostly_present(scramble_parameters(model, seed))


def mostly_present(model: nn.Module) -> nn.Module:
    """Biases object and presence scores towards presence; otherwise few outputs could be compared."""
    tracker = getattr(model, "tracker_model", model)
    tracker.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(2.0)
    if tracker is not model:
        model.detector_model.detr_decoder.presence_head.layer3.bias.data.fill_(3.0)
    return model.eval()


def scramble_parameters(model: nn.Module, seed: int) -> nn.Module:
    """Draws every parameter and normalisation statistic anew, so that no layer is the identity."""
    generator = torch.Generator().manual_seed(seed)

    def draw(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    norms = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)
    scales = {id(module.weight) for module in model.modules() if isinstance(module, norms) and module.weight is not None}
    with torch.no_grad():
        for parameter in model.parameters():
            if id(parameter) in scales:
                parameter.copy_(draw(parameter, 0.6, 1.4))
            elif parameter.dim() > 1:
                fan_in = max(1, parameter[0].numel())
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (1.2 / fan_in**0.5))
            else:
                parameter.copy_(draw(parameter, -0.3, 0.3))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(draw(buffer, -0.2, 0.2))
            elif name.endswith("running_var"):
                buffer.copy_(draw(buffer, 0.6, 1.4))
    return model


def tracker_sizes(sizes: Sizes, g: int) -> dict[str, Any]:
    return {
        "num_maskmem": sizes.memories,
        "memory_attention_hidden_size": sizes.width,
        "memory_attention_rope_feat_sizes": [g, g],
        "memory_attention_num_layers": 2,
        "memory_encoder_hidden_size": sizes.width,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": sizes.width,
        "memory_fuser_embed_dim": sizes.width,
        "memory_fuser_intermediate_dim": 72,
        "memory_fuser_num_layers": 1,
        "max_object_pointers_in_encoder": 6,
    }


def decoder_sizes(sizes: Sizes) -> dict[str, Any]:
    return {"hidden_size": sizes.width, "mlp_dim": 88, "num_attention_heads": 4, "iou_head_hidden_dim": 56}


def make_sam3(sizes: Sizes, seed: int) -> nn.Module:
    from transformers import Sam3VideoConfig, Sam3VideoModel

    patch = 14
    g = sizes.side // patch
    backbone = {
        "model_type": "sam3_vit_model", "hidden_size": sizes.trunk, "intermediate_size": 100, "num_hidden_layers": 3,
        "num_attention_heads": 3, "image_size": sizes.side, "patch_size": patch, "window_size": 4,
        "global_attn_indexes": [1], "pretrain_image_size": 5 * patch,
    }  # fmt: skip
    maps = [[4 * g, 4 * g], [2 * g, 2 * g], [g, g]]
    vision = {
        "model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": sizes.width,
        "backbone_feature_sizes": maps,
    }  # fmt: skip
    detr = {"hidden_size": sizes.width, "num_attention_heads": 4}
    detector = {
        "model_type": "sam3",
        "vision_config": vision,
        "text_config": {
            "model_type": "clip_text_model", "vocab_size": 300, "hidden_size": sizes.text_width, "intermediate_size": 60,
            "projection_dim": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": sizes.text_length, "hidden_act": "gelu", "bos_token_id": 1, "eos_token_id": 2,
        },
        "geometry_encoder_config": {**detr, "num_layers": 2, "intermediate_size": 76, "roi_size": 3},
        "detr_encoder_config": {**detr, "num_layers": 2, "intermediate_size": 84},
        "detr_decoder_config": {**detr, "num_layers": 3, "num_queries": sizes.queries, "intermediate_size": 92},
        "mask_decoder_config": {**detr},
    }  # fmt: skip
    tracker = {
        "model_type": "sam3_tracker_video",
        "vision_config": vision,
        "image_size": sizes.side,
        "prompt_encoder_config": {"hidden_size": sizes.width, "image_size": sizes.side, "patch_size": patch},
        "mask_decoder_config": decoder_sizes(sizes),
        "memory_attention_feed_forward_hidden_size": 68,
        "max_cond_frame_num": 3,
        **tracker_sizes(sizes, g),
    }
    config = Sam3VideoConfig(detector_config=detector, tracker_config=tracker, low_res_mask_size=4 * g)
    torch.manual_seed(seed)
    return scramble(Sam3VideoModel(config), seed)


def make_sam2(sizes: Sizes, seed: int) -> nn.Module:
    from transformers import Sam2VideoConfig, Sam2VideoModel

    g, widths = sizes.side // 16, [12, 24, 36, 60]
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": widths[0], "image_size": [sizes.side, sizes.side],
        "blocks_per_stage": [1, 2, 2, 1], "embed_dim_per_stage": widths, "num_attention_heads_per_stage": [1, 2, 3, 4],
        "window_size_per_stage": [8, 4, 6, 3], "global_attention_blocks": [4],
        "window_positional_embedding_background_size": [5, 5],
    }  # fmt: skip
    vision = {
        "model_type": "sam2_vision_model", "backbone_config": backbone, "backbone_channel_list": widths[::-1],
        "backbone_feature_sizes": [[4 * g, 4 * g], [2 * g, 2 * g], [g, g]], "fpn_hidden_size": sizes.width,
    }  # fmt: skip
    config = Sam2VideoConfig(
        vision_config=vision,
        image_size=sizes.side,
        prompt_encoder_config={"hidden_size": sizes.width, "image_size": sizes.side, "patch_size": 16},
        mask_decoder_config=decoder_sizes(sizes),
        memory_attention_feed_forward_hidden_size=68,
        **tracker_sizes(sizes, g),
    )
    torch.manual_seed(seed)
    return scramble(Sam2VideoModel(config), seed)


def make_edgetam(sizes: Sizes, seed: int) -> nn.Module:
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel

    g, widths = sizes.side // 16, [8, 16, 24, 40]
    free, placed = sizes.latents
    side = round(placed**0.5)
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": {
            "model_type": "timm_wrapper", "architecture": "repvit_m1", "do_pooling": False, "num_classes": 2,
            "model_args": {
                "in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3], "embed_dim": widths,
                "depth": [1, 1, 2, 1],
            },
        },
        "backbone_channel_list": widths[::-1], "fpn_hidden_size": sizes.width,
        "backbone_feature_sizes": [[4 * g, 4 * g], [2 * g, 2 * g], [g, g]],
    }  # fmt: skip
    config = EdgeTamVideoConfig(
        vision_config=vision,
        image_size=sizes.side,
        prompt_encoder_config={"hidden_size": sizes.width, "image_size": sizes.side, "patch_size": 16},
        mask_decoder_config=decoder_sizes(sizes),
        memory_attention_mlp_hidden_size=68,
        memory_attention_rope_k_sizes=[side, side],
        perceiver_resampler_num_latents=free,
        perceiver_resampler_num_latents_2d=placed,
        perceiver_resampler_mlp_intermediate_size=52,
        enable_temporal_pos_encoding_for_object_pointers=False,
        **tracker_sizes(sizes, g),
    )
    torch.manual_seed(seed)
    return scramble(EdgeTamVideoModel(config), seed)


def make_full(family: str, seed: int) -> nn.Module:
    """A model of the family's published sizes, with transformers' own initialisation and raised object scores."""
    import transformers

    name = {"sam3": "Sam3Video", "sam2": "Sam2Video", "edgetam": "EdgeTamVideo"}[family]
    repvit = {
        "model_type": "timm_wrapper", "architecture": "repvit_m1", "do_pooling": False, "num_classes": 2,
        "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    }  # fmt: skip
    # The default of the configuration is SAM 2's image encoder.
    own = {"vision_config": {"model_type": "edgetam_vision_model", "backbone_config": repvit}} if family == "edgetam" else {}
    torch.manual_seed(seed)
    return mostly_present(getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**own)))


MAKERS = {"sam3": make_sam3, "sam2": make_sam2, "edgetam": make_edgetam}
DEFAULT_SIDES = {"sam3": 168, "sam2": 192, "edgetam": 192}  # EdgeTAM: the feature map's side, side / 16, is three windows


def make_tokenizer(vocabulary: int = 300) -> Tokenizer:
    """A small CLIP tokenizer: bytes, their word-final forms, and the start and end tokens; merges only for "red" and
    "dog".
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["re", "red</w>", "do", "dog</w>"]
    kept = [letter for letter in alphabet if letter.isascii() and letter.isprintable()]
    entries = [*kept, *(f"{letter}</w>" for letter in kept), *words, "<|startoftext|>", "<|endoftext|>"]
    assert len(entries) <= vocabulary
    vocab = {entry: index for index, entry in enumerate(entries)}
    merges = [("r", "e"), ("re", "d</w>"), ("d", "o"), ("do", "g</w>")]
    end = vocab["<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(_regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                _regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
                behavior="removed", invert=True,
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )  # fmt: skip
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", vocab["<|startoftext|>"]), False, False
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _regex(pattern: str) -> Any:
    from tokenizers import Regex

    return Regex(pattern)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=list(MAKERS), action="append")
    parser.add_argument("--out", type=Path, required=True, help="output folder; each family is written to a subfolder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, help="side of the square image, pixels")
    parser.add_argument("--full", action="store_true", help="the published sizes instead of small ones")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--queries", type=int, default=11)
    options = parser.parse_args()
    for family in options.family or list(MAKERS):
        sizes = Sizes(side=options.side or DEFAULT_SIDES[family], width=options.width, queries=options.queries)
        folder = options.out / family
        model = make_full(family, options.seed) if options.full else MAKERS[family](sizes, options.seed)
        model.save_pretrained(folder)
        if family == "sam3":
            make_tokenizer().save(str(folder / "tokenizer.json"))
        print(f"{folder}: {family}, {'published sizes' if options.full else sizes}")


if __name__ == "__main__":
    main()
