"""Tracks an object, corrects it in the middle of the video, and computes only the frames that the correction changes."""
import sys
import masklet

def correct(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", phrase="red circle"):
    with masklet.connect(url) as client:
        session = client.start_session(video)
        found = session.add_prompt(text=phrase)
        if len(found.frame.ids) == 0:
            raise SystemExit(f'"{phrase}" is not on frame 0')
        count = sum(1 for _ in session.propagate())
        print(f"tracked {count} frames")

        # Frame 0 is right: a locked frame, like a prompt, bounds what a later correction can change.
        obj_id = int(found.frame.ids[0])
        session.lock_frames(0, 0, obj_id=obj_id)
        # The box stands for the correction that you would draw.
        middle = count // 2
        correction = session.add_prompt(frame_index=middle, obj_id=obj_id, box=[0.25, 0.25, 0.75, 0.75])
        print(f"corrected frame {middle}; stale:", correction.affected)
        again = sum(1 for _ in session.propagate(scope="affected"))
        print(f"computed {again} of {count} frames again")

correct(*sys.argv[1:])
