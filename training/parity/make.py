"""Records the golden files for the server's parity tests.

    python -m parity.make --out ../test/golden/parity
    python -m parity.make --out /tmp/other --seed 12 --only sam3

Creates a small random model of each family, exports it with `masklet_export`, and runs it with transformers over
generated clips. Models and packs stay in the work folder, so a second run with the same seed only records.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import cleaning, families, host_steps
from .draws import Rejected
from .golden import GoldenWriter

LIMIT_BYTES = 15_000_000


@torch.no_grad()
def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m parity.make", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder of the golden files; replaces the recorded families, and `cleaning` and `steps` next to it",
    )
    parser.add_argument("--work", type=Path, default=Path(".cache/parity"), help="folder of checkpoints and packs")
    parser.add_argument("--seed", type=int, default=1, help="first seed; 100 is added after each rejected seed")
    parser.add_argument("--only", choices=sorted(families.FAMILIES), action="append", help="family to record; repeat for more")
    parser.add_argument("--tries", type=int, default=8, help="largest number of seeds to try")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.monotonic()
    rejected: list[str] = []
    for name in options.only or sorted(families.FAMILIES):
        folder = options.out / name
        made = record(name, options)
        if made is None:
            rejected.append(name)
            continue
        shutil.rmtree(folder, ignore_errors=True)
        write(folder, made)
        report(f"{name}: done after {time.monotonic() - begun:.0f} s")
    if not options.only:
        writer = GoldenWriter()
        writer.write(options.out.with_name("cleaning"), {"seed": options.seed, "cases": cleaning.cases(writer, options.seed)})
        writer = GoldenWriter()
        writer.write(options.out.with_name("steps"), {"seed": options.seed, **host_steps.cases(writer, options.seed)})
    total = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {total / 1e6:.1f} MB")
    if total > LIMIT_BYTES:
        print(f"{options.out}: {total} bytes exceed the limit of {LIMIT_BYTES} for the repository.", file=sys.stderr)
        return 1
    for name in rejected:
        print(f"{name}: all {options.tries} seeds were rejected; try another --seed or more --tries.", file=sys.stderr)
    return 1 if rejected else 0


def record(family: str, options: argparse.Namespace) -> families.Recording | None:
    """Records with the first accepted seed. Returns None if all are rejected."""
    for attempt in range(options.tries):
        seed = options.seed + 100 * attempt
        try:
            return families.FAMILIES[family](options.work / f"{family}-{seed}", seed, report)
        except Rejected as reason:
            report(f"{family}, seed {seed}: {reason}")
            if attempt + 1 < options.tries:
                report(f"{family}: trying seed {seed + 100}")
    return None


def write(folder: Path, made: families.Recording) -> None:
    writer = GoldenWriter()
    index: dict[str, Any] = {
        "family": made.family,
        "seed": made.seed,
        "transformers": made.transformers,
        "clips": {run["clip"].name: writer.add(run["clip"].frames()) for run in made.runs},
        "graphs": [
            {
                "role": case["role"],
                "inputs": {name: writer.add(np.asarray(value)) for name, value in case["inputs"].items()},
                "outputs": {name: writer.add(np.asarray(value)) for name, value in case["outputs"].items()},
            }
            for case in made.graphs
        ],
        "runs": [
            {**run, "clip": run["clip"].name, "answers": [[_frame(writer, frame) for frame in answer] for answer in run["answers"]]}
            for run in made.runs
        ],
    }
    writer.write(folder, index)
    (folder / "pack").mkdir()
    for file in sorted(made.pack.iterdir()):
        (folder / "pack" / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))


def _frame(writer: GoldenWriter, frame: Any) -> dict[str, Any]:
    return {
        "frame": frame.frame,
        "ids": frame.ids,
        "scores": frame.scores,
        "boxes": frame.boxes,
        "masks": writer.add(frame.masks.astype(bool)),
    }


def report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
