"""The clips that worker processes are measured with."""

from pathlib import Path

from pipeline.bench.workers import write_clips
from pipeline.demo import DEMO_CLIP
from pipeline.media import probe


def test_clips_are_cut_at_places_spread_over_their_sources(tmp_path: Path) -> None:
    write_clips([DEMO_CLIP], tmp_path, 3, 0.2)
    clips = sorted(tmp_path.iterdir())
    assert [clip.name for clip in clips] == ["clip_00.mp4", "clip_01.mp4", "clip_02.mp4"]
    assert [probe(clip).frame_count for clip in clips] == [5, 5, 5]
    assert len({clip.read_bytes() for clip in clips}) == 3
