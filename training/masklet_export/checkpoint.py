"""Opens a checkpoint: a folder or a Hugging Face hub repository."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from .family import ExportError
from .hub import download

LICENSES = {"sam3_video": "SAM License", "sam2_video": "Apache-2.0", "edgetam_video": "Apache-2.0"}
VIDEO_MODELS = {"sam3_video": "Sam3VideoModel", "sam2_video": "Sam2VideoModel", "edgetam_video": "EdgeTamVideoModel"}
TEXT_MODELS = {"sam3_lite_text": "Sam3LiteTextModel"}


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    config: dict[str, Any]
    processor: dict[str, Any]  # image preprocessing settings; empty if the checkpoint has none
    tokenizer: Path | None
    license: str
    source: dict[str, Any]

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type"))

    def load(self, accepted: dict[str, str] = VIDEO_MODELS) -> nn.Module:
        """Loads the model in float32, for inference.

        :param accepted: class names by `model_type`
        :raises ExportError: if the model type is not accepted
        """
        import torch
        from transformers import AutoModel

        if self.model_type not in accepted:
            hint = " It has no tracker; use it as --text-encoder with SAM 3." if self.model_type in TEXT_MODELS else ""
            raise ExportError(
                f"{self.folder}: config.json has the model_type {self.model_type!r}, expected one of {', '.join(accepted)}.{hint}"
            )
        return AutoModel.from_pretrained(self.folder, dtype=torch.float32, attn_implementation="eager").eval()


def open_checkpoint(name: str, revision: str | None, tokenizer: Path | None) -> Checkpoint:
    """Finds a checkpoint, and downloads it if it is not a folder.

    :raises ExportError: with a message that describes how to fix the problem
    """
    folder, source = Path(name), {"checkpoint": Path(name).name}
    if not folder.is_dir():
        if name.startswith((".", "/")) or name.count("/") != 1:
            raise ExportError(f"{name}: neither a folder nor the name of a hub repository (owner/name).")
        folder, commit = download(name, revision)
        source = {"repository": name, "revision": commit}
    config = read_json(folder / "config.json")
    if config is None:
        raise ExportError(f"{folder}: no config.json; expected a checkpoint of transformers.")
    if not any(folder.glob("*.safetensors")):
        raise ExportError(f"{folder}: no *.safetensors; weights in other formats are not supported.")
    found = tokenizer or folder / "tokenizer.json"
    if tokenizer is not None and not tokenizer.is_file():
        raise ExportError(f"--tokenizer {tokenizer}: no such file.")
    license = LICENSES.get(str(config.get("model_type")), "unknown")
    if license == "unknown" or "repository" not in source:
        license = card_license(folder) or license
    return Checkpoint(folder, config, processor_settings(folder), found if found.is_file() else None, license, source)


def with_text_encoder(checkpoint: Checkpoint, text_checkpoint: Checkpoint, tokenizer: Path | None) -> Checkpoint:
    """Combines a checkpoint with another one's tokenizer (unless one is given) and records both in `source`."""
    found = tokenizer or text_checkpoint.tokenizer or checkpoint.tokenizer
    encoder = text_checkpoint.source | {"license": text_checkpoint.license}
    return replace(checkpoint, tokenizer=found, source=checkpoint.source | {"textEncoder": encoder})


def processor_settings(folder: Path) -> dict[str, Any]:
    """Settings of the image processor. Some files contain them at the top level, others under a key."""
    for file in ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json"):
        settings = read_json(folder / file) or {}
        for part in (settings, settings.get("video_processor"), settings.get("image_processor")):
            if isinstance(part, dict) and "image_mean" in part:
                return part
    return {}


def card_license(folder: Path) -> str | None:
    """The licence in the front matter of the checkpoint's README"""
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    lines = readme.read_text(errors="replace").splitlines()
    if not lines or lines[0] != "---":
        return None
    for line in lines[1:]:
        if line == "---":
            return None
        if line.startswith("license:"):
            return line.removeprefix("license:").strip().strip("\"'") or None
    return None


def read_json(path: Path) -> dict[str, Any] | None:
    """:raises ExportError: if the file exists and is not a JSON object"""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise ExportError(f"{path}: not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ExportError(f"{path}: expected a JSON object, found {type(value).__name__}.")
    return value
