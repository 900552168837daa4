"""What a detector makes of a crowd: misses, cut boxes, scores, doubles, false alarms, keypoints of somebody else.

Constants without another source were measured with the bundled detector on rendered clips with their truth
(`dpmesh-video data sequences` and the demo): found from a score of 0.05 on are 39 % of people of whom 20 to 30 % are
visible, 69 % at 30 to 50 %, 87 % at 50 to 70 % and 99 % above; edges of boxes are off by 2 % of the height where people
are whole and by 5 to 15 % where half of them is hidden; half of all boxes that are nobody's lie upon somebody.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.skeletons import MIRRORED_17
from dpmesh.training.crowds.camera import HEIGHT, WIDTH
from dpmesh.training.crowds.visibility import Sight

SCORE_MIN = 0.1
SCORE_MIDDLE = 0.55  # visible share at which the score is one half
SCORE_SLOPES = (8.5, 13.0)  # logits per share, below it and above
SCORE_SIGMA = 1.8
SMALL_PX = 60.0  # people half as high lose one logit
MEMORY = 0.85  # correlation of errors from frame to frame: a detector that fails on a pose fails again
EDGE_SIGMA = 0.015  # of the height
OVERLAP_MAX = 0.65  # non-maximum suppression
FALSE_PER_FRAME, FALSE_KEPT = 0.12, 0.8  # false alarms that begin, and how many of them stay a frame longer
FALSE_LOGIT = (-1.2, 1.1)
DOUBLE_RATE = 0.03  # of people who get a second box
# Keypoints: the errors of YOLOv8n-pose, dpmesh/data/detector_noise.json; lengths there are of a crop 1.2 heights wide.
JITTER, HIDDEN_JITTER = 0.02, 0.06
TAKEN_RATE = 0.3  # of hidden points, set on the one who hides them
INVERTED_RATE = 0.015  # of frames, with left and right exchanged
HIDDEN_GIVEN = 0.55  # of hidden points
KEYPOINT_MEMORY = 0.6
# In some frames much of a pose is wrong: limbs lie on a neighbour, or anywhere. 10 to 14 % of a detector's visible limb
# joints are of this kind, 5 % on somebody else (same file); they come together, and more often where people overlap.
WRONG_RATE, WRONG_RATE_HIDDEN = 0.06, 0.25  # of poses, of people who are whole, and who are not
WRONG_POINTS, WRONG_SIGMA = 0.6, 0.15  # of the points of such a pose; heights
ON_NEIGHBOUR = 0.5  # of such poses, where somebody is within a height


@dataclass(frozen=True, slots=True)
class Found(Shaped):
    """Detections of all frames, in order of frames and best first within one."""

    frame_index: Annotated[np.ndarray, "R"]  # int64
    boxes_xyxy: Annotated[np.ndarray, "R", 4]  # float32, pixels
    scores: Annotated[np.ndarray, "R"]  # float32
    keypoints: Annotated[np.ndarray, "R", 17, 3]  # float32
    truth_id: Annotated[np.ndarray, "R"]  # int64, whom it shows, from 1; 0 nobody


def detect(sight: Sight, rng: np.random.Generator) -> Found:
    """Return what a detector finds of what is to be seen."""
    boxes, keypoints = _noisy_boxes(sight, rng), _noisy_keypoints(sight, rng)
    scores = _scores(sight, rng)
    alarms: list[tuple[np.ndarray, float]] = []
    rows = []
    for frame in range(scores.shape[1]):
        who = np.flatnonzero(scores[:, frame] >= SCORE_MIN)
        box, score, points, truth = boxes[who, frame], scores[who, frame], keypoints[who, frame], who + 1
        double = np.flatnonzero(rng.random(len(who)) < DOUBLE_RATE)
        size = np.tile(box[double, 2:] - box[double, :2], 2)
        box = np.concatenate([box, box[double] + rng.normal(0, 0.12, (len(double), 4)) * size])
        score = np.concatenate([score, score[double] * rng.uniform(0.2, 0.7, len(double))])
        points = np.concatenate([points, points[double] * [1, 1, 0.8]])
        truth = np.concatenate([truth, np.zeros(len(double), int)])
        alarms = _false_alarms(alarms, rng)
        if alarms:
            false_box = np.stack([alarm[0] for alarm in alarms]) + rng.normal(0, 3, (len(alarms), 4))
            box = np.concatenate([box, false_box])
            score = np.concatenate([score, _squash(np.array([alarm[1] for alarm in alarms]) + rng.normal(0, 0.6))])
            points = np.concatenate([points, _false_points(false_box, rng)])
            truth = np.concatenate([truth, np.zeros(len(alarms), int)])
        box = np.clip(box, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
        kept = _suppress(box, score)
        rows.append((np.full(len(kept), frame), box[kept], score[kept], points[kept], truth[kept]))
    frame_index, box, score, points, truth = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Found(
        frame_index.astype(np.int64),
        box.astype(np.float32),
        score.astype(np.float32),
        points.astype(np.float32),
        truth.astype(np.int64),
    )


def _scores(sight: Sight, rng: np.random.Generator) -> np.ndarray:
    """Return (N, T) scores; 0 where nothing can be found."""
    share = sight.visible
    away = share - SCORE_MIDDLE
    height = np.nan_to_num(sight.boxes_xyxy[..., 3] - sight.boxes_xyxy[..., 1], nan=1.0)
    logit = away * np.where(away < 0, *SCORE_SLOPES) + np.minimum(np.log2(np.maximum(height, 1) / SMALL_PX), 0)
    noise = SCORE_SIGMA * _remembered(rng, share.shape, MEMORY)
    # Who is whole is found whatever the noise.
    score = _squash(logit + noise * np.clip(1.6 - share, 0.3, 1.0))
    return np.where((share > 0.08) & np.isfinite(sight.modal_xyxy[..., 0]), score, 0.0)


def _noisy_boxes(sight: Sight, rng: np.random.Generator) -> np.ndarray:
    """Return (N, T, 4): between the box of the visible part and that of the whole body."""
    share = np.clip(0.5 + 0.35 * _remembered(rng, sight.modal_xyxy.shape, MEMORY), 0, 1)
    height = (sight.boxes_xyxy[..., 3] - sight.boxes_xyxy[..., 1])[..., None]
    boxes = share * sight.modal_xyxy + (1 - share) * sight.boxes_xyxy
    return np.asarray(boxes + EDGE_SIGMA * height * _remembered(rng, boxes.shape, 0.5))


def _noisy_keypoints(sight: Sight, rng: np.random.Generator) -> np.ndarray:
    """Return (N, T, 17, 3)."""
    points, visible = sight.points_px.copy(), sight.point_visible
    people, frames = visible.shape[:2]
    inverted = rng.random((people, frames)) < INVERTED_RATE
    points[inverted] = points[inverted][:, list(MIRRORED_17)]
    taken = (sight.point_hider >= 0) & (rng.random(visible.shape) < TAKEN_RATE)
    who, frame, joint = np.nonzero(taken)
    points[who, frame, joint] = sight.points_px[sight.point_hider[who, frame, joint], frame, joint]
    height = (sight.boxes_xyxy[..., 3] - sight.boxes_xyxy[..., 1])[..., None]
    _misplace(points, sight, height[..., 0], rng.spawn(1)[0])
    sigma = np.where(visible, JITTER, HIDDEN_JITTER) * rng.uniform(0.3, 1.7, (people, frames, 1))
    points += (sigma * height)[..., None] * _remembered(rng, points.shape, KEYPOINT_MEMORY)
    confidence = np.exp(-rng.uniform(0.4, 1.6, sigma.shape) * (sigma / 0.05) ** 1.5)
    confidence = np.where(visible | (rng.random(visible.shape) < HIDDEN_GIVEN), confidence, 0.1)
    inside = ((points >= 0) & (points < [WIDTH, HEIGHT])).all(axis=-1)
    return np.concatenate([np.nan_to_num(points), np.where(inside, confidence, 0.0)[..., None]], axis=-1)


def _misplace(points: np.ndarray, sight: Sight, height: np.ndarray, rng: np.random.Generator) -> None:
    """Put many points (N, T, 17, 2) of some poses on a neighbour, or anywhere near."""
    rate = np.where(sight.visible > 0.85, WRONG_RATE, WRONG_RATE_HIDDEN)
    for who, frame in np.argwhere(rng.random(rate.shape) < rate):
        away = np.linalg.norm(sight.points_px[:, frame, 11] - sight.points_px[who, frame, 11], axis=-1)
        away[who] = np.inf
        other = int(np.nan_to_num(away, nan=np.inf).argmin())
        wrong = rng.random(17) < WRONG_POINTS
        if away[other] < height[who, frame] and rng.random() < ON_NEIGHBOUR:
            points[who, frame, wrong] = sight.points_px[other, frame, wrong]
        else:
            points[who, frame, wrong] += rng.normal(0, WRONG_SIGMA * height[who, frame], (int(wrong.sum()), 2))


def _false_alarms(alarms: list[tuple[np.ndarray, float]], rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    kept = [alarm for alarm in alarms if rng.random() < FALSE_KEPT]
    for _ in range(rng.poisson(FALSE_PER_FRAME)):
        height = float(np.exp(rng.uniform(np.log(60), np.log(400))))
        low = np.array([rng.uniform(0, WIDTH - 0.4 * height), rng.uniform(0.2 * HEIGHT, HEIGHT - 0.8 * height)])
        kept.append((np.concatenate([low, low + height * np.array([0.4, 1.0])]), float(rng.normal(*FALSE_LOGIT))))
    return kept


def _false_points(boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = boxes[:, None, 2:] - boxes[:, None, :2]
    points = boxes[:, None, :2] + rng.uniform(0.1, 0.9, (len(boxes), 17, 2)) * size
    return np.concatenate([points, rng.uniform(0, 0.5, (len(boxes), 17, 1))], axis=-1)


def _suppress(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rows that non-maximum suppression keeps, best first."""
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= SCORE_MIN]
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    area = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=-1)
    overlap = shared / np.maximum(area[:, None] + area[None] - shared, 1e-9)
    kept: list[int] = []
    for row in order:
        if not (overlap[row, kept] > OVERLAP_MAX).any():
            kept.append(int(row))
    return np.array(kept, int)


def _remembered(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> np.ndarray:
    """Return normal noise of variance 1 that is correlated by `memory` from frame to frame, along axis 1."""
    noise = rng.normal(0, 1, shape)
    fresh = np.sqrt(1 - memory**2)
    for frame in range(1, shape[1]):
        noise[:, frame] = memory * noise[:, frame - 1] + fresh * noise[:, frame]
    return noise


def _squash(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logit)))
