"""Composes a pack from published ONNX files, without PyTorch.

    python -m masklet_adapt --video edgetam-video-onnx --family edgetam --constants model.safetensors --out packs/edgetam
    python -m masklet_adapt --video sam3-video-onnx --family sam3 --constants model.safetensors \\
        --detector usls-sam3 --tokenizer tokenizer.json --out packs/sam3

`--video` is a folder in the layout of `jax-image-tools/*-video-onnx`, `--detector` one in the layout of
`jamjamjon/usls`. `--constants` contains small arrays that those graphs expect from their host: the source checkpoint
(`.safetensors`), of which only these arrays are read, or an `.npz` with the arrays under their transformers names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .jax_video import FAMILIES, open_video
from .pack import write_pack
from .published import AdaptError, Constants
from .usls_detector import open_detector


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="masklet_adapt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--family", choices=list(FAMILIES), required=True)
    parser.add_argument("--constants", type=Path, required=True)
    parser.add_argument("--detector", type=Path)
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json of the detector's text encoder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--id", help="id of the pack (default: the name of the output folder)")
    parser.add_argument("--version", default="1")
    parser.add_argument("--repository", help="source of the files, for the manifest")
    parser.add_argument("--revision")
    options = parser.parse_args(arguments)
    try:
        if (options.detector is None) != (options.tokenizer is None):
            raise AdaptError("--detector and --tokenizer must be given together: phrases need a tokenizer.")
        if not options.constants.is_file():
            raise AdaptError(f"{options.constants}: file not found.")
        video = open_video(options.video, FAMILIES[options.family], Constants(options.constants))
        detector = open_detector(options.detector, video.sizes) if options.detector else None
        source = {"repository": options.repository, "revision": options.revision}
        described = write_pack(
            video, detector, options.tokenizer, options.out,
            name=options.id or options.out.name, version=options.version,
            source={key: value for key, value in source.items() if value is not None},
        )  # fmt: skip
    except AdaptError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out}: pack {described['id']}, {len(described['graphs'])} graphs")
    for limit in described["source"]["limits"]:
        print(f"  limit: {limit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
