"""A package of another project in the place of one of ours is told as such, whichever way it came there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from real_command import ROOT, ended, start, start_program

from configs.clash import PACKAGES, check_packages


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder as an installation leaves it: our packages, without what is in them."""
    folder = tmp_path / "site-packages"
    for name in ("configs", *PACKAGES):
        (folder / name).mkdir(parents=True)
        shutil.copy(ROOT / name / "__init__.py", folder / name)
    for name in ("clash.py", "errors.py"):
        shutil.copy(ROOT / "configs" / name, folder / "configs")
    return folder


def told(installed: Path, *first: Path) -> str:
    """Return what a fresh process says of the packages in `installed`, with other folders before it."""
    script = (
        "from configs.clash import check_packages\ntry: check_packages()\nexcept ImportError as error: print(error)"
    )
    path = os.pathsep.join(str(folder) for folder in (*first, installed))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )
    assert not done.stderr
    return done.stdout


def lay_over(installed: Path) -> None:
    (installed / "trackers" / "__init__.py").write_text("from trackers.core.sort.tracker import SORTTracker\n")


def lay_under(installed: Path) -> None:
    (installed / "trackers-2.6.1.dist-info").mkdir()


def take_away(installed: Path) -> None:
    (installed / "trackers" / "__init__.py").unlink()


def test_this_program_alone_is_in_order(installed: Path) -> None:
    assert told(installed) == ""
    check_packages()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lay_over, "another project's package `trackers` is installed into this folder too"),
        (lay_under, "another project's package `trackers` is installed into this folder too"),
        (take_away, "trackers/__init__.py: missing"),
    ],
)
def test_another_trackers_in_the_same_folder_is_told_with_the_remedy(
    installed: Path, change: Callable[[Path], None], expected: str
) -> None:
    change(installed)
    answer = told(installed)
    assert expected in answer and "pipx install" in answer and answer.count("\n") == 1


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_the_same_name_that_lies_before_ours_is_told(installed: Path, tmp_path: Path, name: str) -> None:
    other = tmp_path / "project" / name / "__init__.py"
    other.parent.mkdir(parents=True)
    other.touch()
    assert told(installed, tmp_path / "project").startswith(f"{other}: another package called {name} hides ")


def test_another_configs_before_ours_is_told_where_the_program_is_imported(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").touch()
    command = [sys.executable, "-S", "-c", "import dpmesh_video"]  # an editable installation finds configs.* without -S
    code, _, err = ended(start_program(command, tmp_path, environment={"PYTHONPATH": str(ROOT)}))
    expected = f"ImportError: {tmp_path}/configs/__init__.py: another package called configs hides that of dpmesh-video"
    assert (code, err.splitlines()[-1]) == (1, expected)


def test_a_folder_of_the_same_name_that_is_no_package_does_not_matter(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "project" / "pipeline").mkdir(parents=True)
    assert told(installed, tmp_path / "project") == ""


def test_the_command_says_so_in_one_line_before_it_does_anything(tmp_path: Path) -> None:
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    process = start("weights", "list", folder=tmp_path, environment={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    code, out, err = ended(process)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: {tmp_path}/trackers/__init__.py: another package called trackers hides ")
