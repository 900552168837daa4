"""The same small random search for every tracker, on clips of other seeds than those it is measured on."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from configs.errors import InputError
from trackers.bench import ours
from trackers.bench.clips import TRUTHS, Boxes, Clip, filled
from trackers.bench.score import measure

OURS = "dpmesh-video"
BOXES_ONLY = "dpmesh-video, boxes alone"
GAP_FRAMES = 50  # gaps filled by a straight line, where that helps
_ROBOFLOW: dict[str, Sequence[Any]] = {
    "lost_track_buffer": (30, 60, 100),
    "track_activation_threshold": (0.7, 0.3, 0.5),
    "minimum_consecutive_frames": (2, 1, 3),
    "minimum_iou_threshold_first_assoc": (0.2, 0.1, 0.3),
    "minimum_iou_threshold_second_assoc": (0.5, 0.3),
    "high_conf_det_threshold": (0.6, 0.3, 0.45),
}
_ULTRALYTICS: dict[str, Sequence[Any]] = {
    "track_high_thresh": (0.25, 0.4, 0.6),
    "new_track_thresh": (0.25, 0.45, 0.6),
    "track_buffer": (30, 60, 100),
    "match_thresh": (0.8, 0.7, 0.9),
    "fuse_score": (True, False),
}
_OURS: dict[str, Sequence[Any]] = {
    "score_high": (0.35, 0.25, 0.5),
    "score_new": (0.45, 0.6, 0.35),
    "hits_min": (3, 2, 5),
    "lost_max_s": (2.0, 1.2, 4.0),
    "distance_max": (11.0, 10.0, 12.0),
}
GRIDS: dict[str, dict[str, Sequence[Any]]] = {  # the first of each is the default
    OURS: _OURS,
    BOXES_ONLY: {**_OURS, "keypoints": (False,)},
    "norfair": {
        "threshold": (0.7, 0.5, 0.85, 0.95),
        "lost": (15, 5, 30, 60),
        "delay": (3, 0, 1, 7),
        "score": (0.1, 0.3, 0.5),
        "predicted": (True, False),
    },
    "ultralytics BoT-SORT": _ULTRALYTICS,
    "ultralytics ByteTrack": _ULTRALYTICS,
    "trackers BoT-SORT": _ROBOFLOW,
    "trackers C-BIoU": {**_ROBOFLOW, "buffer_ratio_first": (0.3, 0.1, 0.5), "buffer_ratio_second": (0.5, 0.3, 0.7)},
    "boxmot OccluBoost": {
        "det_thresh": (0.3, 0.2, 0.5),
        "max_age": (30, 60, 100),
        "iou_threshold": (0.3, 0.1, 0.2),
        "new_track_thresh": (0.6, 0.35, 0.5),
        "confirm_hits": (2, 1, 3),
        "instant_confirm_thresh": (0.7, 0.9),
        "use_second_pass": (False, True),
    },
}
Tracked = Callable[[Path, dict[str, Any]], tuple[Boxes, float]]


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings that were best on the clips for tuning, under one truth."""

    settings: dict[str, Any]
    is_filled: bool


class PeerProcess:
    """A peer in another Python."""

    def __init__(self, python: Path, name: str) -> None:
        self._name = name
        script = Path(__file__).with_name("peer_process.py")
        self._process = subprocess.Popen(
            [str(python), "-E", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def track(self, folder: Path, settings: dict[str, Any]) -> tuple[Boxes, float]:
        """Return what the peer says of a clip, and the seconds it took.

        Raises:
            InputError: it failed.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with tempfile.TemporaryDirectory() as place:
            output = f"{place}/answer.npz"
            job = {"peer": self._name, "settings": settings, "clip": str(folder.resolve()), "output": output}
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            answer = json.loads(line) if line else {"error": "its process ended"}
            if "error" in answer:
                raise InputError(f"{self._name}: {answer['error']}; is it installed for the Python of --peers?")
            with np.load(output, allow_pickle=False) as file:
                boxes = Boxes(file["frame_index"].astype(int), file["identity"].astype(int), file["boxes_xyxy"])
        return boxes, float(answer["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def settings_to_try(name: str, count: int) -> list[dict[str, Any]]:
    """Return the default of a tracker and `count - 1` random choices from its grid; the same at every call."""
    grid, rng = GRIDS[name], np.random.default_rng(1)
    tried = [{key: values[0] for key, values in grid.items()}]
    while len(tried) < min(count, int(np.prod([len(values) for values in grid.values()]))):
        drawn = {key: values[int(rng.integers(len(values)))] for key, values in grid.items()}
        if drawn not in tried:
            tried.append(drawn)
    return tried


def tune(track: Tracked, name: str, clips: Sequence[Clip], count: int) -> dict[str, Choice]:
    """Return the best settings of a tracker for each truth: the highest sum of HOTA and IDF1 over all clips."""
    best: dict[str, tuple[float, Choice]] = {}
    for settings in settings_to_try(name, count):
        answers = [track(clip.folder, settings)[0] for clip in clips]
        for truth in TRUTHS:
            for is_filled in (False, True) if truth == "all" else (False,):
                values = score(clips, answers, truth, is_filled=is_filled)
                total = values["HOTA"] + values["IDF1"]
                if truth not in best or total > best[truth][0]:
                    best[truth] = (total, Choice(settings, is_filled))
    return {truth: choice for truth, (_, choice) in best.items()}


def score(clips: Sequence[Clip], answers: Sequence[Boxes], truth: str, *, is_filled: bool) -> Mapping[str, float]:
    """Return the measures of `trackers.bench.score` over clips."""
    pairs = []
    for clip, answer in zip(clips, answers, strict=True):
        said = filled(answer, GAP_FRAMES, cuts_of(clip)) if is_filled else answer
        pairs.append((clip.truths[truth], said, clip.frames))
    return measure(pairs)


def cuts_of(clip: Clip) -> np.ndarray:
    """Return the frames with which a shot begins."""
    with np.load(clip.folder / "detections.npz", allow_pickle=False) as arrays:
        return np.asarray(arrays["cuts"])


def own_tracker() -> Tracked:
    """Return this project's tracker."""
    return ours.track
