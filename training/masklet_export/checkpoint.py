"""Opening a checkpoint: a folder, or a repository of the Hugging Face hub."""

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
    processor: dict[str, Any]  # how pictures are prepared; empty where the checkpoint does not say
    tokenizer: Path | None
    license: str
    source: dict[str, Any]

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type"))

    def load(self, known: dict[str, str] = VIDEO_MODELS) -> nn.Module:
        """The model in float32, for inference. known: what is accepted, class names by `model_type`

        @raises ExportError when it is none of them."""
        import torch
        from transformers import AutoModel

        if self.model_type not in known:
            hint = " It has no tracker: give it as --text-encoder of SAM 3." if self.model_type in TEXT_MODELS else ""
            raise ExportError(
                f"{self.folder}: config.json has the model_type {self.model_type!r}, expected one of {', '.join(known)}.{hint}"
            )
        return AutoModel.from_pretrained(self.folder, dtype=torch.float32, attn_implementation="eager").eval()


def open_checkpoint(name: str, revision: str | None, tokenizer: Path | None) -> Checkpoint:
    """Finds a checkpoint, downloading it where it is not a folder.

    @raises ExportError in one sentence that says what to do."""
    folder, source = Path(name), {"checkpoint": Path(name).name}
    if not folder.is_dir():
        if name.startswith((".", "/")) or name.count("/") != 1:
            raise ExportError(f"{name}: neither a folder nor the name of a repository on the hub (owner/name).")
        folder, commit = download(name, revision)
        source = {"repository": name, "revision": commit}
    config = read_json(folder / "config.json")
    if config is None:
        raise ExportError(f"{folder}: no config.json, so this is not a checkpoint of transformers.")
    if not any(folder.glob("*.safetensors")):
        raise ExportError(f"{folder}: no *.safetensors, so this checkpoint has no weights that can be read.")
    found = tokenizer or folder / "tokenizer.json"
    if tokenizer is not None and not tokenizer.is_file():
        raise ExportError(f"--tokenizer {tokenizer}: no such file.")
    license = LICENSES.get(str(config.get("model_type")), "unknown")
    if license == "unknown" or "repository" not in source:
        license = card_license(folder) or license
    return Checkpoint(folder, config, processor_settings(folder), found if found.is_file() else None, license, source)


def reading_with(checkpoint: Checkpoint, words: Checkpoint, tokenizer: Path | None) -> Checkpoint:
    """The checkpoint with the words of another: its tokenizer, unless one was given, and its place in `source`."""
    found = tokenizer or words.tokenizer or checkpoint.tokenizer
    encoder = words.source | {"license": words.license}
    return replace(checkpoint, tokenizer=found, source=checkpoint.source | {"textEncoder": encoder})


def processor_settings(folder: Path) -> dict[str, Any]:
    """Settings of the picture processor; they lie at the top of some files and under a name in others."""
    for file in ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json"):
        settings = read_json(folder / file) or {}
        for part in (settings, settings.get("video_processor"), settings.get("image_processor")):
            if isinstance(part, dict) and "image_mean" in part:
                return part
    return {}


def card_license(folder: Path) -> str | None:
    """The licence that the front matter of the checkpoint's README names."""
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
    """@raises ExportError when the file is there and is no JSON object."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise ExportError(f"{path}: not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ExportError(f"{path}: expected a JSON object, found {type(value).__name__}.")
    return value
