"""Two forms of attention in the graphs.

"standard" uses only standard operators and runs on every runtime. "fused" uses ONNX Runtime's `MultiHeadAttention`,
which on CPUs never stores the matrix of all queries against all keys. At SAM 3's full size, that matrix is several
gigabytes.
"""

from __future__ import annotations

from typing import Any, Literal

import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from torch import Tensor, nn
from transformers import AttentionInterface

Form = Literal["fused", "standard"]


class _MultiHeadAttention(torch.autograd.Function):
    """q [B or 1,Q,H·d], k [B,K,H·d], v [B,K,H·e] → [B,Q,H·e]; shared: whether the queries belong to one image for B
    objects.

    PyTorch's exporter cannot infer shapes after an operator that it does not support; it then exports the example's
    sizes as constants. The graph therefore first contains a placeholder of standard operators with the correct
    shapes, which `fuse_attention` replaces.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float, shared: bool) -> Tensor:  # noqa: ARG004
        q = q.expand(k.shape[0], -1, -1)
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, scale=scale).transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(g: Any, q: Any, k: Any, v: Any, heads: int, scale: float, shared: bool) -> Any:
        weights = g.op("MatMul", q, g.op("Transpose", k, perm_i=[0, 2, 1]))
        # The attributes are stored in two operators that no model here uses.
        weights = g.op("ThresholdedRelu", g.op("Elu", weights, alpha_f=scale), alpha_f=float(-heads if shared else heads))
        return g.op("MatMul", weights, v)


class _RotaryEmbedding(torch.autograd.Function):
    """x [B,N,H·d], cos and sin [N,d/2] → [B,N,H·d]; halves: pairs are (0,d/2), (1,d/2+1), …, not (0,1), (2,3), …"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, heads: int, halves: bool) -> Tensor:  # noqa: ARG004
        axis = -2 if halves else -1
        first, second = x.unflatten(2, (heads, 2, -1) if halves else (heads, -1, 2)).unbind(axis)  # [B,N,H,d/2]
        cos, sin = cos[:, None], sin[:, None]
        return torch.stack([first * cos - second * sin, second * cos + first * sin], axis).reshape(x.shape)

    @staticmethod
    def symbolic(g: Any, x: Any, cos: Any, sin: Any, heads: int, halves: bool) -> Any:
        start = g.op("Constant", value_t=torch.tensor([0]))
        how = {"interleaved_i": 0 if halves else 1, "num_heads_i": heads}
        return g.op("com.microsoft::RotaryEmbedding", x, start, cos, sin, **how).setType(x.type())


def rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: int, *, halves: bool) -> Tensor:
    """Rotates pairs of each head by an angle per token, as ONNX Runtime's `RotaryEmbedding`.

    x [B,N,H·d], cos and sin [N,d/2] → [B,N,H·d]

    :param halves: whether the pairs of a head are (0,d/2), (1,d/2+1), …; otherwise (0,1), (2,3), …
    """
    return _RotaryEmbedding.apply(x, cos, sin, heads, halves)


def fuse_attention(model: onnx.ModelProto) -> None:
    """Replaces the placeholders with com.microsoft.MultiHeadAttention. Changes the model in place."""
    producer = {name: node for node in model.graph.node for name in node.output}
    consumer = {node.input[0]: node for node in model.graph.node if node.op_type == "MatMul"}
    replaced: set[str] = set()  # first outputs of the placeholder's operators
    instead: dict[str, list[onnx.NodeProto]] = {}
    for marker in [node for node in model.graph.node if node.op_type == "ThresholdedRelu"]:
        scaled = producer[marker.input[0]]
        product = producer[scaled.input[0]]
        transposed, last = producer[product.input[1]], consumer[marker.output[0]]
        heads, scale = (node.attribute[0].f for node in (marker, scaled))
        query, before = product.input[0], []
        if heads < 0:  # the operator does not broadcast queries
            query, before = expanded(query, transposed.input[0], last.output[0])
        attention = helper.make_node(
            "MultiHeadAttention", [query, transposed.input[0], last.input[1]], list(last.output),
            name=last.name, domain="com.microsoft", num_heads=abs(int(heads)), scale=scale,
        )  # fmt: skip
        instead[last.output[0]] = [*before, attention]
        replaced |= {node.output[0] for node in (transposed, product, scaled, marker)}
    if not instead:
        return
    kept = [node for node in model.graph.node if node.output[0] not in replaced]
    replace_nodes(model, [new for node in kept for new in instead.get(node.output[0], [node])])
    if all(entry.domain != "com.microsoft" for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def replace_nodes(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    """Replaces all nodes at once. Removing nodes one by one would search the whole list each time."""
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def expanded(query: str, key: str, prefix: str) -> tuple[str, list[onnx.NodeProto]]:
    """Expands [1,Q,D] to [B,Q,D], with the B of `key`."""
    ones = helper.make_tensor("", TensorProto.INT64, [2], [1, 1])
    return f"{prefix}/query", [
        helper.make_node("Shape", [key], [f"{prefix}/batch"], start=0, end=1),
        helper.make_node("Constant", [], [f"{prefix}/ones"], value=ones),
        helper.make_node("Concat", [f"{prefix}/batch", f"{prefix}/ones"], [f"{prefix}/shape"], axis=0),
        helper.make_node("Expand", [query, f"{prefix}/shape"], [f"{prefix}/query"]),
    ]


def attend(form: Form, q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float, *, shared: bool = False) -> Tensor:
    """q [B,Q,H·d], k [B,K,H·d], v [B,K,H·e] → [B,Q,H·e]

    :param shared: whether q is [1,Q,H·d], of one image for B objects
    """
    if form == "fused":
        return _MultiHeadAttention.apply(q, k, v, heads, scale, shared)
    if heads == 1:
        return torch.softmax(torch.matmul(q * scale, k.transpose(1, 2)), -1).matmul(v)
    q, k, v = (x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2) for x in (q, k, v))
    weights = torch.softmax(torch.matmul(q, k.transpose(2, 3)) * scale, -1)
    return torch.matmul(weights, v).transpose(1, 2).flatten(2)


def _standard(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    return torch.matmul(torch.softmax(weights, -1), value).transpose(1, 2), None


def _fused(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    # The operator has no fast path with a mask, and masked attention here covers only a few dozen tokens.
    if attention_mask is not None:
        return _standard(module, query, key, value, attention_mask, scaling)
    heads, width = int(query.shape[1]), int(value.shape[3])
    flat = (x.transpose(1, 2).flatten(2) for x in (query, key, value))
    found = _MultiHeadAttention.apply(*flat, heads, float(scaling), False)
    return found.reshape(query.shape[0], query.shape[2], heads, width), None


AttentionInterface.register("masklet_standard", _standard)
AttentionInterface.register("masklet_fused", _fused)


def use_attention(model: nn.Module, form: Form) -> None:
    """Sets the attention form of every layer of a transformers model. Layers read it from their configuration."""
    for module in model.modules():
        config = getattr(module, "config", None)
        if config is not None:
            config._attn_implementation = f"masklet_{form}"


def padding_bias(mask: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """[C,K], 1 on valid tokens → [C,1,1,K], to add to attention weights"""
    return ((1 - mask.to(dtype)) * torch.finfo(dtype).min)[:, None, None, :]
