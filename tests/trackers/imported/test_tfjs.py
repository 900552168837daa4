"""TensorFlow.js models become networks that do the same."""

import json

import numpy as np
import pytest
import torch
from tfjs_files import Writer
from torch.nn import functional as F

from configs.errors import WeightsError
from trackers.imported.tfjs import read_tfjs

BIAS_RELU6 = ("BiasAdd", "Relu6")


def weights_of(writer: Writer, place: int) -> torch.Tensor:
    return torch.from_numpy(writer.numbers[f"number_{place}"].astype(np.float32))


@torch.inference_mode()
def test_fused_convolutions_with_same_padding_and_doubled_maps() -> None:
    w = Writer((1, 16, 16, 3))
    first = w.conv("image", 3, 3, 3, 4, stride=2, fused=BIAS_RELU6, op="_FusedConv2D")  # numbers 0, 1
    deep = w.conv(first, 3, 3, 4, 1, op="DepthwiseConv2dNative")  # number 2
    pool = w.pool(deep, 2, 2, "SAME")
    size = w.node("Mul", w.node("StridedSlice", w.node("Shape", pool)), w.constant([2, 2]))
    both = w.node("AddV2", w.resize(pool, size), first)
    image = torch.rand(1, 3, 16, 16)
    found = read_tfjs(*w.files(), "image", {"map": both}, "small")(image)["map"]
    a = F.conv2d(F.pad(image, [0, 1, 0, 1]), weights_of(w, 0).permute(3, 2, 0, 1), weights_of(w, 1), 2).clamp(0, 6)
    b = F.max_pool2d(F.conv2d(a, weights_of(w, 2).permute(2, 3, 0, 1), padding=1, groups=4), 2)
    torch.testing.assert_close(found, a + F.interpolate(b, scale_factor=2, mode="bilinear"))


@torch.inference_mode()
def test_channels_first_with_paddings_biases_and_slopes_apart() -> None:
    w = Writer((1, 3, 16, 16))
    around, below = [[0, 0], [0, 0], [1, 1], [1, 1]], [[0, 0], [0, 0], [0, 1], [0, 1]]
    last, first = w.constant([0, 2, 3, 1]), w.constant([0, 3, 1, 2])  # numbers 0, 1
    padded = w.node("Transpose", w.node("Pad", "image", w.constant(around)), last)
    conv = w.node("Add", w.conv(padded, 3, 3, 3, 4, padding="VALID"), w.random(4))  # numbers 3, 4
    leaky = w.node("LeakyRelu", w.node("Transpose", conv, first), alpha={"f": 0.1})
    edge = w.node("PadV2", leaky, w.constant(below), w.constant(-3e38, np.float32))
    pool = w.node("Transpose", w.pool(w.node("Transpose", edge, last), 3, 2, "VALID"), first)
    half = w.node("Transpose", w.resize(w.node("Transpose", leaky, last), w.constant([8, 8])), first)
    joint = w.node("ConcatV2", pool, half, w.constant(1))
    image = torch.rand(2, 3, 32, 16)  # another size than that of the file
    network = read_tfjs(*w.files(), "image", {"map": joint}, "small", is_channels_last=False)
    a = F.leaky_relu(F.conv2d(image, weights_of(w, 3).permute(3, 2, 0, 1), weights_of(w, 4), padding=1), 0.1)
    b = F.max_pool2d(F.pad(a, [0, 1, 0, 1], value=-torch.inf), 3, 2)
    c = F.interpolate(a, scale_factor=0.5, mode="bilinear")
    torch.testing.assert_close(network(image)["map"], torch.cat([b, c], 1))
    assert [operation["kind"] for operation in network.config["operations"]] == ["conv", "pool", "resize", "concat"]


@torch.inference_mode()
def test_a_value_used_twice_keeps_what_it_was_before_its_activation() -> None:
    w = Writer((1, 8, 8, 3))
    conv = w.conv("image", 1, 1, 3, 2)
    both = w.node("AddV2", conv, w.node("Relu", conv))
    image = torch.randn(1, 3, 8, 8)
    found = read_tfjs(*w.files(), "image", {"sum": both}, "small")(image)
    plain = F.conv2d(image, weights_of(w, 0).permute(3, 2, 0, 1))
    torch.testing.assert_close(found["sum"], plain + plain.relu())


def test_the_image_may_be_any_node_and_what_lies_outside_is_not_read() -> None:
    w = Writer((1, 8, 8, 3))
    scaled = w.node("Mul", "image", w.constant(2.0, np.float32))
    conv = w.conv(scaled, 1, 1, 3, 2)
    w.node("TopKV2", conv)
    network = read_tfjs(*w.files(), scaled, {"map": conv}, "small")
    assert [operation["kind"] for operation in network.config["operations"]] == ["conv"]


def test_what_cannot_be_told_is_refused() -> None:
    w = Writer((1, 8, 8, 3))
    conv = w.conv("image", 1, 1, 3, 2)
    padded = w.node("Pad", conv, w.constant([[0, 0], [1, 1], [1, 1], [0, 0]]))
    made = {
        "operation Softmax": w.node("Softmax", conv),
        "takes padded values": w.node("AddV2", padded, conv),
        "slope 0.3": w.node("LeakyRelu", conv, alpha={"f": 0.3}),
        "joins along axis 2": w.node("ConcatV2", conv, conv, w.constant(2)),
        "takes channels first": w.conv(w.node("Transpose", conv, w.constant([0, 3, 1, 2])), 1, 1, 2, 2),
    }
    for problem, node in made.items():
        with pytest.raises(WeightsError, match=f"small: .*{problem}"):
            read_tfjs(*w.files(), "image", {"map": node}, "small")


def test_damaged_files_are_told() -> None:
    w = Writer((1, 8, 8, 3))
    outputs = {"map": w.conv("image", 1, 1, 3, 2)}
    model, weights = w.files()
    without = json.dumps({"modelTopology": {"node": []}, "weightsManifest": []}).encode()
    for pair in ((model[:-9], weights), (model, weights[:-2]), (model, weights + b"12"), (without, b"")):
        with pytest.raises(WeightsError, match=r"small: not a TensorFlow\.js model that can be read"):
            read_tfjs(*pair, "image", outputs, "small")
