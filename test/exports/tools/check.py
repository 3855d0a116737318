"""Opens each export by the tool of its format, and compares its masks and boxes with those of the session.

Usage: check.py FOLDER, a folder that write.ts has written. Checks of tools that are not installed are skipped.
"""

import json
import sys
from pathlib import Path

import numpy as np
from annotators import cvat_sdk_masks, label_studio_interface, labelme_files
from frames import fiftyone_detections, supervision_detections
from pycocotools import mask as coco_mask
from scene import CATEGORY, FOLDER, HEIGHT, TRUTH, WIDTH, box_of, draw_pictures, fill, one_file, same_boxes, same_masks, truth
from trackers import trackeval_mot, trackeval_mots_scores, trackeval_youtube_vis
from yolo import ultralytics_dataset, ultralytics_track_lines


def pycocotools_coco(name, least):
    from pycocotools.coco import COCO

    coco = COCO(str(one_file(name)))
    assert len(coco.getImgIds()) == len(TRUTH["frames"])
    names = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
    seen = {}
    for one in coco.loadAnns(coco.getAnnIds()):
        frame = coco.loadImgs(one["image_id"])[0]["frame_index"]
        assert names[one["category_id"]] == CATEGORY[one["track_id"]]
        seen[frame, one["track_id"]] = coco.annToMask(one)
        assert least < 1 or one["bbox"] == box_of(seen[frame, one["track_id"]])
        assert least < 1 or one["area"] == seen[frame, one["track_id"]].sum()
    return same_masks(seen, least)


def pycocotools_youtube_vis():
    # The API of YouTube-VIS is that of COCO with a list of segmentations for each annotation.
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = json.loads(one_file("youtube-vis").read_text())
    (video,) = coco.dataset["videos"]
    seen = {}
    for one in coco.dataset["annotations"]:
        assert len(one["segmentations"]) == video["length"] == len(video["file_names"])
        for frame, rle in zip(video["frame_indices"], one["segmentations"]):
            if rle is not None:
                seen[frame, one["id"] - 1] = coco_mask.decode(rle)
    return same_masks(seen)


def trackeval_mots():
    from trackeval.datasets.kitti_mots import KittiMOTS

    loaded = KittiMOTS._load_simple_text_file(
        str(FOLDER / "mots" / "clip.txt"), time_col=0, id_col=1, force_delimiters=" "
    )
    lines = loaded[0] if isinstance(loaded, tuple) else loaded
    seen = {}
    for frame, rows in lines.items():
        for row in rows:
            rle = {"size": [int(row[3]), int(row[4])], "counts": row[5].encode()}
            seen[int(frame) - 1, int(row[1]) % 1000] = coco_mask.decode(rle)
    return same_masks(seen, kind="exclusive")


def datumaro_items(name, format_name, path=None):
    import datumaro

    return datumaro.Dataset.import_from(str(path or FOLDER / name), format_name)


def datumaro_mot():
    data = datumaro_items("mot", "mot_seq")
    labels = data.categories()[next(iter(data.categories()))]
    seen = {}
    for item in data:
        for one in item.annotations:
            key = (int(item.id) - 1, int(one.attributes["track_id"]) - 1)
            assert labels[one.label].name == CATEGORY[key[1]], (key, labels[one.label].name)
            seen[key] = one.get_bbox()
    return same_boxes(seen)


