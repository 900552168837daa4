"""Changes the core of the program in small ways, one at a time, and counts the changes that no test notices.

    make mutants                        # ten minutes of it, at the lowest priority
    make mutants BUDGET_S=3600 SEED=7   # an hour, other changes first

Every change is tried in a fork of one process that has imported torch already, with the tests of that module alone, and
in memory: no file is touched. mutmut 3 needs all tests to run under it before the first change, has no budget, and
leaves constants alone, where thresholds are; cosmic-ray starts a Python, and so imports torch, for every change.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from changes import Mutant, find_mutants

ROOT = Path(__file__).parents[2]
CORE = {
    "trackers/kalman.py": ("tests/trackers/test_kalman.py", "tests/trackers/test_tracker.py"),
    "trackers/association.py": ("tests/trackers/test_association.py", "tests/trackers/test_tracker.py"),
    "trackers/tracker.py": ("tests/trackers/test_tracker.py",),
    "dpmesh/geometry/align.py": ("tests/dpmesh/geometry/test_align.py",),
    "dpmesh/geometry/boxes.py": ("tests/dpmesh/geometry/test_boxes.py",),
    "dpmesh/geometry/camera.py": ("tests/dpmesh/geometry/test_camera.py",),
    "dpmesh/geometry/crop.py": ("tests/dpmesh/geometry/test_crop.py",),
    "dpmesh/geometry/fit.py": ("tests/dpmesh/geometry/test_fit.py",),
    "dpmesh/geometry/rotations.py": ("tests/dpmesh/geometry/test_rotations.py",),
    "dpmesh/recovery/crop_inputs.py": ("tests/dpmesh/recovery/test_crop_inputs.py",),
    "dpmesh/recovery/quarter_turns.py": ("tests/dpmesh/recovery/test_quarter_turns.py",),
    "dpmesh/recovery/recover.py": ("tests/dpmesh/recovery/test_recover.py",),
    "refine/rows/gaps.py": ("tests/refine/rows/test_gaps.py",),
    "refine/rows/shape.py": ("tests/refine/rows/test_shape.py",),
    "refine/fit/accept.py": ("tests/refine/fit/test_accept.py",),
    "refine/fit/energy.py": ("tests/refine/fit/test_energy.py",),
    "refine/fit/evidence.py": ("tests/refine/fit/test_evidence.py",),
    "pipeline/stages/recover.py": ("tests/pipeline/stages/test_recover.py",),
    "pipeline/nodes/group.py": ("tests/pipeline/nodes/test_group.py",),
    "pipeline/nodes/refine.py": ("tests/pipeline/nodes/test_refine.py",),
}
WARM = (
    "cv2",
    "diffusers",
    "filterpy.kalman",
    "hypothesis",
    "numpy",
    "pydantic",
    "pytest",
    "scipy.spatial",
    "smplx",
    "torch",
)
NOTICED = ("killed", "timeout")


class Changed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports one module from a changed text."""

    def __init__(self, path: Path, source: str) -> None:
        super().__init__(".".join(path.relative_to(ROOT).with_suffix("").parts), str(path))
        self._source = source

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        return (
            importlib.util.spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None
        )

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec")


def try_tests(module: str, mutant: Mutant | None, limit_s: float) -> str:
    """Return "killed", "survived" or "timeout": what the tests of a module say of a change of it."""
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setsid()
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1), os.dup2(sink, 2)
            if mutant is not None:
                sys.meta_path.insert(0, Changed(ROOT / module, mutant.source))
            import pytest

            quiet = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "filterwarnings=ignore"]
            code = int(pytest.main([*quiet, *CORE[module]]))
        finally:
            os._exit(code)
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return "survived" if status == 0 else "killed"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def main() -> None:
    parser = argparse.ArgumentParser(description="Count small changes of the core that no test notices.")
    parser.add_argument("--budget-s", type=float, default=600, help="no change is begun after this time")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which changes are tried")
    parser.add_argument("modules", nargs="*", help="parts of paths, such as `kalman`; none: the whole core")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    sys.dont_write_bytecode = True
    for name in WARM:
        importlib.import_module(name)
    modules = [path for path in CORE if not chosen.modules or any(part in path for part in chosen.modules)]
    all_of = [(path, mutant) for path in modules for mutant in find_mutants((ROOT / path).read_text())]
    random.Random(chosen.seed).shuffle(all_of)
    start, usual_s = time.monotonic(), dict[str, float]()
    counts: Counter[tuple[str, str]] = Counter()
    for path, mutant in all_of:
        if time.monotonic() - start > chosen.budget_s:
            break
        if path not in usual_s:
            begin = time.monotonic()
            if try_tests(path, None, chosen.budget_s) != "survived":
                sys.exit(f"{path}: its tests fail as it stands: python -m pytest {' '.join(CORE[path])}")
            usual_s[path] = time.monotonic() - begin
        outcome = try_tests(path, mutant, 10 + 5 * usual_s[path])
        counts[path, outcome] += 1
        print(f"{outcome:8}  {path}:{mutant.line}  {mutant.before}  ->  {mutant.after}", flush=True)
    print()
    for path in modules:
        tried = sum(counts[path, outcome] for outcome in (*NOTICED, "survived"))
        if tried:
            print(f"{path:36}  {tried - counts[path, 'survived']:4} of {tried:4} noticed")
    tried, survived = counts.total(), sum(counts[path, "survived"] for path in modules)
    print(f"{tried} of {len(all_of)} changes tried: {tried - survived} noticed, {survived} survived"
          + (f"; score {100 * (tried - survived) / tried:.0f} %" if tried else ""))  # fmt: skip


if __name__ == "__main__":
    main()
