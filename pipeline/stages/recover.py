"""Recovery: fills `Chunk.observations` with one body per tracked person; pixels end here."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from configs.schema import RecoverSettings
from dpmesh.geometry import default_focal
from pipeline.flow.line import Stage
from pipeline.flow.memory import release_memory
from pipeline.types import Chunk, Observations, concatenate_observations
from trackers.types import FOOT_POINTS, HINT_JOINTS

if TYPE_CHECKING:
    from dpmesh.recovery.recover import BodyRecovery

ROWS_AT_ONCE = 256  # a multiple of the usual calls; what they free goes back in between, else a crowd's chunk keeps it


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
                focal_px=np.full(people, (focal_px or default_focal(height, width)) * frame.focal_scale, np.float32),
                principal_px=np.tile(np.array([width / 2, height / 2], np.float32), (people, 1)),
                feet=np.zeros((people, FOOT_POINTS, 3), np.float32) if tracks.feet is None else tracks.feet,
                hints=np.zeros((people, HINT_JOINTS, 4), np.float32) if tracks.hints is None else tracks.hints,
            )
        )
    return concatenate_observations(parts)


class RecoverStage(Stage):
    """Batches the people of a chunk over frames and recovers a body for each."""

    name = "recover"

    def __init__(
        self,
        make_recovery: "Callable[[], BodyRecovery]",
        settings: RecoverSettings,
        focal_px: float | None,
    ) -> None:
        """
        Args:
            make_recovery: loads the network; called in `open`.
            settings: thresholds.
            focal_px: focal length of the video in pixels; None takes the diagonal of each frame.
        """
        self._make_recovery = make_recovery
        self._settings = settings
        self._focal_px = focal_px
        self._recovery: BodyRecovery | None = None

    def open(self) -> None:
        """Load the network."""
        self._recovery = self._make_recovery()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with observations; people with too few usable keypoints get none."""
        from dpmesh.recovery.recover import PeopleInImages

        if self._recovery is None or chunk.tracks is None:
            raise ValueError("recover: the stage was not opened, or the chunk has no tracks")
        observations = tracked_rows(chunk, self._focal_px)
        images = [frame.image for frame in chunk.frames]
        indices = [frame.index for frame in chunk.frames]
        usable = (observations.keypoints[..., 2] >= self._settings.keypoint_score_min).sum(axis=1)
        observations = observations.take(usable >= self._settings.keypoints_min)
        if not len(observations.frame_index):
            return replace(chunk, observations=observations)
        parts = []
        for start in range(0, len(observations.frame_index), ROWS_AT_ONCE):
            rows = observations.take(np.arange(start, min(start + ROWS_AT_ONCE, len(observations.frame_index))))
            bodies = self._recovery.recover(
                images,
                PeopleInImages(
                    image_row=np.searchsorted(indices, rows.frame_index),
                    boxes_xyxy=rows.boxes_xyxy,
                    keypoints=rows.keypoints,
                    focal_px=rows.focal_px,
                    principal_px=rows.principal_px,
                    hints=rows.hints,
                ),
            )
            parts.append(
                replace(
                    rows,
                    pose=bodies.params.pose,
                    betas=bodies.params.betas,
                    trans=bodies.params.trans,
                    joint_confidence=bodies.joint_confidence,
                )
            )
            release_memory()
        return replace(chunk, observations=concatenate_observations(parts))

    def close(self) -> None:
        """Let go of the network."""
        self._recovery = None
