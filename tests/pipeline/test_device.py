import pytest
import torch

from configs.errors import SettingsError
from pipeline.device import choose_device, choose_dtype


def test_a_number_format_that_is_asked_for_is_taken() -> None:
    assert choose_dtype("float32", "cpu") == "float32"
    assert choose_dtype("bfloat16", "cuda") == "bfloat16"


@pytest.mark.parametrize(("has_bfloat16", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_takes_bfloat16_on_a_cpu_that_computes_with_it(
    has_bfloat16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bfloat16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert choose_dtype("auto", "cpu") == expected
    assert choose_dtype("auto", "cuda") == "float32"


def test_an_unknown_device_is_refused_with_the_choices() -> None:
    with pytest.raises(SettingsError, match="device 'tpu' is not known; use auto, cpu, cuda or cuda:N"):
        choose_device("tpu")
