"""EdgeTAM's backbone with summed branches computes the same maps as transformers."""

from __future__ import annotations

import pytest
import torch
from timm.models.repvit import RepVggDw

from masklet_export.families import open_family
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)


def test_summed_branches_compute_the_same_maps_and_do_not_change_the_model() -> None:
    side = DEFAULT_SIDES["edgetam"]
    model = MAKERS["edgetam"](Sizes(side=side), 5).eval()
    trained = model.vision_encoder.backbone.timm_model
    branches = lambda backbone: sum(isinstance(module, RepVggDw) for module in backbone.modules())  # noqa: E731
    summed = open_family(model, "fused", kept=None, processor={}).modules()["encode"].backbone
    assert branches(trained) > 0
    assert branches(summed) == 0
    pixels = torch.randn(1, 3, side, side)
    for got, wanted in zip(summed(pixels), trained(pixels), strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=1e-4)
