"""Memory attention of SAM 2, SAM 3 and EdgeTAM for B objects at once, over unpadded memories.

Same numbers as `*MemoryAttention` of transformers, in another order of work:

- What depends on the image alone (the first layer up to its cross-attention) is computed once for all objects.
- Spatial memories and pointers come apart, so that no token count has to be known while tracing.
- Values are projected after the attention ("project last"): rows of a softmax sum to one, so
  softmax(QKᵀ)(mem·Wv + bv)·Wo + bo = (softmax(QKᵀ)·mem)·WvWo + (bv·Wo + bo), and attention runs over the narrow memory.
- Rotary pairs (0,1), (2,3), … are moved to halves by permuting the rows of the query and key projections; a dot product
  does not see a permutation of both sides.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Form, attend, rotate
from .rows import Perceptron


class Rotary(nn.Module):
    """Rotates [*,N,H·d], whose heads hold their pairs in halves, by a table of N rows."""

    def __init__(self, cos: Tensor, sin: Tensor, heads: int, form: Form) -> None:
        """cos, sin: [N,d] as transformers makes them, each angle twice in a row."""
        super().__init__()
        self.heads, self.form = heads, form
        self.register_buffer("cos", cos[:, ::2].clone(), persistent=False)
        self.register_buffer("sin", sin[:, ::2].clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "fused":
            rows = x.reshape(-1, x.shape[-2], x.shape[-1])
            return rotate(rows, self.cos, self.sin, self.heads, halves=True).reshape(x.shape)
        if self.heads == 1:
            even, odd = x.chunk(2, -1)
            return torch.cat([even * self.cos - odd * self.sin, odd * self.cos + even * self.sin], -1)
        even, odd = x.reshape(*x.shape[:-1], self.heads, 2, -1).unbind(-2)  # [*,N,H,d/2]
        cos, sin = self.cos[:, None], self.sin[:, None]
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
    def __init__(
        self, layer: nn.Module, query_table: tuple[Tensor, Tensor], key_table: tuple[Tensor, Tensor], form: Form, *, shared: bool
    ) -> None:
        """shared: the layer's input is that of the image, the same for all objects."""
        super().__init__()
        self.form, self.shared = form, shared
        own, cross = layer.self_attn, layer.cross_attn_image
        self.heads, self.scale = own.num_attention_heads, own.scaling
        self.rotate_query = Rotary(*query_table, self.heads, form)
        self.rotate_key = Rotary(*key_table, self.heads, form)
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
        self.mlp = Perceptron(*mlp, tokens=query_table[0].shape[0]) if form == "fused" else nn.Sequential(*mlp)

    def forward(self, x: Tensor, memory: Tensor, memory_keys: Tensor, pointers: Tensor, pointer_keys: Tensor) -> Tensor:
        """x [B or 1,N,D], memory and its keys [B,M,T,Dm], pointers and their keys [B,P',Dm] → [B,N,D]."""
        y = self.norms[0](x)
        q, k = self.rotate_query(self.own_q(y)), self.rotate_query(self.own_k(y))
        x = x + self.own_o(attend(self.form, q, k, self.own_v(y), self.heads, self.scale))

        q = self.rotate_query(self.cross_q(self.norms[1](x)))
        count = memory.shape[0]
        k = self.rotate_key(self.cross_k(memory_keys))
        k = torch.cat([k.reshape(count, -1, k.shape[3]), self.cross_k(pointer_keys)], 1)
        v = torch.cat([memory.reshape(count, -1, memory.shape[3]), pointers], 1)
        if self.project_last:
            found = self.cross_vo(attend(self.form, q, k, v, self.heads, self.scale, shared=self.shared))
        else:
            found = self.cross_o(attend(self.form, q, k, self.cross_v(v), self.heads, self.scale, shared=self.shared))
        x = x + found
        return x + self.mlp(self.norms[2](x))


class MemoryAttention(nn.Module):
    """feat [1,D,g,g] and what is remembered of B objects → their features, [B,D,g,g]."""

    def __init__(self, attention: nn.Module, image_position: Tensor, form: Form) -> None:
        """image_position: [1,D,g,g], the encoding that the image encoder returns beside its last level."""
        super().__init__()
        query_table = rotary_table(attention, attention.position_ids)
        key_ids = getattr(attention, "position_ids_k", attention.position_ids)
        key_table = rotary_table(attention, key_ids)
        self.register_buffer("position", 0.1 * image_position.flatten(2).transpose(1, 2), persistent=False)
        self.side = image_position.shape[-1]
        self.key_tokens = key_table[0].shape[0]
        self.layers = nn.ModuleList(
            Layer(layer, query_table, key_table, form, shared=index == 0) for index, layer in enumerate(attention.layers)
        )
        self.norm = attention.layer_norm

    def widen_key_table(self, tokens: int) -> None:
        """For memories that begin with tokens that have no place (EdgeTAM's 1-D latents): those are not rotated."""
        free = tokens - self.key_tokens
        for layer in self.layers:
            table = layer.rotate_key
            table.cos = torch.cat([torch.ones(free, table.cos.shape[1]), table.cos])
            table.sin = torch.cat([torch.zeros(free, table.sin.shape[1]), table.sin])
        self.key_tokens = tokens

    def forward(self, feat: Tensor, memory: Tensor, memory_position: Tensor, pointers: Tensor, pointer_position: Tensor | None) -> Tensor:
        x = feat.flatten(2).transpose(1, 2) + self.position
        memory_keys = memory + memory_position
        pointer_keys = pointers if pointer_position is None else pointers + pointer_position
        for layer in self.layers:
            x = layer(x, memory, memory_keys, pointers, pointer_keys)
        return self.norm(x).transpose(1, 2).reshape(-1, feat.shape[1], self.side, self.side)


def rotary_table(attention: nn.Module, position_ids: Tensor) -> tuple[Tensor, Tensor]:
    """→ cos and sin, [N,d]"""
    cos, sin = attention.rotary_emb(position_ids.float(), position_ids)
    return cos[0], sin[0]
