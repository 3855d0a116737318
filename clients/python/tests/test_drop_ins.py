"""The calls of published notebooks, on a real server."""

import numpy as np
import pytest

import masklet

BOX = np.array([20, 40, 68, 88], np.float32)


@pytest.fixture
def address(server, monkeypatch):
    monkeypatch.setenv("MASKLET_URL", server.url)
    monkeypatch.setenv("MASKLET_KEY", server.key)


class Tensor:
    """The part of ``torch.Tensor`` that the package may call."""

    def __init__(self, values):
        self._values = np.asarray(values)

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self._values


def test_the_walk_through_of_sam_3(address, media):
    from masklet.sam3 import build_sam3_video_predictor

    predictor = build_sam3_video_predictor(gpus_to_use=range(1))
    path = str(media / "frames")
    session_id = predictor.handle_request({"type": "start_session", "resource_path": path})["session_id"]
    predictor.handle_request({"type": "reset_session", "session_id": session_id})
    prompt = {"type": "add_prompt", "session_id": session_id, "frame_index": 0}
    empty = predictor.handle_request({**prompt, "text": "zebra"})
    assert sorted(empty) == ["frame_index", "outputs"]
    shapes = {name: value.shape for name, value in empty["outputs"].items() if isinstance(value, np.ndarray)}
    assert shapes == {
        "out_obj_ids": (0,),
        "out_probs": (0,),
        "out_boxes_xywh": (0, 4),
        "out_binary_masks": (0, 128, 192),
    }
    points, labels = Tensor([[44 / 192, 64 / 128]]), Tensor([1])
    clicked = predictor.handle_request({**prompt, "points": points, "point_labels": labels, "obj_id": 3})
    outputs = clicked["outputs"]
    assert outputs["out_obj_ids"].tolist() == [3]
    dtypes = [outputs[name].dtype for name in ("out_obj_ids", "out_probs", "out_boxes_xywh", "out_binary_masks")]
    assert dtypes == [np.int64, np.float32, np.float32, np.bool_]
    stream = {"type": "propagate_in_video", "session_id": session_id}
    frames = list(predictor.handle_stream_request(stream))
    assert [frame["frame_index"] for frame in frames] == list(range(12))
    assert all(frame["outputs"]["out_binary_masks"].shape == (1, 128, 192) for frame in frames)
    forward = {**stream, "propagation_direction": "forward", "start_frame_index": 2, "max_frame_num_to_track": 3}
    assert [frame["frame_index"] for frame in predictor.handle_stream_request(forward)] == [2, 3, 4, 5]
    removal = {"type": "remove_object", "session_id": session_id, "obj_id": 3}
    assert predictor.handle_request(removal) == {"is_success": True}
    with pytest.raises(RuntimeError, match="invalid request type: nonsense"):
        predictor.handle_request({"type": "nonsense"})
    with pytest.raises(RuntimeError, match="cannot find session gone"):
        predictor.handle_request({**prompt, "session_id": "gone", "text": "dog"})
    assert predictor.handle_request({"type": "close_session", "session_id": session_id})["is_success"]
    predictor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        predictor.handle_request({"type": "start_session", "resource_path": path})


def test_a_second_phrase_replaces_the_first_as_in_sam_3(address, media):
    from masklet.sam3 import build_sam3_video_predictor

    predictor = build_sam3_video_predictor()
    started = predictor.handle_request({"type": "start_session", "resource_path": str(media / "clip.mp4")})
    prompt = {"type": "add_prompt", "frame_index": 0, **started}
    predictor.handle_request({**prompt, "text": "red square"})
    outputs = predictor.handle_request({**prompt, "text": "zebra"})["outputs"]
    assert outputs["out_obj_ids"].tolist() == []
    predictor.shutdown()


