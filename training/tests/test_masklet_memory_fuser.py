"""The exporter's form of the memory encoder's last layers computes the numbers of transformers' layers."""

from __future__ import annotations

import pytest
import torch
from transformers import Sam2VideoConfig
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoMemoryFuser

from masklet_export import rows
from masklet_export.families import open_family
from masklet_export.memory_fuser import Fuser
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes, scramble_parameters

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)


@pytest.mark.parametrize("chunk_values", [rows.CHUNK_VALUES, 5000])
@pytest.mark.parametrize("hidden", [1024, 96])
def test_layers_equal_those_of_transformers(hidden: int, chunk_values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK_VALUES", chunk_values)
    config = Sam2VideoConfig(memory_fuser_embed_dim=32, memory_fuser_intermediate_dim=hidden, memory_fuser_num_layers=2)
    model = scramble_parameters(Sam2VideoMemoryFuser(config), 3).eval()
    x = torch.randn(2, 32, 12, 12)
    expected = model(x)
    torch.testing.assert_close(Fuser(model, 12)(x), expected, atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize(("form", "laid_out"), [("fused", True), ("standard", False)])
@pytest.mark.parametrize("family", ["sam2", "edgetam", "sam3"])
def test_fused_packs_use_them(family: str, form: str, laid_out: bool) -> None:
    model = MAKERS[family](Sizes(side=DEFAULT_SIDES[family]), 5)
    remember = open_family(model, form, kept=None, processor={}).modules()["remember"]
    assert isinstance(remember.fuse, Fuser) == laid_out
