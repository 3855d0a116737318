"""Marks one object by a click, and prints its box on every frame."""
import sys
import masklet

def track(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", x="0.14", y="0.62"):
    with masklet.connect(url) as client:
        session = client.start_session(video)
        clicked = session.add_prompt(points=[[float(x), float(y)]])  # fractions; pixels=True for pixels
        for frame in session.propagate():
            boxes = frame.boxes_xyxy[frame.ids == clicked.obj_id].round(1).tolist()
            print(frame.index, *(boxes[0] if boxes else ["not visible"]))

track(*sys.argv[1:])
