"""Tracks a phrase through every video of a folder, and writes one JSON line per video."""
import json, sys
from collections import Counter
from pathlib import Path
import masklet

def batch(url="ws://127.0.0.1:8765", folder="demo-output", phrase="red circle"):
    with masklet.connect(url) as client:
        for path in sorted(Path(folder).iterdir()):
            if path.suffix.lower() not in {".mp4", ".mov", ".mkv", ".webm"}:
                continue
            with client.start_session(path) as session:
                session.add_prompt(text=phrase)
                frames = Counter(int(obj_id) for frame in session.propagate() for obj_id in frame.ids)
                print(json.dumps({"video": path.name, "frames_of_objects": frames}))

batch(*sys.argv[1:])
