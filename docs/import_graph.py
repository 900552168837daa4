"""Counts and draws who imports whom: `python docs/import_graph.py [ROOT] [--write docs/architecture.md]`.

A box is a room (a folder with Python files) or a file that lies directly in a package. An arrow is at least one import
from a box to another. A circle is a group of boxes, or files, each of which can be reached from the others.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("configs", "trackers", "dpmesh", "refine", "pipeline")
START, END = "<!-- import graph -->", "<!-- /import graph -->"
Graph = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Count:
    """Size of a graph; circles are groups of more than one."""

    boxes: int
    arrows: int
    circles: int


def file_graph(root: Path) -> Graph:
    """Return which module imports which others of the repository, also inside functions."""
    paths = {_module_of(path.relative_to(root)): path for path in _sources(root)}
    return {module: _imports(path, set(paths)) - {module} for module, path in paths.items()}


def box_graph(files: Graph, root: Path) -> Graph:
    """Return the same graph with the files of a room as one box."""
    boxes: Graph = {}
    for module, imported in files.items():
        box = box_of(module, root)
        boxes.setdefault(box, set()).update(box_of(other, root) for other in imported)
    return {box: others - {box} for box, others in boxes.items()}


def box_of(module: str, root: Path) -> str:
    """Return the room of a module, or its file where it lies directly in a package or at the top."""
    path = root.joinpath(*module.split("."))
    folder = path if path.is_dir() else path.parent
    name = folder.relative_to(root).as_posix()
    if "/" in name:
        return name
    return f"{name}/__init__.py" if path.is_dir() else path.relative_to(root).as_posix() + ".py"


def count(graph: Graph) -> Count:
    """Return how large a graph is."""
    return Count(len(graph), sum(map(len, graph.values())), len(find_circles(graph)))


def find_circles(graph: Graph) -> list[set[str]]:
    """Return the groups of boxes that all reach one another."""
    reached = {box: _reachable(graph, box) for box in graph}
    circular = [box for box in graph if box in reached[box]]
    groups = {frozenset(other for other in reached[box] if box in reached[other]) for box in circular}
    return [set(group) for group in sorted(groups, key=sorted)]


def draw(graph: Graph, room: str) -> str:
    """Return a Mermaid drawing of what lies in a room; deeper rooms are one box each.

    An arrow is left out where a longer way leads to the same box, so that the drawing can be read.
    """
    names = {box: box.removeprefix(room + "/").split("/")[0] for box in graph if box.startswith(room + "/")}
    inside: Graph = {name: set() for name in names.values()}
    for box, name in names.items():
        inside[name] |= {names[other] for other in graph[box] if other in names} - {name}
    imported = set().union(*inside.values())
    return _mermaid({name: others for name, others in inside.items() if others or name in imported})


def draw_packages(graph: Graph) -> str:
    """Return a Mermaid drawing of the packages."""
    packages: Graph = {box.split("/")[0]: set() for box in graph}
    for box, others in graph.items():
        packages[box.split("/")[0]] |= {other.split("/")[0] for other in others} - {box.split("/")[0]}
    return _mermaid(packages)


def _mermaid(graph: Graph) -> str:
    reached = {box: _reachable(graph, box) for box in graph}
    lines = ["graph TD", *(f'  {_identifier(box)}["{box}"]' for box in sorted(graph))]
    for box in sorted(graph):
        for other in sorted(graph[box]):
            if not any(other in reached[between] for between in graph[box] - {other}):
                lines.append(f"  {_identifier(box)} --> {_identifier(other)}")
    return "\n".join(lines)


def _identifier(box: str) -> str:
    return box.replace("/", "_").replace(".", "_")


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph[waiting.pop()] - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def _sources(root: Path) -> Iterator[Path]:
    yield from root.glob("dpmesh_video.py")
    for package in PACKAGES:
        yield from (root / package).rglob("*.py")


def _module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path, known: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in known else node.module)
    return found & known


def counts_table(files: Graph, boxes: Graph) -> str:
    """Return the counts of all and of each package, as Markdown."""
    lines = ["| | files | boxes | arrows | circles of boxes | circles of files |", "|---|---|---|---|---|---|"]
    for package in ("", *PACKAGES):
        some_files, size = _part(files, package, "."), count(_part(boxes, package, "/"))
        name = f"`{package}`" if package else "now: all"
        lines.append(
            f"| {name} | {len(some_files)} | {size.boxes} | {size.arrows} | {size.circles} |"
            f" {count(some_files).circles} |"
        )
    return "\n".join(lines)


def section(root: Path) -> str:
    """Return what the page shows: counts and drawings."""
    files = file_graph(root)
    boxes = box_graph(files, root)
    parts = [counts_table(files, boxes), "The packages:", _fenced(draw_packages(boxes))]
    for room in ("dpmesh", "dpmesh/training", "refine", "pipeline"):
        parts += [f"`{room}`, without the arrows that follow from others:", _fenced(draw(boxes, room))]
    return "\n\n".join(parts)


def update(page: str, root: Path) -> str:
    """Return a page with the section between its marks made anew."""
    head, _, rest = page.partition(START)
    _, _, tail = rest.partition(END)
    return f"{head}{START}\n\n{section(root)}\n\n{END}{tail}"


def main() -> None:
    """Print the counts, or write them and the drawings into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put them and the drawings into a page")
    arguments = parser.parse_args()
    if arguments.write:
        arguments.write.write_text(update(arguments.write.read_text(), arguments.root))
        return
    files = file_graph(arguments.root)
    sys.stdout.write(counts_table(files, box_graph(files, arguments.root)) + "\n")


def _fenced(drawing: str) -> str:
    return f"```mermaid\n{drawing}\n```"


def _part(graph: Graph, package: str, mark: str) -> Graph:
    """Return the boxes of a package and the arrows between them; of no package, everything."""
    if not package:
        return graph
    inside = {box for box in graph if box == package or box.startswith(package + mark)}
    return {box: graph[box] & inside for box in inside}


if __name__ == "__main__":
    main()
