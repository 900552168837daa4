"""Small TensorFlow.js graph models, written node by node."""

import base64
import json
from typing import Any

import numpy as np


def _text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _numbers(values: list[int]) -> dict[str, Any]:
    return {"list": {"i": [str(value) for value in values]}}


class Writer:
    """Writes a model: its JSON and its weights, floats in half precision."""

    def __init__(self, image_shape: tuple[int, ...], seed: int = 0) -> None:
        dims = {"dim": [{"size": str(size)} for size in image_shape]}
        self.nodes: list[dict[str, Any]] = [
            {"name": "image", "op": "Placeholder", "attr": {"shape": {"shape": dims}}},
        ]
        self.numbers: dict[str, np.ndarray] = {}
        self._rng = np.random.default_rng(seed)

    def constant(self, values: Any, dtype: type = np.int32) -> str:
        name = f"number_{len(self.numbers)}"
        self.numbers[name] = np.asarray(values, dtype)
        self.nodes.append({"name": name, "op": "Const", "attr": {}})
        return name

    def random(self, *shape: int) -> str:
        return self.constant(self._rng.normal(size=shape), np.float16)

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op}_{len(self.nodes)}/made"
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attributes})
        return name

    def conv(self, image: str, *shape: int, stride: int = 1, padding: str = "SAME", fused: tuple[str, ...] = (),
             op: str = "Conv2D") -> str:  # fmt: skip
        """Add a convolution with random weights of this shape, and a random bias where it is fused with one."""
        inputs = [image, self.random(*shape)]
        attributes: dict[str, Any] = {"strides": _numbers([1, stride, stride, 1]), "padding": {"s": _text(padding)}}
        if fused:
            inputs += [self.random(shape[3] if op == "_FusedConv2D" else shape[2])]
            attributes["fused_ops"] = {"list": {"s": [_text(name) for name in fused]}}
        return self.node(op, *inputs, **attributes)

    def pool(self, image: str, kernel: int, stride: int, padding: str) -> str:
        sides = {"ksize": _numbers([1, kernel, kernel, 1]), "strides": _numbers([1, stride, stride, 1])}
        return self.node("MaxPool", image, padding={"s": _text(padding)}, **sides)

    def resize(self, image: str, size: str) -> str:
        return self.node("ResizeBilinear", image, size, align_corners={"b": False}, half_pixel_centers={"b": True})

    def files(self) -> tuple[bytes, bytes]:
        """Return the JSON and the weights."""
        entries = []
        for name, values in self.numbers.items():
            entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "float32"}
            if values.dtype == np.float16:
                entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            else:
                entry["dtype"] = "int32" if values.dtype == np.int32 else "float32"
            entries.append(entry)
        manifest = [{"paths": ["weights.bin"], "weights": entries}]
        model = {"modelTopology": {"node": self.nodes}, "weightsManifest": manifest}
        return json.dumps(model).encode(), b"".join(values.tobytes() for values in self.numbers.values())
