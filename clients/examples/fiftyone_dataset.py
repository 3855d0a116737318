import sys
import fiftyone as fo
import masklet

def collect(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", phrase="red circle"):
    """A sample of FiftyOne with the masks of every frame. `index` is the id of the object."""
    sample = fo.Sample(filepath=video)
    with masklet.connect(url) as client:  # a key is read from MASKLET_KEY
        session = client.start_session(video)
        session.add_prompt(text=phrase)
        for frame in session.propagate():
            # FiftyOne counts frames from 1.
            sample.frames[frame.index + 1] = fo.Frame(masklet=frame.to_fiftyone(phrase))
    return sample

if __name__ == "__main__":
    dataset = fo.Dataset()
    dataset.add_sample(collect(*sys.argv[1:]))
    fo.launch_app(dataset).wait()
