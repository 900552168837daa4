"""Identities that came with the detections, taken over instead of the tracker's."""

from collections.abc import Mapping

import numpy as np

from trackers.types import Detections, Tracks, identified, no_tracks, select_detections


class FileIdentities:
    """Shows everybody under the identity of the file, as `Tracker` would under its own. It has no state but its place.

    Nobody is left out, carried over gaps or ended at a cut: what the file says is what there is.
    """

    def __init__(self) -> None:
        self._frame_index = -1

    def update(
        self, detections: Detections, time_s: float, frame_index: int, motion: np.ndarray | None = None
    ) -> Tracks:
        """Return the people of this frame, by identity; boxes and keypoints as detected.

        Raises:
            ValueError: the frame does not come after the one before, or somebody has no identity.
        """
        if frame_index <= self._frame_index:
            raise ValueError(f"frame {frame_index} comes after frame {self._frame_index}; give frames in order")
        self._frame_index = frame_index
        if not len(detections):
            return no_tracks()
        if detections.track_ids is None:
            raise ValueError("detections: no track_ids; read the keypoint file with is_id_kept")
        people = select_detections(detections, np.argsort(detections.track_ids, kind="stable"))
        return identified(people, np.asarray(people.track_ids))

    def end_all(self) -> None:
        """Change nothing: who is who after a cut is the file's to say."""

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the whole state as arrays; `restore` continues from it exactly."""
        return {"frame_index": np.array(self._frame_index, np.int64)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the state that `snapshot` gave."""
        self._frame_index = int(state["frame_index"])
