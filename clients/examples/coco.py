"""Tracks a phrase and writes the masks as a COCO file."""
import sys
import masklet

def export(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", phrase="red circle", out="coco.json"):
    with masklet.connect(url) as client:
        session = client.start_session(video)
        session.add_prompt(text=phrase)
        for _ in session.propagate():  # the server keeps the masks
            pass
        print("wrote", session.export("coco", out))  # or cvat, yolo-seg, …: client.export_formats() lists all

export(*sys.argv[1:])
