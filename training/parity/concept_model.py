"""One random Sam3VideoModel per seed, aimed at the clips it is recorded on, kept as the checkpoint that the exporter is given."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from transformers import Sam3VideoModel

from . import aim_detector, aim_tracker, see, sizes, words
from .inputs import pixel_values
from .scripts import Script

MANNER = aim_tracker.Manner(
    penalty=1e-4, sight_penalty=1e-5, trust=2.0, heard=3.0, loudness=3.0, surety=2000.0, reach=2, share=0.4, choosy=0.03, places=4,
    sharpness=8.0, quiet=0.3, majority=True, recent=5.0, favour=0.5, gain=0.15, prompts=6,
)  # fmt: skip
"""Its tracks have to stay on their shapes well enough to meet the detections there."""


_DETECTOR_DRAWS = 3
"""Draws of each clip that the detector is aimed at: a readout that knows one draw alone says of the next what nobody asked for."""


def make(folder: Path, widths: sizes.Sam3Sizes, seed: int, scripts_of: Callable[[int], list[Script]], report: Callable[[str], None]):
    """
    Makes a model and saves it, or reads it back when the folder holds one made from the same numbers and clips.

    :param widths: what the model measures
    :param scripts_of: side of the model's input → the clips
    :return: the model and its tokenizer
    """
    tokenizer = words.train_tokenizer()
    scripts = scripts_of(widths.patch * widths.grid)
    near = [script.moved(np.random.default_rng([seed, draw])) for draw in range(1, _DETECTOR_DRAWS) for script in scripts]
    clips = [hashlib.sha256(script.frames().tobytes()).hexdigest() for script in [*scripts, *near]]
    recipe = {"sizes": asdict(widths), "seed": seed, "manner": asdict(MANNER), "clips": clips}
    note = folder / "recipe.json"
    if note.is_file() and json.loads(note.read_text()) == recipe:
        return Sam3VideoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval(), tokenizer
    model = sizes.sam3_model(widths, len(tokenizer), seed).requires_grad_(False)
    see.keep_colours(model, seed)
    found = aim_detector.aim(model, words.encode(tokenizer, list(words.PHRASES)), [*scripts, *near])
    report(f"detector: {found}")
    report(f"tracker: {aim_tracker.aim(model.tracker_model, sight(model), scripts, seed, MANNER)}")
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    words.save(tokenizer, folder)
    size = {"height": model.config.image_size, "width": model.config.image_size}
    settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": size}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))
    note.write_text(json.dumps(recipe))
    return model, tokenizer


def sight(model: Sam3VideoModel) -> aim_tracker.Sight:
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

    return aim_tracker.Sight(finest=lambda rgb: pyramid(rgb)[0][0], levels=levels)
