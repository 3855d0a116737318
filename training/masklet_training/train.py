"""Trains the compact model on generated clips, within a given wall time, resumable from any checkpoint.

    python -m masklet_training.train --sprites .cache/sprites.npz --out .cache/run --minutes 80

Several single-threaded processes that average their gradients use small CPUs better than one process with several
threads, because threads of convolutions this small spend much of their time waiting for each other.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from .batches import LONG, LOOKS, STILLS, BatchShape, BatchStream, make_batches, phrase_tokens
from .checkpoint import load_weights, save_whole
from .model.compact import CompactModel
from .named import PICTURES
from .optimise import compute_in_bfloat16, make_optimiser, update_average
from .region_replay import RegionReplay
from .steps import concept_loss, memory_loss, name_loss, regions_to_name, sticker_loss, total_loss
from .stickers import make_stickers
from .tokenizer import words

Phrases = tuple[torch.Tensor, torch.Tensor]
Loss = tuple[torch.Tensor, dict[str, float]]

# In the stage `names`, each step on new regions is followed by REPLAY_STEPS steps on REPLAY_REGIONS earlier ones
# each. With five steps, the model overfits to the earlier regions.
REPLAY_STEPS, REPLAY_REGIONS = 2, 256


def to_tensors(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    return torch.from_numpy(np.ascontiguousarray(value))


class FrameSteps:
    """Every step uses new frames."""

    def __init__(self, stream: BatchStream, step_loss: Callable[..., Loss]) -> None:
        self.stream, self.step_loss = stream, step_loss

    def loss(self, model: CompactModel, phrases: Phrases) -> Loss:
        batch = to_tensors(self.stream.next())
        return self.step_loss(model, batch.pop("images"), batch, phrases)


class RegionSteps:
    """Some steps use new regions, the others replay regions of earlier frames."""

    def __init__(self, stream: BatchStream) -> None:
        self.stream = stream
        self.replay = RegionReplay()
        self.steps_left = 0  # replay steps left until new regions are due

    def loss(self, model: CompactModel, phrases: Phrases) -> Loss:
        if self.steps_left:
            self.steps_left -= 1
            loss, parts = name_loss(model, self.replay.draw(REPLAY_REGIONS), phrases)
            return loss, {f"{name}_again": value for name, value in parts.items()}
        regions = None
        while regions is None:
            batch = to_tensors(self.stream.next())
            regions = regions_to_name(model, batch.pop("images"), batch)
        self.replay.add(regions)
        self.steps_left = REPLAY_STEPS
        return name_loss(model, regions, phrases)


class StickerSteps:
    """Every sticker is used twice: unchanged and mirrored, which changes no name."""

    def __init__(self, stream: BatchStream) -> None:
        self.stream = stream
        self.seen: dict[str, torch.Tensor] | None = None

    def loss(self, model: CompactModel, phrases: Phrases) -> Loss:
        mirrored = self.seen is not None
        batch = self.seen or to_tensors(self.stream.next())
        self.seen = None if mirrored else batch
        sharp = batch["sharp"].flip(3) if mirrored else batch["sharp"]
        return sticker_loss(model, sharp.float(), batch["extent"], (batch["positive"], batch["doubtful"]), phrases)


Steps = FrameSteps | RegionSteps | StickerSteps
STAGES = ("all", "memory", "concepts", "stickers", "names")


def steps_of(options: argparse.Namespace, seed: int) -> Steps:
    """The training data and the loss of a stage."""

    def frames(**mix: int) -> BatchStream:
        shape = BatchShape(size=options.size, shapes=options.shapes, pictures=options.pictures, **mix)
        return BatchStream(make_batches, sprites=options.sprites, shape=shape, seed=seed)

    match options.stage:
        case "all":
            return FrameSteps(frames(), total_loss)
        case "memory":
            return FrameSteps(frames(**LONG), memory_loss)
        case "concepts":
            return FrameSteps(frames(**STILLS), concept_loss)
        case "names":
            return RegionSteps(frames(**LOOKS))
    return StickerSteps(BatchStream(make_stickers, sprites=options.sprites, pictures=options.pictures, count=REPLAY_REGIONS, seed=seed))


def learning_rate(progress: float, peak: float) -> float:
    """Short warm-up, then a cosine to nearly zero at the end of the time budget. progress is 0..1."""
    if progress < 0.02:
        return peak * max(progress / 0.02, 0.02)
    return peak * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))))


def freeze(model: CompactModel, stage: str) -> None:
    """Leaves only the stage's part (tracker, detector or namer) trainable. Batch norm uses its running statistics
    everywhere except in the namer when it is trained alone.
    """
    model.eval()
    if stage in ("names", "stickers"):
        namer = model.detector.namer
        model.requires_grad_(False)
        (namer if stage == "names" else namer.by_picture).requires_grad_(True).train()
        return
    detects = (model.text_encoder, model.detector)
    for part in model.children():
        part.requires_grad_((part in detects) == (stage == "concepts") and part is not model.encoder)
    model.no_memory.requires_grad_(stage == "memory")


def share(gradients: list[torch.Tensor], progress: float, workers: int) -> float:
    """Averages gradients and progress over all processes, in place, so that all stop at the same step."""
    flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor([progress])])
    if workers > 1:
        dist.all_reduce(flat)
        flat /= workers
    offset = 0
    for g in gradients:
        g.copy_(flat[offset : offset + g.numel()].view_as(g))
        offset += g.numel()
    return float(flat[-1])


def train(rank: int, options: argparse.Namespace) -> None:
    """One process of the training run. Rank 0 averages weights, logs and saves."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if options.workers > 1:
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{options.port}", rank=rank, world_size=options.workers)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint_path = options.out / "checkpoint.pt"
    model = CompactModel().to(memory_format=torch.channels_last)
    if options.init:
        load_weights(model, torch.load(options.init, weights_only=True)["average"])
    if options.stage != "all":
        freeze(model, options.stage)
    average = copy.deepcopy(model)
    if options.bfloat16:
        compute_in_bfloat16(model.detector.namer.by_picture)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = make_optimiser(parameters, options.peak)
    step, spent = 0, 0.0
    if options.resume and checkpoint_path.exists():
        saved = torch.load(checkpoint_path, weights_only=True)
        load_weights(model, saved["model"])
        load_weights(average, saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
    torch.manual_seed(options.seed * 7919 + rank)
    steps = steps_of(options, options.seed * 100_003 + step * options.workers + rank)
    log = (options.out / "log.jsonl").open("a")
    phrases = tuple(torch.from_numpy(array) for array in phrase_tokens())
    started, last_save = time.monotonic(), time.monotonic()
    seen: dict[str, list[float]] = {}
    counted = 0
    progress = spent / (options.minutes * 60)

    def save() -> None:
        state = {
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "words": words(),
            "step": step,
            "spent": spent + time.monotonic() - started,
        }
        save_whole(state, checkpoint_path)

    while progress < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress, options.peak)
        loss, parts = steps.loss(model, phrases)
        loss.backward()
        gradients = []
        for p in parameters:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad.nan_to_num_(0.0)
            gradients.append(p.grad)
        elapsed = spent + time.monotonic() - started
        progress = share(gradients, elapsed / (options.minutes * 60), options.workers)
        torch.nn.utils.clip_grad_norm_(parameters, 4.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if rank > 0:
            continue
        update_average(average, model, min(0.998, (1 + step) / (10 + step)))
        counted += 1
        for name, value in parts.items():
            seen.setdefault(name, []).append(value)
        if counted == 50:
            means = {name: round(sum(values) / len(values), 4) for name, values in seen.items()}
            line = {"step": step, "minutes": round(elapsed / 60, 2), **means}
            print(json.dumps(line), flush=True)
            log.write(json.dumps(line) + "\n")
            log.flush()
            seen, counted = {}, 0
        if time.monotonic() - last_save > 180:
            save()
            last_save = time.monotonic()
    if rank == 0:
        save()
    steps.stream.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sprites", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=80.0, help="total time budget, earlier sessions included")
    parser.add_argument("--peak", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--size", type=int, default=192, help="side of the training frames in pixels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--stage",
        choices=STAGES,
        default="all",
        help="all: everything; with a frozen encoder: memory (tracking over longer clips), concepts (detection), stickers or names (the namer, on stickers or on frames)",
    )
    parser.add_argument("--shapes", action="store_true", help="frames with the aspect ratios of videos, resized to squares as at run time")
    parser.add_argument("--pictures", type=float, default=PICTURES, help="share of pictures among named objects, 0.15 to 0.85")
    parser.add_argument("--workers", type=int, default=2, help="processes, one core each")
    parser.add_argument("--port", type=int, default=29511, help="local port for the communication between the processes")
    parser.add_argument("--bfloat16", action="store_true", help="naming by pixels in bfloat16: twice as fast on CPUs with AMX")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument(
        "--init", type=Path, help="start from the averaged weights of another run's checkpoint; missing parts are initialised anew"
    )
    options = parser.parse_args()
    if options.workers == 1:
        train(0, options)
    else:
        mp.spawn(train, (options,), nprocs=options.workers, daemon=False)


if __name__ == "__main__":
    main()
