"""The house rules that a reader could not check by eye."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("configs", "trackers", "dpmesh", "refine", "pipeline")
ALLOWED = {
    "configs": {"configs"},
    "trackers": {"configs", "trackers"},
    "dpmesh": {"configs", "dpmesh"},
    "refine": {"configs", "dpmesh.body", "dpmesh.geometry", "refine"},
    "pipeline": set(PACKAGES),
}
GEOMETRY, BODY = "dpmesh.geometry", "dpmesh.body"
ROOMS = {  # what each room may import of its package; training, the top of both, is not listed
    "dpmesh/geometry": set(),
    "dpmesh/body": {GEOMETRY},
    "dpmesh/stored": set(),
    "dpmesh/network": {GEOMETRY, "dpmesh.stored"},
    "dpmesh/recovery": {GEOMETRY, BODY, "dpmesh.network", "dpmesh.keypoints"},
    "dpmesh/weights": {"dpmesh.network", "dpmesh.stored"},
    "refine/rows": {GEOMETRY, BODY},
    "refine/prior": {GEOMETRY, BODY, "refine.rows"},
    "refine/fit": {GEOMETRY, BODY, "refine.rows", "refine.prior"},
    "refine/guided": {GEOMETRY, BODY, "refine.rows", "refine.prior", "refine.fit"},
    "refine/scene": {GEOMETRY, BODY, "refine.rows", "refine.prior", "refine.fit"},
    "refine/scorehmr": {GEOMETRY, BODY, "refine.rows", "refine.prior"},
}
PLUMBING = ("flow", "media", "device")
LINES_MAX = 360
NUMPY_NOUNS = ("trackers/types.py", "pipeline/types.py", "dpmesh/body/params.py")


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the modules a file imports and whether it does so at its top level."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node in top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import of {node.module}"
            yield node.module or "", node in top


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def is_within(module: str, roots: set[str]) -> bool:
    return any(module == root or module.startswith(root + ".") for root in roots)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_down_only(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        # One loop serves both trainings.
        is_trained = package == "refine" and "training" in path.parts
        allowed = ALLOWED[package] | ({"dpmesh.training"} if is_trained else set())
        for module, _ in imports_of(path):
            if module.split(".")[0] in PACKAGES:
                assert is_within(module, allowed), f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_lies_below_them(room: str) -> None:
    own = room.replace("/", ".")
    for path in (ROOT / room).rglob("*.py"):
        for module, _ in imports_of(path):
            if module.split(".")[0] in ("dpmesh", "refine"):
                assert is_within(module, ROOMS[room] | {own}), f"{path.relative_to(ROOT)} imports {module}"


def test_every_room_has_its_rule() -> None:
    rooms = {path.parent for package in ("dpmesh", "refine") for path in (ROOT / package).glob("*/__init__.py")}
    assert {path.relative_to(ROOT).as_posix() for path in rooms} == {*ROOMS, "dpmesh/training", "refine/training"}


def test_training_is_imported_by_training_alone() -> None:
    for path in sources():
        if "training" not in path.parts:
            found = [module for module, _ in imports_of(path) if "training" in module.split(".")]
            assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_the_plumbing_knows_no_model_package() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        if path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py") in PLUMBING:
            found = [module for module, _ in imports_of(path) if is_within(module, {"trackers", "dpmesh", "refine"})]
            assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_only_the_engine_for_ray_imports_it() -> None:
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("pipeline/engine/ray"):
            assert "ray" not in [module.split(".")[0] for module, _ in imports_of(path)], f"{name} imports ray"


@pytest.mark.parametrize("noun", NUMPY_NOUNS)
def test_nouns_import_no_torch(noun: str) -> None:
    assert "torch" not in [module.split(".")[0] for module, _ in imports_of(ROOT / noun)]


def test_the_command_line_loads_no_heavy_library_at_import() -> None:
    heavy = {"torch", "ultralytics", "diffusers", "numpy", "scipy", "av", "cv2"}
    for name in ("pipeline/cli/__init__.py", "pipeline/cli/app.py", "pipeline/__init__.py"):
        found = {module.split(".")[0] for module, is_top in imports_of(ROOT / name) if is_top}
        assert not found & heavy, f"{name} imports {found & heavy}"


def test_only_one_module_asks_for_cuda_and_none_calls_cuda() -> None:
    for path in sources():
        text = path.read_text()
        assert ".cuda()" not in text, path
        if path.relative_to(ROOT).as_posix() not in ("pipeline/device.py", "pipeline/cli/doctor.py"):
            assert "cuda.is_available" not in text, path


def test_every_file_has_a_docstring_and_a_readable_length() -> None:
    for path in sources():
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), f"{path.relative_to(ROOT)} has no docstring"
        count = len(path.read_text().splitlines())
        assert count <= LINES_MAX, f"{path.relative_to(ROOT)} has {count} lines"


def test_no_module_is_called_utils() -> None:
    assert not [path for path in sources() if path.stem in ("utils", "helper", "helpers", "misc", "common")]


ROOMS_ACROSS = ("fuzz", "parity")  # hostile files, and stored tensors of the published networks, for all rooms at once
ACROSS = {
    "docs/test_pages.py": "what the pages say is so: links, settings, commands, messages",
    "dpmesh/body/test_open_body.py": "the shipped body stands, is closed and symmetric",
    "dpmesh/training/recovery/test_full_width.py": "two steps of every training at the widths of `paper`",
    "dpmesh/training/render/test_picture_parts.py": "what a camera makes of a scene",
    "dpmesh/training/render/test_scene_parts.py": "what a scene is made of",
    "dpmesh/training/test_prior_stages.py": "autoencoder, diffusion prior and recovery, one from the other",
    "dpmesh/weights/test_full_size_import.py": "an import at the released widths",
    "pipeline/analytics/test_pedpy.py": "the measures beside those of PedPy",
    "pipeline/cli/test_startup.py": "commands that compute nothing load no heavy library",
    "pipeline/cli/test_processes.py": "commands as processes: signals, pipes, exit codes",
    "pipeline/engine/test_killed_store_runs.py": "clips over processes and Ray into a store, whatever is killed",
    "pipeline/engine/test_many_rows.py": "a manifest of many clips, some of them broken",
    "pipeline/engine/test_segments_over_workers.py": "a long clip over processes and Ray, seen in segments",
    "pipeline/engine/test_two_machines.py": "a cluster of two machines and S3, whatever is killed",
    "pipeline/export/test_real_readers.py": "exported files in the programs that people open them with",
    "pipeline/media/test_nasty_inputs.py": "facts of odd and broken videos",
    "pipeline/motion/test_consumers.py": "motion files in the programs that read them",
    "pipeline/view/test_in_browser.py": "the viewer in a browser without a network",
    "pipeline/report/test_in_browser.py": "the page in a browser without a network",
    "pipeline/stages/test_devices.py": "what stages compute on a GPU is what they compute on the CPU",
    "pipeline/test_alone.py": "a run asks no host, starts no program, writes nowhere else",
    "pipeline/test_full_disk.py": "a disk that is full at any moment",
    "pipeline/test_gait.py": "from two estimates of keypoints to the steps of a walk",
    "pipeline/test_kill.py": "kill -9 at any moment",
    "pipeline/test_nasty_exit_codes.py": "exit code and message of every bad input",
    "pipeline/test_nasty_runs.py": "odd and broken videos, read right or refused in one line",
    "pipeline/test_run_failures.py": "whatever happens to one clip stays with that clip",
    "test_architecture.py": "the rooms",
    "test_licences.py": "the licences of what is stored",
    "test_packaging.py": "wheel and sdist",
    "trackers/keypoint_files/test_families.py": "one person in every keypoint format",
    "trackers/keypoint_files/test_odd_files.py": "keypoint files as people really have them",
}


def test_every_test_file_is_of_a_module_or_of_a_claim_across_modules() -> None:
    tests = ROOT / "tests"
    found = {path.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert set(ACROSS) <= {path.as_posix() for path in found}, "a claim without its file"
    for path in found:
        module = ROOT / path.parent / path.name.removeprefix("test_")
        is_across = path.as_posix() in ACROSS
        assert module.exists() != is_across or path.parts[0] in ROOMS_ACROSS, (
            f"tests/{path}: there is no {module.relative_to(ROOT)}; name the file for the module that it tests, in the "
            "same room, or the claim in ACROSS"
        )
