"""One file for the weights of all graphs of a pack.

A tensor that several graphs read (three graphs contain the mask decoder) is written once: ONNX lets every graph
reference the same bytes of an external file. Tensors are appended one at a time, so that memory holds one tensor
instead of a pack.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

ALIGNMENT = 64  # bytes, so that vector instructions can read a mapped file in place
SMALLEST = 1024  # bytes; the runtime reads smaller tensors (shapes, axes) while it opens a graph, so they stay inline


class WeightStore:
    """Appends tensors to `path` and records what it has written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self._places: dict[bytes, tuple[int, int]] = {}

    def place(self, name: str, values: np.ndarray) -> TensorProto:
        """The initializer `name`: inline if it is small, otherwise a reference to its bytes in the file"""
        values = np.asarray(values, order="C")  # ascontiguousarray would add an axis to scalars
        if values.nbytes < SMALLEST:
            return numpy_helper.from_array(values, name)
        data = values.tobytes()
        key = hashlib.sha256(data).digest()
        if key not in self._places:
            self._append(bytes(-self.bytes % ALIGNMENT))
            self._places[key] = (self.bytes, len(data))
            self._append(data)
        offset, length = self._places[key]
        tensor = TensorProto(
            name=name,
            dims=values.shape,
            data_type=onnx.helper.np_dtype_to_tensor_dtype(values.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        for entry, value in (("location", self.path.name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=entry, value=str(value))
        return tensor

    def close(self) -> str:
        """Closes the file.

        :return: hexadecimal sha256 of its content
        """
        self._file.close()
        return self._hash.hexdigest()

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)
