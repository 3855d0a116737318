"""Which family a model belongs to."""

from __future__ import annotations

from typing import Any

from torch import nn

from .attention import Form
from .family import ExportError, Family
from .sam3 import Sam3
from .video import EdgeTam, Sam2


def open_family(model: nn.Module, form: Form, *, kept: int | None, processor: dict[str, Any]) -> Family:
    """kept: detections per concept and frame, for families that detect.

    @raises ExportError when the model cannot be expressed as a pack."""
    match model.config.model_type:
        case "sam3_video":
            return Sam3(model, form, kept=kept, processor=processor)
        case "sam2_video":
            return Sam2(model, form, processor=processor)
        case "edgetam_video":
            return EdgeTam(model, form, processor=processor)
        case other:
            raise ExportError(f"The model type {other!r} has no exporter.")
