import sys
from pathlib import Path
import masklet

def track(url="ws://127.0.0.1:8765", folder="demo-output/frames", phrase="red circle"):
    with masklet.connect(url) as client, client.start_session(live=True) as session:
        for index, path in enumerate(sorted(Path(folder).iterdir())):  # in place of a camera
            frame = session.push(path.read_bytes())  # or an array [height, width, 3] in BGR, as OpenCV reads it
            print(frame.index, frame.ids.tolist(), frame.boxes_xyxy.tolist())
            if index == 0:
                session.add_prompt(frame_index="latest", text=phrase)

track(*sys.argv[1:])
