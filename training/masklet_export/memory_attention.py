"""Memory attention of SAM 2, SAM 3 and EdgeTAM for B objects at once, over unpadded memories.

Computes the same numbers as `*MemoryAttention` of transformers, in another order:

- Everything that depends on the image alone (the first layer up to its cross-attention) is computed once for all
  objects.
- Spatial memories and pointers are separate inputs, so that tracing needs no fixed token count. They are concatenated
  while
  they are narrow.
- Values are projected after the attention. Rows of a softmax sum to one, so
  softmax(QKᵀ)(mem·Wv + bv)·Wo + bo = (softmax(QKᵀ)·mem)·WvWo + (bv·Wo + bo), and attention runs over the narrow memory.
- Rotary pairs (0,1), (2,3), … are moved to halves by permuting the rows of the query and key projections. Permuting
  both
  sides does not change a dot product.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Form, attend, rotate
from .rows import Mlp

Rotation = tuple[Tensor, Tensor]  # cos and sin of the angles, [N,d/2] each


def rotated(x: Tensor, rotation: Rotation, heads: int, form: Form) -> Tensor:
    """Rotates each pair by its token's angle. x [B,N,H·d], with the pairs of each head in halves → the same shape."""
    cos, sin = rotation
    if form == "fused":
        return rotate(x, cos, sin, heads, halves=True)
    if heads == 1:
        even, odd = x.chunk(2, -1)
        return torch.cat([even * cos - odd * sin, odd * cos + even * sin], -1)
    even, odd = x.reshape(*x.shape[:-1], heads, 2, -1).unbind(-2)  # [B,N,H,d/2]
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([even * cos - odd * sin, odd * cos + even * sin], -1).reshape(x.shape)


def halves_layout(linear: nn.Linear, heads: int) -> nn.Linear:
    """The same projection, with the even rows of each head before its odd rows."""
    order = torch.arange(linear.out_features).view(heads, -1, 2).transpose(1, 2).reshape(-1)
    moved = nn.Linear(linear.in_features, linear.out_features)
    moved.weight.data, moved.bias.data = linear.weight.data[order].clone(), linear.bias.data[order].clone()
    return moved


