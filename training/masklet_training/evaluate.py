"""Measures tracking on real sequences with ground truth, through the server, by the measures of DAVIS.

    python -m masklet_training.evaluate --sequences FOLDER --prompt box --prompt mask --prompt click

FOLDER contains one folder per sequence with frames/NNNNN.jpg and masks/NNNNN.png (0 and 255), as in DAVIS 2016. The
object is prompted on the first frame; all later frames count. `copied` is J for copying the first mask to every frame,
`first` is J on the prompted frame, `auc` is the probability that the object score (`score` of `out_states`) is higher on a
frame with J ≥ 0.5 than on one without. Real footage is used only to choose between designs, never for training.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .davis_metrics import NEAR, area_under_curve, contour_accuracy, region_similarity
from .sequences import Sequence, box_around, correction, load_sequences, middle_point

CLIENT = Path(__file__).parents[2] / "clients" / "python" / "src"
PROMPTS = ("box", "mask", "click")
START_S = 600.0  # time for the start of the server; busy machines need minutes


def prompt_of(kind: str, mask: np.ndarray) -> dict[str, Any]:
    """The arguments of the client's `add_prompt`."""
    match kind:
        case "box":
            return {"box": box_around(mask)}
        case "mask":
            return {"mask": mask}
        case "click":
            return {"points": [middle_point(mask)], "labels": [1]}
    raise ValueError(f"prompt must be one of {', '.join(PROMPTS)}, not {kind!r}")


class Results:
    """The masks and object scores of one tracked object; a frame without it has an empty mask"""

    def __init__(self, sequence: Sequence) -> None:
        self.masks = [np.zeros_like(mask) for mask in sequence.masks]
        self.scores = np.zeros(len(sequence.masks))

    def take(self, frame: Any) -> None:
        self.masks[frame.index] = frame.masks[0] if len(frame.ids) else np.zeros_like(self.masks[frame.index])
        self.scores[frame.index] = max((state["score"] for state in frame.states), default=0.0)


def measure(sequence: Sequence, results: Results) -> tuple[dict[str, float], np.ndarray]:
    """The measures of a sequence, and J of each frame after the first"""
    truth = sequence.masks
    overlaps = np.array([region_similarity(a, b) for a, b in zip(results.masks, truth, strict=True)])
    contours = [contour_accuracy(a, b) for a, b in zip(results.masks[1:], truth[1:], strict=True)]
    copied = [region_similarity(truth[0], b) for b in truth[1:]]
    j, f = float(overlaps[1:].mean()), float(np.mean(contours))
    row = {
        "J": j,
        "F": f,
        "J&F": (j + f) / 2,
        "first": float(overlaps[0]),
        "last": float(overlaps[-10:].mean()),
        "copied": float(np.mean(copied)),
    }
    return row, overlaps[1:]


def evaluate(client: Any, sequence: Sequence, kind: str, rounds: int) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Tracks one sequence; then, `rounds` times, corrects the frame with the lowest J by a click and tracks again.
    Returns the measures, and J and the object score of each frame before any correction
    """
    results = Results(sequence)
    with client.start_session(sequence.frames) as session:
        answer = session.add_prompt(frame_index=0, **prompt_of(kind, sequence.masks[0]))
        results.take(answer.frame)
        for frame in session.propagate("forward", start_frame_index=0):
            results.take(frame)
        row, overlaps = measure(sequence, results)
        scores = results.scores[1:].copy()
        corrected = overlaps
        for round_number in range(1, rounds + 1):
            worst = 1 + int(corrected.argmin())
            if corrected[worst - 1] >= 1.0:
                break
            point, label = correction(results.masks[worst], sequence.masks[worst])
            click = {"points": [point], "labels": [label], "clear_old_points": False}
            results.take(session.add_prompt(frame_index=worst, obj_id=answer.obj_id, **click).frame)
            for frame in session.propagate("both", start_frame_index=worst):
                results.take(frame)
            after, corrected = measure(sequence, results)
            row[f"J{round_number}"] = after["J"]
    return row, overlaps, scores


def report(name: str, row: dict[str, float]) -> None:
    print(name, json.dumps({key: round(value, 3) for key, value in row.items()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=Path, required=True)
    parser.add_argument("--only", action="append", help="name of a sequence, repeatable; default: all")
    parser.add_argument("--prompt", action="append", choices=PROMPTS, help="repeatable; default: box")
    parser.add_argument("--pack", type=Path, help="folder of a pack; default: the embedded one")
    parser.add_argument("--rounds", type=int, default=0, help="corrections by one click on the worst frame")
    options = parser.parse_args()
    sys.path.insert(0, str(CLIENT))
    import masklet

    sequences = load_sequences(options.sequences, options.only)
    with masklet.serve(pack=options.pack, timeout_s=START_S) as server, server.connect() as client:
        for kind in options.prompt or ["box"]:
            rows, overlaps, scores = [], [], []
            for sequence in sequences:
                row, each, probabilities = evaluate(client, sequence, kind, options.rounds)
                report(f"{kind} {sequence.name}", row)
                rows.append(row)
                overlaps.append(each)
                scores.append(probabilities)
            means = {key: float(np.mean([row[key] for row in rows if key in row])) for key in rows[0]}
            auc = area_under_curve(np.concatenate(scores), np.concatenate(overlaps) >= NEAR)
            report(f"{kind} all", means | ({} if auc is None else {"auc": auc}) | {"worst": min(row["J"] - row["copied"] for row in rows)})


if __name__ == "__main__":
    main()
