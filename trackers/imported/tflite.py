"""Reads a TensorFlow Lite file into the form of `GraphNetwork`.

Source: the schema of the format, tensorflow/lite/schema/schema.fbs, as `ai-edge-litert` ships it.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema

from configs.errors import WeightsError
from trackers.imported.graph import GraphNetwork

OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
ACTIVATIONS = {0: "", 1: "relu", 3: "relu6"}  # of schema.ActivationFunctionType
DTYPES = {schema.TensorType.FLOAT32: "<f4", schema.TensorType.FLOAT16: "<f2", schema.TensorType.INT32: "<i4"}
SAME = schema.Padding.SAME


def read_tflite(content: bytes, outputs: Mapping[str, int], source: str) -> GraphNetwork:
    """Return the network in a file, without what its outputs do not need.

    Args:
        content: of a `.tflite` file; weights may be stored in half precision.
        outputs: a name for each output that is wanted, and its place among the file's.
        source: named in errors.

    Raises:
        WeightsError: the file is damaged, or holds an operation that the form has no kind for.
    """
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graph = _Graph(model, source)
        return graph.network(outputs)
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError, struct.error) as error:
        raise WeightsError(f"{source}: not a TensorFlow Lite file that can be read ({error}); give another") from error


class _Graph:
    """The operators of a file, on their way to operations and weights."""

    def __init__(self, model: Any, source: str) -> None:
        self._graph, self._buffers, self._source = model.subgraphs[0], model.buffers, source
        self._codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
        self._constant_of: dict[int, int] = {}  # tensors that only widen another's numbers
        self._padded: dict[int, tuple[int, list[int]]] = {}  # tensors that only pad another
        self.operations: list[dict[str, Any]] = []
        self.weights: dict[str, torch.Tensor] = {}

    def network(self, outputs: Mapping[str, int]) -> GraphNetwork:
        """Return the network with these outputs."""
        for operator in self._graph.operators:
            self._add(OPERATORS[self._codes[operator.opcodeIndex]], operator)
        named = {name: f"v{self._graph.outputs[place]}" for name, place in outputs.items()}
        needed, kept = set(named.values()), []
        for operation in reversed(self.operations):
            if operation["output"] in needed:
                needed |= set(operation["inputs"])
                kept.append(operation)
        network = GraphNetwork(kept[::-1], [f"v{self._graph.inputs[0]}"], named)
        names = {name.removeprefix("convolutions.") for name in network.state_dict()}
        network.load_state_dict({f"convolutions.{name}": self.weights[name] for name in names})
        return network.eval()

    def _add(self, name: str, operator: Any) -> None:
        given, made, options = [int(i) for i in operator.inputs], int(operator.outputs[0]), operator.builtinOptions
        operation: dict[str, Any] = {"output": f"v{made}"}
        if name == "DEQUANTIZE":
            self._constant_of[made] = given[0]
            return
        if name == "PAD":
            (top, bottom), (left, right), channels = self._numbers(given[1]).reshape(-1, 2)[1:].tolist()
            if channels == [0, 0]:
                self._padded[made] = given[0], [left, right, top, bottom]
            inputs = [f"v{given[0]}"]
            operation |= {"kind": "pad", "inputs": inputs, "padding": [left, right, top, bottom], "channels": channels}
        elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            operation |= self._convolution(name == "DEPTHWISE_CONV_2D", given, options, f"v{made}")
        elif name == "MAX_POOL_2D":
            kernel = [options.filterHeight, options.filterWidth]
            operation |= {"kind": "pool", "kernel": kernel, "stride": [options.strideH, options.strideW]}
            operation |= self._source_of(given[0], kernel, options)
        elif name == "ADD":
            operation |= {"kind": "add", "inputs": [f"v{value}" for value in given]}
        elif name == "RESIZE_BILINEAR":
            operation |= {"kind": "resize", "inputs": [f"v{given[0]}"], "factor": self._factor(given[0], made, options)}
        elif name == "RESHAPE":
            operation |= {"kind": "flatten", "inputs": [f"v{given[0]}"]}
        elif name == "LOGISTIC":
            operation |= {"kind": "copy", "inputs": [f"v{given[0]}"], "activation": "sigmoid"}
        else:
            raise WeightsError(f"{self._source}: holds operator {name}, which imported networks cannot have yet")
        activation = ACTIVATIONS[getattr(options, "fusedActivationFunction", 0)]
        if activation:
            operation["activation"] = activation
        self.operations.append(operation)

    def _convolution(self, is_depthwise: bool, given: Sequence[int], options: Any, name: str) -> dict[str, Any]:
        weight, bias = self._numbers(given[1]), self._numbers(given[2])
        if is_depthwise:  # (1, h, w, channels * multiplier)
            groups, weight = self._shape(given[0])[3], np.moveaxis(weight[0], -1, 0)[:, None]
        else:  # (out, h, w, in)
            groups, weight = 1, np.moveaxis(weight, -1, 1)
        self.weights[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32))
        self.weights[f"{name}.bias"] = torch.from_numpy(bias.astype(np.float32))
        kernel = list(weight.shape[2:])
        return {
            "kind": "conv",
            "channels": [groups * weight.shape[1], weight.shape[0]],
            "kernel": kernel,
            "stride": [options.strideH, options.strideW],
            "groups": groups,
            **self._source_of(given[0], kernel, options),
        }

    def _source_of(self, value: int, kernel: Sequence[int], options: Any) -> dict[str, Any]:
        """Return input and padding of an operation that may take a padded value."""
        if value in self._padded:  # the operation itself then pads; that of the file falls away
            value, padding = self._padded[value]
            return {"inputs": [f"v{value}"], "padding": padding}
        padding = [0, 0, 0, 0]
        if options.padding == SAME:
            height, width = self._shape(value)[1:3]
            top, bottom = _same(height, kernel[0], options.strideH)
            left, right = _same(width, kernel[1], options.strideW)
            padding = [left, right, top, bottom]
        return {"inputs": [f"v{value}"], "padding": padding}

    def _factor(self, value: int, made: int, options: Any) -> int:
        before, after = self._shape(value)[1], self._shape(made)[1]
        if options.alignCorners or not options.halfPixelCenters or after % before:
            raise WeightsError(f"{self._source}: resizes {before} to {after} rows in another way than by half pixels")
        return after // before

    def _shape(self, value: int) -> list[int]:
        return [int(size) for size in self._graph.tensors[value].shape]

    def _numbers(self, value: int) -> np.ndarray:
        tensor = self._graph.tensors[self._constant_of.get(value, value)]
        content = np.asarray(self._buffers[tensor.buffer].data, np.uint8).tobytes()
        return np.frombuffer(content, DTYPES[tensor.type]).reshape([int(size) for size in tensor.shape])


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's padding before and after a side for which the output has size / stride, rounded up."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
