"""A connection that is lost in the middle of a stream."""

import socket
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

import masklet


class Cable:
    """A port of this machine that forwards to a server, and that can be cut."""

    def __init__(self, port):
        self._target = port
        self._pairs = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._pairs.append((near, far))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def cut(self):
        for pair in self._pairs:
            for end in pair:
                end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def close(self):
        self._listener.close()


@pytest.fixture
def cable(server):
    cable = Cable(urlsplit(server.url).port)
    yield cable
    cable.close()


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
