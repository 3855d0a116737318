"""Reference outputs of each graph: computed by the methods of transformers, one object at a time."""

from __future__ import annotations

from types import ModuleType
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masklet_export.spec import Geometry

Inputs = dict[str, Tensor]


class Reference:
    def __init__(self, model: nn.Module, geometry: Geometry) -> None:
        self.model, self.z = model, geometry
        self.tracker = getattr(model, "tracker_model", model)

    def encode(self, inputs: Inputs, mean: list[float], std: list[float]) -> Inputs:
        pixels = inputs["image"].permute(0, 3, 1, 2).float() / 255
        pixels = (pixels - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
        out = {}
        if self.tracker is self.model:
            maps = self.tracker.get_image_features(pixels, return_dict=True).fpn_hidden_states
        else:
            seen = self.model.detector_model.vision_encoder(pixels)
            maps, _ = self.model.get_vision_features_for_tracker(seen)
            g = self.z.g
            out["trunk"] = seen.last_hidden_state.transpose(1, 2).unflatten(2, (g, g))
        for name, level, side in zip(("feat_s0", "feat_s1", "feat"), maps, (4, 2, 1)):
            out[name] = level.permute(1, 2, 0).unflatten(2, (side * self.z.g, side * self.z.g))
        return out

    def text(self, inputs: Inputs) -> Inputs:
        rows = [
            self.model.detector_model.get_text_features(ids[None].long(), mask[None].long()).pooler_output
            for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"])
        ]
        return {"text": torch.cat(rows)}

    def detect(self, inputs: Inputs) -> Inputs:
        from transformers.modeling_outputs import BaseModelOutputWithPooling
        from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

        detector = self.model.detector_model
        levels, positions = detector.vision_encoder.neck(inputs["trunk"])
        rows = []
        for c in range(inputs["text"].shape[0]):
            valid = inputs["box_labels"][c] != -10
            boxes = {}
            if valid.any():  # padding is removed, as callers of transformers do
                boxes = {
                    "input_boxes": inputs["boxes"][c][valid][None],
                    "input_boxes_labels": inputs["box_labels"][c][valid][None].long(),
                }
            out = detector(
                vision_embeds=Sam3VisionEncoderOutput(fpn_hidden_states=levels, fpn_position_encoding=positions),
                text_embeds=BaseModelOutputWithPooling(pooler_output=inputs["text"][c : c + 1]),
                attention_mask=inputs["text_mask"][c : c + 1].long(),
                **boxes,
            )
            presence = out.presence_logits.sigmoid()
            scores, best = (out.pred_logits.sigmoid() * presence)[0].topk(self.z.K)
            rows.append((scores, out.pred_boxes[0][best], out.pred_masks[0][best], presence[0, 0], best.int()))
        names = ("scores", "boxes_out", "masks", "presence", "query")
        return {name: torch.stack(values) for name, values in zip(names, zip(*rows))}

    def segment(self, inputs: Inputs) -> Inputs:
        """`mask`, `iou` and `pointer` of the selected mask; and `score`"""
        tracker, rows = self.tracker, []
        feat = inputs["feat"] + tracker.no_memory_embedding.transpose(1, 2)[..., None]
        for b in range(inputs["points"].shape[0]):
            mask = inputs["mask_in"][b : b + 1] if inputs["has_mask"][b] > 0 else None
            rows.append(self._decode(inputs, feat, b, mask, first=True))
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def _decode(self, inputs: Inputs, feat: Tensor, b: int, mask: Tensor | None, *, first: bool) -> Inputs:
        tracker = self.tracker
        points, labels = inputs["points"][b][None, None] * self.z.S, inputs["labels"][b][None, None]
        given = None if (labels == -1).all() else {"point_coords": points, "point_labels": labels}
        several = tracker._use_multimask(first, given)
        out = tracker._single_frame_forward(
            input_points=points if given else None,
            input_labels=labels if given else None,
            input_masks=mask,
            image_embeddings=[inputs["feat_s0"], inputs["feat_s1"], feat],
            multimask_output=several,
        )
        return {
            "mask": out.pred_masks,
            "iou": out.iou_scores.flatten(1).amax(1),
            "score": out.object_score_logits.flatten(),
            "pointer": out.object_pointer.flatten(0, -2),
        }

    def seed(self, inputs: Inputs) -> Inputs:
        masks = inputs["mask"]
        if hasattr(self.tracker, "spatial_perceiver"):  # EdgeTAM's method accepts only masks of the image's size
            masks = F.interpolate(masks, size=(self.z.S, self.z.S), mode="bilinear", align_corners=False)
        rows = [
            self.tracker._use_mask_as_output(inputs["feat"], [inputs["feat_s0"], inputs["feat_s1"]], masks[b : b + 1])
            for b in range(masks.shape[0])
        ]
        return {
            "pointer": torch.cat([row.object_pointer.flatten(0, -2) for row in rows]),
            "score": torch.cat([row.object_score_logits.flatten() for row in rows]),
            "mask_logits": torch.cat([row.pred_masks for row in rows]),
        }

    def track(self, inputs: Inputs, image_position: Tensor) -> Inputs:
        tracker, rows = self.tracker, []
        module: ModuleType = __import__(type(tracker).__module__, fromlist=["x"])
        edge = hasattr(tracker, "spatial_perceiver")
        span = tracker.config.max_object_pointers_in_encoder
        position = self.memory_position()
        for b in range(inputs["memory"].shape[0]):
            stored = []
            for memory, row in zip(inputs["memory"][b], inputs["memory_t"][b].tolist()):
                offset = 0 if row == tracker.num_maskmem - 1 else row + 1
                shaped = (lambda x: x[None]) if edge else (lambda x: x[:, None])
                stored.append((offset, {"maskmem_features": shaped(memory), "maskmem_pos_enc": shaped(position)}))
            memories, places = tracker._build_memory_attention_inputs(stored, "cpu")
            count = 0
            if inputs["pointers"].shape[1] > 0:
                offsets = (inputs["pointer_dt"][b] * (span - 1)).tolist()
                tokens, ages = tracker._process_object_pointers(offsets, [x[None] for x in inputs["pointers"][b]], span, 1, self.z.D, "cpu")
                count = tokens.shape[0]
                memories, places = [*memories, tokens], [*places, ages]
            more = {"num_spatial_memory_tokens": len(stored)} if edge else {}
            seen = tracker.memory_attention(
                current_vision_features=inputs["feat"].flatten(2).permute(2, 0, 1),
                current_vision_position_embeddings=image_position.flatten(2).permute(2, 0, 1),
                memory=torch.cat(memories),
                memory_posision_embeddings=torch.cat(places),
                num_object_pointer_tokens=count,
                **more,
            )
            feat = seen.squeeze(1).transpose(1, 2).reshape(1, self.z.D, self.z.g, self.z.g)
            rows.append(self._decode(inputs, feat, b, None, first=False))
        assert module is not None
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def memory_position(self) -> Tensor:
        """[T,Dm]"""
        tracker, z = self.tracker, self.z
        position = tracker.memory_encoder.position_encoding((1, z.Dm, z.g, z.g), "cpu", torch.float32)
        if hasattr(tracker, "spatial_perceiver"):
            return tracker.spatial_perceiver(torch.zeros(1, z.Dm, z.g, z.g), position)[1][0]
        return position[0].flatten(1).transpose(0, 1)

    def remember(self, inputs: Inputs) -> Inputs:
        tracker, rows = self.tracker, []
        feat = inputs["feat"].flatten(2).permute(2, 0, 1)
        alone = self.tracker is self.model
        for b in range(inputs["mask"].shape[0]):
            mask, given = inputs["mask"][b : b + 1], bool(inputs["binarize"][b] > 0)
            if given or alone:
                mask = F.interpolate(mask, size=(self.z.S, self.z.S), mode="bilinear", align_corners=False)
            # transformers stores memories in bfloat16; here they are not rounded.
            with patch.object(torch, "bfloat16", torch.float32):
                memory, _ = tracker._encode_new_memory(feat, mask, inputs["score"][b].view(1, 1), given)
            edge = hasattr(tracker, "spatial_perceiver")
            rows.append(memory if edge else memory.transpose(0, 1))
        return {"memory": torch.cat(rows)}
