"""How fast transformers runs a checkpoint over a video: one line of JSON for `npm run bench -- reference`.

    python -m parity.bench_reference path/to/checkpoint clip.mp4 --text "red car" --threads 2

The clock runs from the first frame read to the last mask at the size of the video; loading the model is not counted.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerFast, Sam3VideoModel
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession
from transformers.models.sam3_video.processing_sam3_video import Sam3VideoProcessor

from .inputs import pixel_values


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m parity.bench_reference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--text", required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    model = Sam3VideoModel.from_pretrained(options.checkpoint, dtype=torch.float32).eval()
    processor = Sam3VideoProcessor.__new__(Sam3VideoProcessor)
    processor.tokenizer = PreTrainedTokenizerFast.from_pretrained(options.checkpoint)
    begun = time.perf_counter()
    pixels, height, width = read(options.video, model.config.image_size)
    session = Sam3VideoInferenceSession(video=pixels, video_height=height, video_width=width, dtype=torch.float32)
    processor.add_text_prompt(session, options.text)
    frames = objects = 0
    for output in model.propagate_in_video_iterator(session):
        objects += len(processor.postprocess_outputs(session, output)["object_ids"])
        frames += 1
    seconds = time.perf_counter() - begun
    print(json.dumps({"frames": frames, "objects": objects, "seconds": seconds, "torch": torch.__version__}))


def read(video: Path, side: int) -> tuple[torch.Tensor, int, int]:
    """→ float32 [frames, 3, side, side], and the size of the video"""
    capture = cv2.VideoCapture(str(video))
    pictures, size = [], (0, 0)
    while True:
        found, picture = capture.read()
        if not found:
            break
        size = picture.shape[:2]
        pixels = pixel_values(np.ascontiguousarray(picture[..., ::-1]))
        pictures.append(F.interpolate(pixels[None], (side, side), mode="bilinear", antialias=True)[0])
    if not pictures:
        raise SystemExit(f"{video}: no frame could be read.")
    return torch.stack(pictures), size[0], size[1]


if __name__ == "__main__":
    main()
