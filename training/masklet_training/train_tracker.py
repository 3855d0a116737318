"""Trains the tracker on stored features, within a given time; resumable.

    python -m masklet_training.train_tracker --frames .cache/frames --init .cache/backbone.pt --out .cache/tracker --minutes 120

`--minutes` counts the processor time of this process, so a run that waits for busy cores trains as long as any other.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load_tracker, save_whole
from .model.lite_tracker import LiteTracker
from .optimise import compute_in_bfloat16, make_optimiser, update_average
from .tracker_steps import clip_loss, still_loss

LOG_EVERY, SAVE_EVERY = 25, 20  # steps, seconds of processor time
KEEP_EVERY = 250  # steps after which the averaged weights are kept, for `publish_weights`


def learning_rate(progress: float, peak: float) -> float:
    """Short warm-up, then a cosine to nearly zero. progress is 0..1."""
    return peak * min(progress / 0.01 + 0.02, 1.0) * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))))


def freeze(model: LiteTracker) -> list[torch.nn.Parameter]:
    """Freezes the pretrained network. Returns what is trained."""
    model.backbone.requires_grad_(False)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def train(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    torch.set_flush_denormal(True)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "checkpoint.pt"
    model, _ = load_tracker(options.init, options.size)
    average = copy.deepcopy(model)
    parameters = freeze(model)
    optimiser = make_optimiser(parameters, options.peak)
    model.to(memory_format=torch.channels_last)
    if options.bfloat16:
        for module in (model.head.neck, model.head.at8, model.head.enter4, model.decoder, model.prompt_decoder):
            compute_in_bfloat16(module)
    step, spent = 0, 0.0
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
    rng = np.random.default_rng([options.seed, step])
    started = saved_at = time.process_time()
    seen: dict[str, list[float]] = {}

    def elapsed() -> float:
        return spent + time.process_time() - started

    def save() -> None:
        state = {"model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
        state |= {"network": model.cfg.size, "step": step, "spent": elapsed()}
        save_whole(state, path)

    def learn(result: tuple[Tensor, dict[str, float]] | None, count: int) -> bool:
        """Adds the gradients of a loss, divided by the number of clips per step. Returns whether there was one."""
        if result is None:
            return False
        loss, parts = result
        (loss / count).backward()
        for name, value in parts.items():
            seen.setdefault(name, []).append(value)
        return True

    with (options.out / "log.jsonl").open("a") as log:
        while elapsed() < options.minutes * 60:
            files = sorted(options.frames.glob("*.pt"))
            if not files:
                raise FileNotFoundError(f"{options.frames} contains no clips: run masklet_training.frame_cache first")
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(elapsed() / (options.minutes * 60), options.peak)
            drawn = 0
            while drawn < options.clips:
                stored = torch.load(files[int(rng.integers(len(files)))], weights_only=True)
                result = clip_loss(model, stored, rng, options.objects, options.recent, options.own_start)
                drawn += learn(result, options.clips)
            stills = sorted(options.stills.glob("*.pt")) if options.stills else []
            for chosen in rng.integers(len(stills), size=options.stills_per_step) if stills else ():
                stored = torch.load(stills[int(chosen)], weights_only=True)
                learn(still_loss(model, stored, rng, options.objects), options.clips)
            torch.nn.utils.clip_grad_norm_(parameters, 2.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            step += 1
            update_average(average, model, min(0.995, (1 + step) / (10 + step)))
            if step % LOG_EVERY == 0:
                means = {name: round(sum(values) / len(values), 4) for name, values in seen.items()}
                line = {"step": step, "minutes": round(elapsed() / 60, 2), "clips": len(files), **means}
                print(json.dumps(line), flush=True)
                log.write(json.dumps(line) + "\n")
                log.flush()
                seen = {}
            if step % KEEP_EVERY == 0:
                kept = {"average": average.state_dict(), "network": model.cfg.size, "step": step, "spent": elapsed()}
                save_whole(kept, options.out / f"step-{step:05d}.pt")
            if time.process_time() - saved_at > SAVE_EVERY:
                save()
                saved_at = time.process_time()
    save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="folder of frame_cache")
    parser.add_argument("--init", type=Path, required=True, help="output of measure_features, or a checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120.0, help="processor time, earlier runs included")
    parser.add_argument("--peak", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--size", type=int, default=256, help="side of the stored frames in pixels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clips", type=int, default=2, help="clips per step")
    parser.add_argument("--stills", type=Path, help="folder of frame_cache --stills: prompted single frames")
    parser.add_argument("--stills-per-step", type=int, default=3)
    parser.add_argument("--objects", type=int, default=2, help="tracked objects per clip")
    parser.add_argument("--recent", type=int, default=2, help="remembered frames besides the first one")
    parser.add_argument("--own-start", type=float, default=0.4, help="share of clips that start from the model's own mask")
    parser.add_argument("--bfloat16", action="store_true", help="decoders in bfloat16: twice as fast on CPUs with AMX")
    parser.add_argument("--threads", type=int, default=1)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
