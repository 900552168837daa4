"""TensorFlow Lite files give the numbers of their own runtime."""

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from tflite_files import Writer, small_file

from configs.errors import WeightsError
from trackers.imported.tflite import read_tflite


def test_a_file_gives_the_numbers_of_its_own_runtime() -> None:
    content = small_file()
    runtime = Interpreter(model_content=content)
    runtime.allocate_tensors()
    image = np.random.default_rng(1).random((1, 16, 16, 3), np.float32)
    runtime.set_tensor(runtime.get_input_details()[0]["index"], image)
    runtime.invoke()
    wanted, _, maps, *_ = (runtime.get_tensor(detail["index"]) for detail in runtime.get_output_details())
    with torch.inference_mode():
        found = read_tflite(content, {"chance": 0, "maps": 2}, "small")(torch.from_numpy(image).permute(0, 3, 1, 2))
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose(found["chance"].numpy(), wanted, atol=1e-5)
    np.testing.assert_allclose(found["maps"].permute(0, 2, 3, 1).numpy(), maps, atol=1e-5)


def test_what_no_output_needs_is_left_out() -> None:
    network = read_tflite(small_file(), {"maps": 2}, "small")
    assert [operation["kind"] for operation in network.config["operations"]] == [
        "conv",
        "conv",
        "pool",
        "add",
        "resize",
    ]


def test_an_operator_without_a_kind_is_named() -> None:
    w = Writer()
    image = w.tensor((1, 4, 4, 3))
    content = w.file([image], [w.operator("SOFTMAX", [image], (1, 4, 4, 3), beta=1)])
    with pytest.raises(WeightsError, match="small: holds operator SOFTMAX"):
        read_tflite(content, {"x": 0}, "small")


@pytest.mark.parametrize("content", [b"", b"no file of this kind", small_file()[:400]])
def test_a_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError, match="small: not a TensorFlow Lite file"):
        read_tflite(content, {"x": 0}, "small")