def test_the_notebook_of_sam_2(address, media):
    from masklet.sam2 import build_sam2_video_predictor

    predictor = build_sam2_video_predictor("configs/sam2.1/sam2.1_hiera_l.yaml", "sam2.1.pt", device="cuda")
    state = predictor.init_state(video_path=str(media / "frames"))
    assert (state["num_frames"], state["video_height"], state["video_width"]) == (12, 128, 192)
    points, labels = np.array([[44, 64]], np.float32), np.array([1], np.int32)
    index, ids, logits = predictor.add_new_points_or_box(
        inference_state=state, frame_idx=0, obj_id=7, points=points, labels=labels
    )
    assert (index, ids, logits.shape) == (0, [7], (1, 1, 128, 192))
    mask = (logits[0] > 0.0).cpu().numpy()
    assert type(mask) is np.ndarray and mask.dtype == np.bool_ and mask[0, 64, 44] and not mask[0, 5, 5]
    _, ids, logits = predictor.add_new_points_or_box(state, 0, 2, box=BOX)
    assert ids == [7, 2] and logits.shape == (2, 1, 128, 192)
    segments = {
        frame: {obj: (out[i] > 0.0).cpu().numpy() for i, obj in enumerate(out_ids)}
        for frame, out_ids, out in predictor.propagate_in_video(state)
    }
    assert list(segments) == list(range(12)) and list(segments[5]) == [7, 2]
    assert segments[5][2].shape == (1, 128, 192)
    reverse = [frame for frame, _, _ in predictor.propagate_in_video(state, start_frame_idx=4, reverse=True)]
    assert reverse == [4, 3, 2, 1, 0]
    assert list(predictor.propagate_in_video(state, start_frame_idx=0, reverse=True)) == []
    remaining, updated = predictor.remove_object(state, 7)
    assert remaining == [2] and updated[0][0] == 0 and updated[0][1].shape == (1, 1, 128, 192)
    with pytest.raises(RuntimeError, match="doesn't exist"):
        predictor.remove_object(state, 7, strict=True)
    predictor.add_new_points_or_box(state, 5, 2, points=points, labels=labels)
    with pytest.raises(NotImplementedError, match="cannot clear the prompts of object 2 on frame 5 only"):
        predictor.clear_all_prompts_in_frame(state, 5, 2)
    predictor.reset_state(state)
    with pytest.raises(RuntimeError, match="No input points or masks"):
        next(predictor.propagate_in_video(state))
    with pytest.raises(ValueError, match="at least one of points or box"):
        predictor.add_new_points_or_box(state, 0, 1)


def test_masks_of_sam_2_are_prompts_and_absent_objects_have_empty_ones(address, media):
    from masklet.sam2 import SAM2VideoPredictor

    predictor = SAM2VideoPredictor.from_pretrained("facebook/sam2.1-hiera-large")
    state = predictor.init_state(str(media / "clip.mp4"))
    half_size = np.zeros((64, 96), bool)
    half_size[20:44, 10:34] = True
    _, _, logits = predictor.add_new_mask(state, 0, 1, Tensor(half_size))
    expected = np.zeros((128, 192), bool)
    expected[40:88, 20:68] = True
    np.testing.assert_array_equal(logits[0, 0] > 0, expected)
    state.session.mark_absent(1, 3, 4)
    shown = {frame: bool((out > 0).any()) for frame, _, out in predictor.propagate_in_video(state)}
    assert [frame for frame, has_mask in shown.items() if not has_mask] == [3, 4]
    cleared = predictor.clear_all_prompts_in_frame(state, 0, 1)
    assert cleared[1] == [1] and not (cleared[2] > 0).any()


def test_the_examples_of_transformers(address, media):
    from masklet.transformers import Sam2VideoModel, Sam2VideoProcessor, Sam3VideoModel, Sam3VideoProcessor

    model, processor = Sam3VideoModel.from_pretrained("facebook/sam3"), Sam3VideoProcessor.from_pretrained("x")
    session = processor.init_video_session(video=str(media / "clip.mp4"), dtype="bfloat16")
    processor.add_text_prompt(inference_session=session, text=["red square", "zebra"])
    frames = {}
    for outputs in model.to("cuda").propagate_in_video_iterator(inference_session=session, max_frame_num_to_track=5):
        frames[outputs.frame_idx] = processor.postprocess_outputs(session, outputs)
    assert list(frames) == [0, 1, 2, 3, 4, 5]
    assert sorted(frames[0]) == ["boxes", "masks", "object_ids", "prompt_to_obj_ids", "scores"]
    count = len(frames[0]["object_ids"])
    assert frames[0]["masks"].shape == (count, 128, 192) and frames[0]["boxes"].cpu().numpy().shape == (count, 4)
    assert frames[0]["prompt_to_obj_ids"] == {"red square": frames[0]["object_ids"].tolist(), "zebra": []}

    model, processor = Sam2VideoModel.from_pretrained("x"), Sam2VideoProcessor.from_pretrained("x")
    session = processor.init_video_session(video=str(media / "clip.mp4"))
    processor.add_inputs_to_inference_session(
        inference_session=session, frame_idx=0, obj_ids=[1, 4], input_boxes=[[BOX.tolist(), BOX.tolist()]]
    )
    outputs = model(inference_session=session, frame_idx=0)
    size = [[session.video_height, session.video_width]]
    masks = processor.post_process_masks([outputs.pred_masks], original_sizes=size, binarize=False)[0]
    assert masks.shape == (2, 1, 128, 192) and (masks[0, 0] > 0)[64, 44]
    indices = [one.frame_idx for one in model.propagate_in_video_iterator(session, start_frame_idx=3, reverse=True)]
    assert indices == [3, 2, 1, 0]


