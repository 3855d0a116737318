"""The conversions of a frame of the Python client, by the classes of the tools."""

import numpy as np
from scene import CATEGORY, HEIGHT, TRUTH, WIDTH, same_masks

from masklet.frames import Frame
from masklet.masks import decode_rle


def frames_of_scene():
    """The frames of the scene as the client receives them, with run lengths as masks."""
    for one in TRUTH["frames"]:
        masks = {int(obj_id): mask for obj_id, mask in one["masks"].items()}
        boxes = []
        for mask in masks.values():
            rows, columns = np.nonzero(decode_rle(mask))
            left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            boxes.append([left / WIDTH, top / HEIGHT, (right - left) / WIDTH, (bottom - top) / HEIGHT])
        outputs = {
            "out_obj_ids": list(masks),
            "out_probs": [0.5 + 0.1 * at for at in range(len(masks))],
            "out_boxes_xywh": boxes,
            "out_binary_masks": list(masks.values()),
        }
        yield Frame({"frame_index": one["frame"], "outputs": outputs}, WIDTH, HEIGHT)


def packed(frame):
    """The same frame without run lengths: the client has decoded its masks."""
    outputs = {name: value for name, value in frame.outputs.items() if name != "out_binary_masks"}
    other = Frame({**frame.message, "outputs": outputs}, WIDTH, HEIGHT)
    other.__dict__["masks"] = frame.masks
    return other


def supervision_detections():
    import supervision

    seen = {}
    for frame in frames_of_scene():
        dense, compact = frame.to_supervision(), frame.to_supervision(compact=True)
        assert isinstance(compact.mask, supervision.CompactMask) and compact.mask.shape == dense.mask.shape
        assert (compact.mask.to_dense() == dense.mask).all()
        assert (packed(frame).to_supervision(compact=True).mask.to_dense() == dense.mask).all()
        assert compact.tracker_id.tolist() == dense.tracker_id.tolist() == frame.ids.tolist()
        assert np.allclose(compact.confidence, frame.scores) and (compact.area == dense.area).all()
        for obj_id in frame.ids.tolist():
            # A selection by the track keeps its mask.
            (mask,) = compact[compact.tracker_id == obj_id].mask.to_dense()
            seen[frame.index, obj_id] = mask
    empty = Frame({"frame_index": 0}, WIDTH, HEIGHT).to_supervision()
    assert len(empty) == 0 and empty.mask.shape == (0, HEIGHT, WIDTH)
    return same_masks(seen)


def fiftyone_detections():
    """In a sample, without a data set: a data set of FiftyOne needs a server of MongoDB."""
    import fiftyone

    sample = fiftyone.Sample(filepath="clip.mp4")
    for frame in frames_of_scene():
        sample.frames[frame.index + 1] = fiftyone.Frame(masklet=frame.to_fiftyone(CATEGORY))
    seen = {}
    for number in range(1, TRUTH["numFrames"] + 1):
        for one in sample.frames[number].masklet.detections if number in sample.frames else []:
            assert one.label == CATEGORY[one.index]
            mask = one.to_segmentation(frame_size=(WIDTH, HEIGHT), target=255).mask
            seen[number - 1, one.index] = mask == 255
    return same_masks(seen)
