"""The exports for YOLO, by Ultralytics. It needs torch, so that most machines skip these checks.

Last run with Ultralytics 8.4.190 and torch 2.15, on 29 November 2026: 14 masks with an IoU of at least 0.9826, 14 lines.
"""

import numpy as np
from scene import CATEGORY, FOLDER, HEIGHT, TRUTH, WIDTH, box_of, draw_pictures, fill, truth


def ultralytics_dataset():
    """Labels as training reads them, with the names and folders of data.yaml."""
    import torch  # noqa: F401 - first, so that a missing torch is reported as such
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    folder = FOLDER / "yolo-seg"
    draw_pictures(folder / "images" / "train", "clip_{:06d}.jpg")
    data = check_det_dataset(str(folder / "data.yaml"))
    dataset = YOLODataset(img_path=data["train"], data=data, task="segment", imgsz=WIDTH, augment=False, rect=False)
    expected, count, worst = truth(), 0, 1.0
    for label in dataset.labels:
        frame = int(label["im_file"].rsplit("_", 1)[1].split(".")[0])
        own = [(key, mask) for key, mask in expected.items() if key[0] == frame]
        assert len(label["segments"]) == len(own), (frame, len(label["segments"]))
        for (key, mask), points, category in zip(own, label["segments"], label["cls"].ravel()):
            assert data["names"][int(category)] == CATEGORY[key[1]]
            other = fill(points * (WIDTH, HEIGHT)).astype(bool)
            worst = min(worst, (mask & other).sum() / (mask | other).sum())
            count += 1
    assert count == len(expected) and worst >= 0.98, worst
    return f"{count} masks, IoU at least {worst:.4f}"


def ultralytics_track_lines():
    """The lines are those that `yolo track save_txt=True` writes for the same boxes, in the same order."""
    import torch
    from ultralytics.engine.results import Results

    names = sorted(set(CATEGORY.values()), key=list(CATEGORY.values()).index)
    expected, count = truth(), 0
    for frame in TRUTH["frames"]:
        path = FOLDER / "yolo-track" / "labels" / "train" / f"clip_{frame['frame']:06d}.txt"
        rows = []
        for (_, track), mask in ((key, mask) for key, mask in expected.items() if key[0] == frame["frame"]):
            x, y, width, height = box_of(mask)
            rows.append([x, y, x + width, y + height, track + 1, 1.0, names.index(CATEGORY[track])])
        boxes = torch.tensor(rows, dtype=torch.float32).reshape(-1, 7)
        results = Results(np.zeros((HEIGHT, WIDTH, 3), np.uint8), path="clip.jpg", names=dict(enumerate(names)), boxes=boxes)
        written = path.with_suffix(".ultralytics")
        if rows:
            results.save_txt(written, save_conf=False)
        theirs = [list(map(float, line.split())) for line in written.read_text().splitlines()] if rows else []
        ours = [list(map(float, line.split())) for line in path.read_text().splitlines()]
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        count += len(ours)
    assert count == len(expected)
    return f"{count} lines"
