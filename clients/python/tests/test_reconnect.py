"""A connection that is lost in the middle of a stream."""

import numpy as np
import pytest

import masklet


def test_every_frame_is_received_once_and_requests_wait(cable, server, media):
    with masklet.connect(cable.url, server.key, reconnect=masklet.Backoff(first_delay_s=0.1)) as client:
        session = client.start_session(media / "clip.mp4")
        session.add_prompt(box=[20, 40, 68, 88], pixels=True)
        received = {}
        for frame in session.propagate(window=2):
            assert frame.index not in received
            received[frame.index] = frame.masks
            if frame.index in (2, 7):
                cable.cut()
        assert list(received) == list(range(12))
        for frame in session.stored():
            np.testing.assert_array_equal(frame.masks, received[frame.index])
        cable.cut()
        assert session.get()["obj_ids"] == [0]


def test_without_reconnection_everything_that_waits_fails(cable, server, media):
    with masklet.connect(cable.url, server.key, reconnect=False) as client:
        session = client.start_session(media / "clip.mp4")
        cable.cut()
        with pytest.raises(masklet.MaskletError) as lost:
            session.get()
        assert lost.value.code == "connection_lost"
