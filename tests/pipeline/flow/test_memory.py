import sys

import numpy as np
import pytest

from pipeline.flow.memory import release_memory


def resident_mib() -> float:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only glibc keeps freed memory")
def test_freed_memory_goes_back_to_the_system() -> None:
    small = [np.ones(12_000) for _ in range(2_000)]  # 96 kB each: glibc takes them from its heap
    keep = [np.ones(12_000)]
    full = resident_mib()
    small.clear()
    release_memory()
    assert resident_mib() < full - 100
    assert keep[0].sum() == 12_000
