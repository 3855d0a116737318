"""Uploads over connections that break, and in programs that are started again."""

import json
import os
import socket
import threading

import pytest

import masklet
from masklet import _http, _tus
from masklet._core.endpoint import endpoint_of

FILLER_BYTES = 16 * 2**20
CUT_AT_BYTES = 12 * 2**20
"""More than the sockets between client and server hold, so that the server has read some of it."""


@pytest.fixture
def big_clip(media, tmp_path):
    """A valid video of some MB: MP4 files may have boxes that players skip."""
    path = tmp_path / "big.mp4"
    filler = (FILLER_BYTES + 8).to_bytes(4, "big") + b"free" + os.urandom(FILLER_BYTES)
    path.write_bytes((media / "clip.mp4").read_bytes() + filler)
    return path


class CutOnce:
    """Cuts the cable when more than ``at_bytes`` are sent, up to ``times`` times."""

    def __init__(self, cable, at_bytes, times=1):
        self.cable, self.at_bytes, self.times, self.reports = cable, at_bytes, times, []

    def __call__(self, sent, size):
        self.reports.append(sent)
        if self.times and sent > self.at_bytes:
            self.times -= 1
            self.cable.cut()


def test_an_upload_continues_after_the_connection_was_cut(cable, server, big_clip):
    with masklet.connect(cable.url, server.key, reconnect=masklet.Backoff(first_delay_s=0.1)) as client:
        cut = CutOnce(cable, CUT_AT_BYTES)
        facts = client.upload(big_clip, on_progress=cut)
        assert cut.times == 0
        assert (facts["bytes"], facts["num_frames"], facts["filename"]) == (big_clip.stat().st_size, 12, "big.mp4")
        assert max(cut.reports) == facts["bytes"]
        # The count goes back once, to the bytes that the server has.
        (continued_at,) = [b for a, b in zip(cut.reports, cut.reports[1:]) if b < a]
        assert continued_at > 0, "the first bytes were sent again"
        assert client.start_session(upload_id=facts["upload_id"]).video.num_frames == 12


def test_an_upload_continues_in_a_program_that_is_started_again(server, big_clip, tmp_path):
    kept = tmp_path / "big.mp4.upload"
    sent = []

    class EndError(Exception):
        """Stands for the end of the program."""

    def end(bytes_sent, size):
        sent.append(bytes_sent)
        if bytes_sent > CUT_AT_BYTES:
            raise EndError

    with server.connect() as client, pytest.raises(EndError):
        client.upload(big_clip, resume_file=kept, on_progress=end)
    upload_id = json.loads(kept.read_text())["upload_id"]
    with pytest.raises(masklet.MaskletError) as refused:
        _tus.upload(endpoint_of(server.url, "masklet_" + "a" * 43), big_clip, None, kept, None)
    assert refused.value.code == "unauthenticated" and kept.exists()
    with server.connect() as client:
        reports = []
        facts = client.upload(big_clip, resume_file=kept, on_progress=lambda now, _: reports.append(now))
    assert facts["upload_id"] == upload_id
    assert reports[0] > 0, "the first bytes were sent again"
    assert not kept.exists()


def test_another_file_or_a_deleted_upload_starts_from_the_first_byte(server, big_clip, media, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text(json.dumps({"upload_id": "gone", "server": server.url, "bytes": 1, "filename": "big.mp4"}))
    with server.connect() as client:
        assert client.upload(big_clip, resume_file=kept)["num_frames"] == 12
        size = big_clip.stat().st_size
        state = {"upload_id": "0" * 32, "server": server.url, "bytes": size, "filename": "big.mp4"}
        kept.write_text(json.dumps(state))
        assert client.upload(big_clip, resume_file=kept)["upload_id"] != "0" * 32
        kept.write_text("notes of mine")
        with pytest.raises(ValueError, match="is no file of an unfinished upload"):
            client.upload(big_clip, resume_file=kept)
        assert kept.read_text() == "notes of mine"


def test_what_cannot_be_media_is_refused_and_not_sent_again(server, tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_bytes(b"these are notes and no video\n" * 100_000)
    sent = []
    with server.connect() as client, pytest.raises(masklet.MaskletError) as refused:
        client.upload(path, resume_file=tmp_path / "kept", on_progress=lambda now, _: sent.append(now))
    assert refused.value.code == "media_unsupported" and not refused.value.retryable
    assert sent.count(0) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["notes.mp4"]


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
def test_an_answer_that_is_cut_off_is_a_lost_connection(status):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\n{{".encode())

        threading.Thread(target=answer, daemon=True).start()
        endpoint = endpoint_of(f"ws://127.0.0.1:{listener.getsockname()[1]}", None)
        with pytest.raises(masklet.MaskletError, match="the answer was cut off") as lost:
            _http.import_formats(endpoint)
    assert lost.value.code == "connection_lost" and lost.value.retryable
