"""The one place that asks what hardware there is."""

import ctypes
import os
import sys
from pathlib import Path

from configs.errors import SettingsError

CPU_ROWS_MAX, CUDA_ROWS_MAX = 16, 256
CPU_CALL_BYTES = 2**28
AMD_DRIVER = Path("/dev/kfd")  # whose GPUs torch calls "cuda", too


def choose_device(wanted: str) -> str:
    """Return a torch device name: the one asked for, or CUDA when there is one, else the CPU.

    Raises:
        SettingsError: the device that was asked for is not there.
    """
    if wanted == "auto":
        if not may_have_gpu():
            return "cpu"
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        suffix = wanted.partition(":")[2] or "0"
        if not suffix.isdecimal():
            raise SettingsError(f"device {wanted!r} is not known; use auto, cpu, cuda or cuda:N")
        import torch

        number = int(suffix)
        if not torch.cuda.is_available() or number >= torch.cuda.device_count():
            found = torch.cuda.device_count() if torch.cuda.is_available() else 0
            raise SettingsError(f"device {wanted!r} is not there ({found} CUDA devices found); use --device cpu")
    elif wanted != "cpu":
        raise SettingsError(f"device {wanted!r} is not known; use auto, cpu, cuda or cuda:N")
    return wanted


def device_kind(device: str) -> str:
    """Return "cpu", or the name of the GPU: another one has other kernels, and other batches by its memory."""
    if device == "cpu":
        return device
    import torch

    return torch.cuda.get_device_name(device)


def may_have_gpu() -> bool:
    """Return False where torch can find no GPU, because there is no driver; torch itself takes seconds to ask."""
    return not sys.platform.startswith("linux") or AMD_DRIVER.exists() or _nvidia_driver() is not None


def nvidia_gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that NVIDIA's driver offers this process.

    Source: CUDA driver API, https://docs.nvidia.com/cuda/cuda-driver-api (cuInit, cuDeviceGetName).
    """
    driver, count, names = _nvidia_driver(), ctypes.c_int(), []
    if driver is None or driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    for index in range(count.value):
        device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
        if not driver.cuDeviceGet(ctypes.byref(device), index) and not driver.cuDeviceGetName(name, 256, device):
            names.append(name.value.decode("ascii", "replace"))
    return tuple(names)


def _nvidia_driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None


def choose_dtype(wanted: str, device: str) -> str:
    """Return the number format of the networks: the one asked for, or for "auto" the fastest that is accurate enough.

    A GPU takes float16, as the published evaluation does (eval.py of github.com/EternalEvan/DPMesh). A CPU takes
    bfloat16 if it computes with it: otherwise torch converts back and forth, slower than float32.

    Raises:
        SettingsError: float16 is asked for of a CPU that does not compute with it.
    """
    if device != "cpu":
        return "float16" if wanted == "auto" else wanted
    if wanted == "float16" and not cpu_flags() & {"avx512_fp16", "amx_fp16"}:
        raise SettingsError("recover.dtype is float16, which this CPU cannot compute with; use auto, or --device cuda")
    if wanted != "auto":
        return wanted
    return "bfloat16" if cpu_flags() & {"avx512_bf16", "amx_tile"} else "float32"


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
