"""What the pages say against what is there: links, settings, commands, messages."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from doc_scripts import load_script
from PIL import Image

import dpmesh_video
from configs.schema import RunSettings
from pipeline.cli.app import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SETTINGS = load_script("settings_page")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ""}
SKIPPED = {".git", ".venv", "build", "dist", "site", "out", "__pycache__"}
ADDED_IN_EXAMPLES = {"pipeline/export/path.py", "tests/pipeline/export/test_path.py"}
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


def guides() -> list[Path]:
    return [page for page in pages() if page.name != "CHANGELOG.md"]  # which names what is gone


def anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text()).replace(SETTINGS.MARKER, SETTINGS.settings_tables())
    titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_relative_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for match in LINK.finditer(FENCE.sub("", page.read_text())):
        target = match[1] or match[2]
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name}: {target}"
        assert path.is_relative_to(DOCS) or page.parent != DOCS, f"{page.name}: {target} is not part of the site"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: no heading {target}"


@pytest.mark.parametrize("page", guides(), ids=lambda page: page.name)
def test_files_of_the_repository_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:configs|trackers|dpmesh|refine|pipeline|tests|docs|LICENSES)/[\w/.-]+)`", page.read_text()
    )
    missing = {name for name in named if not (ROOT / name).exists()}
    assert not missing - ADDED_IN_EXAMPLES


def test_every_page_is_in_the_navigation() -> None:
    text = re.sub(r"!!python/name:\S+", "x", (ROOT / "mkdocs.yml").read_text())
    listed = set(_leaves(yaml.safe_load(text)["nav"]))
    assert listed == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def _leaves(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    else:
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from _leaves(branch)


def setting_names() -> set[str]:
    groups = RunSettings.model_fields.items()
    return {f"{group}.{key}" for group, field in groups for key in field.annotation.model_fields}  # type: ignore[union-attr]


@pytest.mark.parametrize("page", guides(), ids=lambda page: page.name)
def test_settings_that_a_page_names_exist(page: Path) -> None:
    groups = "|".join(RunSettings.model_fields)
    text = page.read_text()
    named = set(re.findall(rf"--set ((?:{groups})\.\w+)=|`((?:{groups})\.\w+)(?:[= ][^`]*)?`", text))
    unknown = {one or other for one, other in named} - setting_names()
    assert not {name for name in unknown if not name.endswith((".py", ".md", ".mp4", ".json", ".html"))}


def commands_in(page: Path) -> list[str]:
    text = page.read_text().replace("\\\n", " ")
    blocks = [line for block in FENCE.findall(text) for line in block.splitlines()]
    spans = re.findall(r"`(dpmesh-video [^`]*)`", FENCE.sub("", text).replace("\n", " "))
    lines = [line.split(" #")[0].strip() for line in [*blocks, *spans]]
    return [line.partition("dpmesh-video ")[2] for line in lines if re.match(r"(\S+/)?dpmesh-video ", line)]


@pytest.mark.parametrize("page", guides(), ids=lambda page: page.name)
def test_commands_that_a_page_names_exist_with_their_options(page: Path) -> None:
    for line in commands_in(page):
        words = line.split()
        command: Any = typer.main.get_command(app)
        while isinstance(command, click.Group) or hasattr(command, "commands"):
            if not words or words[0].startswith(("-", "...", "<")):
                break
            assert words[0] in command.commands, f"{page.name}: dpmesh-video {line}"
            command = command.commands[words.pop(0)]
        if command.context_settings.get("ignore_unknown_options"):
            continue  # a program with options of its own
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= known, f"{page.name}: dpmesh-video {line}"


@pytest.mark.parametrize("page", guides(), ids=lambda page: page.name)
def test_yaml_on_a_page_is_yaml(page: Path) -> None:
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL):
        assert isinstance(yaml.safe_load(block), dict), f"{page.name}: {block[:60]}"


@pytest.mark.parametrize("page", guides(), ids=lambda page: page.name)
def test_python_on_a_page_imports_and_calls_what_is_there(page: Path) -> None:
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    for block in blocks:
        names = re.findall(
            r"^ *from ((?:configs|trackers|dpmesh|refine|pipeline)[\w.]*) import (.+)$", block, re.MULTILINE
        )
        for module, imported in names:
            for name in imported.split(", "):
                assert hasattr(importlib.import_module(module), name), f"{page.name}: {module} has no {name}"
        assert set(re.findall(r"\bdv\.(\w+)", block)) <= set(dpmesh_video.__all__), page.name


def test_messages_on_the_page_of_troubles_are_messages_of_the_program() -> None:
    section = (DOCS / "troubleshooting.md").read_text().split("## Messages")[1].split("\n## ")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert len(quoted) > 10
    code = "".join(path.read_text() for path in sources() if path.suffix == ".py" and "tests" not in path.parts)
    code = re.sub(r'"\s*\n\s*f?"', "", code).replace("{wanted!r}", "'cuda'")
    assert not [message for message in quoted if message not in code]


def sources() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        is_ours = not SKIPPED & set(parts) and not any(part.endswith(".egg-info") for part in parts)
        if path.is_file() and is_ours and path.suffix in TEXT_SUFFIXES:
            yield path


def test_no_file_cites_a_path_that_a_reader_does_not_have() -> None:
    hidden = re.compile(r"\b(reference|papers)/\w+\.md|\.\./shared|(DESIGN|CONVENTIONS|GLOSSARY)\.md")
    found = {path for path in sources() if path != Path(__file__) and hidden.search(path.read_text(errors="replace"))}
    assert not found


def test_the_first_page_is_short_and_shows_a_moving_result() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    match = re.search(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert match is not None and text[: match.start()].count("\n") < 10
    path = ROOT / match[1]
    assert path.stat().st_size < 1_500_000
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) > 10
