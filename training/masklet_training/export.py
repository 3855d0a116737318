"""Exports a checkpoint to a Model Pack.

python -m masklet_training.export --checkpoint .cache/run/checkpoint.pt --out ../packs/compact
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper

from .checkpoint import load_average
from .graphs import SPECS, GraphSpec, example_inputs
from .half_storage import store_half
from .model.compact import CompactModel
from .render_graph import build_render
from .tokenizer import build_tokenizer

OPSET = 18


def export_graph(model: CompactModel, spec: GraphSpec, side: int, path: Path, half: bool) -> None:
    """Traces one role and writes it with the contract's names."""
    inputs = example_inputs(model, side)[spec.role]
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
    graph = onnx.load(path)
    keep_unused_inputs(graph, spec, inputs)
    if half:
        store_half(graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def keep_unused_inputs(graph: onnx.ModelProto, spec: GraphSpec, inputs: dict[str, torch.Tensor]) -> None:
    """Declares the contract's inputs that no node reads, which the exporter drops."""
    present = {value.name for value in graph.graph.input}
    for name in spec.inputs:
        if name not in present:
            if name not in spec.unused:
                raise RuntimeError(f"{spec.role}: the traced graph lost its input {name}")
            shape = list(inputs[name].shape)
            graph.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))


def file_entry(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"name": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def manifest(model: CompactModel, side: int, version: str, files: list[Path], source: dict[str, Any]) -> dict[str, Any]:
    """The metadata that the server reads besides the graphs"""
    cfg, g = model.cfg, side // 16
    return {
        "schema": 1,
        "id": "compact",
        "version": version,
        "family": "compact",
        "license": "Apache-2.0",
        "source": source,
        "geometry": {
            "S": side, "g": g, "D": cfg.hidden, "Dm": cfg.memory, "T": g * g, "m": 4 * g, "Ct": cfg.trunk,
            "L": cfg.text_length, "K": cfg.queries,
        },
        "image": {"color": "rgb"},
        "bank": {
            "maxConditioning": 4, "recent": cfg.temporal_rows - 1, "maxPointers": cfg.max_pointers,
            "temporalRows": cfg.temporal_rows, "conditioningRow": cfg.temporal_rows - 1, "pointerTime": "dt/(max-1)",
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
    files = []
    for spec in SPECS:
        path = out / f"{spec.role}.onnx"
        export_graph(model, spec, side, path, half)
        files.append(path)
    render = out / "render.onnx"
    onnx.save(build_render(side // 4, OPSET), render)
    tokenizer = out / "tokenizer.json"
    build_tokenizer(words).save(str(tokenizer))
    files += [render, tokenizer]
    text = json.dumps(manifest(model, side, version, files, source), indent=2)
    (out / "manifest.json").write_text(text + "\n")


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
