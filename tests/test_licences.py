"""The licence page and the shipped texts cover everything that the package holds and needs."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from configs.weights import read_catalogue

ROOT = Path(__file__).parents[1]
TEXTS = {"Apache-2.0": "LICENSE", "CC0-1.0": "LICENSES/CC0-1.0.txt"}


def test_every_bundled_file_is_under_a_licence_whose_text_ships() -> None:
    shipped = [entry for entry in read_catalogue().weights if entry.kind == "bundled"]
    assert len(shipped) >= 4
    for entry in shipped:
        assert entry.licence.split()[0] in TEXTS, f"{entry.name}: {entry.licence}"
    for path in TEXTS.values():
        assert len((ROOT / path).read_text()) > 5000, path


def test_licence_texts_are_part_of_the_package() -> None:
    files = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license-files"]
    named = {path for pattern in files for path in ROOT.glob(pattern)}
    assert {ROOT / path for path in [*TEXTS.values(), "NOTICE"]} <= named


def test_the_licence_page_names_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    page = (ROOT / "docs" / "licences.md").read_text()
    missing = [name for line in wanted if f"`{(name := Requirement(line).name)}`" not in page]
    assert not missing


def test_the_first_page_names_both_limits() -> None:
    first = (ROOT / "README.md").read_text().split("## Start")[0]
    assert "smplx" in first
    assert "AGPL" in first
