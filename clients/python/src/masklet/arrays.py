"""NumPy arrays with the methods of tensors that published notebooks call on results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TensorLike", "logits_of", "tensor_like"]

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
        return tensor_like(self.astype(np.float32))

    def bool(self) -> TensorLike:
        return tensor_like(self.astype(np.bool_))

    def unsqueeze(self, axis: int) -> TensorLike:
        return np.expand_dims(self, axis)  # type: ignore[return-value]


def tensor_like(array: NDArray[Any]) -> TensorLike:
    return array.view(TensorLike)


def logits_of(masks: NDArray[np.bool_]) -> TensorLike:
    """float32 of the same shape, above 0 inside the mask and below 0 outside. They contain no confidence."""
    return np.where(masks, INSIDE, OUTSIDE).view(TensorLike)
