import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from configs.errors import RunError
from pipeline.flow.graph import Claim, Graph, Node, fingerprint_of
from pipeline.flow.outputs import person_files, read_entries

FILES = {"a": "motion/person_001.npz", "b": "tracks/person_001.npz", "c": "overlay.mp4"}


class Kitchen:
    """Three nodes in a row that write their names, and a count of how often each ran."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.folder = folder
        self.settings = settings
        self.ran: list[str] = []

    def graph(self) -> Graph:
        def node(name: str, *after: str) -> Node:
            return Node(name, after, {"value": self.settings.get(name, 0)}, lambda claim: self.cook(name, claim))

        return Graph(self.folder, [node("c", "b"), node("a"), node("b", "a")])

    def cook(self, name: str, claim: Claim) -> Sequence[Path]:
        self.ran.append(name)
        path = self.folder / FILES[name]
        claim([path])
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{name} {self.settings.get(name, 0)}")
        return [path]


def ran(folder: Path, **settings: int) -> list[str]:
    kitchen = Kitchen(folder, **settings)
    kitchen.graph().run()
    return kitchen.ran


def test_nodes_run_in_order_and_then_not_again(tmp_path: Path) -> None:
    assert ran(tmp_path) == ["a", "b", "c"]
    assert ran(tmp_path) == []


def test_a_changed_setting_runs_its_node_and_what_follows(tmp_path: Path) -> None:
    ran(tmp_path)
    assert ran(tmp_path, b=1) == ["b", "c"]
    assert ran(tmp_path, b=1, a=1) == ["a", "b", "c"]
    assert ran(tmp_path, b=1, a=1, c=2) == ["c"]


@pytest.mark.parametrize("damage", ["delete", "shorten"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    ran(tmp_path)
    path = tmp_path / FILES["b"]
    path.unlink() if damage == "delete" else path.write_text("b")
    plan = {node.name: node for node in Kitchen(tmp_path).graph().plan()}
    assert plan["a"].is_current and not plan["b"].is_current and not plan["c"].is_current
    assert ran(tmp_path) == ["b", "c"]


def test_a_file_without_a_record_proves_nothing(tmp_path: Path) -> None:
    ran(tmp_path)
    (tmp_path / "nodes.json").unlink()
    assert ran(tmp_path) == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["[1]", "{", "3", '{"a": 1}', '{"a": {"fingerprint": "x"}}', "\udcff"])
def test_a_damaged_record_proves_nothing(tmp_path: Path, text: str) -> None:
    ran(tmp_path)
    (tmp_path / "nodes.json").write_bytes(text.encode(errors="surrogateescape"))
    assert ran(tmp_path) == ["a", "b", "c"]
    assert ran(tmp_path) == []


def test_a_node_that_fails_stays_undone_and_the_others_stay_done(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)

    def fail(claim: Claim) -> Sequence[Path]:
        raise OSError("disk full")

    graph = kitchen.graph()
    graph.nodes = [Node("b", ("a",), {"value": 0}, fail) if node.name == "b" else node for node in graph.nodes]
    with pytest.raises(OSError, match="disk full"):
        graph.run()
    assert ran(tmp_path) == ["b", "c"]


def people(folder: Path, *numbers: int, killed_after: int | None = None) -> Graph:
    """Return a graph of one node that writes these people, and dies after some of them."""

    def run(claim: Claim) -> Sequence[Path]:
        paths = [folder / "motion" / f"person_{number:03d}.npz" for number in numbers]
        claim(paths)
        for count, path in enumerate(paths):
            if count == killed_after:
                raise MemoryError("died")
            path.parent.mkdir(exist_ok=True)
            path.write_text(path.name)
        return paths

    return Graph(folder, [Node("motion", (), {"people": numbers}, run)])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "motion").iterdir())


def test_files_that_a_node_no_longer_makes_are_removed(tmp_path: Path) -> None:
    people(tmp_path, 1, 2, 3).run()
    people(tmp_path, 1, 2).run()
    assert names(tmp_path) == ["person_001.npz", "person_002.npz"]


def test_a_graph_of_one_more_node_can_leave_those_of_others(tmp_path: Path) -> None:
    people(tmp_path, 1, 2).run()

    def write(claim: Claim) -> Sequence[Path]:
        path = tmp_path / "analytics.json"
        claim([path])
        path.write_text("{}")
        return [path]

    Graph(tmp_path, [Node("analyze", (), {}, write)]).run(keeps_others=True)
    assert names(tmp_path) == ["person_001.npz", "person_002.npz"] and (tmp_path / "analytics.json").exists()
    people(tmp_path, 1).run()
    assert not (tmp_path / "analytics.json").exists()


def test_a_run_that_was_stopped_leaves_no_file_behind_that_the_next_does_not_remove(tmp_path: Path) -> None:
    people(tmp_path, 1, 2, 3, 4).run()
    with pytest.raises(MemoryError):
        people(tmp_path, *range(1, 9), killed_after=6).run()
    (tmp_path / "motion" / "person_007.npz.part").write_text("half")
    people(tmp_path, 1, 2).run()
    assert names(tmp_path) == ["person_001.npz", "person_002.npz"]


def test_what_a_user_puts_beside_results_stays(tmp_path: Path) -> None:
    people(tmp_path, 1, 2, 3).run()
    theirs = ["person_001_edited.npz", "person_900.npz", "person_002.npz.bak", "notes.txt"]
    for name in theirs:
        (tmp_path / "motion" / name).write_text("mine")
    people(tmp_path, 1).run()
    assert names(tmp_path) == sorted(["person_001.npz", *theirs])
    with pytest.raises(RunError, match=r"motion/person_900\.npz: no run made this file"):
        people(tmp_path, *range(1, 1001)).run()
    assert (tmp_path / "motion" / "person_900.npz").read_text() == "mine"
    assert names(tmp_path) == sorted(["person_001.npz", *theirs])


@pytest.mark.parametrize("text", ["edited", "PERSON_003.NPZ"])  # the second has the size of what was there
def test_a_result_that_a_user_changed_is_left_when_it_would_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    people(tmp_path, 1, 2, 3).run()
    (tmp_path / "motion" / "person_003.npz").write_text(text)
    people(tmp_path, 1).run()
    assert names(tmp_path) == ["person_001.npz", "person_003.npz"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [str(tmp_path / "motion/person_003.npz")]


def test_a_part_that_became_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run" / "motion").mkdir(parents=True)
    for name in ("nodes.json.part", "motion/person_001.npz.part"):
        (tmp_path / "run" / name).symlink_to(tmp_path / "precious")
    people(tmp_path / "run", 1).run()
    assert (tmp_path / "precious").read_text() == "mine"
    assert names(tmp_path / "run") == ["person_001.npz"]


def test_a_lost_record_deletes_nothing_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    people(tmp_path, 1, 2, 3).run()
    (tmp_path / "nodes.json").unlink()
    with pytest.raises(MemoryError):
        people(tmp_path, 1, 2, killed_after=0).run()
    people(tmp_path, 1, 2).run()
    assert names(tmp_path) == ["person_001.npz", "person_002.npz", "person_003.npz"]
    assert "person_003.npz: not of this run" in caplog.text
    assert [path.name for path in person_files(tmp_path, "motion")] == ["person_001.npz", "person_002.npz"]


HOSTILE = [
    {"motion": {"fingerprint": "a", "files": {name: 1}, "hashes": {}}}
    for name in ("../../victim", "/victim", "motion/../../victim", "tracks//person_001.npz", "run.json", ".", "", "a\n")
] + [
    {"motion": {"fingerprint": "a", "files": {"motion/person_001.npz": size}, "hashes": {}}}
    for size in (1.0, "1", True, -1, [1])
] + [
    {"motion": {"fingerprint": "a", "files": {"motion/person_001.npz": 1}, "hashes": {"../victim": "x"}}},
    {"motion": {"fingerprint": "a", "files": {}, "hashes": {"motion/person_001.npz": 3}}},
    {"motion": {"fingerprint": 3, "files": {}, "hashes": {}}},
    {"motion": {"fingerprint": "a", "files": [], "hashes": {}}},
    {"motion": {"fingerprint": "a", "files": {}, "hashes": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("record", HOSTILE, ids=str)
def test_a_record_with_anything_else_than_a_run_writes_is_none(tmp_path: Path, record: object) -> None:
    folder, victim = tmp_path / "out" / "clip", tmp_path / "victim"
    (folder / "motion").mkdir(parents=True)
    victim.write_text("x")
    (folder / "motion" / "person_001.npz").write_text("x")
    (folder / "nodes.json").write_text(json.dumps(record))
    assert read_entries(folder) is None
    people(folder, 2).run()
    assert victim.exists() and names(folder) == ["person_001.npz", "person_002.npz"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": NaN}', '{"a": ' + "9" * 5000 + "}", '{"a":' * 50_000])
def test_a_record_that_no_reader_takes_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "nodes.json").write_text(text)
    assert ran(tmp_path) == ["a", "b", "c"]


def test_a_name_that_is_not_on_the_list_is_an_error_of_the_program(tmp_path: Path) -> None:
    def run(claim: Claim) -> Sequence[Path]:
        (tmp_path / "other.npz").write_text("x")
        return [tmp_path / "other.npz"]

    with pytest.raises(ValueError, match=r"other\.npz, which"):
        Graph(tmp_path, [Node("a", (), {}, run)]).run()


def test_a_fingerprint_depends_on_settings_and_inputs_alone() -> None:
    assert fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1})
    assert len({fingerprint_of({"a": 1}), fingerprint_of({"a": 2}), fingerprint_of({"a": 1}, ["x"])}) == 3


def test_files_of_a_node_that_is_left_out_go_once_they_show_something_else(tmp_path: Path) -> None:
    ran(tmp_path)
    kitchen = Kitchen(tmp_path)
    without = kitchen.graph()
    without.nodes = [node for node in without.nodes if node.name != "c"]
    without.run()
    assert (tmp_path / FILES["c"]).exists()  # nothing has changed, so it is still right
    changed = Kitchen(tmp_path, a=1).graph()
    changed.nodes = [node for node in changed.nodes if node.name != "c"]
    changed.run()
    assert not (tmp_path / FILES["c"]).exists()
    assert ran(tmp_path, a=1) == ["c"]
