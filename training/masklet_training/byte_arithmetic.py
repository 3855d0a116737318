"""Computes large convolutions with 8-bit integers, which takes a third of the time on processors with such instructions.

The nodes are those of quantised ONNX models (`QuantizeLinear`, `DequantizeLinear`), with which ONNX Runtime fuses a convolution
(`microsoft/onnxruntime:onnxruntime/core/optimizer/qdq_transformer`). A runtime that does not fuse them computes the same in
float32. Inputs and outputs of a convolution have 256 values between the limits that `measure_ranges` found on generated clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .branches import uses
from .graph_constants import constant_reader, remove_unread_constants
from .pad_folding import remove_unread

# Processors without VNNI add pairs of products in 16 bits: 255 · 64 · 2 fits, 255 · 127 · 2 does not.
LARGEST_WEIGHT = 64
STEPS = 255
FEWEST_CHANNELS = 16  # of the input and of the output; smaller convolutions gain nothing
SMALLEST_RANGE = 1e-9


class Range(TypedDict):
    """Lowest and highest values of a convolution's input, and of its output or of the ReLU that follows"""

    input: tuple[float, float]
    output: tuple[float, float]


def compute_in_bytes(model: onnx.ModelProto, ranges: Mapping[str, Range]) -> onnx.ModelProto:
    """Changes the model in place.

    :param ranges: by name of the convolution's node
    :raises ValueError: a named convolution is not among `large_convolutions`, or its bias does not fit into 32 bits
    """
    convolutions = {node.name: node for node in large_convolutions(model.graph)}
    if missing := sorted(ranges.keys() - convolutions.keys()):
        raise ValueError(f"the graph has no large convolution {missing[0]}")
    quantiser = Quantiser(model.graph)
    for name, node in convolutions.items():
        if name in ranges:
            quantiser.convert(node, ranges[name])
    remove_unread(model)
    remove_unread_constants(model.graph)
    return model


def large_convolutions(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Dense convolutions of more than one cell with constant kernels, in their order"""
    constant = constant_reader(graph)

    def is_large(node: onnx.NodeProto) -> bool:
        if node.op_type != "Conv" or (kernel := constant(node.input[1])) is None:
            return False
        outputs, inputs, *sides = kernel.shape  # inputs of one group
        return min(outputs, inputs) >= FEWEST_CHANNELS and max(sides) > 1

    return [node for node in graph.node if is_large(node)]


def shown_output(graph: onnx.GraphProto, node: onnx.NodeProto) -> tuple[str, onnx.NodeProto | None]:
    """What other nodes see of a convolution: its output, or that of the ReLU that alone reads it, and this ReLU"""
    name = node.output[0]
    readers = [each for each in graph.node if name in uses(each)]
    is_result = any(value.name == name for value in graph.output)
    if len(readers) == 1 and readers[0].op_type == "Relu" and not is_result:
        return readers[0].output[0], readers[0]
    return name, None


class Quantiser:
    """Puts integers around convolutions of one graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constant = constant_reader(graph)
        """Of the graph before its changes"""
        self.steps: dict[str, np.ndarray] = {}
        """Between the integers of the values that were restored from integers, by their names"""
        self.restored: dict[str, str] = {}
        """Names of what was restored from integers, by those of the values and kernels that were rounded"""

    def convert(self, node: onnx.NodeProto, limits: Range) -> None:
        source = node.input[0]
        if source not in self.steps:
            if source not in self.restored:
                self.restored[source] = f"{source}.restored"
                self.insert(self.index(node), self.rounding(f"{node.name}.input", source, self.restored[source], limits["input"]))
            node.input[0] = self.restored[source]
        self.insert(self.index(node), self.restored_weights(node, self.steps[node.input[0]]))
        shown, relu = shown_output(self.graph, node)
        low, high = limits["output"]
        exact = f"{shown}.exact"
        node.output[0] = exact
        if relu:
            # A lowest value of zero has the effect of the ReLU.
            low = 0.0
            self.graph.node.remove(relu)
        self.insert(self.index(node) + 1, self.rounding(f"{node.name}.output", exact, shown, (low, high)))

    def rounding(self, scope: str, source: str, restored: str, limits: tuple[float, float]) -> list[onnx.NodeProto]:
        """Nodes that round a value to integers and restore it"""
        low, high = min(limits[0], 0.0), max(limits[1], 0.0)
        step = max(high - low, SMALLEST_RANGE) / STEPS
        zero = self.store(f"{source}.zero", np.array(round(-low / step), np.uint8))
        self.steps[restored] = np.array(step, np.float32)
        scale = self.store(f"{source}.step", self.steps[restored])
        return [
            helper.make_node("QuantizeLinear", [source, scale, zero], [f"{source}.bytes"], name=f"{scope}.quantise"),
            helper.make_node("DequantizeLinear", [f"{source}.bytes", scale, zero], [restored], name=f"{scope}.restore"),
        ]

    def restored_weights(self, node: onnx.NodeProto, step: np.ndarray) -> list[onnx.NodeProto]:
        """Nodes that restore a convolution's kernel and bias from integers, which are stored instead"""
        source = node.input[1]
        kernel = self.constant(source)
        largest = np.abs(kernel).max((1, 2, 3))
        scale = np.where(largest > 0, largest / LARGEST_WEIGHT, 1.0)
        nodes = []
        node.input[1] = f"{source}.restored"
        if source not in self.restored:
            # Convolutions may share a kernel, but not the steps of their inputs, which the bias depends on.
            self.restored[source] = node.input[1]
            integers = np.round(kernel / scale.reshape(-1, 1, 1, 1)).astype(np.int8)
            nodes.append(self.restore(f"{node.name}.kernel", source, integers, scale))
        if len(node.input) > 2:
            bias = np.round(self.constant(node.input[2]) / (scale * step))
            if np.abs(bias).max() > np.iinfo(np.int32).max:
                raise ValueError(f"the bias of {node.name} is too large for its range")
            node.input[2] = f"{node.name}.bias.restored"
            nodes.append(self.restore(f"{node.name}.bias", f"{node.name}.bias", bias.astype(np.int32), scale * step))
        return nodes

    def restore(self, scope: str, source: str, integers: np.ndarray, scale: np.ndarray) -> onnx.NodeProto:
        """A node that multiplies stored integers by one scale per output channel"""
        stored = [self.store(f"{source}.integers", integers), self.store(f"{source}.steps", scale.astype(np.float32))]
        return helper.make_node("DequantizeLinear", stored, [f"{source}.restored"], name=f"{scope}.restore", axis=0)

    def store(self, name: str, value: np.ndarray) -> str:
        self.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def index(self, node: onnx.NodeProto) -> int:
        return next(at for at, each in enumerate(self.graph.node) if each is node)

    def insert(self, at: int, nodes: list[onnx.NodeProto]) -> None:
        for node in reversed(nodes):
            self.graph.node.insert(at, node)
