"""Creates a random Sam3VideoModel per seed, fitted to the clips it is recorded on, and saves it as the checkpoint for
the exporter.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from transformers import Sam3VideoModel

from . import fit_detector, fit_tracker, sizes, text_prompts, vision_weights
from .inputs import pixel_values
from .scripts import Script

FIT_OPTIONS = fit_tracker.FitOptions(
    penalty=1e-4, feature_penalty=1e-5, score_offset=2.0, memory_gain=3.0, mask_gain=3.0, place_logit=2000.0, dilation=2,
    min_coverage=0.4, content_weight=0.03, rotary_frequencies=4, position_logit=8.0, residual_gain=0.3, majority_vote=True,
    recency_logit=5.0, candidate_offset=0.5, logit_gain_std=0.15, prompt_stride=6,
)  # fmt: skip
"""Tracks have to follow their shapes closely enough to be associated with the detections."""


_DETECTOR_DRAWS = 3
"""Draws of each clip that the detector is fitted to. Fitted to one draw alone, it reports false detections on others."""


def make(folder: Path, widths: sizes.Sam3Sizes, seed: int, scripts_of: Callable[[int], list[Script]], report: Callable[[str], None]):
    """Creates and saves a model, or loads it if the folder contains one from the same sizes, seed and clips.

    :param widths: sizes of the model
    :param scripts_of: side of the model's input → the clips
    :return: the model and its tokenizer
    """
    tokenizer = text_prompts.train_tokenizer()
    scripts = scripts_of(widths.patch * widths.grid)
    near = [script.jittered(np.random.default_rng([seed, draw])) for draw in range(1, _DETECTOR_DRAWS) for script in scripts]
    clips = [hashlib.sha256(script.frames().tobytes()).hexdigest() for script in [*scripts, *near]]
    recipe = {"sizes": asdict(widths), "seed": seed, "fit_options": asdict(FIT_OPTIONS), "clips": clips}
    note = folder / "recipe.json"
    if note.is_file() and json.loads(note.read_text()) == recipe:
        return Sam3VideoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval(), tokenizer
    model = sizes.sam3_model(widths, len(tokenizer), seed).requires_grad_(False)
    vision_weights.preserve_colours(model, seed)
    found = fit_detector.fit(model, text_prompts.encode(tokenizer, list(text_prompts.PHRASES)), [*scripts, *near])
    report(f"detector: {found}")
    report(f"tracker: {fit_tracker.fit(model.tracker_model, feature_extractor(model), scripts, seed, FIT_OPTIONS)}")
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    text_prompts.save(tokenizer, folder)
    size = {"height": model.config.image_size, "width": model.config.image_size}
    settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": size}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))
    note.write_text(json.dumps(recipe))
    return model, tokenizer


def feature_extractor(model: Sam3VideoModel) -> fit_tracker.FeatureExtractor:
    def pyramid(rgb: np.ndarray):
        vision = model.detector_model.get_vision_features(pixel_values(rgb)).last_hidden_state
        side = model.tracker_model.prompt_encoder.image_embedding_size[0]
        return model.tracker_neck(vision.unflatten(1, (side, side)).permute(0, 3, 1, 2))

    def levels(rgb: np.ndarray):
        features, positions = pyramid(rgb)
        decoder = model.tracker_model.mask_decoder
        fine, middle, coarse = features[:-1]
        code = positions[2][:1].flatten(2).permute(2, 0, 1)
        return [decoder.conv_s0(fine), decoder.conv_s1(middle), coarse], code

    return fit_tracker.FeatureExtractor(finest=lambda rgb: pyramid(rgb)[0][0], levels=levels)
