import sys
import masklet

def track(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", phrase="red circle"):
    with masklet.connect(url) as client:  # a key is read from MASKLET_KEY
        session = client.start_session(video)
        session.add_prompt(text=phrase)
        for frame in session.propagate():
            print(frame.index, frame.ids, frame.boxes_xyxy, frame.masks.sum(axis=(1, 2)))

track(*sys.argv[1:])
