"""The calls of the published notebooks of SAM 3 and SAM 2, with the import changed to masklet, and sam3's own functions on the answers.

Environment: FRAMES, a folder of JPEGs; TRUTH, a JSON file with `[[x, y, radius], ...]` for each frame; VIDEO, the same frames as a
file; REPORT, where the result is written; MASKLET_URL, the server.
"""

import glob
import json
import os
import traceback
import warnings

import cv2
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sam3_functions import HAS_TORCH, drawn_pixels, iou, last_axes, load_functions, tinted

warnings.filterwarnings("ignore", message=".*non-interactive.*")
plt.rcParams["figure.dpi"] = 200
functions, torch = load_functions()
TRUTH = json.load(open(os.environ["TRUTH"], encoding="utf8"))
LEAST_IOU = 0.8
LEAST_DRAWN_IOU = 0.7
"""Of the tinted pixels of a figure, where boxes and labels cover a part of a mask."""

report = {"failures": [], "lowest": {}, "torch": HAS_TORCH}


def check(holds, sentence):
    if not holds:
        report["failures"].append(sentence)


def compare(name, place, mask, truth, least=LEAST_IOU):
    value = iou(np.asarray(mask, bool), truth)
    report["lowest"][name] = min(report["lowest"].get(name, 1.0), value)
    check(value >= least, f"{name}, {place}: the IoU with the truth is {value:.3f}.")


def circles(frame, height, width):
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    return [np.hypot(columns - x, rows - y) < radius for x, y, radius in TRUTH[frame]]


def frame_paths(folder):
    paths = glob.glob(os.path.join(folder, "*.jpg"))
    return sorted(paths, key=lambda path: int(os.path.splitext(os.path.basename(path))[0]))


def check_outputs(out, height, width, place):
    """The dtypes and shapes that SAM 3 returns, also without an object."""
    count = len(out["out_obj_ids"])
    for key, dtype, shape in [
        ("out_obj_ids", np.int64, (count,)),
        ("out_probs", np.float32, (count,)),
        ("out_boxes_xywh", np.float32, (count, 4)),
        ("out_binary_masks", np.bool_, (count, height, width)),
    ]:
        seen = out[key]
        check(
            type(seen) is np.ndarray and seen.dtype == dtype and seen.shape == shape,
            f"{place}: {key} is {type(seen).__name__} {getattr(seen, 'dtype', '')} {getattr(seen, 'shape', '')}.",
        )


def check_figure(name, frame, picture, shown):
    """Compares the tinted pixels of the last figure with the truth of each object. `shown`: circle by object."""
    height, width = picture.shape[:2]
    truth = circles(frame, height, width)
    pixels = drawn_pixels(last_axes(), height, width)
    for obj_id, circle in shown.items():
        seen = tinted(pixels, picture, functions.COLORS[obj_id % len(functions.COLORS)])
        around = np.zeros_like(seen)
        x, y, radius = (int(value) for value in TRUTH[frame][circle])
        around[max(0, y - 2 * radius) : y + 2 * radius, max(0, x - 2 * radius) : x + 2 * radius] = True
        compare(f"{name}, drawn", f"frame {frame}, object {obj_id}", seen & around, truth[circle], LEAST_DRAWN_IOU)
    labels = " ".join(text.get_text() for text in last_axes().texts)
    for obj_id in shown:
        check(f"(id={obj_id})" in labels, f"{name}, frame {frame}: the label of object {obj_id} is not in {labels}.")
    check(len(last_axes().patches) == len(shown), f"{name}, frame {frame}: {len(last_axes().patches)} boxes are drawn.")


