"""Exports a checkpoint of transformers to a pack.

python -m masklet_export facebook/sam3 --out packs/sam3 python -m masklet_export facebook/sam2.1-hiera-tiny --out
packs/sam2.1-tiny --precision fp16 python -m masklet_export path/to/checkpoint --out packs/mine --tokenizer
path/to/tokenizer.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from .attention import use_attention
from .checkpoint import TEXT_MODELS, open_checkpoint, with_text_encoder
from .families import open_family
from .family import ExportError
from .pack import GraphCost, export_pack


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m masklet_export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="a folder, or a Hugging Face hub repository (owner/name)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack")
    parser.add_argument("--revision", help="branch, tag or commit of the repository")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json, for checkpoints without one")
    parser.add_argument("--text-encoder", help="a SAM 3 Lite checkpoint (folder or repository) whose text encoder replaces SAM 3's")
    parser.add_argument("--precision", choices=["fp32", "fp16"], default="fp32", help="fp16 computes in half precision; for GPUs")
    parser.add_argument(
        "--attention", choices=["fused", "standard"], default="fused", help="standard uses no operators specific to ONNX Runtime"
    )
    parser.add_argument("--detections", type=int, default=64, help="detections kept per concept and frame (default 64)")
    parser.add_argument("--preset", default="masklet", help="tracking rules that the server applies (default masklet)")
    parser.add_argument("--version", default="1.0.0", help="version of the pack (default 1.0.0)")
    return parser.parse_args(arguments)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        checkpoint = open_checkpoint(options.checkpoint, options.revision, options.tokenizer)
        print(f"{checkpoint.folder}: {checkpoint.model_type}, {checkpoint.license}", flush=True)
        lite = None
        if options.text_encoder:
            text_checkpoint = open_checkpoint(options.text_encoder, None, None)
            print(f"{text_checkpoint.folder}: {text_checkpoint.model_type}, {text_checkpoint.license} (text encoder)", flush=True)
            lite, checkpoint = text_checkpoint.load(TEXT_MODELS), with_text_encoder(checkpoint, text_checkpoint, options.tokenizer)
        model = checkpoint.load()
        use_attention(model, options.attention)
        family = open_family(model, options.attention, kept=options.detections, processor=checkpoint.processor, lite=lite)
        costs = export_pack(
            family, checkpoint, options.out,
            version=options.version, preset=options.preset, precision=options.precision, progress=report,
        )  # fmt: skip
    except ExportError as error:
        print(error, file=sys.stderr)
        return 1
    total = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{options.out}: {total / 1e6:.1f} MB in {sum(cost.seconds for cost in costs):.0f} s")
    return 0


def report(cost: GraphCost) -> None:
    print(
        f"{cost.role:9} {cost.seconds:6.1f} s  graph {cost.graph_bytes / 1e6:6.2f} MB  "
        f"weights {cost.weight_bytes / 1e6:8.2f} MB  peak memory {cost.peak_bytes / 1e9:.1f} GB",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