def datumaro_cvat_masks():
    """datumaro reads masks of images only, so each mask of a track moves to an image of its own."""
    from xml.etree import ElementTree

    import cv2

    root = ElementTree.parse(one_file("cvat")).getroot()
    images = ElementTree.Element("annotations")
    images.append(root.find("meta"))
    keys = []
    for track in root.iter("track"):
        for mask in track.iter("mask"):
            if mask.get("outside") == "1":
                continue
            size = {"width": str(WIDTH), "height": str(HEIGHT)}
            image = ElementTree.SubElement(images, "image", id=str(len(keys)), name=f"{len(keys)}.jpg", **size)
            ElementTree.SubElement(image, "mask", label=track.get("label"), source="auto", **mask.attrib)
            keys.append((int(mask.get("frame")), int(track.get("id"))))
    target = FOLDER / "cvat-images" / "annotations.xml"
    (target.parent / "images").mkdir(parents=True, exist_ok=True)
    for at in range(len(keys)):
        cv2.imwrite(str(target.parent / "images" / f"{at}.jpg"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    ElementTree.ElementTree(images).write(target)
    data = datumaro_items("cvat-images", "cvat", target)
    return same_masks({keys[int(item.id)]: item.annotations[0].image for item in data})


def datumaro_cvat_polygons():
    seen = {}
    for item in datumaro_items("cvat-polygons", "cvat", one_file("cvat-polygons")):
        for one in item.annotations:
            if one.attributes.get("outside"):
                continue
            frame = int(item.attributes.get("frame", item.id.rsplit("_", 1)[-1]))
            seen[frame, int(one.attributes["track_id"])] = fill(np.array(one.points).reshape(-1, 2))
    return same_masks(seen, 0.98)


def label_studio_video():
    (task,) = json.loads(one_file("label-studio-video").read_text())
    seen = {}
    for result in task["annotations"][0]["result"]:
        assert result["type"] == "videorectangle"
        assert result["value"]["framesCount"] == TRUTH["numFrames"]
        track = int(result["id"].split("-")[1])
        for one in result["value"]["sequence"]:
            box = [one["x"] * WIDTH, one["y"] * HEIGHT, one["width"] * WIDTH, one["height"] * HEIGHT]
            seen[one["frame"] - 1, track] = np.array(box) / 100
    return same_boxes(seen)


def label_studio_brush():
    from label_studio_sdk.converter.brush import decode_rle

    seen = {}
    for task in json.loads(one_file("label-studio-brush").read_text()):
        for result in task["annotations"][0]["result"]:
            pixels = decode_rle(result["value"]["rle"]).reshape(HEIGHT, WIDTH, 4)
            seen[task["data"]["frame_index"], int(result["id"].split("-")[1])] = pixels[:, :, 3] > 0
    return same_masks(seen)


def supervision_yolo():
    import supervision

    images = FOLDER / "yolo-seg" / "images" / "train"
    draw_pictures(images, "clip_{:06d}.jpg")
    data = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(images),
        annotations_directory_path=str(FOLDER / "yolo-seg" / "labels" / "train"),
        data_yaml_path=str(FOLDER / "yolo-seg" / "data.yaml"),
        force_masks=True,
    )
    expected = truth()
    worst, count = 1.0, 0
    for path, _, found in data:
        frame = int(Path(path).stem.rsplit("_", 1)[1])
        own = [(key, mask) for key, mask in expected.items() if key[0] == frame]
        assert len(found) == len(own), (frame, len(found))
        for (key, mask), other, label in zip(own, found.mask if len(found) else [], found.class_id):
            assert data.classes[label] == CATEGORY[key[1]]
            worst = min(worst, (mask & other).sum() / (mask | other).sum())
            count += 1
    assert count == len(expected) and worst >= 0.98, worst
    return f"{count} masks, IoU at least {worst:.4f}"


def yolo_boxes():
    seen = {}
    for path in (FOLDER / "yolo-track" / "labels" / "train").glob("*.txt"):
        for line in path.read_text().splitlines():
            _, x, y, width, height, track = map(float, line.split())
            box = [(x - width / 2) * WIDTH, (y - height / 2) * HEIGHT, width * WIDTH, height * HEIGHT]
            seen[int(path.stem.rsplit("_", 1)[1]), int(track) - 1] = box
    return same_boxes(seen, digits=2)


def sa_v():
    # As SAVDataset of facebookresearch/sam2 (sav_dataset/utils/sav_utils.py) decodes it.
    file = json.loads(one_file("sa-v").read_text())
    assert file["video_width"] == WIDTH and file["masklet_num"] == len(file["masklet_id"])
    seen = {}
    for frame, row in zip(file["masklet_frame_index"], file["masklet"]):
        masks = coco_mask.decode(row)
        for at, track in enumerate(file["masklet_id"]):
            if masks[:, :, at].any():
                seen[frame, track] = masks[:, :, at]
    return same_masks(seen)


def pillow_davis():
    from PIL import Image

    objects = {one["value"]: one["object_id"] for one in json.loads((FOLDER / "davis" / "objects.json").read_text())}
    seen = {}
    for path in sorted((FOLDER / "davis" / "Annotations" / "clip").glob("*.png")):
        with Image.open(path) as image:
            assert image.mode == "P" and image.getpalette()[:6] == [0, 0, 0, 128, 0, 0]
            values = np.array(image)
        for value in set(np.unique(values)) - {0}:
            seen[int(path.stem), objects[value]] = values == value
    return same_masks(seen, kind="exclusive")


def via():
    seen = {}
    for file in json.loads(one_file("via").read_text()).values():
        for region in file["regions"]:
            shape = region["shape_attributes"]
            key = (int(file["file_attributes"]["frame_index"]), int(region["region_attributes"]["object_id"]))
            seen[key] = fill(np.stack([shape["all_points_x"], shape["all_points_y"]], axis=1))
    return same_masks(seen, 0.98)


CHECKS = {
    "coco, by pycocotools": lambda: pycocotools_coco("coco", 1.0),
    "coco with polygons, by pycocotools": lambda: pycocotools_coco("coco-polygons", 0.98),
    "youtube-vis, by pycocotools": pycocotools_youtube_vis,
    "youtube-vis, scored by TrackEval": trackeval_youtube_vis,
    "mots, by TrackEval": trackeval_mots,
    "mots, scored by TrackEval": trackeval_mots_scores,
    "mot, scored by TrackEval": trackeval_mot,
    "mot, by datumaro": datumaro_mot,
    "sa-v, by pycocotools": sa_v,
    "cvat, by datumaro": datumaro_cvat_masks,
    "cvat, by cvat-sdk": cvat_sdk_masks,
    "cvat with polygons, by datumaro": datumaro_cvat_polygons,
    "label-studio video, as JSON": label_studio_video,
    "label-studio video, by label-studio-sdk": lambda: label_studio_interface("video"),
    "label-studio brush, checked by label-studio-sdk": lambda: label_studio_interface("brush"),
    "label-studio brush, by label-studio-sdk": label_studio_brush,
    "yolo-seg, by supervision": supervision_yolo,
    "yolo-seg, by ultralytics": ultralytics_dataset,
    "yolo-track, as text": yolo_boxes,
    "yolo-track, as ultralytics writes it": ultralytics_track_lines,
    "labelme, by labelme": lambda: labelme_files("labelme", 0.97),
    "labelme with masks, by labelme": lambda: labelme_files("labelme-masks", 1.0),
    "davis, by Pillow": pillow_davis,
    "via, by OpenCV": via,
    "frames of the client, by supervision": supervision_detections,
    "frames of the client, by fiftyone": fiftyone_detections,
}

failed = []
for name, check in CHECKS.items():
    try:
        print(f"ok      {name}: {check()}", flush=True)
    except ModuleNotFoundError as missing:
        print(f"skipped {name}: {missing.name} is not installed", flush=True)
    except Exception as error:  # noqa: BLE001 - every failure is reported
        failed.append(f"FAILED  {name}: {type(error).__name__}: {error}")
print("\n".join(failed))
sys.exit(1 if failed else 0)
