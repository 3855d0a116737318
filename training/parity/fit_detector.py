"""Fits a small random detector to drawn shapes. Only its last layers are solved for, so that each query's mask follows a
shape and its score passes every threshold. All layers before them are random.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Sam3VideoModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from . import least_squares, text_prompts
from .inputs import detector_targets, pixel_values
from .scene import draw
from .scripts import FRAMES, SHOWN, Script

_MASK_LOGIT = 4.0
_EXEMPLAR_GAIN = 0.15
_SCORE_PENALTY = 3e-4
"""Large enough that scores move by less than 1e-4 when images are perturbed, and small enough that they still match
their targets.
"""


def fit(model: Sam3VideoModel, tokens: dict[str, torch.Tensor], scripts: list[Script]) -> dict[str, float]:
    """:return: quality of the fit: mean IoU of the requested masks, mean and largest error of the probabilities"""
    detector = model.detector_model
    masks, scoring, decoder = detector.mask_decoder, detector.dot_product_scoring, detector.detr_decoder
    queries = detector.config.detr_decoder_config.num_queries
    with torch.no_grad():
        decoder.presence_head.layer3.weight.mul_(0.05)
        decoder.presence_head.layer3.bias.fill_(5.0)
        decoder.query_embed.weight.mul_(4)
        for layer in decoder.layers:
            for linear in (layer.self_attn.o_proj, layer.text_cross_attn.o_proj, layer.mlp.fc2):
                linear.weight.mul_(0.3)
        # Masks are fitted without exemplars, so exemplars must not change them much.
        detector.geometry_encoder.output_layer_norm.weight.mul_(_EXEMPLAR_GAIN)
        detector.geometry_encoder.output_layer_norm.bias.mul_(_EXEMPLAR_GAIN)
        masks.instance_projection.weight[0] = 0
        masks.instance_projection.bias[0] = 1.0
    captured = _capture_activations(model, tokens, scripts)
    goals = [detector_targets(draw(script.scene, frame), script.scene.actors, queries) for script in scripts for frame in range(FRAMES)]
    score_goals = torch.from_numpy(np.stack([goal[0] for goal in goals]))  # [n, phrases, queries]
    side = captured["pixels"].shape[-1]
    mask_goals = F.interpolate(torch.from_numpy(np.stack([goal[1] for goal in goals])).float(), (side, side), mode="area")
    requested = torch.from_numpy(np.stack([goal[2] for goal in goals]))

    with torch.no_grad():
        kernels = torch.stack([_kernel(captured["pixels"], mask_goals[:, q], requested[:, q]) for q in range(queries)])
        hidden = captured["mask hidden"].flatten(0, 2)  # [n · phrases · queries, D]
        per_query = kernels.expand(len(goals), len(text_prompts.PHRASES), -1, -1).flatten(0, 2)
        last = masks.mask_embedder.layers[-1]
        matrix, bias = least_squares.solve(hidden, per_query)
        last.weight.copy_(matrix)
        last.bias.copy_(bias)
        _fit_scores(scoring, captured, score_goals, _capture_activations(model, tokens, scripts[:1], SHOWN))
    again = _capture_activations(model, tokens, scripts)
    logits = again["masks"][:, -1]
    overlap = ((logits > 0) & (mask_goals > 0.5)).sum((2, 3)) / ((logits > 0) | (mask_goals > 0.5)).sum((2, 3)).clamp(min=1)
    return {
        "mask IoU": float(overlap[requested].mean()),
        "score error": float((again["scores"] - score_goals).abs().mean()),
        "worst score error": float((again["scores"] - score_goals).abs().max()),
    }


def _kernel(pixels: torch.Tensor, goals: torch.Tensor, requested: torch.Tensor) -> torch.Tensor:
    """Solves for the mask kernel of one query.

    :param pixels: [n, D, m, m], channel 0 is 1 everywhere
    :param goals: [n, m, m]
    :return: kernel [D]; random if no mask is requested
    """
    if not requested.any():
        return torch.randn(pixels.shape[1])
    features = pixels[requested].permute(0, 2, 3, 1).flatten(0, 2)
    inside = goals[requested].flatten()
    matrix, bias = least_squares.solve(features[:, 1:], _MASK_LOGIT * (2 * inside - 1)[:, None], least_squares.class_weights(inside > 0.5))
    return torch.cat([bias, matrix[0]])


def _fit_scores(
    scoring: Any, captured: dict[str, torch.Tensor], goals: torch.Tensor, captured_with_exemplars: dict[str, torch.Tensor]
) -> None:
    """Solves `query_proj` so that its products with the projected phrases are the target logits, also for the last
    phrase with exemplars. The logits of a phrase without a target are unbounded.

    :param captured_with_exemplars: activations on the first frames with exemplars
    """
    scale = scoring.scale
    last = goals[: len(captured_with_exemplars["queries"]), -1]
    requested = [(captured["queries"][:, phrase], goals[:, phrase]) for phrase in range(goals.shape[1])] + [
        (captured_with_exemplars["queries"][:, -1], last)
    ]
    solved = [
        least_squares.solve(hidden.flatten(0, 1), torch.logit(goal.flatten())[:, None], penalty=_SCORE_PENALTY)
        for hidden, goal in requested
    ]
    phrases = torch.cat([captured["phrases"].mean(0), captured_with_exemplars["phrases"][:, -1].mean(0, keepdim=True)])
    turn = torch.linalg.pinv(phrases) / scale  # [D, phrases + 1]
    scoring.query_proj.weight.copy_(turn @ torch.stack([matrix[0] for matrix, _ in solved]))
    scoring.query_proj.bias.copy_(turn @ torch.stack([bias[0] for _, bias in solved]))


def _capture_activations(
    model: Sam3VideoModel, tokens: dict[str, torch.Tensor], scripts: list[Script], exemplars: tuple[list, list] | None = None
) -> dict[str, torch.Tensor]:
    """Inputs of the last layers, for every frame of every script: pixel features [n, D, m, m] of the last phrase, and by
    phrase and query the inputs of the other layers.

    :param exemplars: boxes and labels, given on every frame
    """
    detector = model.detector_model
    caught: dict[str, torch.Tensor] = {}
    catch = lambda name: lambda module, given, result: caught.__setitem__(name, result)  # noqa: E731
    catch_input = lambda name: lambda module, given: caught.__setitem__(name, given[0])  # noqa: E731
    hooks = [
        detector.mask_decoder.instance_projection.register_forward_hook(catch("pixels")),
        detector.mask_decoder.mask_embedder.layers[-1].register_forward_pre_hook(catch_input("mask hidden")),
        detector.dot_product_scoring.query_proj.register_forward_pre_hook(catch_input("queries")),
        detector.dot_product_scoring.text_proj.register_forward_hook(catch("phrases")),
    ]
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in ("pixels", "mask hidden", "queries", "phrases", "masks", "scores")}
    with torch.no_grad():
        texts = detector.get_text_features(**tokens, return_dict=True)
        for script in scripts:
            for rgb in np.split(script.frames(), FRAMES // 5):
                vision = detector.get_vision_features(pixel_values(rgb))
                parts: dict[str, list[torch.Tensor]] = {name: [] for name in rows}
                boxes = {} if exemplars is None else {
                    "input_boxes": torch.tensor([exemplars[0]] * len(rgb)), "input_boxes_labels": torch.tensor([exemplars[1]] * len(rgb))
                }  # fmt: skip
                for phrase in range(len(text_prompts.PHRASES)):
                    text = BaseModelOutputWithPooling(pooler_output=texts.pooler_output[phrase : phrase + 1].expand(len(rgb), -1, -1))
                    attention = tokens["attention_mask"][phrase : phrase + 1].expand(len(rgb), -1)
                    output = detector(vision_embeds=vision, text_embeds=text, attention_mask=attention, **boxes)
                    parts["mask hidden"].append(caught["mask hidden"])
                    parts["queries"].append(caught["queries"][-1])
                    parts["masks"].append(output.pred_masks)
                    parts["scores"].append(output.pred_logits.sigmoid() * output.presence_logits.sigmoid())
                    parts["phrases"].append(caught["phrases"])
                parts["pixels"] = [caught["pixels"]]
                for name, values in parts.items():
                    rows[name].append(torch.stack(values, 1))
    for hook in hooks:
        hook.remove()
    result = {name: torch.cat(values) for name, values in rows.items()}
    return {**result, "pixels": result["pixels"][:, 0]}
