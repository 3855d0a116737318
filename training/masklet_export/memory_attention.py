"""Memory attention of SAM 2, SAM 3 and EdgeTAM for B objects at once, over unpadded memories.

Same numbers as `*MemoryAttention` of transformers, in another order of work:

- What depends on the image alone (the first layer up to its cross-attention) is computed once for all objects.
- Spatial memories and pointers come apart, so that no token count has to be known while tracing; they are put together
  while they are narrow.
- Values are projected after the attention ("project last"): rows of a softmax sum to one, so
  softmax(QKᵀ)(mem·Wv + bv)·Wo + bo = (softmax(QKᵀ)·mem)·WvWo + (bv·Wo + bo), and attention runs over the narrow memory.
- Rotary pairs (0,1), (2,3), … are moved to halves by permuting the rows of the query and key projections; a dot product
  does not see a permutation of both sides.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Form, attend, rotate
from .rows import Perceptron

Turns = tuple[Tensor, Tensor]  # cos and sin of the angles, [N,d/2] each


def turned(x: Tensor, turns: Turns, heads: int, form: Form) -> Tensor:
    """x [B,N,H·d], whose heads hold their pairs in halves → the same, each pair turned by its token's angle."""
    cos, sin = turns
    if form == "fused":
        return rotate(x, cos, sin, heads, halves=True)
    if heads == 1:
        even, odd = x.chunk(2, -1)
        return torch.cat([even * cos - odd * sin, odd * cos + even * sin], -1)
    even, odd = x.reshape(*x.shape[:-1], heads, 2, -1).unbind(-2)  # [B,N,H,d/2]
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([even * cos - odd * sin, odd * cos + even * sin], -1).reshape(x.shape)


def paired_in_halves(linear: nn.Linear, heads: int) -> nn.Linear:
    """The same projection with each head's even rows before its odd ones."""
    order = torch.arange(linear.out_features).view(heads, -1, 2).transpose(1, 2).reshape(-1)
    moved = nn.Linear(linear.in_features, linear.out_features)
    moved.weight.data, moved.bias.data = linear.weight.data[order].clone(), linear.bias.data[order].clone()
    return moved


