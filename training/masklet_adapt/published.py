"""Opens published ONNX files, checks them against the expected layout, and runs them for their constants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


class AdaptError(Exception):
    """The files cannot become a pack. The message is one sentence for the user of the command."""


@dataclass(frozen=True)
class Published:
    """One published graph"""

    path: Path
    model: onnx.ModelProto

    @property
    def opset(self) -> int:
        return next(entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx"))

    def element_type(self, name: str) -> int:
        """`TensorProto.DataType` of an input"""
        return next(value for value in self.model.graph.input if value.name == name).type.tensor_type.elem_type

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        session = onnxruntime.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])
        return session.run(outputs, inputs)


def open_published(folder: Path, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Published:
    """Opens a graph with its external weights.

    :raises AdaptError: with the file and the first missing tensor
    """
    path = folder / name
    if not path.is_file():
        raise AdaptError(f"{path}: file not found.")
    model = onnx.load(str(path))
    fixed = {tensor.name for tensor in model.graph.initializer}
    there = {
        "input": [value.name for value in model.graph.input if value.name not in fixed],
        "output": [value.name for value in model.graph.output],
    }
    for kind, wanted in (("input", inputs), ("output", outputs)):
        for tensor in wanted:
            if tensor not in there[kind]:
                found = ", ".join(there[kind])
                raise AdaptError(f'{name}: {kind} "{tensor}" is missing: expected {", ".join(wanted)}, found {found}.')
    stranger = next((tensor for tensor in there["input"] if tensor not in inputs), None)
    if stranger is not None:
        raise AdaptError(f'{name}: input "{stranger}" is unknown: expected only {", ".join(inputs)}.')
    return Published(path, model)


class Constants:
    """Small arrays that the published graphs expect from their host, by their transformers names"""

    def __init__(self, path: Path) -> None:
        """:param path: an `.npz` file, or a `.safetensors` checkpoint, of which only these arrays are read"""
        self.path = path
        if path.suffix == ".npz":
            with np.load(path) as archive:
                self._arrays = {name: archive[name] for name in archive.files}
            return
        from safetensors import safe_open

        self._arrays = {}
        with safe_open(str(path), framework="np") as checkpoint:
            for name in checkpoint.keys():
                if any(name.endswith(known) for known in CONSTANT_NAMES):
                    self._arrays[name] = checkpoint.get_tensor(name)

    def get(self, name: str) -> np.ndarray | None:
        """The array whose name ends with `name`: checkpoints of whole systems prefix the part's name."""
        for full, values in self._arrays.items():
            if full == name or full.endswith(f".{name}"):
                return values.astype(np.float32)
        return None

    def need(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """:raises AdaptError: if the array is missing or has another number of values"""
        values = self.get(name)
        if values is None:
            raise AdaptError(f'{self.path.name}: "{name}" is missing; the graphs need it and do not contain it.')
        if values.size != np.prod(shape):
            raise AdaptError(f'{self.path.name}: "{name}" has the shape {list(values.shape)}, expected {list(shape)}.')
        return values.reshape(shape)


CONSTANT_NAMES = (
    "no_memory_embedding",
    "no_object_pointer",
    "memory_temporal_positional_encoding",
    "temporal_positional_encoding_projection_layer.weight",
    "temporal_positional_encoding_projection_layer.bias",
    "occlusion_spatial_embedding_parameter",
)
