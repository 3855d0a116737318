"""Report of pixels that only one of two masks contains."""

from types import SimpleNamespace

import numpy as np
import torch

from parity.boundary import flipped_pixels
from parity.run_concepts import FrameResult


def frame(logits: dict[int, list[list[float]]]) -> FrameResult:
    """A result of a click tracker, with object ids and logits in parallel"""
    ids, maps = list(logits), torch.tensor(list(logits.values()))
    raw = SimpleNamespace(object_ids=ids, pred_masks=maps[:, None])
    return FrameResult(0, ids, [1.0] * len(ids), [[]] * len(ids), (maps > 0).numpy(), raw)


def test_equal_masks_return_none() -> None:
    one = frame({3: [[1.0, -1.0]]})
    assert flipped_pixels(one, frame({3: [[2.0, -5.0]]}), [one]) is None


def test_the_largest_logit_and_the_largest_shift_are_reported() -> None:
    one = frame({3: [[1.0, -0.2]], 5: [[0.1, 0.5]]})
    other = frame({5: [[-1.0, 0.5]], 3: [[1.0, 2.0]]})
    perturbed = [frame({3: [[1.0, -0.5]], 5: [[0.1, 9.0]]}), frame({3: [[7.0, -0.2]]})]
    found = flipped_pixels(one, other, perturbed)
    assert found is not None
    assert (found.count, round(found.logit, 6), round(found.max_shift, 6)) == (2, 0.2, 0.3)


def test_an_object_missing_from_one_result_is_ignored() -> None:
    assert flipped_pixels(frame({3: [[1.0]]}), frame({4: [[-1.0]]}), []) is None


def test_logits_are_resized_as_in_transformers() -> None:
    raw = SimpleNamespace(obj_id_to_mask={1: torch.tensor([[[-1.0, 1.0]]])})
    one = FrameResult(0, [1], [1.0], [[]], np.array([[[False, False, True, True]]]), raw)
    other = FrameResult(0, [1], [1.0], [[]], np.array([[[False, True, True, True]]]))
    found = flipped_pixels(one, other, [])
    assert found is not None and (found.count, found.logit) == (1, 0.5)
