"""Recovery: fills `Chunk.observations` with one body per tracked person; pixels end here."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from configs.schema import RecoverSettings
from dpmesh.keypoint_reader import KeypointReader
from dpmesh.recovery import BodyRecovery, PeopleInImages
from pipeline.line import Stage
from pipeline.types import Chunk, Observations, concatenate_observations, select_rows

COPY_SHARE = 0.05  # of the box's height: keypoints closer than this on average are one person's
COPY_KEYPOINTS_MIN = 6
VISIBLE_FROM = 0.5  # a joint whose witness keypoints reach this confidence counts as visible


def tracked_rows(chunk: Chunk, focal_px: float | None) -> Observations:
    """Return one row per tracked person of the chunk, with its camera and with the body still zero.

    Args:
        focal_px: focal length in pixels; None takes the diagonal of each frame.
    """
    parts = []
    for frame, tracks in zip(chunk.frames, chunk.tracks or (), strict=True):
        height, width = frame.image.shape[:2]
        people = len(tracks.track_ids)
        parts.append(
            Observations(
                frame_index=np.full(people, frame.index, np.int64),
                time_s=np.full(people, frame.time_s, np.float64),
                track_id=tracks.track_ids,
                boxes_xyxy=tracks.boxes_xyxy,
                scores=tracks.scores,
                keypoints=tracks.keypoints,
                pose=np.zeros((people, 24, 3), np.float32),
                betas=np.zeros((people, 10), np.float32),
                trans=np.zeros((people, 3), np.float32),
                joint_confidence=np.zeros((people, 24), np.float32),
                joint_visible=np.zeros((people, 24), np.bool_),
                focal_px=np.full(people, focal_px or np.hypot(width, height), np.float32),
                principal_px=np.tile(np.array([width / 2, height / 2], np.float32), (people, 1)),
            )
        )
    return concatenate_observations(parts)


def without_copies(seen: Observations, score_min: float) -> Observations:
    """Return the rows without younger tracks whose keypoints are those of an older track in the same frame.

    A detector that boxes one person twice starts two tracks; once keypoints are read from crops, both tell the same.

    Args:
        seen: rows of a chunk.
        score_min: keypoints from this certainty on are compared.
    """
    kept = np.ones(len(seen.frame_index), np.bool_)
    for frame in np.unique(seen.frame_index):
        rows = np.flatnonzero(seen.frame_index == frame)
        rows = rows[np.argsort(seen.track_id[rows])]
        for place, row in enumerate(rows.tolist()):
            older = rows[:place][kept[rows[:place]]]
            kept[row] = not _is_copy(seen, row, older, score_min).any()
    return select_rows(seen, kept)


def _is_copy(seen: Observations, row: int, others: np.ndarray, score_min: float) -> np.ndarray:
    """Return which other rows (M,) have the keypoints of `row`: the mean distance is a small share of its box."""
    both = (seen.keypoints[others, :, 2] >= score_min) & (seen.keypoints[row, :, 2] >= score_min)
    apart = np.linalg.norm(seen.keypoints[others, :, :2] - seen.keypoints[row, :, :2], axis=-1)
    count = both.sum(axis=1)
    mean = (apart * both).sum(axis=1) / np.maximum(count, 1)
    height = seen.boxes_xyxy[row, 3] - seen.boxes_xyxy[row, 1]
    return (count >= COPY_KEYPOINTS_MIN) & (mean < COPY_SHARE * height)


class RecoverStage(Stage):
    """Batches the people of a chunk over frames and recovers a body for each."""

    name = "recover"

    def __init__(
        self,
        make_recovery: Callable[[], BodyRecovery],
        make_reader: Callable[[], KeypointReader | None],
        settings: RecoverSettings,
        focal_px: float | None,
    ) -> None:
        """
        Args:
            make_recovery: loads the network; called in `open`.
            make_reader: loads what reads the keypoints again from each crop, or says that nothing does.
            settings: thresholds.
            focal_px: focal length of the video in pixels; None takes the diagonal of each frame.
        """
        self._make_recovery = make_recovery
        self._make_reader = make_reader
        self._settings = settings
        self._focal_px = focal_px
        self._recovery: BodyRecovery | None = None
        self._reader: KeypointReader | None = None

    def open(self) -> None:
        """Load the networks."""
        self._recovery = self._make_recovery()
        self._reader = self._make_reader()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with observations; people with too few usable keypoints get none."""
        if self._recovery is None or chunk.tracks is None:
            raise ValueError("recover: the stage was not opened, or the chunk has no tracks")
        seen = tracked_rows(chunk, self._focal_px)
        images = [frame.image for frame in chunk.frames]
        indices = [frame.index for frame in chunk.frames]
        if self._reader is not None:
            rows = np.searchsorted(indices, seen.frame_index)
            seen = replace(seen, keypoints=self._reader.read(images, rows, seen.boxes_xyxy, seen.keypoints))
            seen = without_copies(seen, self._settings.keypoint_score_min)
        usable = (seen.keypoints[..., 2] >= self._settings.keypoint_score_min).sum(axis=1)
        seen = select_rows(seen, usable >= self._settings.keypoints_min)
        if not len(seen.frame_index):
            return replace(chunk, observations=seen)
        bodies = self._recovery.recover(
            images,
            PeopleInImages(
                image_row=np.searchsorted(indices, seen.frame_index),
                boxes_xyxy=seen.boxes_xyxy,
                keypoints=seen.keypoints,
                focal_px=seen.focal_px,
                principal_px=seen.principal_px,
            ),
        )
        observations = replace(
            seen,
            pose=bodies.params.pose,
            betas=bodies.params.betas,
            trans=bodies.params.trans,
            joint_confidence=bodies.joint_confidence,
            joint_visible=bodies.joint_confidence >= VISIBLE_FROM,
        )
        return replace(chunk, observations=observations)

    def close(self) -> None:
        """Let go of the networks."""
        self._recovery = self._reader = None
