"""The one place that asks what hardware there is."""

import os
from pathlib import Path

from configs.errors import SettingsError

CPU_ROWS_MAX, CUDA_ROWS_MAX = 16, 256
CPU_CALL_BYTES = 2**28


def choose_device(wanted: str) -> str:
    """Return a torch device name: the one asked for, or CUDA when there is one, else the CPU.

    Raises:
        SettingsError: the device that was asked for is not there.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        suffix = wanted.partition(":")[2] or "0"
        if not suffix.isdecimal():
            raise SettingsError(f"device {wanted!r} is not known; use auto, cpu, cuda or cuda:N")
        number = int(suffix)
        if not torch.cuda.is_available() or number >= torch.cuda.device_count():
            found = torch.cuda.device_count() if torch.cuda.is_available() else 0
            raise SettingsError(f"device {wanted!r} is not there ({found} CUDA devices found); use --device cpu")
    elif wanted != "cpu":
        raise SettingsError(f"device {wanted!r} is not known; use auto, cpu, cuda or cuda:N")
    return wanted


def choose_dtype(wanted: str, device: str) -> str:
    """Return "float32" or "bfloat16": the one asked for, or for "auto" bfloat16 where the CPU computes with it."""
    if wanted != "auto":
        return wanted
    # Without such instructions torch converts back and forth, slower than float32. CUDA keeps float32 unless asked.
    return "bfloat16" if device == "cpu" and cpu_flags() & {"avx512_bf16", "amx_tile"} else "float32"


def cpu_flags() -> set[str]:
    """Return what Linux says the CPU can do; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def choose_rows(row_bytes: int, device: str) -> int:
    """Return the batch size of a network, from the memory that one more row takes.

    On CUDA, a quarter of the card's memory. On a CPU more rows gain nothing once a call has left the caches: the
    released size is fastest with one. The answer does not depend on what is free, so that runs repeat.
    """
    import torch

    if device == "cpu":
        return min(CPU_ROWS_MAX, max(1, CPU_CALL_BYTES // row_bytes))
    total = torch.cuda.get_device_properties(device).total_memory
    return min(CUDA_ROWS_MAX, max(1, total // 4 // row_bytes))


def choose_workers(threads: int, call_bytes: int) -> int:
    """Return how many threads call a network side by side, when one call takes so much memory: a quarter of it all."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(threads, memory // 4 // call_bytes))
