import ctypes

import pytest

from configs.errors import SettingsError
from dpmesh.network.config import BackboneConfig
from pipeline import device
from pipeline.device import choose_device, choose_dtype, choose_rows, nvidia_gpus


def test_a_number_format_that_is_asked_for_is_taken() -> None:
    assert choose_dtype("float32", "cpu") == "float32"
    assert choose_dtype("bfloat16", "cuda") == "bfloat16"


@pytest.mark.parametrize(("has_bfloat16", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_takes_bfloat16_on_a_cpu_that_computes_with_it(
    has_bfloat16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: {"avx2", "avx512_bf16"} if has_bfloat16 else {"avx2"})
    assert choose_dtype("auto", "cpu") == expected


def test_a_gpu_computes_in_half_precision_unless_another_is_asked_for() -> None:
    assert choose_dtype("auto", "cuda:1") == "float16"
    assert choose_dtype("float32", "cuda") == "float32"


def test_float16_is_refused_on_a_cpu_that_does_not_compute_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: {"avx2", "avx512_bf16"})
    with pytest.raises(SettingsError, match=r"dtype is float16, which this CPU cannot .* use auto, or --device cuda"):
        choose_dtype("float16", "cpu")
    monkeypatch.setattr(device, "cpu_flags", lambda: {"avx512_fp16"})
    assert choose_dtype("float16", "cpu") == "float16"


def test_an_unknown_device_is_refused_with_the_choices() -> None:
    with pytest.raises(SettingsError, match="device 'tpu' is not known; use auto, cpu, cuda or cuda:N"):
        choose_device("tpu")


def test_rows_at_once_shrink_with_the_network_and_stay_within_bounds() -> None:
    small, released = BackboneConfig(image_px=128, patch_px=4, vae_channels=(32,)), BackboneConfig()
    assert choose_rows(small.row_bytes, "cpu") == 16
    assert choose_rows(released.row_bytes, "cpu") == 1
    assert choose_rows(2**27, "cpu") == 2
    assert choose_rows(2**40, "cpu") == 1


def test_a_cuda_device_without_a_number_is_refused() -> None:
    with pytest.raises(SettingsError, match="cuda:x"):
        choose_device("cuda:x")


class FakeDriver:
    """Answers as NVIDIA's driver with two GPUs, or with the error that it gives where none is visible."""

    def __init__(self, error: int) -> None:
        self.error = error

    def cuInit(self, flags: int) -> int:
        return self.error

    def cuDeviceGetCount(self, count) -> int:
        count._obj.value = 2
        return 0

    def cuDeviceGet(self, handle, index: int) -> int:
        handle._obj.value = 10 + index
        return 0

    def cuDeviceGetName(self, name, size: int, handle: ctypes.c_int) -> int:
        name.value = b"GPU %d" % handle.value
        return 0


@pytest.mark.parametrize(("error", "names"), [(0, ("GPU 10", "GPU 11")), (100, ())])
def test_gpus_are_named_by_the_driver(error: int, names: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_nvidia_driver", lambda: FakeDriver(error))
    assert nvidia_gpus() == names


def test_a_machine_without_a_driver_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "may_have_gpu", lambda: False)
    assert choose_device("auto") == "cpu" and choose_device("cpu") == "cpu"
