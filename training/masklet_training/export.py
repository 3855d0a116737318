"""Exports a checkpoint to a Model Pack.

python -m masklet_training.export --checkpoint .cache/run/checkpoint.pt --out ../packs/compact
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper

from .bit_storage import store_bits, store_sums
from .branches import add_branch
from .byte_arithmetic import Range, compute_in_bytes
from .byte_storage import store_bytes
from .channel_blocks import block_channels
from .checkpoint import load_average
from .graphs import SPECS, GraphSpec, example_inputs
from .half_storage import store_half
from .model.compact import CompactModel
from .model.config import CompactConfig
from .model.tracker_config import TrackerConfig
from .pad_folding import fold_pads
from .render_graph import build_render
from .short_graphs import shorten
from .tokenizer import build_tokenizer

OPSET = 18


def export_graph(
    model: torch.nn.Module, spec: GraphSpec, inputs: dict[str, torch.Tensor], path: Path, half: bool, ranges: Mapping[str, Range]
) -> None:
    """Traces one role on example inputs and writes it with the contract's names.

    :param ranges: of the convolutions to compute with integers, by name
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            spec.module(model).eval(),
            tuple(inputs[name] for name in spec.inputs),
            str(path),
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_axes=spec.axes,
            opset_version=OPSET,
            dynamo=False,
        )
    graph = compute_in_bytes(block_channels(fold_pads(onnx.load(path))), ranges)
    keep_unused_inputs(graph, spec, inputs)
    if half and spec.byte_kernels:
        store_bytes(store_bits(store_sums(graph)))
    if half:
        store_half(graph)
    for part, condition, rows in spec.branches:
        add_branch(graph, part, condition, {name: inputs[name].numpy() for name in spec.inputs}, rows)
    shorten(graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def keep_unused_inputs(graph: onnx.ModelProto, spec: GraphSpec, inputs: dict[str, torch.Tensor]) -> None:
    """Declares the contract's inputs that no node reads, which the exporter drops."""
    present = {value.name for value in graph.graph.input}
    for name in spec.inputs:
        if name not in present:
            if name not in spec.unused:
                raise RuntimeError(f"{spec.role}: the traced graph lost its input {name}")
            axes = spec.axes.get(name, {})
            shape = [axes.get(axis, size) for axis, size in enumerate(inputs[name].shape)]
            kind = helper.np_dtype_to_tensor_dtype(inputs[name].numpy().dtype)
            graph.graph.input.append(helper.make_tensor_value_info(name, kind, shape))


def file_entry(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"name": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def manifest(
    side: int,
    tracker: CompactConfig | TrackerConfig,
    detector: CompactConfig,
    trunk: int,
    recent: int,
    version: str,
    files: list[Path],
    source: dict[str, Any],
) -> dict[str, Any]:
    """The metadata that the server reads besides the graphs.

    :param trunk: Ct
    :param recent: tracked memories per frame
    """
    g, rows = side // 16, tracker.temporal_rows
    return {
        "schema": 1,
        "id": "compact",
        "version": version,
        "family": "compact",
        "license": "Apache-2.0",
        "source": source,
        "geometry": {
            "S": side, "g": g, "D": tracker.hidden, "Dm": tracker.memory, "T": g * g, "m": 4 * g, "Ct": trunk,
            "L": detector.text_length, "K": detector.queries,
        },
        "image": {"color": "rgb"},
        "bank": {
            "maxConditioning": 4, "recent": recent, "maxPointers": tracker.max_pointers,
            "temporalRows": rows, "conditioningRow": rows - 1, "pointerTime": "dt/(max-1)",
        },
        "decode": {"multimaskMinPoints": 0, "multimaskMaxPoints": 1},
        "preset": "compact",
        "detect": {"scoreThreshold": 0.6, "nmsIou": 0.5, "newObjectScore": 0.9},
        "capabilities": {
            "text": True, "exemplars": True, "maskSeed": True, "points": True,
            "objectBatch": "dynamic", "memorySlots": "dynamic",
        },
        "tokenizer": "tokenizer.json",
        "files": [file_entry(path) for path in files],
        "graphs": [{"role": path.stem, "file": path.name} for path in files if path.suffix == ".onnx"],
    }  # fmt: skip


def export_pack(
    model: CompactModel,
    side: int,
    out: Path,
    version: str,
    source: dict[str, Any],
    words: list[str] | None = None,
    half: bool = True,
) -> None:
    """Writes all graphs, the tokenizer and the manifest of a pack for square images of `side` pixels.

    :param half: whether to store large weights as float16, which rounds them and halves the size of the pack
    """
    out.mkdir(parents=True, exist_ok=True)
    model.eval()
    cfg = model.cfg
    tokenizer = build_tokenizer(words).to_str(pretty=True)
    files = write_graphs(model, SPECS, example_inputs(model, side), side, out, tokenizer, half)
    write_manifest(out, manifest(side, cfg, cfg, cfg.trunk, cfg.temporal_rows - 1, version, files, source))


def write_graphs(
    model: torch.nn.Module,
    specs: tuple[GraphSpec, ...],
    inputs: dict[str, dict[str, torch.Tensor]],
    side: int,
    out: Path,
    tokenizer: str,
    half: bool,
    ranges: Mapping[str, Mapping[str, Range]] = {},
) -> list[Path]:
    """Writes the graphs and the tokenizer, given as JSON. Returns their paths.

    :param ranges: by role, see `export_graph`
    """
    if unknown := sorted(ranges.keys() - {spec.role for spec in specs}):
        raise ValueError(f"ranges are given for {unknown[0]}, which is no graph of this pack")
    files = []
    for spec in specs:
        path = out / f"{spec.role}.onnx"
        export_graph(model, spec, inputs[spec.role], path, half, ranges.get(spec.role, {}))
        files.append(path)
    render = out / "render.onnx"
    onnx.save(build_render(side // 4, OPSET), render)
    vocabulary = out / "tokenizer.json"
    vocabulary.write_text(tokenizer, encoding="utf-8")
    return [*files, render, vocabulary]


def write_manifest(out: Path, content: dict[str, Any]) -> None:
    (out / "manifest.json").write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="checkpoint to export (default: random weights)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=320, help="image side in pixels, a multiple of 32")
    parser.add_argument("--version", default="0.1.0")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = CompactModel()
    source: dict[str, Any] = {"recipe": "training/README.md"}
    words = None
    if options.checkpoint:
        model, saved = load_average(options.checkpoint)
        words = saved["words"]
        source |= {"steps": saved["step"], "minutes": round(saved["spent"] / 60, 1)}
    export_pack(model, options.side, options.out, options.version, source, words)
    total = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{options.out}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
