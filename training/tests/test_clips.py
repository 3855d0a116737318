"""Tests of the synthetic clip generator.

Tests that need the sprite library are skipped if it has not been built; all others run without it.
"""

from __future__ import annotations

import numpy as np
import pytest

from masklet_training import motion, shapes, textures
from masklet_training.clips import Clip, ClipGenerator, crop_to_aspect
from masklet_training.pictures import PICTURES
from masklet_training.sampling import log_uniform, pick
from masklet_training.sprites import DEFAULT_CACHE
from masklet_training.vocabulary import ALL_PHRASES, COLOURS, PHRASE_SET, rival_phrases, shape_maybe, shape_phrases

SPRITES = DEFAULT_CACHE / "sprites.npz"
KINDS = ("named", "track", "alike")
SIZE = 96

needs_sprites = pytest.mark.skipif(not SPRITES.exists(), reason="sprite library not built: run fetch_assets, then sprites")
LIBRARIES = [pytest.param(None, id="drawn"), pytest.param(SPRITES, id="sprites", marks=needs_sprites)]


def clips(source: object, kind: str, count: int, frames: int = 3, seed: int = 0, split: str = "train") -> list[Clip]:
    """Generate a few clips."""
    generator = ClipGenerator(source, size=SIZE, seed=seed, split=split)  # type: ignore[arg-type]
    return [generator.clip(frames, kind) for _ in range(count)]


@pytest.mark.parametrize("source", LIBRARIES)
@pytest.mark.parametrize("kind", KINDS)
class TestEveryClip:
    """Properties of every kind of clip, with and without the library"""

    def test_form(self, source: object, kind: str) -> None:
        """Arrays have the documented shapes and types; ids refer to objects."""
        for frames in (1, 3, 8):
            clip = clips(source, kind, 1, frames)[0]
            assert clip.frames.shape == (frames, SIZE, SIZE, 3)
            assert clip.ids.shape == (frames, SIZE, SIZE)
            assert clip.frames.dtype == clip.ids.dtype == np.uint8
            assert clip.ids.max() <= len(clip.objects)

    def test_equal_seeds_give_equal_clips(self, source: object, kind: str) -> None:
        """Generation is deterministic, and different seeds and splits differ."""
        first, again = clips(source, kind, 5, seed=7), clips(source, kind, 5, seed=7)
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a.frames, b.frames)
            np.testing.assert_array_equal(a.ids, b.ids)
            assert a.objects == b.objects
        other = clips(source, kind, 1, seed=8)[0]
        assert not np.array_equal(first[0].frames, other.frames)

    def test_objects_are_visible_and_move(self, source: object, kind: str) -> None:
        """Most objects are visible, most of the frame is background, and masks change over time."""
        made = clips(source, kind, 40)
        seen = sum(len(np.unique(c.ids)) - (0 in c.ids) for c in made)
        total = sum(len(c.objects) for c in made)
        assert seen > 0.85 * total
        assert 0.05 < np.mean([(c.ids > 0).mean() for c in made]) < 0.7
        assert np.mean([not np.array_equal(c.ids[0], c.ids[-1]) for c in made]) > 0.9

    def test_objects_leave_or_hide_and_overlap(self, source: object, kind: str) -> None:
        """Some objects are absent in some frames, and objects come close enough to occlude each other."""
        made = clips(source, kind, 60, frames=8)
        absences = touching = 0
        for clip in made:
            for index in range(len(clip.objects)):
                present = (clip.ids == index + 1).any(axis=(1, 2))
                absences += bool(present.any() and not present.all())
            left, right = clip.ids[:, :, :-1], clip.ids[:, :, 1:]
            touching += bool(((left != right) & (left > 0) & (right > 0)).any())
        assert absences > 10
        assert touching > 15

    def test_phrases_are_in_the_vocabulary(self, source: object, kind: str) -> None:
        """Objects of named clips have phrases, those of track clips none; all phrases are in the vocabulary."""
        for clip in clips(source, kind, 30):
            for item in clip.objects:
                assert bool(item.phrases) == (kind == "named")
                assert set(item.phrases) | set(item.maybe) <= PHRASE_SET
                assert not set(item.phrases) & set(item.maybe)


def test_mask_matches_what_is_drawn() -> None:
    """In clean clips of flat shapes, masked pixels have the named colour and others do not."""
    checked = 0
    for clip in clips(None, "named", 120, frames=1):
        for index, item in enumerate(clip.objects):
            mask = clip.ids[0] == index + 1
            if "red circle" not in item.phrases or mask.sum() < 80:
                continue
            red, green, blue = np.median(clip.frames[0][mask], axis=0).astype(int)
            assert red > green + 40 and red > blue + 40
            checked += 1
    assert checked > 0


def test_same_phrase_occurs_several_times() -> None:
    """Named clips often contain several instances of a phrase and near misses of it."""
    repeats = 0
    for clip in clips(None, "named", 60):
        phrases = [p for item in clip.objects for p in set(item.phrases)]
        repeats += any(phrases.count(p) > 1 for p in set(phrases))
    assert repeats > 30


def test_flat_shapes_on_plain_backgrounds_are_common() -> None:
    """Many named clips look like drawings with few distinct colours."""
    plain = 0
    for clip in clips(None, "named", 80, frames=1):
        background = clip.frames[0][clip.ids[0] == 0].astype(int)
        distance = np.abs(background - np.median(background, axis=0)).max(axis=1)
        plain += bool((distance < 6).mean() > 0.9)
    assert plain > 12


