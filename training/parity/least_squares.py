"""Least squares with a ridge penalty, in closed form. Fits the last layers of random networks."""

import torch
from torch import Tensor


def solve(features: Tensor, goals: Tensor, weights: Tensor | None = None, penalty: float | Tensor = 1e-3) -> tuple[Tensor, Tensor]:
    """Solves for matrix [k, d] and bias [k] such that features · matrixᵀ + bias ≈ goals.

    :param features: [n, d]
    :param goals: [n, k]
    :param weights: [n]
    :param penalty: of large weights; one value for all features, or one per feature [d]
    """
    features, goals = features.double(), goals.double()
    weights = torch.ones(len(features), dtype=torch.float64) if weights is None else weights.double()
    share = weights / weights.sum()
    middle, level = share @ features, share @ goals
    centred = features - middle
    spread = (share @ centred.square()).mean()
    gram = (centred * share[:, None]).T @ centred + spread * torch.diag(
        torch.as_tensor(penalty, dtype=torch.float64).expand(features.shape[1])
    )
    matrix = torch.linalg.solve(gram, (centred * share[:, None]).T @ (goals - level)).T
    return matrix.float(), (level - matrix @ middle).float()


def class_weights(inside: Tensor) -> Tensor:
    """bool [n] → weights [n] that give both classes equal influence"""
    share = inside.float().mean().clamp(1e-4, 1 - 1e-4)
    return torch.where(inside, 0.5 / share, 0.5 / (1 - share))
