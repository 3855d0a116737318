"""Hiera's layers in the exporter's form give the numbers that transformers' layers give."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import Sam2HieraDetConfig
from transformers.models.sam2.modeling_sam2 import Sam2HieraDetModel

from masklet_export import rows
from masklet_export.families import open_family
from masklet_export.hiera import Attention, FeedForward, lay_out_for_processors
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes, scramble_parameters

torch.set_grad_enabled(False)
torch.set_num_threads(1)


def hiera(windows: list[int], everywhere: list[int]) -> nn.Module:
    config = Sam2HieraDetConfig(
        hidden_size=16, image_size=[256, 256], blocks_per_stage=[1, 2, 3, 1], embed_dim_per_stage=[16, 32, 64, 256],
        num_attention_heads_per_stage=[1, 2, 4, 8], window_size_per_stage=windows, global_attention_blocks=everywhere,
        window_positional_embedding_background_size=[7, 7],
    )  # fmt: skip
    return scramble_parameters(Sam2HieraDetModel(config), 3).eval()


def maps(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    found = []
    for layer in model.blocks:
        x = layer(x)
        found.append(x)
    return found


@pytest.mark.parametrize("held", [rows.HELD, 1000])
@pytest.mark.parametrize(
    ("windows", "everywhere"),
    [
        ([8, 4, 14, 7], [4]),  # as published: the third stage's windows reach beyond the picture
        ([4, 2, 8, 4], [4, 5]),
    ],
)
def test_layers_equal_those_of_transformers(windows: list[int], everywhere: list[int], held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "HELD", held)
    model, x = hiera(windows, everywhere), torch.randn(1, 64, 64, 16)
    expected = maps(model, x)
    lay_out_for_processors(model, 64)
    for got, wanted in zip(maps(model, x), expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize(("form", "laid_out"), [("fused", True), ("standard", False)])
def test_fused_packs_are_made_of_them(form: str, laid_out: bool) -> None:
    model = MAKERS["sam2"](Sizes(side=DEFAULT_SIDES["sam2"]), 5)
    blocks = open_family(model, form, kept=None, processor={}).modules()["encode"].backbone.blocks
    assert {isinstance(block.attn, Attention) and isinstance(block.mlp, FeedForward) for block in blocks} == {laid_out}
