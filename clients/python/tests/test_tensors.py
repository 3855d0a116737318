"""Results in a program that uses torch are tensors, as from the original packages. Skipped where torch is missing."""

import subprocess
import sys

import numpy as np
import pytest

from masklet import arrays


def test_without_torch_results_are_arrays_with_methods_of_tensors(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    logits = arrays.logits_of(np.array([[True, False]]))
    assert isinstance(logits, np.ndarray) and logits.dtype == np.float32
    mask = (logits > 0.0).cpu().numpy()
    assert type(mask) is np.ndarray and mask.tolist() == [[True, False]]
    assert logits.to("cuda").detach().float().unsqueeze(0).shape == (1, 1, 2)
    assert arrays.device() == "cpu"


def test_the_package_does_not_import_torch():
    modules = "masklet, masklet.sam2, masklet.sam3, masklet.transformers"
    script = f"import sys; sys.path = {sys.path!r}; import {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("size", "expected"),
    [((4, 2), [[1, 0], [1, 0], [0, 0], [0, 0]]), ((1, 1), [[0]]), ((2, 2), [[1, 0], [0, 0]])],
)
def test_masks_are_resized_to_the_nearest_pixel(size, expected):
    assert arrays.resized(np.array([[1, 0], [0, 0]]), size).tolist() == expected
    batch = arrays.resized(np.array([[[[1, 0], [0, 0]]]] * 3), size)
    assert batch.shape == (3, 1, *size) and batch[2, 0].tolist() == expected


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


def test_the_notebook_of_sam_2_gets_tensors(torch, server, media, monkeypatch):
    from masklet.sam2 import build_sam2_video_predictor

    monkeypatch.setenv("MASKLET_KEY", server.key)
    predictor = build_sam2_video_predictor("sam2.1_hiera_l.yaml", "sam2.1.pt", torch.device("cpu"), url=server.url)
    assert predictor.device == torch.device("cpu")
    state = predictor.init_state(video_path=str(media / "frames"))
    points, labels = torch.tensor([[44.0, 64.0]]), torch.tensor([1], dtype=torch.int32)
    _, ids, logits = predictor.add_new_points_or_box(state, frame_idx=0, obj_id=1, points=points, labels=labels)
    assert isinstance(logits, torch.Tensor) and logits.dtype == torch.float32
    mask = (logits[0] > 0.0).cpu().numpy()
    assert mask.dtype == np.bool_ and mask.shape == (1, 128, 192) and mask[0, 64, 44]
    small = torch.nn.functional.interpolate(torch.sigmoid(logits), (32, 48), mode="bilinear").squeeze(1)
    assert small.shape == (1, 32, 48) and small[0, 16, 11] > 0.9
    predictor.add_new_mask(state, frame_idx=0, obj_id=2, mask=logits[0, 0] > 0)
    union = torch.zeros(128, 192, dtype=torch.bool)
    for _, ids, logits in predictor.propagate_in_video(state):
        assert ids == [1, 2]
        union |= (logits > 0).any(dim=0).squeeze(0)
    assert union.sum() > mask.sum()


def test_the_examples_of_transformers_get_tensors(torch, server, media, monkeypatch):
    from masklet.transformers import Sam3VideoConfig, Sam3VideoModel, Sam3VideoProcessor

    monkeypatch.setenv("MASKLET_URL", server.url)
    monkeypatch.setenv("MASKLET_KEY", server.key)
    config = Sam3VideoConfig.from_pretrained("facebook/sam3")
    config.image_size = 560
    model = Sam3VideoModel.from_pretrained("facebook/sam3", config=config).to(torch.device("cpu"))
    processor = Sam3VideoProcessor.from_pretrained("facebook/sam3")
    frames = torch.zeros(3, 64, 96, 3, dtype=torch.uint8)
    frames[:, 16:48, 24:56, 0] = 255
    session = processor.init_video_session(video=frames, inference_device=model.device)
    processor.add_text_prompt(session, "zebra")
    results = [processor.postprocess_outputs(session, out) for out in model.propagate_in_video_iterator(session)]
    assert len(results) == 3
    shapes = {name: tuple(results[0][name].shape) for name in ("object_ids", "scores", "boxes", "masks")}
    assert shapes == {"object_ids": (0,), "scores": (0,), "boxes": (0, 4), "masks": (0, 64, 96)}
    assert all(isinstance(results[0][name], torch.Tensor) for name in shapes)
