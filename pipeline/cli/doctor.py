"""`dpmesh-video doctor`: what this machine can do, and what is missing."""

import importlib
import os
import platform
import shutil
from contextlib import nullcontext

from configs.threads import core_count
from configs.weights import cache_folder, how_to_get, list_weights
from pipeline.cli.tables import say


def examine() -> int:
    """Print what this machine can do; return 1 when something that is needed is missing.

    It writes nothing and asks no host.
    """
    import torch

    from trackers.ultralytics_loader import ultralytics_undisturbed

    problems = 0
    say(f"python    {platform.python_version()} on {platform.system()} {platform.machine()}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    say(f"machine   {core_count()} cores, {memory:.0f} GiB of memory")
    say(f"disk      {shutil.disk_usage('.').free / 2**30:.0f} GiB free here")
    cuda = f"CUDA, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no CUDA device; the CPU is used"
    say(f"torch     {torch.__version__}, {cuda}")
    for name in ("av", "decord", "cv2", "diffusers", "peft", "smplx", "ultralytics", "filterpy", "scipy", "embreex"):
        try:
            with ultralytics_undisturbed() if name == "ultralytics" else nullcontext():
                importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            problems += name != "decord"
            say(f"{name:<9} does not load: {error}")
    for status in list_weights():
        if status.entry.kind == "bundled" and status.state in ("missing", "corrupt"):
            problems += 1
            say(f"weights   {status.problem}; {how_to_get(status.entry)}")
    say(f"cache     {cache_folder()}")
    say("everything needed is available" if not problems else f"{problems} problems")
    return 1 if problems else 0
