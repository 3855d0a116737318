"""The arrays that the drop-in modules of SAM 2 and transformers return.

A program that has imported ``torch`` gets ``torch.Tensor`` on the CPU, as from the original packages, so that every
method and function of torch works on results. Without torch, results are NumPy arrays with the methods of tensors
that published notebooks call.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TensorLike", "device", "logits_of", "resized", "tensor_of"]

INSIDE = np.float32(10.0)
OUTSIDE = np.float32(-10.0)
"""The values of ``logits_of``: SAM 2's logits of certain pixels have about this size."""


class TensorLike(np.ndarray):
    """A NumPy array that also accepts ``.cpu()``, ``.numpy()``, ``.to(...)`` and similar calls of tensors."""

    def cpu(self) -> TensorLike:
        return self

    def cuda(self, *_: Any, **__: Any) -> TensorLike:
        return self

    def detach(self) -> TensorLike:
        return self

    def to(self, *_: Any, **__: Any) -> TensorLike:
        """Returns the array itself: there are no devices, and dtypes of tensors have no effect."""
        return self

    def numpy(self) -> NDArray[Any]:
        return np.asarray(self)

    def float(self) -> TensorLike:
        return self.astype(np.float32).view(TensorLike)

    def bool(self) -> TensorLike:
        return self.astype(np.bool_).view(TensorLike)

    def unsqueeze(self, axis: int) -> TensorLike:
        return np.expand_dims(self, axis)  # type: ignore[return-value]


def _torch() -> Any:
    """The module ``torch`` if the program has imported it. This package does not import it."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "from_numpy") else None


def tensor_of(array: NDArray[Any]) -> Any:
    """The array as ``torch.Tensor`` if the program has imported torch, otherwise as ``TensorLike``."""
    torch = _torch()
    return array.view(TensorLike) if torch is None else torch.from_numpy(np.ascontiguousarray(array))


def device() -> Any:
    """The device of results: ``torch.device("cpu")`` if the program has imported torch, otherwise ``cpu``."""
    torch = _torch()
    return "cpu" if torch is None else torch.device("cpu")


def logits_of(masks: NDArray[np.bool_]) -> Any:
    """float32 of the same shape, above 0 inside the mask and below 0 outside. They contain no confidence."""
    return tensor_of(np.where(masks, INSIDE, OUTSIDE))


def resized(masks: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Masks or logits ``[..., h, w]`` at the size ``(height, width)``, by the nearest pixel."""
    if masks.ndim < 2:
        raise ValueError(f"mask: expected [height, width], got {list(masks.shape)}")
    given = masks.shape[-2:]
    if given == size:
        return masks
    rows, columns = (_nearest(had, to) for had, to in zip(given, size))
    return masks[..., rows, :][..., columns]


def _nearest(given: int, size: int) -> NDArray[np.int64]:
    """For each of ``size`` pixels of an axis, the nearest of ``given`` pixels."""
    return np.minimum(((np.arange(size) + 0.5) * given / size).astype(np.int64), given - 1)
