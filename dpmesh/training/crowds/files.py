"""Writes a crowd as MOTChallenge text, and as arrays with the keypoints.

A clip is a folder: `seqinfo.ini`; `det/det.txt`; `gt/gt.txt` with all people in the image, hidden ones, too, and
`gt/gt_visible.txt` with those of whom enough is visible; `detections.npz` with what text has no column for.
Source of the text's columns: MOTChallenge, arXiv 2003.09003, table 3 (frames and identities from 1).
"""

from pathlib import Path

import numpy as np

from dpmesh.training.crowds.camera import HEIGHT, WIDTH
from dpmesh.training.crowds.paths import RATE_HZ
from dpmesh.training.crowds.scene import VISIBLE_MIN, Crowd, times_s


def write_crowd(folder: Path, crowd: Crowd) -> None:
    """Write a clip into a folder, which is made."""
    for name in ("det", "gt"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    frames, found = len(crowd.motion), crowd.found
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={RATE_HZ:g}\nseqLength={frames}\n"
        f"imWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n"
    )
    nobody = np.full(len(found.scores), -1)
    _write_text(folder / "det" / "det.txt", found.frame_index, nobody, found.boxes_xyxy, found.scores, (-1, -1))
    counts = np.ones(len(crowd.truth_id))
    for name, kept in (("gt", counts > 0), ("gt_visible", crowd.truth_visible >= VISIBLE_MIN)):
        _write_text(
            folder / "gt" / f"{name}.txt",
            crowd.truth_frame[kept],
            crowd.truth_id[kept],
            crowd.truth_xyxy[kept],
            counts[kept],
            (1, crowd.truth_visible[kept]),
        )
    np.savez_compressed(
        folder / "detections.npz",
        frame_index=found.frame_index,
        boxes_xyxy=found.boxes_xyxy,
        scores=found.scores,
        keypoints=found.keypoints,
        truth_id=found.truth_id,
        time_s=times_s(frames),
        motion=crowd.motion,
        cuts=np.array(crowd.cameras.cuts, np.int64),
        image_wh=np.array([WIDTH, HEIGHT], np.int64),
        spot_m=crowd.spot_m.astype(np.float32),
        centre_m=crowd.cameras.centre_m,
        camera_from_world=crowd.cameras.camera_from_world,
        focal_px=np.array(crowd.cameras.focal_px),
    )


def _write_text(
    path: Path,
    frame: np.ndarray,
    identity: np.ndarray,
    boxes_xyxy: np.ndarray,
    score: np.ndarray,
    last: tuple[float, float | np.ndarray],
) -> None:
    size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    ends = [np.broadcast_to(value, len(frame)) for value in last]
    # The first pixel has the number 1 there.
    table = np.column_stack([frame + 1, identity, boxes_xyxy[:, :2] + 1, size, score, *ends])
    np.savetxt(path, table, fmt=["%d", "%d", "%.2f", "%.2f", "%.2f", "%.2f", "%.4f", "%g", "%.3f"], delimiter=",")
