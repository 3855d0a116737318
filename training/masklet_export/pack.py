"""Writes a pack: graphs in sequence, one weight file, tokenizer and manifest."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import onnx

from masklet_training.render_graph import build_render

from .checkpoint import Checkpoint
from .family import ExportError, Family
from .half import to_half
from .spec import example_inputs, graph_specs
from .tokenizer import pack_tokenizer
from .trace import OPSET, attach, trace
from .weights import WeightStore

Precision = Literal["fp32", "fp16"]
WEIGHTS_FILE = "weights.bin"
# In float16, EdgeTAM's memory encoder loses its object, and every later frame depends on its output.
FULL_PRECISION = frozenset({"remember"})


@dataclass(frozen=True)
class GraphCost:
    role: str
    seconds: float  # time to trace and write
    graph_bytes: int  # size of the .onnx file
    weight_bytes: int  # bytes added to the weight file; shared weights count for the first graph
    peak_bytes: int  # peak memory of the process so far


def export_pack(
    family: Family,
    checkpoint: Checkpoint,
    out: Path,
    *,
    version: str,
    preset: str,
    precision: Precision,
    progress: Callable[[GraphCost], None] = lambda cost: None,
) -> list[GraphCost]:
    """
    :return: the cost of each graph
    :raises ExportError: if the checkpoint lacks something that the pack needs
    """
    if family.detects and checkpoint.tokenizer is None:
        raise ExportError(f"{checkpoint.folder}: no tokenizer.json, which a pack with a text encoder needs; specify one with --tokenizer.")
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").unlink(missing_ok=True)  # an interrupted export leaves no valid pack
    specs = graph_specs(detects=family.detects, pointer_time=family.pointer_time)
    rows = family.tracker.config.num_maskmem
    inputs = example_inputs(family.geometry, vocabulary=family.vocabulary, temporal_rows=rows)
    store = WeightStore(out / WEIGHTS_FILE)
    costs, files = [], []
    modules = family.modules()
    for role, spec in specs.items():
        start, before = time.monotonic(), store.bytes
        module = modules.pop(role)
        model, weights = trace(module, spec, inputs.pop(role))
        if precision == "fp16" and role not in FULL_PRECISION:
            to_half(model, weights)
        path = out / f"{role}.onnx"
        onnx.save(attach(model, weights, store), path)
        files.append(file_entry(path))
        del module, model, weights
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        cost = GraphCost(role, time.monotonic() - start, path.stat().st_size, store.bytes - before, peak)
        costs.append(cost)
        progress(cost)
    render = out / "render.onnx"
    onnx.save(build_render(family.geometry.m, OPSET), render)
    files.append(file_entry(render))
    files.append({"name": WEIGHTS_FILE, "bytes": store.bytes, "sha256": store.close()})
    if family.detects and checkpoint.tokenizer is not None:
        tokenizer = out / "tokenizer.json"
        tokenizer.write_bytes(pack_tokenizer(checkpoint.tokenizer))
        files.append(file_entry(tokenizer))
    for path in out.glob("*.onnx"):
        onnx.checker.check_model(str(path))
    text = json.dumps(manifest(family, checkpoint, files, version, preset, precision), indent=2)
    (out / "manifest.json").write_text(text + "\n")
    return costs


def manifest(
    family: Family, checkpoint: Checkpoint, files: list[dict[str, Any]], version: str, preset: str, precision: Precision
) -> dict[str, Any]:
    """The metadata that the server reads besides the graphs"""
    config = family.tracker.config
    rules = family.detect_rules()
    decoder = family.tracker.mask_decoder
    falls_back = decoder.dynamic_multimask_via_stability
    return {
        "schema": 1,
        "id": f"{checkpoint.source.get('repository', checkpoint.folder.name)}".replace("/", "-"),
        "version": version,
        "family": family.name,
        "preset": preset,
        "license": checkpoint.license,
        "source": checkpoint.source | {"exporter": "masklet", "precision": precision, "attention": family.form},
        "geometry": {name: size for name, size in asdict(family.geometry).items() if size is not None},
        "image": {"color": "rgb"},
        "bank": {
            "maxConditioning": config.max_cond_frame_num,
            "recent": config.num_maskmem - 1,
            "maxPointers": config.max_object_pointers_in_encoder,
            "temporalRows": config.num_maskmem,
            "conditioningRow": config.num_maskmem - 1,
            "pointerTime": "dt/(max-1)" if family.pointer_time else "none",
            **({"memoryPrecision": family.memory_precision} if family.memory_precision else {}),
        },
        "decode": {
            "multimaskMinPoints": config.multimask_min_pt_num,
            "multimaskMaxPoints": config.multimask_max_pt_num,
            **({"singleMaskStability": decoder.dynamic_multimask_stability_thresh} if falls_back else {}),
        },
        **({"detect": rules, "tokenizer": "tokenizer.json"} if rules else {}),
        "capabilities": {
            "text": family.detects, "exemplars": family.detects, "maskSeed": True, "points": True,
            "objectBatch": "dynamic", "memorySlots": "dynamic",
        },
        "files": files,
        "graphs": [
            {"role": Path(file["name"]).stem, "file": file["name"]} for file in files if file["name"].endswith(".onnx")
        ],
    }  # fmt: skip


def file_entry(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"name": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
