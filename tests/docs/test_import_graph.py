from doc_scripts import DOCS, load_script

GRAPH = load_script("import_graph")
ROOT = DOCS.parent


def test_rooms_do_not_import_in_circles() -> None:
    files = GRAPH.file_graph(ROOT)
    assert len(files) > 100
    assert not GRAPH.find_circles(files)
    assert not GRAPH.find_circles(GRAPH.box_graph(files, ROOT))


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}
    assert GRAPH.find_circles(graph) == [{"a", "b", "c"}]
    assert GRAPH.count(graph) == GRAPH.Count(boxes=5, arrows=4, circles=1)


def test_a_drawing_leaves_out_arrows_that_follow_from_others() -> None:
    drawn = GRAPH.draw({"p/a": {"p/b/x", "p/c.py"}, "p/b/x": {"p/c.py"}, "p/c.py": {"q/d"}, "q/d": set()}, "p")
    arrows = [line.strip() for line in drawn.splitlines() if "-->" in line]
    assert arrows == ["a --> b", "b --> c_py"]


def test_the_architecture_page_draws_every_room() -> None:
    page = (DOCS / "architecture.md").read_text()
    drawn = page.split(GRAPH.START)[1].split(GRAPH.END)[0]
    boxes = GRAPH.box_graph(GRAPH.file_graph(ROOT), ROOT)
    rooms = {box.split("/")[1] for box in boxes if box.split("/")[0] in ("refine", "pipeline") and "." not in box}
    missing = {room for room in rooms if f'["{room}"]' not in drawn}
    assert not missing, f"run: python docs/GRAPH.py --write docs/architecture.md ({missing})"
