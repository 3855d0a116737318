"""The optimiser, the average of weights and the arithmetic of every training run."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def make_optimiser(parameters: list[nn.Parameter], peak: float) -> torch.optim.AdamW:
    """AdamW with weight decay for matrices and kernels only. `peak` is the highest learning rate."""
    return torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=peak,
        betas=(0.9, 0.98),
    )


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Exponential moving average of weights; norm statistics are copied."""
    for a, p in zip(average.parameters(), model.parameters()):
        a.lerp_(p, 1.0 - decay)
    for a, p in zip(average.buffers(), model.buffers()):
        a.copy_(p)


def compute_in_bfloat16(module: nn.Module) -> None:
    """Computes a module in bfloat16 where that is safe, and returns float32. The weights stay float32."""
    forward = module.forward

    def mixed(*inputs: object) -> Tensor | tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = forward(*inputs)
        return outputs.float() if isinstance(outputs, Tensor) else tuple(output.float() for output in outputs)

    module.forward = mixed
