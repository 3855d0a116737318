from __future__ import annotations
import numpy as np, onnx
def to_half(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> None:
    raise NotImplementedError
