from pathlib import Path

import numpy as np
import pytest
from clothed_people import clothes, tracked, walk

from pipeline.flow.store import Journal, ObservationStore
from pipeline.nodes import group
from pipeline.nodes.group import find_spans
from pipeline.nodes.link import find_pieces
from pipeline.types import OBSERVATION_DTYPES, OBSERVATION_SHAPES, Chunk, Frame, Observations
from trackers.linking.links import link_pieces
from trackers.types import Tracks

RED, BLUE = clothes(1), clothes(2)
CUT = 120


def a_clip() -> list[dict[str, np.ndarray]]:
    """Two people, of whom one leaves and comes back, and after a cut both again."""
    return [
        walk(range(0, 40), (-2, 5), (0.5, 0), RED),
        walk(range(0, CUT), (2, 8), (0, 0), BLUE),
        walk(range(90, CUT), (-3, 6), (0, 0), RED, 1),
        walk(range(CUT, 150), (1, 6), (0, 0), RED, 2),
        walk(range(CUT, 150), (-1, 7), (0, 0), BLUE, 2),
    ]


def write_clip(folder: Path, tracks: list[dict[str, np.ndarray]], shard_frames: int) -> ObservationStore:
    """Store the rows and the looks of tracks, numbered from 1, as the line does."""
    store, journal = ObservationStore(folder), Journal("test")
    for number, first in enumerate(range(0, 150, shard_frames)):
        frames = range(first, min(first + shard_frames, 150))
        found, seen = [], []
        for frame in frames:
            here = [(n, t, np.flatnonzero(t["frame_index"] == frame)) for n, t in enumerate(tracks, start=1)]
            here = [(n, t, int(rows[0])) for n, t, rows in here if len(rows)]
            found += [(frame, n, t, row) for n, t, row in here]
            looks = np.full((len(here), 36), np.nan, np.float32)
            for place, (_, t, _) in enumerate(here):
                looks[place] = next(iter(t["looks"][t["look_frames"] == frame]), np.full(36, np.nan))
            seen.append(
                Tracks(
                    np.array([n for n, _, _ in here], np.int64),
                    np.zeros((len(here), 4), np.float32),
                    np.ones(len(here), np.float32),
                    np.zeros((len(here), 17, 3), np.float32),
                    appearance=looks,
                )
            )
        rows = {
            name: np.zeros((len(found), *shape), OBSERVATION_DTYPES.get(name, np.float32))
            for name, shape in OBSERVATION_SHAPES.items()
        }
        for place, (frame, n, t, row) in enumerate(found):
            rows["frame_index"][place], rows["time_s"][place], rows["track_id"][place] = frame, frame / 25, n
            rows["boxes_xyxy"][place], rows["trans"][place] = t["boxes_xyxy"][row], t["places_m"][row]
            rows["betas"][place], rows["joint_confidence"][place] = t["betas"][row], t["weights"][row]
        pictures = tuple(Frame(frame, frame / 25, np.zeros((2, 2, 3), np.uint8)) for frame in frames)
        cuts = (CUT,) if CUT in frames else ()
        chunk = Chunk(number, pictures, tracks=tuple(seen), observations=Observations(**rows), cut_frames=cuts)
        journal = store.commit(journal, chunk)
    return store


@pytest.mark.parametrize("shard_frames", [32, 150])
def test_pieces_of_a_stored_clip_are_those_of_its_tracks(tmp_path: Path, shard_frames: int) -> None:
    tracks = a_clip()
    store = write_clip(tmp_path / str(shard_frames), tracks, shard_frames)
    found = sorted(find_pieces(store, find_spans(store)), key=lambda piece: (piece.track_id, piece.first_frame))
    wanted = tracked(tracks, (CUT,))
    assert len(found) == len(wanted)
    for mine, other in zip(found, wanted, strict=True):
        assert (mine.track_id, mine.first_frame, mine.last_frame, mine.shot) == (
            other.track_id,
            other.first_frame,
            other.last_frame,
            other.shot,
        )
        np.testing.assert_allclose(mine.look, other.look, atol=0.1)
        np.testing.assert_allclose(mine.places_m, other.places_m, atol=1e-5)
    links = link_pieces(found, 2.0, 2.0)
    people = {(part.track_id, part.person) for part in links.assigned}
    assert people == {(1, 1), (3, 1), (4, 1), (2, 2), (5, 2)}


def test_a_clip_that_is_read_once_per_group_of_tracks_has_the_same_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write_clip(tmp_path, a_clip(), 32)
    wanted = [(piece.track_id, piece.clear_count) for piece in find_pieces(store, find_spans(store))]
    monkeypatch.setattr(group, "ROWS_HELD", 60)
    found = [(piece.track_id, piece.clear_count) for piece in find_pieces(store, find_spans(store))]
    assert sorted(found) == sorted(wanted)


def test_a_clip_without_looks_or_people_has_pieces_or_none(tmp_path: Path) -> None:
    empty = write_clip(tmp_path / "empty", [], 50)
    assert list(find_pieces(empty, find_spans(empty))) == []
    blind = a_clip()
    for track in blind:
        track["look_frames"], track["looks"] = np.zeros(0, np.int64), np.zeros((0, 36), np.float32)
    store = write_clip(tmp_path / "blind", blind, 50)
    links = link_pieces(list(find_pieces(store, find_spans(store))), 2.0, 2.0)
    assert len({part.person for part in links.assigned}) == 5
