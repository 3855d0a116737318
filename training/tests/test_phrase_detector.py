"""Regions of a phrase: duplicates, colours, drawn frames, and masks that are no objects."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from masklet_training.model.box_detector import BoxDetector
from masklet_training.model.class_heat import ClassHeat
from masklet_training.model.drawn_frames import is_photograph
from masklet_training.model.lite import EfficientNetLite
from masklet_training.model.lite_tracker import LiteTracker
from masklet_training.model.phrase_code import BOXED, SEEN, PhraseCode
from masklet_training.model.phrase_detector import NONE, ROWS, Candidates, PhraseDetector, drop_duplicates
from masklet_training.model.region_colour import ColourJudge
from masklet_training.model.regions import distinct, overlaps, windows
from masklet_training.vocabulary import COLOURS

SIDE = 64
pytestmark = pytest.mark.usefixtures("without_gradients")


def code(count: int, seen: float = 0.0, boxed: float = 0.0) -> PhraseCode:
    none = torch.zeros(count, 1)
    return PhraseCode(torch.full((count, SEEN), seen), torch.full((count, BOXED), boxed), none, torch.zeros(count, len(COLOURS)), none)


SQUARE = torch.ones(1)  # width / height


@pytest.mark.parametrize("colour", [0.0, 127.0, 255.0])
@pytest.mark.parametrize("logit", [8.0, -8.0])
def test_a_mask_of_the_whole_frame_or_of_nothing_is_no_object(colour: float, logit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    tracker, phrases = LiteTracker(side=SIDE).eval(), PhraseDetector(BoxDetector(), ClassHeat(EfficientNetLite())).eval()
    phrases.both[-1] += 20.0
    image = torch.full((1, 3, SIDE, SIDE), colour)
    features = tracker.backbone(image)

    def segment(levels: object, points: Tensor, *_: object) -> tuple[Tensor, Tensor, None]:
        return torch.full((len(points), 4, SIDE // 4, SIDE // 4), logit), torch.ones(len(points), 4), None

    monkeypatch.setattr(tracker, "segment", segment)
    whole_frame = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(40, 4)
    monkeypatch.setattr(phrases.boxes, "forward", lambda *_: (torch.full((80, 40), 0.9), whole_frame))
    scores, boxes, masks = phrases(tracker, tracker.head(features), image, SQUARE, features[32], code(2, 1.0, 1.0))
    assert scores.shape == (2, ROWS) and boxes.shape == (2, ROWS, 4) and masks.shape == (2, ROWS, SIDE // 4, SIDE // 4)
    assert scores.max() == 0.0


def test_phrases_without_classes_find_nothing() -> None:
    torch.manual_seed(2)
    tracker, phrases = LiteTracker(side=SIDE).eval(), PhraseDetector(BoxDetector(), ClassHeat(EfficientNetLite())).eval()
    image = torch.rand(1, 3, SIDE, SIDE) * 255
    features = tracker.backbone(image)
    scores, _, masks = phrases(tracker, tracker.head(features), image, SQUARE, features[32], code(3))
    assert scores.max() < 1e-4 and masks.max() < 0.0


def test_boxes_of_one_object_and_points_inside_it_are_dropped() -> None:
    boxes = torch.tensor(
        [[0.1, 0.1, 0.5, 0.5], [0.12, 0.1, 0.5, 0.52], [0.6, 0.6, 0.9, 0.9], [0.25, 0.25, 0.35, 0.35], [0.05, 0.8, 0.15, 0.9]]
    )
    points = torch.full((5, 2), -1.0)
    points[3], points[4] = torch.tensor([0.3, 0.3]), torch.tensor([0.1, 0.85])
    kept = drop_duplicates(Candidates(boxes[None], points[None], torch.tensor([[2.0, 3.0, 1.0, 2.5, 0.5]])))
    left = {tuple(box.tolist()): value for box, value in zip(kept.boxes[0], kept.logits[0].tolist(), strict=True)}
    values = [left[tuple(box.tolist())] for box in boxes]
    assert values == [NONE, 3.0, 1.0, NONE, 0.5]


def test_a_point_inside_a_likely_box_is_dropped_even_if_the_box_is_less_likely() -> None:
    boxes = torch.tensor([[[0.1, 0.1, 0.9, 0.9], [0.25, 0.25, 0.35, 0.35]]])
    points = torch.tensor([[[-1.0, -1.0], [0.3, 0.3]]])
    kept = drop_duplicates(Candidates(boxes, points, torch.tensor([[0.5, 2.0]])))
    assert kept.logits.max() == 0.5 and kept.points[kept.logits == 0.5].tolist() == [[-1.0, -1.0]]
    kept = drop_duplicates(Candidates(boxes, points, torch.tensor([[-0.5, 2.0]])))
    assert kept.logits.max() == 2.0 and torch.allclose(kept.points[kept.logits == 2.0], torch.tensor([[0.3, 0.3]]))


def test_an_object_that_fills_the_frame_is_one_box() -> None:
    phrases = PhraseDetector(BoxDetector(), ClassHeat(EfficientNetLite()))
    side, seen = 10, torch.zeros(2, SEEN)
    seen[0, 5] = 1.0
    heat = torch.zeros(2, side * side)
    heat.unflatten(1, (side, side))[0, 1:9, 2:] = 0.9
    heat.unflatten(1, (side, side))[1, 4, 4] = 0.9  # a small one
    boxes, logits = phrases.filled(heat, torch.rand(1, 1280, side, side), seen)
    assert torch.allclose(boxes[0, 0], torch.tensor([0.2, 0.1, 1.0, 0.9]))
    assert logits[0, 0] > NONE and logits[1, 0] == NONE


def seen_as(phrases: PhraseDetector, found: dict[int, float], wanted: set[int], own: float, box: float, boxed: int, narrow: bool) -> float:
    """The judgement of a box: probabilities of the classifier, its classes that the phrase names, and the probabilities of the
    phrase's class and of the strongest class
    """
    asked = code(1)
    asked.seen[0, list(wanted)] = 1.0
    asked.boxed[0, boxed] = 1.0
    asked = asked._replace(narrow=torch.tensor([[float(narrow)]]))
    names, cells = torch.zeros(1, 1, SEEN), torch.full((1, 1, 4), 0.25)
    for index, share in found.items():
        names[0, 0, index] = share
    rivals = torch.tensor([[box / 2]])
    return float(phrases.judge(torch.tensor([[own]]), torch.tensor([[box]]), rivals, names, cells, torch.zeros(4, SEEN), asked))


def test_a_strawberry_is_no_apple_and_an_eagle_needs_the_box_of_a_bird() -> None:
    phrases = PhraseDetector(BoxDetector(), ClassHeat(EfficientNetLite()))
    apple, strawberry, eagle, bird, fruit = 948, 949, 22, 14, 47
    assert seen_as(phrases, {apple: 0.6}, {apple}, 0.4, 0.4, fruit, False) > 0.5
    assert seen_as(phrases, {strawberry: 0.98}, {apple}, 0.4, 0.4, fruit, False) < 0.0
    assert seen_as(phrases, {eagle: 0.9}, {eagle}, 0.6, 0.6, bird, True) > 1.0
    assert seen_as(phrases, {eagle: 0.9}, {eagle}, 0.02, 0.9, bird, True) < -1.0


def test_overlaps_and_windows_of_boxes() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 1.0], [0.9, 0.9, 0.9, 0.9]])
    assert torch.allclose(overlaps(boxes, boxes)[0], torch.tensor([1.0, 1 / 3, 0.0]))
    assert distinct(boxes, 0.3).tolist() == [1.0, 0.0, 1.0]
    cells = windows(boxes, 4, 1.0).unflatten(1, (4, 4))
    assert torch.allclose(cells.sum((1, 2)), torch.ones(3), atol=1e-3)
    assert torch.allclose(cells[0, :, :2], torch.full((4, 2), 0.125), atol=1e-3) and cells[0, :, 2:].max() == 0.0
    assert float(cells[2, 3, 3]) > 0.2  # at least one cell


SHOWN = {
    "red": (200, 30, 40), "orange": (240, 140, 30), "yellow": (235, 215, 50), "green": (50, 140, 60), "blue": (40, 80, 200),
    "purple": (120, 50, 160), "pink": (245, 150, 190), "brown": (110, 70, 40), "black": (25, 25, 28), "white": (240, 240, 235),
    "gray": (128, 128, 128), "cyan": (50, 205, 215),
}  # fmt: skip


NEIGHBOURS = {"orange": ("red", "yellow"), "brown": ("red", "black"), "cyan": ("blue", "green")}


@pytest.mark.parametrize("colour", COLOURS)
def test_a_region_has_its_colour_and_not_the_opposite(colour: str) -> None:
    image = torch.full((1, 3, 32, 32), 90.0)
    image[0, :, 8:24, 8:24] = torch.tensor(SHOWN[colour], dtype=torch.float32).view(3, 1, 1)
    masks = torch.full((len(COLOURS) + 1, 1, 8, 8), -5.0)
    masks[:, :, 2:6, 2:6] = 5.0
    wanted = torch.cat([torch.eye(len(COLOURS)), torch.zeros(1, len(COLOURS))])
    fits = ColourJudge()(image, masks, wanted)
    assert fits[-1] == 1.0  # no colour is wanted
    assert fits[COLOURS.index(colour)] > 0.9
    for other in ("red", "green", "blue", "yellow", "white", "black"):
        if other != colour and other not in NEIGHBOURS.get(colour, ()):
            assert fits[COLOURS.index(other)] < 0.2, other


def test_frames_without_texture_are_drawn() -> None:
    torch.manual_seed(3)
    drawn = torch.full((1, 3, 64, 64), 200.0)
    drawn[:, :, 10:30, 10:30] = 20.0
    assert float(is_photograph(drawn)) == 0.0
    assert float(is_photograph(drawn + torch.randn(1, 1, 64, 64) * 3)) == 1.0
