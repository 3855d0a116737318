"""The exports for annotation tools, opened by the tools' own Python packages."""

import json
import sys
from unittest.mock import MagicMock
from xml.etree import ElementTree

from scene import CATEGORY, FOLDER, HEIGHT, TRUTH, WIDTH, draw_pictures, one_file, same_masks


def labelme_files(name, least):
    """Reads each file as labelme opens it. Reading draws nothing, so Qt and the models of labelme stand in."""
    for module in ("onnxruntime", "PyQt5", "PyQt5.QtCore", "PyQt5.QtGui", "PyQt5.QtWidgets"):
        sys.modules.setdefault(module, MagicMock())
    import labelme
    from loguru import logger

    logger.remove()  # a line for each picture
    draw_pictures(FOLDER / name, "{:05d}.jpg")
    seen = {}
    for frame in TRUTH["frames"]:
        file = labelme.LabelFile(str(FOLDER / name / f"{frame['frame']:05d}.json"))
        for shape in file.shapes:
            assert shape["label"] == CATEGORY[shape["group_id"]]
            key = (frame["frame"], shape["group_id"])
            _, instances = labelme.utils.shapes_to_label((HEIGHT, WIDTH), [shape], {shape["label"]: 1})
            seen[key] = seen.get(key, False) | (instances > 0)
    return same_masks(seen, least)


def cvat_sdk_masks():
    """The run lengths and corners of the XML, as the SDK exchanges them with a server of CVAT."""
    from cvat_sdk.masks import decode_mask, encode_mask

    seen = {}
    for track in ElementTree.parse(one_file("cvat")).getroot().iter("track"):
        for mask in track.iter("mask"):
            if mask.get("outside") == "1":
                continue
            left, top, width, height = (int(mask.get(side)) for side in ("left", "top", "width", "height"))
            runs = [int(run) for run in mask.get("rle").split(",")]
            points = [*runs, left, top, left + width - 1, top + height - 1]
            bitmap = decode_mask(points, image_width=WIDTH, image_height=HEIGHT)
            assert encode_mask(bitmap) == points
            seen[int(mask.get("frame")), int(track.get("id"))] = bitmap
    return same_masks(seen)


_CONFIGS = {
    "video": """<View><Video name="video" value="$video"/><VideoRectangle name="box" toName="video"/>
      <Labels name="labels" toName="video">{labels}</Labels></View>""",
    "brush": """<View><Image name="image" value="$image"/>
      <BrushLabels name="brush" toName="image">{labels}</BrushLabels></View>""",
}


def label_studio_interface(form):
    """Validates tasks and regions against the labelling interface that a project needs for them."""
    from label_studio_sdk.label_interface import LabelInterface

    labels = "".join(f'<Label value="{category}"/>' for category in sorted(set(CATEGORY.values())))
    interface = LabelInterface(_CONFIGS[form].format(labels=labels))
    count = 0
    for task in json.loads(one_file(f"label-studio-{form}").read_text()):
        assert interface.validate_task({"data": task["data"]}), task["data"]
        for annotation in task["annotations"]:
            for region in annotation["result"]:
                assert interface.validate_region(region, return_errors=True) == []
                count += 1
    assert count >= len(CATEGORY)
    return f"{count} regions"
