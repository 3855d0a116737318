"""Interface between a family of checkpoints and the exporter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .attention import Form
from .spec import Geometry


class ExportError(Exception):
    """A checkpoint cannot become a pack. The message is one sentence for the user of the command."""


def expect(actual: Any, expected: Any, name: str) -> None:
    if actual != expected:
        raise ExportError(f"This checkpoint cannot be expressed as a pack: {name} is {actual}, expected {expected}.")


class Family:
    """One kind of checkpoint. `modules` returns the modules to trace, by role."""

    name: str
    geometry: Geometry
    vocabulary: int = 1
    memory_precision: str | None = None  # of stored memories, where the server's preset must not choose it

    def __init__(self, tracker: nn.Module, form: Form, processor: dict[str, Any]) -> None:
        self.tracker, self.form, self.processor = tracker, form, processor

    @property
    def pointer_time(self) -> bool:
        return bool(self.tracker.config.enable_temporal_pos_encoding_for_object_pointers)

    @property
    def detects(self) -> bool:
        return self.geometry.Ct is not None

    def modules(self) -> dict[str, nn.Module]:
        raise NotImplementedError

    def positions(self) -> tuple[Tensor, Tensor]:
        """Position encodings of the image's cells, [1,D,g,g], and of a memory's tokens, [T,Dm]."""
        raise NotImplementedError

    def detect_rules(self) -> dict[str, float] | None:
        return None


def tracker_geometry(tracker: nn.Module) -> Geometry:
    """Sizes that every tracker has. `T` is the value for memories with one token per cell.

    :raises ExportError: for the first property that the contract cannot express
    """
    config, prompts = tracker.config, tracker.prompt_encoder
    S, D, Dm = tracker.image_size, tracker.hidden_dim, tracker.mem_dim
    if not isinstance(S, int):
        expect(S[0], S[1], "image_size, whose height")
        S = S[0]
    patch = config.prompt_encoder_config.patch_size
    g = S // patch
    expect(S % patch, 0, f"image_size {S} modulo patch_size {patch}")
    expect(S % 4, 0, f"image_size {S} modulo 4")
    expect(config.num_maskmem > 0, True, "num_maskmem > 0")
    expect(D % 8, 0, f"hidden width {D} modulo 8")
    expect(D % Dm, 0, f"hidden width {D} modulo memory width {Dm}")
    expect(config.mask_decoder_config.num_multimask_outputs, 3, "mask_decoder_config.num_multimask_outputs")
    expect(prompts.image_embedding_size, (g, g), "the prompt encoder's image_embedding_size")
    sizes = [list(size) for size in tracker.backbone_feature_sizes]
    expect(sizes[-3:], [[4 * g, 4 * g], [2 * g, 2 * g], [g, g]], "backbone_feature_sizes")
    rope = list(config.memory_attention_rope_feat_sizes)
    expect(rope, [g, g], "memory_attention_rope_feat_sizes")
    total = config.mask_downsampler_total_stride
    expect(16 * g // total, g, f"the memory encoder's mask of side {16 * g} over mask_downsampler_total_stride {total}")
    return Geometry(S=S, g=g, D=D, Dm=Dm, T=g * g, m=4 * g)


def tracker_parts(tracker: nn.Module, neck: nn.Module) -> tuple[Tensor, Tensor]:
    """Positions of the image's cells, [1,D,g,g], and of a memory's tokens, [g²,Dm]."""
    g = tracker.prompt_encoder.image_embedding_size[0]
    image = neck.position_encoding((1, tracker.hidden_dim, g, g), "cpu", torch.float32)
    memory = tracker.memory_encoder.position_encoding((1, tracker.mem_dim, g, g), "cpu", torch.float32)
    return image.clone(), memory[0].flatten(1).transpose(0, 1).clone()


def pixel_statistics(processor: dict[str, Any], mean: list[float], std: list[float]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the pixels, 0..1, from the checkpoint's processor or the given defaults."""
    return processor.get("image_mean", mean), processor.get("image_std", std)
