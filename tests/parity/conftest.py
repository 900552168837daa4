"""Where the published implementation's outputs lie, and what is there.

`pytest tests/parity --golden-dir DIR` runs every parity test on another folder of that layout: DIR holds the files of
`golden/dpmesh` or `golden/scorehmr` itself, or folders `dpmesh` and `scorehmr` with them.
"""

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
# Fixture that takes one stored file at a time, and the pattern of its name.
FILES = {
    "small_file": "dpmesh_small_seed*.safetensors",
    "real_size_file": "dpmesh_realsize_recipe_seed*.safetensors",
    "metrics_file": "metrics_golden*.npz",
    "train_losses_file": "train_losses_golden*.npz",
    "tokenizer_file": "vqvae_golden*.safetensors",
    "checkpoint_keys_file": "checkpoint_keys_real.json",
    "tokenizer_keys_file": "vqvae_keys_real.json",
}
# The same for ScoreHMR's files, which lie in a folder per seed.
SCORE_FILES = {
    "sampled_file": "seed*/*_i[0-9]*.npz",
    "vanilla_file": "seed*/*_vanilla_*.npz",
    "score_basic_file": "seed*/*_basic.npz",
    "score_geometry_file": "seed*/geometry_golden.npz",
    "score_checkpoint_file": "official_layout_*_model-*.pt",
}
# Fixture that takes one case of the metrics file at a time, and the pattern of its group.
CASES = {
    "camera_case": r"(get_camera_trans_[^/]+)/cam",
    "anchor_case": r"(anchor_exponent_[^/]+)/anchor",
    "augment_case": r"(aug_config_seed\d+)/scale",
    "occluder_case": r"(occluder_seed\d+)/out",
    "box_seed_case": r"(process_bbox_train_seed\d+)/bbox",
    "item_case": r"(test_item/[^/]+)/crop",
    "noise_case": r"(posefix_stats/[^/]+)/frac",
    "noise_draw_case": r"(posefix/[^/]+)/num_overlap",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-dir",
        type=Path,
        help="folder laid out like golden/dpmesh or golden/scorehmr, or one that holds such folders of these names",
    )


def golden_folder(config: pytest.Config, method: str = "dpmesh") -> Path:
    """Return the folder of a method's stored outputs, whether or not it exists."""
    chosen = config.getoption("--golden-dir", default=None)
    if chosen is None:
        chosen = Path(os.environ.get("DPMESH_TEST_DATA", ROOT / ".." / "shared")) / "golden"
    inner = chosen / method
    return (inner if inner.is_dir() else chosen).resolve()


def find_files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def find_cases(folder: Path, pattern: str) -> list[tuple[Path, str]]:
    found = []
    for path in find_files(folder, FILES["metrics_file"]):
        found += [(path, match[1]) for name in read_arrays(path) if (match := re.fullmatch(pattern, name))]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per stored file or case; where there is none, once, to say so."""
    folder = golden_folder(metafunc.config)
    score_folder = golden_folder(metafunc.config, "scorehmr")
    places = {fixture: (folder, pattern) for fixture, pattern in FILES.items()}
    places |= {fixture: (score_folder, pattern) for fixture, pattern in SCORE_FILES.items()}
    for fixture, (place, pattern) in places.items():
        if fixture in metafunc.fixturenames:
            paths: list[Path | None] = [*find_files(place, pattern)] or [None]
            names = [path.stem if path else "missing" for path in paths]
            metafunc.parametrize(fixture, paths, ids=names, indirect=True, scope="module")
    for fixture, pattern in CASES.items():
        if fixture in metafunc.fixturenames:
            cases: list[tuple[Path, str] | None] = [*find_cases(folder, pattern)] or [None]
            names = [case[1] if case else "missing" for case in cases]
            metafunc.parametrize(fixture, cases, ids=names, indirect=True)


def missing(config: pytest.Config, what: str, method: str = "dpmesh") -> None:
    """Skip with a reason; fail in CI, where the default folder has to be whole."""
    folder = golden_folder(config, method)
    reason = f"{folder}: holds no {what}; give another folder by --golden-dir or DPMESH_TEST_DATA"
    if os.environ.get("CI") and config.getoption("--golden-dir", default=None) is None:
        pytest.fail(reason)
    pytest.skip(reason)


def _file_fixture(name: str) -> Any:
    @pytest.fixture(scope="module", name=name)
    def stored(request: pytest.FixtureRequest) -> Path:
        if request.param is None and name in SCORE_FILES:
            missing(request.config, SCORE_FILES[name], "scorehmr")
        if request.param is None:
            missing(request.config, FILES[name])
        return request.param

    return stored


@dataclass(frozen=True)
class Case:
    """One group of arrays in the metrics file."""

    name: str
    arrays: dict[str, np.ndarray]  # the whole file's

    def __getitem__(self, last: str) -> np.ndarray:
        return self.arrays[f"{self.name}/{last}"]


def _case_fixture(name: str) -> Any:
    @pytest.fixture(name=name)
    def stored(request: pytest.FixtureRequest) -> Case:
        if request.param is None:
            missing(request.config, f"group {CASES[name]} in {FILES['metrics_file']}")
        path, group = request.param
        return Case(group, read_arrays(path))

    return stored


@cache
def read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


for _name in (*FILES, *SCORE_FILES):
    globals()[_name] = _file_fixture(_name)
for _name in CASES:
    globals()[_name] = _case_fixture(_name)


@pytest.fixture(scope="module")
def metrics(metrics_file: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the metrics file."""
    return read_arrays(metrics_file)


@pytest.fixture
def golden_dir(request: pytest.FixtureRequest) -> Path:
    """Return the folder of stored outputs."""
    folder = golden_folder(request.config)
    if not folder.is_dir():
        missing(request.config, "golden data")
    return folder


@pytest.fixture(scope="module")
def small_config(small_file: Path) -> dict[str, Any]:
    """Return the small configuration as the golden data's own JSON tells it."""
    return json.loads((small_file.parent / "dpmesh_small_config.json").read_text())["small_config"]
