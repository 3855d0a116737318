"""Annotations of other tools, and the lists of what a server has."""

import json

import numpy as np
import pytest

import masklet

BOX = [20, 40, 68, 88]


@pytest.fixture
def tracked(client, media):
    """A session with the masks of one object on the frames 0 to 2."""
    session = client.start_session(media / "clip.mp4")
    session.add_prompt(box=BOX, pixels=True)
    list(session.propagate("forward", max_frame_num_to_track=2))
    return session


@pytest.mark.parametrize("format", ["coco", "cvat"])
def test_an_export_comes_back_as_locked_frames(client, media, tmp_path, tracked, format):
    path = tracked.export(format, tmp_path / "annotations")
    session = client.start_session(media / "clip.mp4")
    result = session.import_annotations(path, format, locked=True)
    assert (result.masks, result.boxes, result.frames, result.skipped) == (3, 0, 3, [])
    assert [(one.obj_id, one.is_new, one.frames) for one in result.objects] == [(0, True, 3)]
    for before, after in zip(tracked.stored(), session.stored()):
        np.testing.assert_array_equal(before.masks, after.masks)
    assert session.get()["objects"][0]["locked_frames"] == [[0, 2]]


def test_the_formats_of_imports_are_listed(client):
    formats = {one["id"]: one for one in client.import_formats()}
    assert set(formats["coco"]["as"]) == {"prompts", "locked"} and formats["coco"]["extensions"]


def test_boxes_are_prompts_and_folders_are_sent_as_archives(client, media, tmp_path, tracked):
    import zipfile

    zipfile.ZipFile(tracked.export("davis", tmp_path / "davis.zip")).extractall(tmp_path / "davis")
    session = client.start_session(media / "clip.mp4")
    assert session.import_annotations(tmp_path / "davis", "davis").masks == 3
    boxes = tracked.export("mot", tmp_path / "mot.zip", frames=(0, 0)).read_bytes()
    other = client.start_session(media / "clip.mp4")
    assert other.import_annotations(boxes, "mot").boxes == 1
    with pytest.raises(masklet.MaskletError, match="a box has no mask") as refused:
        client.start_session(media / "clip.mp4").import_annotations(boxes, "mot", locked=True)
    assert (refused.value.code, refused.value.field, refused.value.status) == ("invalid_field", "file", 400)


def test_what_does_not_fit_is_listed(client, media, tmp_path, tracked):
    path = tracked.export("coco", tmp_path / "coco.json")
    file = json.loads(path.read_text())
    file["images"].append({**file["images"][0], "id": 99, "frame_index": 98})
    file["annotations"].append({**file["annotations"][0], "id": 99, "image_id": 99})
    file["videos"][0]["length"] = 99
    path.write_text(json.dumps(file))
    session = client.start_session(media / "clip.mp4")
    result = session.import_annotations(path, "coco")
    assert result.masks == 3
    (warning,) = result.warnings
    assert warning.startswith("the file was made for a video of 99 frames, and this one has 12; check some frames")
    (left_out,) = result.skipped
    assert (left_out.count, left_out.reason) == (1, "its frame is outside the video, whose frames are 0..11")
    with pytest.raises(masklet.MaskletError, match="nothing was imported"):
        session.import_annotations(b'{"images": [], "annotations": []}', "coco")
    with pytest.raises(ValueError, match="the folder contains no files"):
        (tmp_path / "empty").mkdir()
        session.import_annotations(tmp_path / "empty", "davis")


def test_saved_sessions_are_listed_and_deleted(client, tracked):
    saved_id = tracked.save()
    listed = {one["saved_id"]: one for one in client.saved_sessions()}
    assert listed[saved_id]["video"] == {"width": 192, "height": 128, "num_frames": 12}
    client.delete_saved(saved_id)
    client.delete_saved(saved_id)
    assert saved_id not in [one["saved_id"] for one in client.saved_sessions()]
