import numpy as np
import pytest

from trackers.file_identities import FileIdentities
from trackers.types import Detections, no_detections


def _people(ids: list[int] | None, count: int = 2) -> Detections:
    boxes = (np.arange(count)[:, None] * [50, 0, 50, 0] + [0, 0, 40, 90]).astype(np.float32)
    given = None if ids is None else np.array(ids, np.int64)
    return Detections(boxes, np.full(count, 0.05, np.float32), np.zeros((count, 17, 3), np.float32), track_ids=given)


def test_everybody_keeps_the_identity_of_the_file_over_gaps_and_cuts() -> None:
    keeper = FileIdentities()
    shown = keeper.update(_people([70, 3]), 0.0, 0)
    assert shown.track_ids.tolist() == [3, 70] and shown.boxes_xyxy[:, 0].tolist() == [50, 0]
    keeper.end_all()
    assert len(keeper.update(no_detections(), 1.0, 1)) == 0
    other = FileIdentities()
    other.restore(keeper.snapshot())
    with pytest.raises(ValueError, match="frame 1 comes after frame 1"):
        other.update(no_detections(), 1.0, 1)
    assert other.update(_people([70, 0]), 99.0, 900).track_ids.tolist() == [0, 70]
    with pytest.raises(ValueError, match="frame 900 comes after frame 900"):
        other.update(no_detections(), 99.0, 900)


def test_people_without_an_identity_are_refused() -> None:
    with pytest.raises(ValueError, match="no track_ids"):
        FileIdentities().update(_people(None), 0.0, 0)
