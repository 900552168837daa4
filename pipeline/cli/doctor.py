"""`dpmesh-video doctor`: what this machine can do, and what is missing."""

import importlib
import os
import platform
import re
import shutil
from contextlib import nullcontext, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from configs.threads import core_count
from configs.weights import cache_folder, how_to_get, list_weights
from pipeline.cli.tables import say
from pipeline.device import nvidia_gpus

LIBRARIES = {  # by the names they are imported by
    "av": "av", "decord": "decord", "cv2": "opencv-python", "torch": "torch", "diffusers": "diffusers",
    "peft": "peft", "smplx": "smplx", "ultralytics": "ultralytics", "scipy": "scipy",
}  # fmt: skip
OPTIONAL = ("decord",)  # PyAV reads the video alone


def examine(*, is_loaded: bool) -> int:
    """Print what this machine can do; return 1 when something that is needed is missing.

    It writes nothing and asks no host.

    Args:
        is_loaded: import every library and ask torch for the GPU, which takes seconds; else only what is installed.
    """
    say(f"python    {platform.python_version()} on {platform.system()} {platform.machine()}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    say(f"machine   {core_count()} cores, {memory:.0f} GiB of memory")
    say(f"disk      {shutil.disk_usage('.').free / 2**30:.0f} GiB free here")
    problems = 0
    for name in LIBRARIES:
        problem = _load(name) if is_loaded else "" if find_spec(name) else "is not installed"
        if problem:
            problems += name not in OPTIONAL
            say(f"{name:<9} {problem}")
        elif name == "torch":
            say(f"torch     {_torch_in_use() if is_loaded else _torch_installed()}")
    for status in list_weights():
        if status.entry.kind == "bundled" and status.state in ("missing", "corrupt"):
            problems += 1
            say(f"weights   {status.problem}; {how_to_get(status.entry)}")
    say(f"cache     {cache_folder()}")
    if problems:
        say(f"{problems} problems")
    else:
        say("everything needed loads" if is_loaded else "everything needed is installed; --load also loads it")
    return 1 if problems else 0


def _load(name: str) -> str:
    """Import a library; return what is wrong, or nothing."""
    from trackers.ultralytics_loader import ultralytics_undisturbed

    try:
        with ultralytics_undisturbed() if name == "ultralytics" else nullcontext():
            importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        return f"does not load: {error}"
    return ""


def _torch_in_use() -> str:
    import torch

    found = f"CUDA, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no CUDA device; the CPU is used"
    return f"{torch.__version__}, {found}"


def _torch_installed() -> str:
    """Return torch's version, what it was built for, and the GPUs that the driver names."""
    try:
        number = version("torch")
    except PackageNotFoundError:
        number = "without a version"
    spec, text = find_spec("torch"), ""
    if spec is not None and spec.origin:
        with suppress(OSError):
            text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    built = re.search(r"^cuda\b.*= ['\"](.+)['\"]", text, re.MULTILINE)
    gpus = nvidia_gpus()
    if not gpus:
        return f"{number}, no CUDA device; the CPU is used"
    if built is None:
        return f"{number} is a build without CUDA; {', '.join(gpus)} is not used"
    return f"{number}, CUDA {built[1]}, {', '.join(gpus)}"
