"""The exports for evaluation, scored by TrackEval against themselves: every score must be perfect."""

import contextlib
import io
import json

import trackeval
from scene import CATEGORY, FOLDER, TRUTH, one_file

_EVALUATOR = {"PRINT_RESULTS": False, "PRINT_CONFIG": False, "TIME_PROGRESS": False, "OUTPUT_SUMMARY": False}
_EVALUATOR |= {"OUTPUT_DETAILED": False, "PLOT_CURVES": False, "BREAK_ON_ERROR": True, "LOG_ON_ERROR": None}


def _score(dataset, metric):
    with contextlib.redirect_stdout(io.StringIO()):
        results, _ = trackeval.Evaluator(dict(_EVALUATOR)).evaluate([dataset], [metric])
    return results[dataset.get_name()]["masklet"]


def _place(*parts):
    folder = FOLDER.joinpath("trackeval", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _config(kind, **more):
    root = FOLDER / "trackeval" / kind
    folders = {"GT_FOLDER": f"{root}/gt/", "TRACKERS_FOLDER": f"{root}/trackers/"}
    return {**folders, "TRACKERS_TO_EVAL": ["masklet"], "PRINT_CONFIG": False, **more}


def trackeval_youtube_vis():
    """Run lengths as numbers are the ground truth, as text the results of a tracker."""
    file = json.loads(one_file("youtube-vis").read_text())
    target = _place("vis", "gt", "youtube_vis_train")
    (target / "truth.json").write_text(one_file("youtube-vis-truth").read_text())
    fields = ("video_id", "category_id", "segmentations", "score")
    results = [{name: one[name] for name in fields} for one in file["annotations"]]
    target = _place("vis", "trackers", "youtube_vis_train", "masklet", "data")
    (target / "results.json").write_text(json.dumps(results))
    dataset = trackeval.datasets.YouTubeVIS(_config("vis", SPLIT_TO_EVAL="train"))
    metric = trackeval.metrics.TrackMAP({"USE_AREA_RANGES": False, "USE_TIME_RANGES": False, "PRINT_CONFIG": False})
    scores = _score(dataset, metric)["COMBINED_SEQ"]
    average = {name: float(one["TrackMAP"]["AP_all"].mean()) for name, one in scores.items() if name in CATEGORY.values()}
    assert average and all(value > 0.999 for value in average.values()), average
    return f"mask AP {min(average.values()):.3f} of {len(average)} categories"


def trackeval_mots_scores():
    lines = (FOLDER / "mots" / "clip.txt").read_text()
    count = len(TRUTH["frames"])
    for folder in (_place("mots", "gt", "label_02"), _place("mots", "trackers", "masklet", "data")):
        for name in ("0000", "0001"):
            (folder / f"{name}.txt").write_text(lines)
    map_file = FOLDER / "trackeval" / "mots" / "gt" / "evaluate_mots.seqmap.training"
    # TrackEval detects the delimiter from several lines.
    map_file.write_text("".join(f"{name:04d} empty 000000 {count:06d}\n" for name in range(2)))
    config = _config("mots", SPLIT_TO_EVAL="training", CLASSES_TO_EVAL=["car", "pedestrian"])
    scores = _score(trackeval.datasets.KittiMOTS(config), trackeval.metrics.HOTA())["0000"]
    found = {name: float(one["HOTA"]["HOTA"].mean()) for name, one in scores.items() if one["HOTA"]["HOTA_TP"].max() > 0}
    assert found and all(value > 0.999 for value in found.values()), found
    return f"HOTA {min(found.values()):.3f}"


def trackeval_mot():
    """TrackEval scores pedestrians only, so every object becomes class 1."""
    source = next((FOLDER / "mot").rglob("gt.txt"))
    rows = [line.split(",") for line in source.read_text().splitlines()]
    single = "".join(",".join([*row[:7], "1", *row[8:]]) + "\n" for row in rows)
    (_place("mot", "gt", "clip", "gt") / "gt.txt").write_text(single)
    (_place("mot", "trackers", "masklet", "data") / "clip.txt").write_text(single)
    config = _config("mot", SKIP_SPLIT_FOL=True, SEQ_INFO={"clip": TRUTH["numFrames"]}, DO_PREPROC=False)
    scores = _score(trackeval.datasets.MotChallenge2DBox(config), trackeval.metrics.HOTA())["clip"]["pedestrian"]
    value = float(scores["HOTA"]["HOTA"].mean())
    assert value > 0.999 and scores["HOTA"]["HOTA_TP"].max() == len(rows), scores
    return f"HOTA {value:.3f}, {len(rows)} boxes"
