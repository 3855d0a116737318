import sys
import masklet
import supervision as sv

def draw(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", phrase="red circle", out="tracks.mp4"):
    """Writes the video with the masks and the ids of the tracks, by the annotators of supervision."""
    masks, labels = sv.MaskAnnotator(color_lookup=sv.ColorLookup.TRACK), sv.LabelAnnotator(color_lookup=sv.ColorLookup.TRACK)
    with masklet.connect(url) as client:  # a key is read from MASKLET_KEY
        session = client.start_session(video, mask_format="rle")
        session.add_prompt(text=phrase)
        tracks = {frame.index: frame.to_supervision(compact=True) for frame in session.propagate()}
    with sv.VideoSink(out, sv.VideoInfo.from_video_path(video)) as sink:
        for index, picture in enumerate(sv.get_video_frames_generator(video)):
            detections = tracks.get(index, sv.Detections.empty())
            names = [f"#{one}" for one in detections.tracker_id] if len(detections) else []
            sink.write_frame(labels.annotate(masks.annotate(picture, detections), detections, labels=names))
            print(index, names, detections.area.astype(int).tolist())

draw(*sys.argv[1:])
