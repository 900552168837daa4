from pathlib import Path

import pytest
from linked_run import linked_run

from configs.errors import RunError
from pipeline.flow.outputs import RunFolder
from pipeline.nodes.links_file import LinkedRows, links_as_json
from trackers.linking.clip import Evidence
from trackers.linking.links import Assigned, Decision, Links, keep_tracks


def people(rows: LinkedRows) -> list[tuple[int, int, int]]:
    """Return (frame, person, track) of every row."""
    (shard,) = rows.read_shards()
    found = zip(shard.frame_index.tolist(), shard.track_id.tolist(), shard.betas[:, 0].astype(int).tolist())
    return list(found)


def test_tracks_that_are_kept_keep_their_numbers(tmp_path: Path) -> None:
    found = people(linked_run(tmp_path, keep_tracks([(3, 0, 5), (7, 0, 5)])))
    assert found == [(frame, track, track) for frame in range(6) for track in (3, 7)]


def test_parts_of_tracks_go_to_their_people_in_order(tmp_path: Path) -> None:
    parts = (Assigned(3, 0, 2, 1), Assigned(3, 3, 5, 2), Assigned(7, 0, 2, 2), Assigned(7, 3, 5, 1))
    found = people(linked_run(tmp_path, Links(parts, ())))
    assert found == [
        (f, person, track) for f in range(6) for person, track in ((1, 3 if f < 3 else 7), (2, 7 if f < 3 else 3))
    ]


def test_whoever_is_found_twice_is_kept_once_and_nobody_is_left_out(tmp_path: Path) -> None:
    parts = (Assigned(3, 0, 5, 1), Assigned(7, 0, 2, 0), Assigned(7, 3, 5, 1))
    found = people(linked_run(tmp_path, Links(parts, ()), {(4, 7): 0.9}))
    assert found == [(0, 1, 3), (1, 1, 3), (2, 1, 3), (3, 1, 3), (4, 1, 7), (5, 1, 3)]


def test_links_that_do_not_fit_are_told(tmp_path: Path) -> None:
    rows = linked_run(tmp_path, keep_tracks([(3, 0, 5)]))
    with pytest.raises(RunError, match=r"track 7 is not in links\.json"):
        list(rows.read_shards())
    RunFolder(tmp_path).links.write_text("{}")
    with pytest.raises(RunError, match="run the clip again"):
        LinkedRows.of(tmp_path)


def test_the_file_tells_every_decision_with_its_score_and_reason() -> None:
    made = Decision("join", (3, 7), (1, 1), (5, 9), 0.16, Evidence(3.2, 0.1, 1.5), "track 7 goes on")
    (found,) = links_as_json(Links((), (made,)))["decisions"]
    assert found == {
        "kind": "join", "tracks": [3, 7], "people": [1, 1], "frames": [5, 9], "gap_s": 0.16, "score": 4.8,
        "appearance": 3.2, "place": 1.5, "shape": 0.1, "reason": "track 7 goes on",
    }  # fmt: skip
