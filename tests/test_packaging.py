"""What is built from this repository holds what the program needs, and asks for what it imports."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGES = ("configs", "trackers", "dpmesh", "refine", "pipeline")
SOURCES = [*ROOT.glob("*.py"), *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
BUILD = """
import os, sys, tarfile
from setuptools import build_meta
into = sys.argv[1]
sdist = build_meta.build_sdist(into)
with tarfile.open(os.path.join(into, sdist)) as archive:
    archive.extractall(into, filter="data")
os.chdir(os.path.join(into, sdist.removesuffix(".tar.gz")))
build_meta.build_wheel(into)
"""
SMALL_BYTES = 100_000


def build(folder: Path, is_data_empty: bool) -> tuple[set[str], Path, Path]:
    """Build an sdist from the files of the working tree, and from it a wheel; return what went in, and both."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout")
    tracked = {name for name in listed.stdout.split("\0") if (ROOT / name).is_file()}
    for name in tracked:
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if is_data_empty and (ROOT / name).stat().st_size > SMALL_BYTES:
            copy.touch()
        else:
            shutil.copyfile(ROOT / name, copy)
    command = [sys.executable, "-P", "-c", BUILD, str(folder)]
    done = subprocess.run(command, cwd=folder / "source", capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return tracked, next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.mark.spawns
def test_the_wheel_holds_all_of_the_packages_and_the_sdist_all_of_the_repository(tmp_path: Path) -> None:
    tracked, sdist, wheel = build(tmp_path, is_data_empty=True)  # the names of large files are what counts
    with tarfile.open(sdist) as archive:
        in_sdist = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert {name for name in tracked if not name.startswith(".")} <= in_sdist

    in_wheel = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in in_wheel if ".dist-info/" not in name}
    assert packed == {name for name in tracked if name.split("/")[0] in (*PACKAGES, "dpmesh_video.py")}
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed
    licences = {name.partition(".dist-info/licenses/")[2] for name in in_wheel}
    assert {"LICENSE", "NOTICE", *(name for name in tracked if name.startswith("LICENSES/"))} <= licences


@pytest.mark.slow
def test_a_clip_runs_from_the_installed_wheel_outside_of_the_checkout(tmp_path: Path) -> None:
    _, _, wheel = build(tmp_path, is_data_empty=False)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    clip = site / "pipeline" / "data" / "demo" / "demo.mp4"
    command = [str(python.with_name("dpmesh-video")), "run", str(clip), "--end", "1", "--output", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert list((tmp_path / "out" / "demo" / "tracks").glob("person_*.npz"))
    assert json.loads((tmp_path / "out" / "demo" / "run.json").read_text())["program"] == PROJECT["version"]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lines: list[str]) -> set[str]:
    return {normalised(Requirement(line).name) for line in lines}


def imported(paths: list[Path]) -> set[str]:
    """Return the distributions that files import, by the name that a requirement has."""
    modules: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module)
    homes = packages_distributions()
    other = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {*PACKAGES, "dpmesh_video"}
    return {normalised(homes.get(name, [name])[0]) for name in other}


PEERS = [ROOT / "pipeline" / name for name in ("bench/analytics.py", "evaluation/simulated_crowd.py")]
IMPORTERS = [ROOT / "trackers" / "imported" / name for name in ("blazepose.py", "tflite.py")]
EXPORTERS = [ROOT / "pipeline" / "export" / "usd.py"]
IN_BLENDER = [ROOT / "pipeline" / "export" / "blender_fbx.py"]  # run by the Python of Blender
TRACKING = [ROOT / name for name in ("pipeline/evaluation/tracking.py", "trackers/bench/score.py")]
CLUSTER = [ROOT / "pipeline" / "engine" / name for name in ("places.py", "ray_pool.py")]
VIEWER = [ROOT / "pipeline" / "view" / "viewer.py"]


def test_an_installation_asks_for_what_a_run_imports_and_nothing_else() -> None:
    apart = [*IMPORTERS, *EXPORTERS, *IN_BLENDER, *PEERS, *VIEWER, *TRACKING, *CLUSTER]
    run = [path for path in SOURCES if "training" not in path.parts and path not in apart]
    assert imported(run) == required(PROJECT["dependencies"])


def test_the_extra_of_imports_asks_for_what_only_reading_foreign_networks_imports() -> None:
    assert imported(IMPORTERS) - required(PROJECT["dependencies"]) == required(EXTRAS["import"])


def test_the_extra_of_crowds_asks_for_what_only_their_measurement_imports() -> None:
    found = imported(PEERS) - required(PROJECT["dependencies"])
    assert found == required(EXTRAS["crowds"]) | {"pandas"}  # which pedpy brings


def test_the_extra_of_exports_asks_for_what_only_they_import() -> None:
    assert imported(EXPORTERS) - required(PROJECT["dependencies"]) == required(EXTRAS["export"])
    assert imported(IN_BLENDER) == {"bpy"}


def test_the_extra_of_clusters_asks_for_what_only_they_import() -> None:
    found = imported(CLUSTER) - required(PROJECT["dependencies"])
    assert found | {"s3fs"} == required(EXTRAS["cluster"])  # which fsspec loads for s3://


def test_the_extra_of_tracking_asks_for_what_only_its_evaluation_imports() -> None:
    assert imported(TRACKING) - required(PROJECT["dependencies"]) == required(EXTRAS["tracking"])


def test_the_extra_of_the_viewer_asks_for_what_only_it_imports() -> None:
    assert imported(VIEWER) - required(PROJECT["dependencies"]) == required(EXTRAS["view"])


def test_the_extras_of_training_ask_for_what_only_training_imports() -> None:
    found = imported([path for path in SOURCES if "training" in path.parts]) - required(PROJECT["dependencies"])
    assert found == required(EXTRAS["train"]) | required(EXTRAS["body"])


def test_the_known_good_set_has_one_version_of_everything_that_is_asked_for() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    known = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match, line
        known[normalised(match[1])] = match[2]
    for line in [*PROJECT["dependencies"], *EXTRAS["train"], *EXTRAS["test"], *EXTRAS["lint"]]:
        asked = Requirement(line)
        assert known[normalised(asked.name)] in asked.specifier, line


def test_the_changelog_has_the_version_of_the_package() -> None:
    assert f"\n## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()
