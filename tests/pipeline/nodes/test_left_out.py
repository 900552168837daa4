from pathlib import Path
from types import SimpleNamespace
from typing import cast

from linked_run import linked_run

from configs.schema import DetectSettings, LinkSettings, RunSettings
from pipeline.flow.store import Journal
from pipeline.nodes.context import ClipContext
from pipeline.nodes.left_out import count_left_out
from trackers.linking.links import Assigned, Links, keep_tracks


def left_out(folder: Path, settings: RunSettings, **counts: int) -> dict[str, int | None]:
    clip = cast(ClipContext, SimpleNamespace(folder=folder, settings=settings))
    found = count_left_out(clip, Journal("test", row_count=12, **counts))
    return {each.setting: each.count for each in found}


def test_whatever_is_in_no_file_is_counted_with_the_setting(tmp_path: Path) -> None:
    """Of twelve rows 3 are of nobody, 3 of somebody found twice, and 1 of somebody seen once."""
    parts = (
        Assigned(3, 0, 4, 1),
        Assigned(3, 5, 5, 2),
        Assigned(7, 0, 2, 0),
        Assigned(7, 3, 4, 1),
        Assigned(7, 5, 5, 2),
    )
    linked_run(tmp_path, Links(parts, ()))
    found = left_out(tmp_path, RunSettings(), detection_count=20, tracked_count=14, most_in_frame=2)
    assert found == {
        "track.score_new, track.hits_min": 6,
        "recover.keypoints_min": 2,
        "link.hidden_max_s": 3,
        "link.mode": 3,
        "link.frames_min": 1,
    }


def test_nothing_is_said_of_nothing_and_a_full_frame_is(tmp_path: Path) -> None:
    linked_run(tmp_path, keep_tracks([(3, 0, 5), (7, 0, 5)]))
    counts = {"detection_count": 12, "tracked_count": 12, "most_in_frame": 2}
    assert left_out(tmp_path, RunSettings(), **counts) == {}
    settings = RunSettings(detect=DetectSettings(people_max=2), link=LinkSettings(frames_min=6))
    assert left_out(tmp_path, settings, **counts) == {"detect.people_max": None}