def test_speed_varies_from_still_to_fast() -> None:
    """Motion between frames ranges from a few pixels to a fifth of the frame."""
    steps = []
    for clip in clips(None, "track", 80, frames=2):
        for index in range(len(clip.objects)):
            centres = [np.argwhere(ids == index + 1).mean(axis=0) for ids in clip.ids if (ids == index + 1).sum() > 30]
            if len(centres) == 2:
                steps.append(float(np.hypot(*(centres[1] - centres[0]))) / SIZE)
    assert np.percentile(steps, 15) < 0.03
    assert np.percentile(steps, 90) > 0.09


@pytest.mark.parametrize("colour", COLOURS)
def test_jitter_stays_inside_the_named_colour(colour: str) -> None:
    """Sampled colours are nearer to the middle of their own name's range than to another's."""
    rng = np.random.default_rng(0)
    anchors = {name: np.array(values, float) for name, values in textures.PURE.items()}
    nearest = []
    for _ in range(200):
        rgb = np.array(textures.named_colour(rng, colour), float)
        nearest.append(min(anchors, key=lambda name: np.abs(anchors[name] - rgb).sum(axis=1).min()))
    assert nearest.count(colour) > 140


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_shape_masks_are_filled(shape: str) -> None:
    """Every shape has a mask of reasonable area inside its picture."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        mask = shapes.shape_mask(rng, shape)
        assert mask.shape == (shapes.SIZE, shapes.SIZE)
        assert 0.08 < (mask > 127).mean() < 0.95


def test_blobs_are_single_closed_shapes() -> None:
    """Anonymous shapes have a non-empty mask."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert (shapes.blob_mask(rng, 0.5) > 127).mean() > 0.05


def test_shape_phrases() -> None:
    """A drawn shape has all correct names; the debatable ones are separate."""
    assert {"circle", "red circle"} <= set(shape_phrases("circle", "red"))
    assert {"square", "striped square", "red striped square"} <= set(shape_phrases("square", "red", "striped"))
    assert "red square" in shape_maybe("square", "red", "striped")
    assert "red square" not in shape_phrases("square", "red", "striped")
    assert "grey ring" in shape_phrases("ring", "gray")


def test_vocabulary_is_clean() -> None:
    """Phrases are lower case, unique and trimmed; every picture has at least one."""
    assert len(ALL_PHRASES) == len(set(ALL_PHRASES))
    assert all(p and p == p.strip().lower() for p in ALL_PHRASES)
    assert all(row.names and set(row.phrases) <= PHRASE_SET for row in PICTURES)


def test_phrases_exclude_each_other_unless_one_object_can_have_both() -> None:
    """A red square is not a red triangle, but it is a square; and a poodle is a dog."""
    rivals, at = rival_phrases(), {phrase: index for index, phrase in enumerate(ALL_PHRASES)}
    assert (rivals == rivals.T).all() and not rivals.diagonal().any()
    for one, other in (("red square", "red triangle"), ("red square", "blue square"), ("wolf", "dog")):
        assert rivals[at[one], at[other]], (one, other)
    for one, other in (("red square", "square"), ("poodle", "dog"), ("dog", "animal"), ("circle", "ball")):
        assert not rivals[at[one], at[other]], (one, other)


def test_sampling_helpers() -> None:
    """Weights and bounds are respected."""
    rng = np.random.default_rng(0)
    drawn = [pick(rng, ("a", "b"), (0.9, 0.1)) for _ in range(500)]
    assert 400 < drawn.count("a") < 490
    assert all(1 <= log_uniform(rng, 1, 100) <= 100 for _ in range(100))


def test_camera_starts_near_the_scene() -> None:
    """Camera motion is finite and keeps its matrices affine."""
    rng = np.random.default_rng(0)
    times = motion.timeline(rng, 8)
    matrices = motion.camera_motion(rng, times, SIZE, motion.Pace.sample(rng))
    assert np.isfinite(matrices).all()
    np.testing.assert_array_equal(matrices[:, 2], np.tile([0, 0, 1.0], (8, 1)))


def test_bad_arguments_are_rejected() -> None:
    """Unknown kinds and splits raise."""
    with pytest.raises(ValueError, match="split"):
        ClipGenerator(None, split="test")
    with pytest.raises(ValueError, match="kind"):
        ClipGenerator(None).clip(1, "other")


@needs_sprites
def test_splits_share_no_sprite() -> None:
    """Validation sprites and photographs are never used in training."""
    train, val = (ClipGenerator(SPRITES, split=s).library for s in ("train", "val"))

    def used(library: object) -> set[int]:
        lists = [*library.by_concept.values(), library.unnamed, library.cutouts, library.stamps]  # type: ignore[attr-defined]
        return {i for members in lists for i in members}

    assert used(train) and used(val)
    assert not used(train) & used(val)
    assert len(train.photos) > 40 and val.photos


def test_cropped_clips_have_the_aspect_ratio_of_a_video() -> None:
    ids = np.zeros((1, 80, 80), np.uint8)
    ids[:, 30:50, 30:50] = 1
    clip = Clip(np.repeat(ids[..., None] * 255, 3, axis=-1), ids, [])
    for aspect, wide, tall in ((16 / 9, 16, 28), (1.0, 16, 16), (9 / 16, 28, 16)):
        made = crop_to_aspect(clip, aspect, 64)
        assert made.frames.shape == (1, 64, 64, 3)
        assert np.abs(made.ids[0].any(0).sum() - wide) <= 1
        assert np.abs(made.ids[0].any(1).sum() - tall) <= 1
        assert ((made.frames[0, ..., 0] > 127) == (made.ids[0] == 1)).mean() > 0.98


def test_frames_of_video_shapes_are_square_for_the_model() -> None:
    square, shaped = (ClipGenerator(None, SIZE, seed=3, shapes=shapes) for shapes in (False, True))
    assert square.clip(2, "named").frames.shape == shaped.clip(2, "named").frames.shape == (2, SIZE, SIZE, 3)
