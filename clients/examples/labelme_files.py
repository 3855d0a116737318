import sys
import zipfile
import masklet

def write(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", phrase="red circle", folder="labelme"):
    """Writes a JSON file for each frame, for labelme. `group_id` is the id of the object."""
    with masklet.connect(url) as client:  # a key is read from MASKLET_KEY
        session = client.start_session(video)
        session.add_prompt(text=phrase)
        for frame in session.propagate():
            print(frame.index, frame.ids)
        archive = session.export("labelme", f"{folder}.zip", masks="polygons")  # or "masks", without loss
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)

write(*sys.argv[1:])