def test_the_examples_of_transformers_with_clicks_on_several_objects_and_frames(address, media):
    from masklet.transformers import Sam3TrackerVideoModel, Sam3TrackerVideoProcessor

    model = Sam3TrackerVideoModel.from_pretrained("facebook/sam3", device_map="auto")
    processor = Sam3TrackerVideoProcessor.from_pretrained("facebook/sam3")
    session = processor.init_video_session(video=str(media / "frames"), inference_device=model.device)
    size = [[session.video_height, session.video_width]]
    # Objects of one call may have different numbers of points.
    points, labels = [[[[44, 64], [30, 50], [150, 20]], [[150, 100]]]], [[[1, 1, 0], [1]]]
    inputs = {"frame_idx": 0, "obj_ids": [2, 3], "input_points": points, "input_labels": labels}
    processor.add_inputs_to_inference_session(inference_session=session, **inputs)
    outputs = model(inference_session=session, frame_idx=0)
    assert outputs.object_ids == session.obj_ids == [2, 3]
    masks = processor.post_process_masks([outputs["pred_masks"]], original_sizes=size, binarize=False)[0]
    assert masks.shape == (2, 1, 128, 192) and masks[0, 0, 64, 44] > 0 and masks[0, 0, 20, 150] < 0
    processor.process_new_points_or_boxes_for_video_frame(session, 6, 2, [[[[74, 64]]]], [[[1]]])
    assert model(session, 6).pred_masks[0, 0, 64, 74] > 0
    tracked = [one.frame_idx for one in model.propagate_in_video_iterator(session, show_progress_bar=False)]
    assert tracked == list(range(12))
    session.remove_object(3)
    assert session.obj_ids == [2] and session.get_obj_num() == 1
    session.reset_inference_session()
    mask = np.zeros((128, 192), bool)
    mask[40:88, 20:68] = True
    processor.process_new_mask_for_video_frame(session, 0, [7], mask)
    half = processor.post_process_masks([model(session, 0).pred_masks], original_sizes=[[64, 96]])[0]
    np.testing.assert_array_equal(half[0, 0], mask[::2, ::2])


def test_wrong_inputs_of_transformers_are_named(address, media):
    from masklet.transformers import Sam2VideoProcessor

    session = Sam2VideoProcessor().init_video_session(video=str(media / "clip.mp4"))
    box, masks = [0, 0, 9, 9], np.ones((128, 192))
    for given, message in [
        ({"obj_ids": 1}, "at least one of points, boxes, or masks"),
        ({"obj_ids": 1, "input_points": [[[[1, 1]]]]}, "points and labels must be provided together"),
        ({"obj_ids": [1, 2], "input_boxes": [[box]]}, "input_boxes: expected 2 objects, as many as obj_ids, got 1"),
        ({"obj_ids": 1, "input_boxes": [box]}, r"input_boxes: expected \[1, objects, 4\], got 2 axes"),
        ({"obj_ids": [1, 2], "input_masks": masks}, "input_masks: expected 2 masks, one for each of obj_ids, got 1"),
        ({"obj_ids": 1, "input_masks": masks, "input_boxes": [[box]]}, "masks cannot be provided together"),
    ]:
        with pytest.raises(ValueError, match=message):
            Sam2VideoProcessor().add_inputs_to_inference_session(session, 0, **given)
    assert session.obj_ids == []


