"""This project's tracker on a clip."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from configs.schema import TrackSettings
from trackers.bench.clips import Boxes
from trackers.tracker import Tracker
from trackers.types import Detections


def track(folder: Path, settings: dict[str, Any]) -> tuple[Boxes, float]:
    """Return what the tracker says of a clip, and the seconds it took.

    Args:
        settings: of `TrackSettings`; besides, "keypoints" is False where it must do without them.
    """
    given = dict(settings)
    has_keypoints = given.pop("keypoints", True)
    with np.load(folder / "detections.npz", allow_pickle=False) as file:
        arrays = dict(file)
    if not has_keypoints:
        arrays["keypoints"][..., 2] = 0.0
    edges = np.searchsorted(arrays["frame_index"], np.arange(len(arrays["time_s"]) + 1))
    cuts = set(arrays["cuts"].tolist())
    tracker = Tracker(TrackSettings(**given))
    frames, names, boxes = [], [], []
    spent_s = 0.0
    for frame, time_s in enumerate(arrays["time_s"]):
        rows = slice(edges[frame], edges[frame + 1])
        people = Detections(arrays["boxes_xyxy"][rows], arrays["scores"][rows], arrays["keypoints"][rows])
        start = time.process_time()
        if frame in cuts:
            tracker.end_all()
        found = tracker.update(people, float(time_s), frame, arrays["motion"][frame])
        spent_s += time.process_time() - start
        frames.append(np.full(len(found), frame))
        names.append(found.track_ids)
        boxes.append(found.boxes_xyxy)
    return Boxes(np.concatenate(frames), np.concatenate(names), np.concatenate(boxes).astype(float)), spent_s
