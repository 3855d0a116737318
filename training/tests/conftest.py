"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module")
def without_gradients() -> Iterator[None]:
    """Disables gradients for the tests of one module, and only for these."""
    with torch.no_grad():
        yield