def test_clicks_come_before_the_frame_that_is_streamed_to_transformers(address):
    from masklet.transformers import Sam2VideoModel, Sam2VideoProcessor

    model, processor = Sam2VideoModel(), Sam2VideoProcessor()
    session = processor.init_video_session(inference_device="cpu")
    assert (session.num_frames, session.video_height, session.video_width) == (0, None, None)
    frame = np.full((64, 96, 3), 128, np.uint8)
    frame[16:48, 24:56] = (255, 0, 0)
    for index in range(3):
        inputs = processor(images=frame, device="cpu", return_tensors="pt").to(model.device)
        if index == 0:
            size, clicks = inputs.original_sizes[0], [[[[40, 32], [30, 20]]]]
            processor.add_inputs_to_inference_session(session, 0, 1, clicks, [[[1, 1]]], original_size=size)
        outputs = model(inference_session=session, frame=inputs.pixel_values[0])
        masks = processor.post_process_masks([outputs.pred_masks], original_sizes=inputs.original_sizes)[0]
        assert (outputs.frame_idx, outputs.object_ids, masks.shape) == (index, [1], (1, 1, 64, 96))
        assert masks[0, 0, 32, 40] and not masks[0, 0, 5, 90]
    with pytest.raises(ValueError, match="expected 3, the next frame, or an earlier one, got 5"):
        processor.add_inputs_to_inference_session(session, 5, 1, [[[[40, 32]]]], [[[1]]])


def test_cells_that_open_a_video_can_run_again_and_again(address, media, server):
    from masklet.sam2 import build_sam2_video_predictor
    from masklet.transformers import Sam2VideoProcessor

    predictor = build_sam2_video_predictor("configs/sam2.1/sam2.1_hiera_l.yaml", "sam2.1.pt")
    for _ in range(6):  # a server has 8 places for sessions of one owner
        state = predictor.init_state(video_path=str(media / "clip.mp4"))
        session = Sam2VideoProcessor().init_video_session(video=str(media / "clip.mp4"))
    assert state["num_frames"] == session.num_frames == 12


def test_a_listener_that_waits_for_the_client_gets_an_error(client, media):
    errors = []

    def listen(event):
        try:
            client.server_facts()
        except RuntimeError as error:
            errors.append(str(error))

    client.on_event(listen)
    client.start_session(live=True).push(np.zeros((8, 8, 3), np.uint8))
    client._port._on_event({"event": "test"})  # outside the thread of the connection, a listener may wait
    assert errors == []
    client._port._loop.call_soon_threadsafe(client._port._on_event, {"event": "test"})
    client.server_facts()
    assert errors == ["a listener runs in the thread of the connection and cannot wait for an answer there"]


def test_frames_are_streamed_to_transformers(address):
    from masklet.transformers import Sam3VideoModel, Sam3VideoProcessor

    model, processor = Sam3VideoModel(), Sam3VideoProcessor()
    session = processor.init_video_session()
    processor.add_text_prompt(session, "red square")
    frame = np.full((64, 96, 3), 128, np.uint8)
    frame[16:48, 24:56] = (255, 0, 0)
    for index in range(3):
        inputs = processor(images=frame, device="cpu", return_tensors="pt")
        outputs = model(inference_session=session, frame=inputs.pixel_values[0], reverse=False)
        result = processor.postprocess_outputs(session, outputs, original_sizes=inputs.original_sizes)
        assert outputs.frame_idx == index
        assert result["masks"].shape == (len(result["object_ids"]), 64, 96)


def test_without_an_address_a_private_server_is_started(monkeypatch, media):
    monkeypatch.delenv("MASKLET_URL", raising=False)
    monkeypatch.delenv("MASKLET_KEY", raising=False)
    from masklet.sam3 import build_sam3_video_predictor

    predictor = build_sam3_video_predictor()
    assert predictor.handle_request({"type": "start_session", "resource_path": str(media / "clip.mp4")})["session_id"]
    with pytest.raises(masklet.MaskletError) as refused:
        predictor.handle_request({"type": "start_session", "resource_path": "/no/such/file.mp4"})
    assert refused.value.code == "resource_not_found"
    predictor.shutdown()
