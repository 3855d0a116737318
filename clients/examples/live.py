"""Pushes the frames of a camera, or of whatever ffmpeg opens, and prints the boxes of each frame.

python live.py ws://127.0.0.1:8765 person -f v4l2 -i /dev/video0
"""
import os, subprocess, sys
import masklet

def jpegs(pipe):
    """The pictures of a pipe; each ends with the bytes FF D9, which occur nowhere else in ffmpeg's JPEG files."""
    rest = b""
    while chunk := pipe.read1(1 << 16):
        *whole, rest = (rest + chunk).split(b"\xff\xd9")
        yield from (picture + b"\xff\xd9" for picture in whole)

def track(url="ws://127.0.0.1:8765", phrase="red circle", *given):
    source = given or ["-t", "2", "-i", "demo-output/clip.mp4"]
    output = ["-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "3", "-"]
    ffmpeg = [os.environ.get("FFMPEG_PATH", "ffmpeg"), "-loglevel", "error", "-nostdin", *source, *output]
    with subprocess.Popen(ffmpeg, stdout=subprocess.PIPE) as camera, masklet.connect(url) as client:
        session = client.start_session(live=True)
        for index, picture in enumerate(jpegs(camera.stdout)):
            frame = session.push(picture)  # or an array [height, width, 3] in BGR, as OpenCV reads it
            print(frame.index, frame.ids.tolist(), frame.boxes_xyxy.round(1).tolist())
            if index == 0:
                session.add_prompt(frame_index="latest", text=phrase)
    sys.exit(camera.returncode)  # ffmpeg has printed why

track(*sys.argv[1:])
