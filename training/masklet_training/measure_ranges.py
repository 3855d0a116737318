"""Measures the lowest and highest values at the large convolutions of a pack, on generated clips.

    python -m masklet_training.measure_ranges --pack FLOAT_PACK --sprites .cache/sprites.npz --out weights/ranges.json

The pack is one that `export_tracker` wrote without `--ranges`; with the result as `--ranges`, it writes one that computes these
convolutions with 8-bit integers. Takes a minute on one core.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from .byte_arithmetic import Range, large_convolutions, shown_output
from .clips import Clip, ClipGenerator
from .frame_cache import approach
from .sequences import prompt_marks

ROLES = ("encode", "segment", "track")  # graphs that run on most frames or for every click
KINDS = ("track", "named", "alike")  # of clips, in turn
PROMPTS = ("box", "click")
FRAMES = 5
SMALLEST = 0.0015  # share of the frame that a followed object covers
MARGIN = 1.25  # of the stored limits; values beyond them are clamped, which is worse than coarser steps
DIGITS = 4  # of the stored limits
DRAWING = "/phrases/masks"  # scope of the decoder of prompts in `detect`
LATER_PASS = re.compile(r"_\d+/Conv$")  # the exporter's names of a module's second and third use in one graph

Arrays = dict[str, np.ndarray]


class RecordingGraph:
    """Runs a graph, and keeps the ranges of its large convolutions over all runs."""

    def __init__(self, path: Path) -> None:
        """:raises ValueError: the graph computes with integers already"""
        model = onnx.load(path)
        graph = model.graph
        if any(node.op_type == "QuantizeLinear" for node in graph.node):
            raise ValueError(f"{path} has ranges already; expected a pack that was exported without --ranges")
        self.convolutions = [(node.name, node.input[0], shown_output(graph, node)[0]) for node in large_convolutions(graph)]
        self.outputs = [value.name for value in graph.output]
        known = {*self.outputs, *(value.name for value in graph.input)}
        recorded = {name for _, *ends in self.convolutions for name in ends}
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(recorded - known))
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.inputs = {value.name for value in self.session.get_inputs()}
        self.ranges: dict[str, Range] = {}

    def run(self, inputs: Arrays) -> Arrays:
        """:param inputs: those of the graph, and possibly others"""
        given = {name: value for name, value in inputs.items() if name in self.inputs}
        names = [value.name for value in self.session.get_outputs()]
        values = given | dict(zip(names, self.session.run(names, given), strict=True))
        for name, source, shown in self.convolutions:
            before = self.ranges.get(name)
            self.ranges[name] = {
                "input": extend(before and before["input"], values[source]),
                "output": extend(before and before["output"], values[shown]),
            }
        return {name: values[name] for name in self.outputs}


def extend(limits: tuple[float, float] | None, values: np.ndarray) -> tuple[float, float]:
    """Limits that include those before, if any, and all values"""
    low, high = float(values.min()), float(values.max())
    return (min(low, limits[0]), max(high, limits[1])) if limits else (low, high)


class Follower:
    """Follows one object of a clip with the graphs of a pack, as the server does, without its clean-up of masks."""

    def __init__(self, pack: Path) -> None:
        self.graphs = {role: RecordingGraph(pack / f"{role}.onnx") for role in (*ROLES, "remember")}
        self.bank = json.loads((pack / "manifest.json").read_text())["bank"]

    def follow(self, frames: np.ndarray, mask: np.ndarray, prompt: str) -> None:
        """
        :param frames: uint8 [T,S,S,3]
        :param mask: bool [S,S] of the object on the first frame
        :param prompt: "box" or "click"
        """
        levels = self.graphs["encode"].run({"image": frames[:1]})
        shown, pointer = self.first(levels, mask, prompt)
        one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        given = self.remember(levels, shown, one, one)
        recent: list[np.ndarray] = []
        pointers = [pointer]
        for frame in frames[1:]:
            levels = self.graphs["encode"].run({"image": frame[None]})
            tracked = self.graphs["track"].run(
                levels
                | {
                    "memory": np.stack([given, *reversed(recent)], 1),
                    "memory_t": np.array([[self.bank["conditioningRow"], *range(len(recent))]], np.int32),
                    "pointers": np.stack(pointers, 1),
                    "pointer_dt": (np.arange(len(pointers), 0, -1, dtype=np.float32) / (self.bank["maxPointers"] - 1))[None],
                    "points": np.zeros((1, 0, 2), np.float32),
                    "labels": np.zeros((1, 0), np.int32),
                }
            )
            if tracked["score"][0] > 0:
                recent = [*recent, self.remember(levels, tracked["mask"], tracked["score"], zero)][-self.bank["recent"] :]
            pointers.append(tracked["pointer"])

    def ranges(self) -> dict[str, dict[str, Range]]:
        """By role and name of the convolution. `detect` draws masks with the decoder of prompts, in one pass."""
        found = {role: self.graphs[role].ranges for role in ROLES}
        first_pass = {name: limits for name, limits in found["segment"].items() if not LATER_PASS.search(name)}
        return found | {"detect": {f"{DRAWING}{name}": limits for name, limits in first_pass.items()}}

    def first(self, levels: Arrays, mask: np.ndarray, prompt: str) -> tuple[np.ndarray, np.ndarray]:
        """Mask logits [1,1,m,m] of the prompted frame, and its pointer [1,D]"""
        points, labels = prompt_marks(mask, prompt)
        m = levels["feat_s0"].shape[-1]
        marked = levels | {"points": np.array([points], np.float32), "labels": np.array([labels], np.int32)}
        none = {"mask_in": np.zeros((1, 1, m, m), np.float32), "has_mask": np.zeros(1, np.float32)}
        result = self.graphs["segment"].run(marked | none)
        best = int(result["best"][0])
        chosen = result["masks"][:, best : best + 1]
        # As for a correction, whose ranges are wider.
        self.graphs["segment"].run(marked | {"mask_in": chosen, "has_mask": np.ones(1, np.float32)})
        return chosen, result["pointer"][:, best]

    def remember(self, levels: Arrays, mask: np.ndarray, score: np.ndarray, binarize: np.ndarray) -> np.ndarray:
        """A memory [1,g²,Dm]"""
        (memory,) = self.graphs["remember"].run({"feat": levels["feat"], "mask": mask, "score": score, "binarize": binarize}).values()
        return memory


def draw_clips(sprites: Path, side: int, seed: int) -> Iterator[tuple[Clip, np.ndarray]]:
    """Clips, and the mask of an object on their first frames, bool [S,S]. In every second clip one object grows or shrinks: the
    other objects are small.
    """
    plain, double = (ClipGenerator(sprites, size, seed, shapes=True) for size in (side, 2 * side))
    for index in count():
        kind = KINDS[index // 2 % len(KINDS)]
        clip: Clip | None = plain.clip(FRAMES, kind) if index % 2 else approach(double.clip(FRAMES, kind), double.rng, side)
        masks = [clip.ids[0] == number for number in range(1, len(clip.objects) + 1)] if clip else []
        visible = [mask for mask in masks if mask.mean() > SMALLEST]
        if clip and visible:
            yield clip, visible[plain.rng.integers(len(visible))] if index % 2 else max(visible, key=np.sum)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    follower = Follower(options.pack)
    side = json.loads((options.pack / "manifest.json").read_text())["geometry"]["S"]
    for index, (clip, mask) in enumerate(islice(draw_clips(options.sprites, side, options.seed), options.clips)):
        follower.follow(clip.frames, mask, PROMPTS[index // 2 % len(PROMPTS)])
    ranges = follower.ranges()
    options.out.write_text(json.dumps(stored(ranges), indent=1) + "\n")
    print(f"{options.out}: {sum(len(each) for each in ranges.values())} convolutions")


def stored(ranges: dict[str, dict[str, Range]]) -> dict[str, dict[str, dict[str, list[float]]]]:
    return {
        role: {
            name: {end: [round(x * MARGIN, DIGITS) for x in limits] for end, limits in each.items()} for name, each in convolutions.items()
        }
        for role, convolutions in ranges.items()
    }


if __name__ == "__main__":
    main()
