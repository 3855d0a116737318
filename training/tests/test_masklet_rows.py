"""Padded rows change no result."""

import pytest
import torch
from torch import nn

from masklet_export.rows import CHUNK_VALUES, PADDING, PAGE, Mlp, PaddedLinear, chunk_sizes, padded

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)


@pytest.mark.parametrize("bias", [True, False])
def test_a_padded_row_carries_the_bias(bias: bool) -> None:
    linear, x = nn.Linear(PAGE, 5, bias=bias), torch.randn(2, 3, PAGE)
    expected = linear(x)
    product = PaddedLinear(linear)
    assert product.weight.shape == (5, PAGE + PADDING)
    torch.testing.assert_close(product(padded(x)), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(linear(x), expected)  # the layer itself is unchanged


def test_other_rows_are_not_padded() -> None:
    linear, x = nn.Linear(PAGE + 8, 5), torch.randn(2, PAGE + 8)
    assert padded(x) is x
    assert PaddedLinear(linear).weight is linear.weight


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", [nn.GELU(), nn.ReLU(), nn.Sigmoid()], ids=str)  # a sigmoid of zero is not zero
@pytest.mark.parametrize(("width", "hidden"), [(7, 2 * PAGE), (PAGE, PAGE), (7, 30)])
def test_two_layers_with_padded_hidden_rows(width: int, hidden: int, activation: nn.Module, bias: bool) -> None:
    first, second, x = nn.Linear(width, hidden, bias=bias), nn.Linear(hidden, 5, bias=bias), torch.randn(2, 3, width)
    expected = second(activation(first(x)))
    made = Mlp(first, activation, second)
    assert made.first.weight.shape[0] == hidden + (PADDING if hidden % PAGE == 0 else 0)
    torch.testing.assert_close(made(x), expected, atol=1e-5, rtol=1e-5)


def test_tokens_are_processed_in_chunks() -> None:
    first, second, count = nn.Linear(3, 2 * PAGE), nn.Linear(2 * PAGE, 5), CHUNK_VALUES // (2 * PAGE) + 7
    x = torch.randn(2, count, 3)
    made = Mlp(first, nn.ReLU(), second, tokens=count)
    assert made.chunk_sizes == [count - 7, 7]
    torch.testing.assert_close(made(x), second(first(x).relu()), atol=1e-5, rtol=1e-5)


def test_chunks_cover_all_tokens() -> None:
    assert chunk_sizes(10, 4) == [4, 4, 2]
    assert chunk_sizes(3, 4) == [3]
