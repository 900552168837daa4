"""Other projects' trackers, in a process of their own; run as a script by a Python that has them installed.

Reads one JSON object per line (peer, settings, clip, output) and answers each with one; imports nothing of this
project, whose package has the name of one of the peers.
"""

import contextlib
import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

IMAGE = np.zeros((720, 1280, 3), np.uint8)  # nobody reads it: motion of the camera is given


class Norfair:
    """norfair on the corners of boxes."""

    def __init__(self, *, threshold: float, lost: int, delay: int, score: float, predicted: bool) -> None:
        self._norfair = importlib.import_module("norfair")
        self._score, self._predicted = score, predicted
        self._tracker = self._norfair.Tracker(
            "iou", threshold, hit_counter_max=lost, initialization_delay=min(delay, lost - 1)
        )

    def update(self, boxes: np.ndarray, scores: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """Return rows (N, 5) of box and identity; it has no use for affine motion."""
        found = [
            self._norfair.Detection(box.reshape(2, 2), np.full(2, score))
            for box, score in zip(boxes, scores, strict=True)
            if score >= self._score
        ]
        people = self._tracker.update(found)
        if not self._predicted:
            people = [one for one in people if one.live_points.any() and one.last_detection.age == one.age]
        rows = [[*one.estimate.reshape(-1), one.id] for one in people if one.id is not None]
        return np.array(rows, float).reshape(-1, 5)


class Ultralytics:
    """BYTETracker and BOTSORT of ultralytics."""

    def __init__(self, name: str, **settings: Any) -> None:
        module = importlib.import_module(
            "ultralytics.trackers." + ("bot_sort" if name == "BOTSORT" else "byte_tracker")
        )
        self._boxes = importlib.import_module("ultralytics.engine.results").Boxes
        fixed = {"gmc_method": "none", "proximity_thresh": 0.5, "appearance_thresh": 0.8, "with_reid": False}
        options = SimpleNamespace(tracker_type=name.lower(), track_low_thresh=0.1, model="auto", **fixed, **settings)
        self._tracker = getattr(module, name)(options)
        self._motion = np.eye(2, 3)
        if name == "BOTSORT":
            self._tracker.gmc.apply = lambda *_: self._motion

    def update(self, boxes: np.ndarray, scores: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """Return rows (N, 5)."""
        self._motion = motion[:2]
        rows = np.concatenate([boxes, scores[:, None], np.zeros((len(boxes), 1))], axis=1).astype(np.float32)
        found = np.asarray(self._tracker.update(self._boxes(rows, (720, 1280)), IMAGE), float)
        return found[:, :5].reshape(-1, 5) if len(found) else np.zeros((0, 5))


class Roboflow:
    """Trackers of the package `trackers`."""

    def __init__(self, name: str, **settings: Any) -> None:
        self._sv = importlib.import_module("supervision")
        self._tracker = getattr(importlib.import_module("trackers"), name)(frame_rate=30.0, **settings)
        self._motion = np.eye(2, 3)
        if getattr(self._tracker, "cmc", None) is not None:
            self._tracker.cmc.estimate = lambda *_: self._motion

    def update(self, boxes: np.ndarray, scores: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """Return rows (N, 5)."""
        self._motion = motion[:2]
        people = self._sv.Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(boxes), int))
        found = self._tracker.update(people, IMAGE)
        rows = np.concatenate([found.xyxy, np.asarray(found.tracker_id, float).reshape(-1, 1)], axis=1)
        return rows[rows[:, 4] >= 0]


class Boxmot:
    """OccluBoost of boxmot, without re-identification."""

    def __init__(self, **settings: Any) -> None:
        self._tracker = importlib.import_module("boxmot").OccluBoost(use_embeddings=False, **settings)
        self._motion = np.eye(2, 3)
        self._tracker.cmc = SimpleNamespace(apply=lambda *_: self._motion)

    def update(self, boxes: np.ndarray, scores: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """Return rows (N, 5)."""
        self._motion = motion[:2]
        rows = np.concatenate([boxes, scores[:, None], np.zeros((len(boxes), 1))], axis=1)
        found = np.asarray(self._tracker.update(rows, IMAGE), float)
        return found[:, :5].reshape(-1, 5) if found.size else np.zeros((0, 5))


PEERS: dict[str, Callable[..., Any]] = {
    "norfair": Norfair,
    "ultralytics BoT-SORT": lambda **settings: Ultralytics("BOTSORT", **settings),
    "ultralytics ByteTrack": lambda **settings: Ultralytics("BYTETracker", **settings),
    "trackers BoT-SORT": lambda **settings: Roboflow("BoTSORTTracker", **settings),
    "trackers C-BIoU": lambda **settings: Roboflow("CBIoUTracker", **settings),
    "boxmot OccluBoost": Boxmot,
}


def run(job: dict[str, Any]) -> float:
    """Track one clip, write the answer, and return the seconds it took; at a cut the tracker begins anew."""
    with np.load(job["clip"] + "/detections.npz", allow_pickle=False) as file:
        arrays = dict(file)
    edges = np.searchsorted(arrays["frame_index"], np.arange(len(arrays["time_s"]) + 1))
    cuts, first, highest = set(arrays["cuts"].tolist()), 0.0, 0.0
    peer: Any = PEERS[job["peer"]](**job["settings"])
    rows, spent_s = [], 0.0
    for frame in range(len(arrays["time_s"])):
        span = slice(edges[frame], edges[frame + 1])
        if frame in cuts:
            peer, first = PEERS[job["peer"]](**job["settings"]), highest + 1
        start = time.process_time()
        found = peer.update(arrays["boxes_xyxy"][span].astype(float), arrays["scores"][span], arrays["motion"][frame])
        spent_s += time.process_time() - start
        if len(found):
            found[:, 4] += first
            highest = max(highest, found[:, 4].max())
            rows.append(np.concatenate([np.full((len(found), 1), frame), found], axis=1))
    answer = np.concatenate(rows) if rows else np.zeros((0, 6))
    np.savez(job["output"], frame_index=answer[:, 0], boxes_xyxy=answer[:, 1:5], identity=answer[:, 5])
    return spent_s


def main() -> None:
    """Answer until there is nothing more to read."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                answer: dict[str, Any] = {"seconds": run(json.loads(line))}
            except Exception as error:  # of somebody else's code: what went wrong is told to who asked
                answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