def composed(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """second(first(x)) as one projection"""
    w1, b1, w2, b2 = (x.data.double() for x in (first.weight, first.bias, second.weight, second.bias))
    joined = nn.Linear(first.in_features, second.out_features)
    joined.weight.data, joined.bias.data = (w2 @ w1).float(), (w2 @ b1 + b2).float()
    return joined


class Layer(nn.Module):
    def __init__(self, layer: nn.Module, tokens: int, form: Form, *, shared: bool) -> None:
        """
        :param tokens: number of the image's tokens
        :param shared: whether the layer's input is the image's, equal for all objects
        """
        super().__init__()
        self.form, self.shared = form, shared
        own, cross = layer.self_attn, layer.cross_attn_image
        self.heads, self.scale = own.num_attention_heads, own.scaling
        self.own_q, self.own_k = (halves_layout(x, self.heads) for x in (own.q_proj, own.k_proj))
        self.own_v, self.own_o = own.v_proj, own.o_proj
        self.cross_q, self.cross_k = (halves_layout(x, self.heads) for x in (cross.q_proj, cross.k_proj))
        # With several heads, each would need its own copy of the memory as values, so values are projected first.
        self.project_last = self.heads == 1
        if self.project_last:
            self.cross_vo = composed(cross.v_proj, cross.o_proj)
        else:
            self.cross_v, self.cross_o = cross.v_proj, cross.o_proj
        self.norms = nn.ModuleList([layer.layer_norm1, layer.layer_norm2, layer.layer_norm3])
        # EdgeTAM has a module where SAM 2 has separate layers.
        mlp = (layer.mlp.up_proj, layer.mlp.act_fn, layer.mlp.down_proj) if hasattr(layer, "mlp") else (
            layer.linear1, layer.activation, layer.linear2
        )  # fmt: skip
        self.mlp = Mlp(*mlp, tokens=tokens) if form == "fused" else nn.Sequential(*mlp)

    def forward(self, x: Tensor, values: Tensor, keys: Tensor, query_rotation: Rotation, key_rotation: Rotation) -> Tensor:
        """x [B or 1,N,D]; memories as values and as keys, [B,K,Dm]; rotations of N and of K tokens → [B,N,D]"""
        y = self.norms[0](x)
        q, k = (self.rotated(project(y), query_rotation) for project in (self.own_q, self.own_k))
        x = x + self.own_o(attend(self.form, q, k, self.own_v(y), self.heads, self.scale))

        q, k = self.rotated(self.cross_q(self.norms[1](x)), query_rotation), self.rotated(self.cross_k(keys), key_rotation)
        if self.project_last:
            found = self.cross_vo(attend(self.form, q, k, values, self.heads, self.scale, shared=self.shared))
        else:
            found = self.cross_o(attend(self.form, q, k, self.cross_v(values), self.heads, self.scale, shared=self.shared))
        x = x + found
        return x + self.mlp(self.norms[2](x))

    def rotated(self, x: Tensor, rotation: Rotation) -> Tensor:
        return rotated(x, rotation, self.heads, self.form)


class MemoryAttention(nn.Module):
    """feat [1,D,g,g] and the memories of B objects → conditioned features, [B,D,g,g]"""

    def __init__(self, attention: nn.Module, image_position: Tensor, memory_tokens: int, form: Form) -> None:
        """
        :param image_position: [1,D,g,g], position encoding of the image encoder's last level
        :param memory_tokens: T
        """
        super().__init__()
        query_rotation = rotation_of(attention, attention.position_ids)
        key_rotation = rotation_of(attention, getattr(attention, "position_ids_k", attention.position_ids))
        # EdgeTAM's memories start with tokens without a position; those are not rotated.
        free = memory_tokens - key_rotation[0].shape[0]
        for index, name in enumerate(("cos", "sin")):
            self.register_buffer(name, query_rotation[index], persistent=False)
            self.register_buffer(f"key_{name}", F.pad(key_rotation[index], (0, 0, free, 0), value=1.0 - index), persistent=False)
        self.register_buffer("position", 0.1 * image_position.flatten(2).transpose(1, 2), persistent=False)
        self.side = image_position.shape[-1]
        self.layers = nn.ModuleList(
            Layer(layer, query_rotation[0].shape[0], form, shared=index == 0) for index, layer in enumerate(attention.layers)
        )
        self.norm = attention.layer_norm

    def forward(self, feat: Tensor, memory: Tensor, memory_position: Tensor, pointers: Tensor, pointer_position: Tensor | None) -> Tensor:
        """feat [1,D,g,g], memory and its position encoding [B,M,T,Dm], pointers and theirs [B,P',Dm] → [B,D,g,g]"""
        x = feat.flatten(2).transpose(1, 2) + self.position
        values = torch.cat([memory.flatten(1, 2), pointers], 1)
        pointer_keys = pointers if pointer_position is None else pointers + pointer_position
        keys = torch.cat([(memory + memory_position).flatten(1, 2), pointer_keys], 1)
        # The tokens of each memory are rotated by their position; pointers have none and are not rotated.
        still = torch.ones_like(self.cos[:1]).expand(pointers.shape[1], -1)
        memories = memory.shape[1]
        key_rotation = torch.cat([self.key_cos.repeat(memories, 1), still]), torch.cat([self.key_sin.repeat(memories, 1), 0 * still])
        query_rotation = self.cos, self.sin
        for layer in self.layers:
            x = layer(x, values, keys, query_rotation, key_rotation)
        return self.norm(x).transpose(1, 2).reshape(-1, feat.shape[1], self.side, self.side)


def rotation_of(attention: nn.Module, position_ids: Tensor) -> Rotation:
    cos, sin = attention.rotary_emb(position_ids.float(), position_ids)  # [1,N,d], each angle twice in a row
    return cos[0, :, ::2].clone(), sin[0, :, ::2].clone()
