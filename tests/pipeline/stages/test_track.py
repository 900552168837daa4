import numpy as np
import pytest

from configs.errors import InputError
from configs.schema import TrackSettings
from pipeline.stages import track
from pipeline.stages.track import TrackStage
from pipeline.types import Chunk, Frame
from trackers.types import Detections


def test_a_frame_with_too_many_people_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "PEOPLE_MAX", 3)
    people = Detections(np.zeros((4, 4), np.float32), np.ones(4, np.float32), np.zeros((4, 17, 3), np.float32))
    chunk = Chunk(0, (Frame(12, 0.4, np.zeros((8, 8, 3), np.uint8)),), detections=(people,))
    with pytest.raises(InputError, match=r"frame 12 has 4 people, and at most 3 can be told apart; lower"):
        TrackStage(TrackSettings()).process(chunk)