class Sam3Notebook:
    """`sam3_video_predictor_example.ipynb`, on three circles in place of three dancers."""

    def __init__(self, folder):
        from masklet.sam3 import build_sam3_video_predictor

        self.predictor = build_sam3_video_predictor(gpus_to_use=range(1))
        self.frames = frame_paths(folder)
        self.pictures = [functions.load_frame(path) for path in self.frames]
        self.height, self.width = self.pictures[0].shape[:2]
        started = self.predictor.handle_request(request=dict(type="start_session", resource_path=folder))
        self.session_id = started["session_id"]
        self.circle_of = {}

    def request(self, kind, **fields):
        return self.predictor.handle_request(request=dict(type=kind, session_id=self.session_id, **fields))

    def propagate(self):
        """As the notebook collects the outputs of all frames."""
        outputs = {}
        stream = dict(type="propagate_in_video", session_id=self.session_id)
        for response in self.predictor.handle_stream_request(request=stream):
            outputs[response["frame_index"]] = response["outputs"]
        check(sorted(outputs) == list(range(len(self.frames))), f"The frames of a propagation are {sorted(outputs)}.")
        for frame, out in outputs.items():
            check_outputs(out, self.height, self.width, f"frame {frame}")
        return outputs

    def truth(self, frame):
        return circles(frame, self.height, self.width)

    def show(self, frame, outputs, **arguments):
        plt.close("all")
        functions.visualize_formatted_frame_output(
            frame,
            self.frames,
            outputs_list=[outputs],
            titles=["SAM 3 Dense Tracking outputs"],
            figsize=(6, 4),
            **arguments,
        )

    def compare_all(self, name, outputs, expected):
        """Compares the masks of every frame with the truth. `expected`: the objects that each frame has."""
        masks = functions.prepare_masks_for_visualization(dict(outputs))
        for frame, shown in sorted(masks.items()):
            check(sorted(shown) == sorted(expected), f"{name}: frame {frame} has the objects {sorted(shown)}.")
            truth = self.truth(frame)
            for obj_id, mask in shown.items():
                compare(name, f"frame {frame}, object {obj_id}", mask, truth[self.circle_of.get(obj_id, 0)])
        for frame in (0, len(self.frames) - 1):
            self.show(frame, masks)
            check_figure(name, frame, self.pictures[frame], {one: self.circle_of[one] for one in masks[frame]})

    def phrase(self):
        self.request("reset_session")
        response = self.request("add_prompt", frame_index=0, text="blue circle")
        check(response["frame_index"] == 0, f"The answer is for frame {response['frame_index']}.")
        out = response["outputs"]
        check_outputs(out, self.height, self.width, "phrase")
        truth = self.truth(0)
        for obj_id, mask in zip(out["out_obj_ids"].tolist(), out["out_binary_masks"]):
            self.circle_of[obj_id] = int(np.argmax([iou(mask, one) for one in truth]))
        check(self.circle_of.keys() == {0, 1, 2}, f"The phrase finds the objects {sorted(self.circle_of)}.")
        check(sorted(self.circle_of.values()) == [0, 1, 2], f"The circles of the objects are {self.circle_of}.")
        self.show(0, functions.prepare_masks_for_visualization({0: out}))
        check_figure("phrase", 0, self.pictures[0], self.circle_of)
        outputs = self.propagate()
        self.compare_all("phrase", outputs, self.circle_of)
        return outputs

    def removal(self):
        response = self.request("remove_object", obj_id=2)
        check(response == {"is_success": True}, f"remove_object returns {response}.")
        self.compare_all("removal", self.propagate(), self.circle_of.keys() - {2})

    def clicks(self, name, offsets, labels):
        """Clicks around the centre of the removed circle, in parts of its radius, as tensors of relative coordinates."""
        x, y, radius = TRUTH[0][self.circle_of[2]]
        points_abs = np.array([[x + dx * radius, y + dy * radius] for dx, dy in offsets])
        width, height = Image.fromarray(self.pictures[0]).size
        points = torch.tensor([[px / width, py / height] for px, py in points_abs], dtype=torch.float32)
        response = self.request(
            "add_prompt",
            frame_index=0,
            points=points,
            point_labels=torch.tensor(np.array(labels), dtype=torch.int32),
            obj_id=2,
        )
        out = functions.prepare_masks_for_visualization({0: response["outputs"]})
        self.show(0, out, points_list=[points_abs], points_labels_list=[np.array(labels)])
        stars = sum(len(one.get_offsets()) for one in last_axes().collections)
        check(stars == len(labels), f"{name}: {stars} of {len(labels)} clicks are drawn.")
        self.compare_all(name, self.propagate(), self.circle_of)

    def boxes(self):
        """An exemplar box after a new start: the boxed circle is among what it finds."""
        self.request("reset_session")
        x, y, radius = TRUTH[0][0]
        box = [(x - radius) / self.width, (y - radius) / self.height, 2 * radius / self.width, 2 * radius / self.height]
        tensor = torch.tensor([box], dtype=torch.float32)
        labels = torch.tensor([1], dtype=torch.int32)
        response = self.request("add_prompt", frame_index=0, bounding_boxes=tensor, bounding_box_labels=labels)
        check_outputs(response["outputs"], self.height, self.width, "box")
        masks = response["outputs"]["out_binary_masks"]
        best = max([iou(mask, self.truth(0)[0]) for mask in masks], default=0.0)
        check(best >= LEAST_IOU, f"box: the best IoU with the boxed circle is {best:.3f}.")
        prompt = {"boxes": [box]}
        self.show(0, functions.prepare_masks_for_visualization({0: response["outputs"]}), prompt_info=prompt)
        texts = [text.get_text() for text in last_axes().texts]
        check("PROMPT BOX" in texts, f"box: the labels of the figure are {texts}.")

    def nothing_found(self):
        self.request("reset_session")
        out = self.request("add_prompt", frame_index=0, text="green triangle")["outputs"]
        check_outputs(out, self.height, self.width, "nothing found")
        check(len(out["out_obj_ids"]) == 0, f"The objects of an absent phrase are {out['out_obj_ids']}.")
        self.show(0, functions.prepare_masks_for_visualization({0: out}))
        texts = [text.get_text() for text in last_axes().texts]
        check(texts == ["No objects detected"], f"Without an object the figure has the texts {texts}.")

    def overlays(self, outputs):
        """`render_masklet_frame`, `save_masklet_image` and `save_masklet_video` on the outputs of a propagation."""
        for frame, picture in enumerate(self.pictures):
            overlay = functions.render_masklet_frame(picture, outputs[frame], alpha=0.5)
            check(overlay.shape == picture.shape and overlay.dtype == np.uint8, f"An overlay is {overlay.shape}.")
            truth = self.truth(frame)
            for obj_id, circle in self.circle_of.items():
                seen = tinted(overlay.astype(float), picture, functions.COLORS[obj_id], tolerance=2)
                compare("overlay", f"frame {frame}, object {obj_id}", seen, truth[circle], LEAST_DRAWN_IOU)
            corner = (slice(self.height - 12, None), slice(0, 12))
            check((overlay[corner] == picture[corner]).all(), f"The ground of frame {frame} is painted.")
        functions.save_masklet_image(self.frames[3], outputs[3], "overlay.png", frame_idx=3)
        saved = np.array(Image.open("overlay.png"))
        expected = functions.render_masklet_frame(self.pictures[3], outputs[3], frame_idx=3)
        check((saved == expected).all(), "The saved picture is not the rendered one.")
        functions.save_masklet_video(self.frames, outputs, "overlay.mp4", fps=10)
        self.check_video("overlay.mp4")

    def check_video(self, path):
        video = cv2.VideoCapture(path)
        count = 0
        while True:
            is_read, frame = video.read()
            if not is_read:
                break
            pixels = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(float)
            for obj_id, circle in self.circle_of.items():
                x, y, _ = (int(value) for value in TRUTH[count][circle])
                expected = 0.5 * functions.COLORS[obj_id] * 255 + 0.5 * self.pictures[count][y, x]
                seen = pixels[y - 3 : y + 4, x - 3 : x + 4].mean(axis=(0, 1))
                far = float(np.abs(seen - expected).max())
                check(far < 40, f"video, frame {count}, object {obj_id}: the colour differs by {far:.0f}.")
            count += 1
        check(count == len(self.frames), f"The saved video has {count} of {len(self.frames)} frames.")

    def close(self):
        response = self.request("close_session")
        check(response == {"is_success": True}, f"close_session returns {response}.")
        try:
            self.request("reset_session")
            check(False, "A closed session accepts requests.")
        except RuntimeError as error:
            check("might have expired" in str(error), f"A closed session is refused with {error}.")
        self.predictor.shutdown()


