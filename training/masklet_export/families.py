"""Selects the family of a model."""

from __future__ import annotations

from typing import Any

from torch import nn

from .attention import Form
from .family import ExportError, Family
from .sam3 import Sam3
from .video import EdgeTam, Sam2


def open_family(model: nn.Module, form: Form, *, kept: int | None, processor: dict[str, Any], lite: nn.Module | None = None) -> Family:
    """
    :param kept: detections per concept and frame, for families with a detector
    :param lite: a `Sam3LiteTextModel` whose text encoder replaces the model's
    :raises ExportError: if the model cannot be expressed as a pack
    """
    if lite is not None and model.config.model_type != "sam3_video":
        raise ExportError(f"--text-encoder is for SAM 3: the model type {model.config.model_type!r} has no text encoder.")
    match model.config.model_type:
        case "sam3_video":
            return Sam3(model, form, kept=kept, processor=processor, lite=lite)
        case "sam2_video":
            return Sam2(model, form, processor=processor)
        case "edgetam_video":
            return EdgeTam(model, form, processor=processor)
        case other:
            raise ExportError(f"The model type {other!r} is not supported.")
