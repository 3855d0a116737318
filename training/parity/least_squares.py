"""Least squares with a penalty, the only thing that is fitted here: last layers of a random network, in closed form."""

import torch
from torch import Tensor


def solve(features: Tensor, goals: Tensor, weights: Tensor | None = None, penalty: float | Tensor = 1e-3) -> tuple[Tensor, Tensor]:
    """features [n, d], goals [n, k], weights [n] → matrix [k, d] and bias [k] with features · matrixᵀ + bias ≈ goals

    :param penalty: of large weights; one for all features, or one each [d]
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
    """bool [n] → weights that give both kinds the same say"""
    share = inside.float().mean().clamp(1e-4, 1 - 1e-4)
    return torch.where(inside, 0.5 / share, 0.5 / (1 - share))
