"""Two convolutions merged into one compute the same values, borders included."""

import pytest
import torch
from torch import nn

from masklet_export.joined import joined


@pytest.mark.parametrize(
    "first",
    [
        nn.Conv2d(5, 7, 1), nn.Conv2d(5, 7, 3, padding=1), nn.Conv2d(5, 7, 3, padding=1, bias=False),
        nn.Conv2d(5, 7, 3, padding=1, padding_mode="reflect"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("bias", [True, False])
def test_joined_convolutions_equal_the_two(first: nn.Conv2d, bias: bool) -> None:
    second, x = nn.Conv2d(7, 3, 1, bias=bias), torch.randn(2, 5, 6, 9)
    with torch.no_grad():
        torch.testing.assert_close(joined(first, second)(x), second(first(x)), atol=1e-6, rtol=1e-5)


def test_a_second_kernel_larger_than_a_pixel_is_rejected() -> None:
    with pytest.raises(ValueError, match="1 x 1"):
        joined(nn.Conv2d(5, 7, 1), nn.Conv2d(7, 3, 3))
