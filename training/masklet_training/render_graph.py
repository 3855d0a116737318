"""The `render` graph: mask logits → bits, area and box at any output size. Built node by node, because it has no
weights.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper


def build_render(m: int, opset: int) -> onnx.ModelProto:
    """in mask f32 [B,1,m,m], size int32 [2] (height, width), threshold f32 [] → bits uint8 [B,H,W], area int32 [B],
    bbox int32 [B,4] (x0, y0, x1, y1; the last two exclusive; zeros when the mask is empty)."""
    node = helper.make_node
    constants = {
        "two": ([1], [2]), "zero": ([1], [0]), "axis1": ([1], [1]), "axis2": ([1], [2]), "axes12": ([2], [1, 2]),
        "one64": ([1], [1]),
    }  # fmt: skip
    initializers = [helper.make_tensor(n, TensorProto.INT64, dims, values) for n, (dims, values) in constants.items()]
    nodes = [
        node("Cast", ["size"], ["size64"], to=TensorProto.INT64),
        node("Shape", ["mask"], ["shape"]),
        node("Slice", ["shape", "zero", "two", "zero"], ["leading"]),
        node("Concat", ["leading", "size64"], ["sizes"], axis=0),
        node(
            "Resize",
            ["mask", "", "", "sizes"],
            ["wide"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        node("Squeeze", ["wide", "axis1"], ["flat"]),
        node("Greater", ["flat", "threshold"], ["inside"]),
        node("Cast", ["inside"], ["bits"], to=TensorProto.UINT8),
        node("Cast", ["inside"], ["counts"], to=TensorProto.INT32),
        node("ReduceSum", ["counts", "axes12"], ["area"], keepdims=0),
        node("ReduceMax", ["counts", "axis1"], ["columns"], keepdims=0),
        node("ReduceMax", ["counts", "axis2"], ["rows"], keepdims=0),
        node("ArgMax", ["columns"], ["x0"], axis=1, keepdims=1, select_last_index=0),
        node("ArgMax", ["rows"], ["y0"], axis=1, keepdims=1, select_last_index=0),
        node("ArgMax", ["columns"], ["last_x"], axis=1, keepdims=1, select_last_index=1),
        node("ArgMax", ["rows"], ["last_y"], axis=1, keepdims=1, select_last_index=1),
        node("Add", ["last_x", "one64"], ["x1"]),
        node("Add", ["last_y", "one64"], ["y1"]),
        node("Concat", ["x0", "y0", "x1", "y1"], ["box64"], axis=1),
        node("Cast", ["box64"], ["box32"], to=TensorProto.INT32),
        node("Sign", ["area"], ["any"]),
        node("Unsqueeze", ["any", "axis1"], ["any1"]),
        node("Mul", ["box32", "any1"], ["bbox"]),
    ]
    graph = helper.make_graph(
        nodes,
        "render",
        [
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["B", 1, m, m]),
            helper.make_tensor_value_info("size", TensorProto.INT32, [2]),
            helper.make_tensor_value_info("threshold", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("bits", TensorProto.UINT8, ["B", "H", "W"]),
            helper.make_tensor_value_info("area", TensorProto.INT32, ["B"]),
            helper.make_tensor_value_info("bbox", TensorProto.INT32, ["B", 4]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="masklet")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model
