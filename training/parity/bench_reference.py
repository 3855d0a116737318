"""Measures how fast transformers runs a checkpoint over a video, for `npm run bench -- reference`.

    python -m parity.bench_reference path/to/sam3 clip.mp4 --text "red car" --threads 2
    python -m parity.bench_reference path/to/sam2.1 clip.mp4 --box 100,80,60,40 --threads 2

Loads the model and prints a line when it is ready. Then reads a number of frames per line from standard input (0: all
frames), runs one pass over the video, and prints the result as one line of JSON. The time covers everything from
reading the first frame to resizing the last mask to the size of the video.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import AutoConfig, PreTrainedTokenizerFast, Sam3VideoModel
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession
from transformers.models.sam3_video.processing_sam3_video import Sam3VideoProcessor

from .inputs import imagenet_values, pixel_values
from .run_clicks import Click, Propagation, run

Measured = tuple[int, int]
"""Number of frames, and number of objects shown, summed over all frames"""


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m parity.bench_reference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("video", type=Path)
    prompt = parser.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--text", help="a phrase, for SAM 3")
    prompt.add_argument("--box", action="append", help="x,y,w,h in pixels of the video, for SAM 2.1 and EdgeTAM; repeat for more objects")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    kind = AutoConfig.from_pretrained(options.checkpoint).model_type
    if (kind == "sam3_video") != (options.text is not None):
        raise SystemExit(f"{options.checkpoint} is a {kind}: SAM 3 takes --text, SAM 2.1 and EdgeTAM take --box.")
    measure = prepare_phrase(options) if options.text else prepare_box(options, kind)
    print(json.dumps({"loaded": kind, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        frames, objects = measure(int(line))
        seconds = time.perf_counter() - begun
        print(json.dumps({"frames": frames, "objects": objects, "seconds": seconds}), flush=True)


def prepare_phrase(options: argparse.Namespace):
    """Loads SAM 3. Returns the function to measure, which accepts a number of frames."""
    model = Sam3VideoModel.from_pretrained(options.checkpoint, dtype=torch.float32).eval()
    processor = Sam3VideoProcessor.__new__(Sam3VideoProcessor)
    # CLIP pads with its end token; the small models' tokenizers do not specify it.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.checkpoint, pad_token="<|endoftext|>")
    # Small models accept shorter phrases than the 32 tokens that the processor pads to.
    length = model.config.detector_config.text_config.max_position_embeddings
    processor.tokenizer = lambda phrase, **how: tokenizer(phrase, **how | {"max_length": length})

    def measure(limit: int) -> Measured:
        pixels, height, width = read(options.video, limit, model.config.image_size, pixel_values)
        session = Sam3VideoInferenceSession(video=pixels, video_height=height, video_width=width, dtype=torch.float32)
        processor.add_text_prompt(session, options.text)
        shown = [len(processor.postprocess_outputs(session, output)["object_ids"]) for output in model.propagate_in_video_iterator(session)]
        return len(shown), sum(shown)

    return measure


def prepare_box(options: argparse.Namespace, kind: str):
    """Loads SAM 2.1 or EdgeTAM. Returns the function to measure, which accepts a number of frames."""
    model_class, session_class = {
        "sam2_video": (transformers.Sam2VideoModel, Sam2VideoInferenceSession),
        "edgetam_video": (transformers.EdgeTamVideoModel, EdgeTamVideoInferenceSession),
    }[kind]
    model = model_class.from_pretrained(options.checkpoint, dtype=torch.float32).eval()
    boxes = [[float(part) for part in box.split(",")] for box in options.box]

    def measure(limit: int) -> Measured:
        pixels, height, width = read(options.video, limit, model.config.image_size, imagenet_values)
        clicks = [
            Click(0, index, [], [], [x / width, y / height, (x + w) / width, (y + h) / height]) for index, (x, y, w, h) in enumerate(boxes)
        ]
        answers, _ = run(model, session_class, pixels, (height, width), [*clicks, Propagation(0, False)])
        shown = [sum(score > 0 for score in result.scores) for result in answers[-1].results]
        return len(shown), sum(shown)

    return measure


def read(video: Path, limit: int, side: int, normalise) -> tuple[torch.Tensor, int, int]:
    """Reads and normalises frames.

    :param limit: number of frames, 0 for all
    :return: float32 [frames, 3, side, side], and height and width of the video
    """
    capture = cv2.VideoCapture(str(video))
    pictures, size = [], (0, 0)
    while limit == 0 or len(pictures) < limit:
        found, picture = capture.read()
        if not found:
            break
        size = picture.shape[:2]
        pixels = normalise(np.ascontiguousarray(picture[..., ::-1]))
        pictures.append(F.interpolate(pixels[None], (side, side), mode="bilinear", antialias=True)[0])
    if not pictures:
        raise SystemExit(f"{video}: cannot read any frame.")
    return torch.stack(pictures), size[0], size[1]


if __name__ == "__main__":
    main()
