"""Writes a pack from published files: graphs, tokenizer and manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from masklet_training.render_graph import build_render

from .compose import Composer
from .jax_video import (
    VideoFiles,
    encode_graph,
    image_inputs,
    remember_graph,
    seed_graph,
    segment_graph,
    track_graph,
)  # fmt: skip
from .usls_detector import DetectorFiles, add_trunk, detect_graph, text_graph

RENDER_OPSET = 18
# A protobuf message is limited to 2 GB; graphs close to that store their weights in a separate file.
LARGEST_INLINE_BYTES = 1 << 30
# Smaller tensors are shapes and axes, which the runtime reads while it opens a graph.
SMALLEST_EXTERNAL_BYTES = 1024

LIMITS = {
    "video": [
        "objects are computed in sequence",
        "one mask per prompt: the files do not return the candidates of an ambiguous click",
        "a box is processed like an ambiguous click, including its pointer",
        "clicks do not refine a previous mask",
    ],
    "map": ["the embedding for absent objects is added after the memory encoder, because the files lack it"],
    "perceived": ["memories of absent objects lack the embedding that marks them"],
    "detector": [
        "two image encoders run on every frame, and the detector's features are 21 maps of the tracker's size",
        "a detection becomes an object through its box, because the decoder accepts no mask",
    ],
}


def write_pack(
    video: VideoFiles,
    detector: DetectorFiles | None,
    tokenizer: Path | None,
    out: Path,
    *,
    name: str,
    version: str,
    source: dict[str, Any],
) -> dict[str, Any]:
    """:return: the manifest. It is written last, so that an interrupted run leaves no valid pack."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").unlink(missing_ok=True)
    files = []
    for role, build in builders(video, detector).items():
        files += save(build(), out / f"{role}.onnx")
    if tokenizer is not None:
        (out / "tokenizer.json").write_bytes(tokenizer.read_bytes())
        files.append(entry(out / "tokenizer.json"))
    described = manifest(video, detector, files, name, version, source)
    (out / "manifest.json").write_text(json.dumps(described, indent=2) + "\n")
    return described


def builders(video: VideoFiles, detector: DetectorFiles | None) -> dict[str, Any]:
    """Builders of the graphs by role. They run in sequence, because each may hold a whole model in memory."""
    z = video.sizes

    def encode() -> onnx.ModelProto:
        composer = Composer("encode", max(video.opset, detector.opset if detector else 0))
        outputs = encode_graph(video, composer) | (add_trunk(detector, composer, z) if detector else {})
        return composer.finish(image_inputs(z), outputs)

    tracking = {
        "encode": encode,
        "segment": lambda: segment_graph(video),
        "track": lambda: track_graph(video),
        "remember": lambda: remember_graph(video),
        "render": lambda: build_render(z.m, RENDER_OPSET),
    }
    if detector is None:
        return tracking
    return tracking | {
        "text": lambda: text_graph(detector),
        "detect": lambda: detect_graph(detector, z),
        "seed": lambda: seed_graph(video),
    }


def save(model: onnx.ModelProto, path: Path) -> list[dict[str, Any]]:
    """:return: manifest entries of the written files"""
    weights = path.with_suffix(".data")
    weights.unlink(missing_ok=True)
    # Computed here, because a message beyond 2 GB cannot compute its own size.
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > LARGEST_INLINE_BYTES:
        onnx.save(model, path, save_as_external_data=True, location=weights.name, size_threshold=SMALLEST_EXTERNAL_BYTES)
    else:
        onnx.save(model, path)
    onnx.checker.check_model(str(path))
    return [entry(file) for file in (path, weights) if file.exists()]


def entry(path: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


def manifest(
    video: VideoFiles,
    detector: DetectorFiles | None,
    files: list[dict[str, Any]],
    name: str,
    version: str,
    source: dict[str, Any],
) -> dict[str, Any]:
    family, finds = video.family, detector is not None
    rows = video.temporal_rows
    limits = LIMITS["video"] + LIMITS["map" if family.memory_is_map else "perceived"]
    geometry: dict[str, int] = asdict(video.sizes)
    if detector is not None:
        limits = limits + LIMITS["detector"]
        geometry |= {"Ct": detector.trunk_channels, "L": detector.text_length, "K": detector.kept}
    return {
        "schema": 1,
        "id": name,
        "version": version,
        "family": family.name,
        "license": family.license,
        "source": source | {"adapter": "masklet", "limits": limits},
        "geometry": geometry,
        "image": {"color": "rgb"},
        "bank": {
            "maxConditioning": family.max_conditioning,
            "recent": rows - 1,
            "maxPointers": 16,
            "temporalRows": rows,
            "conditioningRow": rows - 1,
            "pointerTime": "dt/(max-1)" if family.timed_pointers else "none",
        },
        "decode": {"multimaskMinPoints": 0, "multimaskMaxPoints": 1},
        **(
            {
                "detect": {"scoreThreshold": 0.5, "nmsIou": 0.1, "newObjectScore": 0.7},
                "tokenizer": "tokenizer.json",
            }
            if finds
            else {}
        ),
        "capabilities": {
            "text": finds, "exemplars": finds, "maskSeed": False, "points": True, "maskInput": False,
            "objectBatch": "dynamic", "memorySlots": "dynamic",
        },
        "files": files,
        "graphs": [
            {"role": file["name"].removesuffix(".onnx"), "file": file["name"]}
            for file in files if file["name"].endswith(".onnx")
        ],
    }  # fmt: skip
