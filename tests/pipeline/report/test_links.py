"""Joins go to whom the result calls so, whatever the links call them."""

import json
from pathlib import Path

import pytest

from configs.errors import InputError
from pipeline.bench.report import make_run
from pipeline.report.facts import gather
from pipeline.report.links import Join, read_joins


def test_a_join_is_of_the_person_who_begins_and_ends_with_its_pieces(tmp_path: Path) -> None:
    decisions = [
        {"kind": "join", "people": [7, 7], "frames": [10, 20], "reason": "same clothes"},
        {"kind": "split", "people": [7, 8], "frames": [30, 31], "reason": "another walk"},
        {"kind": "join", "people": [9, 9], "frames": [3, 5], "reason": "somebody who was edited"},
    ]
    links = {"decisions": decisions, "assigned": [[1, 0, 10, 7], [4, 20, 59, 7], [5, 31, 40, 8], [6, 0, 12, 9]]}
    path = tmp_path / "links.json"
    path.write_text(json.dumps(links))
    assert read_joins(path, {(0, 59): 2, (31, 40): 3}, 10.0) == {2: [Join(2.0, "same clothes")]}
    assert read_joins(tmp_path / "none.json", {}, 10.0) == {}
    path.write_text(json.dumps({"decisions": [{}]}))
    with pytest.raises(InputError, match="not the links of a run"):
        read_joins(path, {}, 10.0)


def test_a_run_with_links_shows_them(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 1, 2)
    decisions = [{"kind": "join", "people": [1, 1], "frames": [10, 30], "reason": "same clothes"}]
    (run.path / "links.json").write_text(json.dumps({"decisions": decisions, "assigned": [[1, 0, 59, 1]]}))
    assert gather(run).joins == {1: [Join(1.0, "same clothes")]}