def merged(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """second(first(x)) as one projection."""
    w1, b1, w2, b2 = (x.data.double() for x in (first.weight, first.bias, second.weight, second.bias))
    joined = nn.Linear(first.in_features, second.out_features)
    joined.weight.data, joined.bias.data = (w2 @ w1).float(), (w2 @ b1 + b2).float()
    return joined


class Layer(nn.Module):
    def __init__(self, layer: nn.Module, tokens: int, form: Form, *, shared: bool) -> None:
        """tokens: of the image; shared: the layer's input is that of the image, the same for all objects."""
        super().__init__()
        self.form, self.shared = form, shared
        own, cross = layer.self_attn, layer.cross_attn_image
        self.heads, self.scale = own.num_attention_heads, own.scaling
        self.own_q, self.own_k = (paired_in_halves(x, self.heads) for x in (own.q_proj, own.k_proj))
        self.own_v, self.own_o = own.v_proj, own.o_proj
        self.cross_q, self.cross_k = (paired_in_halves(x, self.heads) for x in (cross.q_proj, cross.k_proj))
        # With several heads each would need its own copy of the memory as values, so they are projected first.
        self.project_last = self.heads == 1
        if self.project_last:
            self.cross_vo = merged(cross.v_proj, cross.o_proj)
        else:
            self.cross_v, self.cross_o = cross.v_proj, cross.o_proj
        self.norms = nn.ModuleList([layer.layer_norm1, layer.layer_norm2, layer.layer_norm3])
        # EdgeTAM has a module where SAM 2 has its parts.
        mlp = (layer.mlp.up_proj, layer.mlp.act_fn, layer.mlp.down_proj) if hasattr(layer, "mlp") else (
            layer.linear1, layer.activation, layer.linear2
        )  # fmt: skip
        self.mlp = Perceptron(*mlp, tokens=tokens) if form == "fused" else nn.Sequential(*mlp)

    def forward(self, x: Tensor, values: Tensor, keys: Tensor, here: Turns, there: Turns) -> Tensor:
        """x [B or 1,N,D]; what is remembered, as values and as keys, [B,K,Dm]; turns of N and of K tokens → [B,N,D]"""
        y = self.norms[0](x)
        q, k = (self.turned(project(y), here) for project in (self.own_q, self.own_k))
        x = x + self.own_o(attend(self.form, q, k, self.own_v(y), self.heads, self.scale))

        q, k = self.turned(self.cross_q(self.norms[1](x)), here), self.turned(self.cross_k(keys), there)
        if self.project_last:
            found = self.cross_vo(attend(self.form, q, k, values, self.heads, self.scale, shared=self.shared))
        else:
            found = self.cross_o(attend(self.form, q, k, self.cross_v(values), self.heads, self.scale, shared=self.shared))
        x = x + found
        return x + self.mlp(self.norms[2](x))

    def turned(self, x: Tensor, turns: Turns) -> Tensor:
        return turned(x, turns, self.heads, self.form)


class MemoryAttention(nn.Module):
    """feat [1,D,g,g] and what is remembered of B objects → their features, [B,D,g,g]."""

    def __init__(self, attention: nn.Module, image_position: Tensor, memory_tokens: int, form: Form) -> None:
        """image_position: [1,D,g,g], the encoding that the image encoder returns beside its last level. memory_tokens: T"""
        super().__init__()
        here = turns_of(attention, attention.position_ids)
        there = turns_of(attention, getattr(attention, "position_ids_k", attention.position_ids))
        # EdgeTAM's memories begin with tokens that are nowhere in the picture; those are not turned.
        free = memory_tokens - there[0].shape[0]
        for index, name in enumerate(("cos", "sin")):
            self.register_buffer(name, here[index], persistent=False)
            self.register_buffer(f"key_{name}", F.pad(there[index], (0, 0, free, 0), value=1.0 - index), persistent=False)
        self.register_buffer("position", 0.1 * image_position.flatten(2).transpose(1, 2), persistent=False)
        self.side = image_position.shape[-1]
        self.layers = nn.ModuleList(Layer(layer, here[0].shape[0], form, shared=index == 0) for index, layer in enumerate(attention.layers))
        self.norm = attention.layer_norm

    def forward(self, feat: Tensor, memory: Tensor, memory_position: Tensor, pointers: Tensor, pointer_position: Tensor | None) -> Tensor:
        """feat [1,D,g,g], memory and its position [B,M,T,Dm], pointers and theirs [B,P',Dm] → [B,D,g,g]"""
        x = feat.flatten(2).transpose(1, 2) + self.position
        values = torch.cat([memory.flatten(1, 2), pointers], 1)
        pointer_keys = pointers if pointer_position is None else pointers + pointer_position
        keys = torch.cat([(memory + memory_position).flatten(1, 2), pointer_keys], 1)
        # The tokens of each memory are turned by where they are; pointers, which are nowhere, are not.
        still = torch.ones_like(self.cos[:1]).expand(pointers.shape[1], -1)
        memories = memory.shape[1]
        there = torch.cat([self.key_cos.repeat(memories, 1), still]), torch.cat([self.key_sin.repeat(memories, 1), 0 * still])
        here = self.cos, self.sin
        for layer in self.layers:
            x = layer(x, values, keys, here, there)
        return self.norm(x).transpose(1, 2).reshape(-1, feat.shape[1], self.side, self.side)


def turns_of(attention: nn.Module, position_ids: Tensor) -> Turns:
    cos, sin = attention.rotary_emb(position_ids.float(), position_ids)  # [1,N,d], each angle twice in a row
    return cos[0, :, ::2].clone(), sin[0, :, ::2].clone()
