from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.graph import Graph, Node, fingerprint_of


class Kitchen:
    """Three nodes in a row that write their names, and a count of how often each ran."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.folder = folder
        self.settings = settings
        self.ran: list[str] = []

    def graph(self) -> Graph:
        def node(name: str, *after: str) -> Node:
            return Node(name, after, {"value": self.settings.get(name, 0)}, lambda: self.cook(name))

        return Graph(self.folder, [node("c", "b"), node("a"), node("b", "a")])

    def cook(self, name: str) -> Sequence[Path]:
        self.ran.append(name)
        path = self.folder / f"{name}.txt"
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
    path = tmp_path / "b.txt"
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

    def fail() -> Sequence[Path]:
        raise OSError("disk full")

    graph = kitchen.graph()
    graph.nodes = [Node("b", ("a",), {"value": 0}, fail) if node.name == "b" else node for node in graph.nodes]
    with pytest.raises(OSError, match="disk full"):
        graph.run()
    assert ran(tmp_path) == ["b", "c"]


def test_files_that_a_node_no_longer_makes_are_removed(tmp_path: Path) -> None:
    def make(*names: str) -> Graph:
        def run() -> Sequence[Path]:
            for name in names:
                (tmp_path / name).write_text(name)
            return [tmp_path / name for name in names]

        return Graph(tmp_path, [Node("people", (), {"names": names}, run)])

    make("1", "2", "3").run()
    make("1", "2").run()
    assert not (tmp_path / "3").exists() and (tmp_path / "2").exists()


def test_a_fingerprint_depends_on_settings_and_inputs_alone() -> None:
    assert fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1})
    assert len({fingerprint_of({"a": 1}), fingerprint_of({"a": 2}), fingerprint_of({"a": 1}, ["x"])}) == 3


def test_files_of_a_node_that_is_left_out_go_once_they_show_something_else(tmp_path: Path) -> None:
    ran(tmp_path)
    kitchen = Kitchen(tmp_path)
    without = kitchen.graph()
    without.nodes = [node for node in without.nodes if node.name != "c"]
    without.run()
    assert (tmp_path / "c.txt").exists()  # nothing has changed, so it is still right
    changed = Kitchen(tmp_path, a=1).graph()
    changed.nodes = [node for node in changed.nodes if node.name != "c"]
    changed.run()
    assert not (tmp_path / "c.txt").exists()
    assert ran(tmp_path, a=1) == ["c"]