def sam3_notebook(folder):
    notebook = Sam3Notebook(folder)
    outputs = notebook.phrase()
    notebook.removal()
    notebook.clicks("a click", [(0, 0)], [1])
    notebook.clicks("a refinement", [(-0.4, 0), (-2, 0), (0, 1.8), (0.4, 0.2)], [1, 0, 0, 1])
    notebook.overlays(outputs)
    notebook.boxes()
    notebook.nothing_found()
    notebook.close()


def sam2_notebook(video):
    """The calls of `video_predictor_example.ipynb` of SAM 2: clicks on one object, a box on another, all frames."""
    from masklet.sam2 import build_sam2_video_predictor

    predictor = build_sam2_video_predictor("configs/sam2.1/sam2.1_hiera_l.yaml", "sam2.1_hiera_large.pt", device="cpu")
    state = predictor.init_state(video_path=video)
    height, width = state["video_height"], state["video_width"]
    predictor.reset_state(state)
    first = circles(0, height, width)
    x, y, radius = TRUTH[0][0]
    points, labels = np.array([[x, y], [x, y + 1.8 * radius]], np.float32), np.array([1, 0], np.int32)
    index, ids, logits = predictor.add_new_points_or_box(
        inference_state=state, frame_idx=0, obj_id=1, points=points, labels=labels
    )
    check((index, list(ids), tuple(logits.shape)) == (0, [1], (1, 1, height, width)), f"SAM 2: {index}, {ids}.")
    picture = np.full((height, width, 3), 119, np.uint8)
    plt.close("all")
    plt.figure(figsize=(9, 6))
    plt.imshow(picture)
    functions.show_points(points, labels, plt.gca())
    functions.show_mask((logits[0] > 0.0).cpu().numpy(), plt.gca(), obj_id=ids[0])
    shown = np.asarray(plt.gca().images[1].get_array())[..., 3] > 0
    compare("SAM 2, clicks, drawn", "frame 0", shown, first[0])
    x, y, radius = TRUTH[0][1]
    box = np.array([x - radius, y - radius, x + radius, y + radius], np.float32)
    _, ids, logits = predictor.add_new_points_or_box(inference_state=state, frame_idx=0, obj_id=4, box=box)
    check(list(ids) == [1, 4], f"SAM 2: the objects are {ids}.")
    functions.show_box(box, plt.gca())
    segments = {}
    for frame, out_ids, out_logits in predictor.propagate_in_video(state):
        segments[frame] = {one: (out_logits[at] > 0.0).cpu().numpy() for at, one in enumerate(out_ids)}
    check(sorted(segments) == list(range(len(TRUTH))), f"SAM 2: the frames are {sorted(segments)}.")
    for frame, masks in segments.items():
        truth = circles(frame, height, width)
        compare("SAM 2, clicks", f"frame {frame}", masks[1][0], truth[0])
        compare("SAM 2, box", f"frame {frame}", masks[4][0], truth[1])


def main():
    try:
        sam3_notebook(os.environ["FRAMES"])
        sam2_notebook(os.environ["VIDEO"])
    except Exception:
        report["error"] = traceback.format_exc()
    with open(os.environ["REPORT"], "w", encoding="utf8") as file:
        json.dump(report, file)


main()
