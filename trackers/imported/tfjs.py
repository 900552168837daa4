"""Reads a TensorFlow.js graph model into the form of `GraphNetwork`.

Source: the format as the package `@tensorflow/tfjs-converter` 4 reads it: a GraphDef as JSON, with a list of weights
that lie one behind the other in a file of bytes.
"""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from configs.errors import WeightsError
from trackers.imported.graph import LEAKY_SLOPE, GraphNetwork

DTYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4"}
CHANNELS_LAST, CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
"""Permutations of a transposition, and what they make: the layout of the value behind them."""

ACTIVATIONS = {"Relu": "relu", "Relu6": "relu6", "LeakyRelu": "leaky_relu", "Sigmoid": "sigmoid"}
CONVOLUTIONS = ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative")
PLAIN = ("Identity", "Cast")  # change nothing here
NOTHING: dict[str, Any] = {"list": {}}
LOWEST = -1e30  # a padding of this or less is never the largest


def read_tfjs(
    model: bytes, weights: bytes, image: str, outputs: Mapping[str, str], source: str, *, is_channels_last: bool = True
) -> GraphNetwork:
    """Return the network between the image and some of its nodes, in float32.

    What precedes the image and follows the outputs is left out: both can lie inside the graph. Sides of the image have
    to be multiples of the network's coarsest stride, where "SAME" padding does not depend on them.

    Args:
        model: content of the `.json` file.
        weights: content of its weights' file; float16 is widened.
        image: node whose value is the image.
        outputs: a name for users, and the node.
        source: named in errors.
        is_channels_last: layout of the image in the graph.

    Raises:
        WeightsError: the files are damaged, or hold an operation that the form has no kind for.
    """
    try:
        graph = _Graph(json.loads(model), weights, source)
        return graph.network(image, outputs, CHANNELS_LAST if is_channels_last else CHANNELS_FIRST)
    except (AttributeError, IndexError, KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"{source}: not a TensorFlow.js model that can be read ({error!r}); give another") from error


@dataclass(frozen=True, slots=True)
class _Value:
    """What a node of the graph is in the network."""

    name: str  # of the network's value
    layout: tuple[int, ...]
    scale: Fraction = Fraction(1)  # its sides, as fractions of the image's
    padding: tuple[int, int, int, int] | None = None  # left, right, top, bottom: what is still to be added
    pad_value: float = 0.0


class _Graph:
    """The nodes of a graph, on their way to operations and weights."""

    def __init__(self, model: Mapping[str, Any], content: bytes, source: str) -> None:
        self._nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
        self._constants = _read_constants(model["weightsManifest"], content)
        self._source = source
        self._operations: dict[str, dict[str, Any]] = {}
        self._weights: dict[str, torch.Tensor] = {}
        self._values: dict[str, _Value] = {}  # by node
        self._makers: set[str] = set()  # nodes that became operations; the others only stand for what they take
        self._uses: Counter[str] = Counter()

    def network(self, image: str, outputs: Mapping[str, str], layout: tuple[int, ...]) -> GraphNetwork:
        """Return the network with these outputs."""
        order = self._order(image, list(outputs.values()))
        self._uses.update(outputs.values())
        self._values[image] = _Value("image", layout)
        for name in order:
            self._add(self._nodes[name])
        named = {name: self._values[node].name for name, node in outputs.items()}
        network = GraphNetwork(list(self._operations.values()), ["image"], named)
        network.load_state_dict({f"convolutions.{name}": value for name, value in self._weights.items()})
        return network.eval()

    def _order(self, image: str, wanted: Sequence[str]) -> list[str]:
        """Return the nodes between the image and the wanted ones, each after those that it takes."""
        order: list[str] = []
        known = {image}
        stack = [(name, False) for name in reversed(wanted)]
        while stack:
            name, is_ready = stack.pop()
            if is_ready:
                order.append(name)
            elif name not in known and name not in self._constants:
                known.add(name)
                given = self._images_of(self._nodes[name])
                self._uses.update(given)
                stack += [(name, True), *((other, False) for other in reversed(given))]
        return order

    def _images_of(self, node: Mapping[str, Any]) -> list[str]:
        """Return the names of a node's inputs that carry images, and not numbers that describe the operation."""
        given = node.get("input", [])
        first_only = node["op"] in (*CONVOLUTIONS, "ResizeBilinear", "Pad", "PadV2", "Transpose")
        return [name for name in (given[:1] if first_only else given) if name not in self._constants]

    def _add(self, node: Mapping[str, Any]) -> None:
        kind, name, given = node["op"], node["name"], node["input"]
        if kind in PLAIN:
            self._values[name] = self._values[given[0]]
        elif kind == "Transpose":
            self._add_transposition(name, given)
        elif kind in ("Pad", "PadV2"):
            self._add_padding(name, given)
        elif kind in ACTIVATIONS:
            self._add_activation(ACTIVATIONS[kind], name, given[0], node.get("attr", {}))
        elif kind in ("Add", "AddV2") and given[1] in self._constants:
            self._add_bias(name, given[0], self._constants[given[1]])
        elif kind in ("Add", "AddV2"):
            self._make(name, given, {"kind": "add"})
        elif kind == "ConcatV2":
            self._add_joint(name, given)
        elif kind == "ResizeBilinear":
            self._add_resizing(name, given, node["attr"])
        elif kind == "MaxPool":
            stride, kernel = (_whole(node["attr"][key])[1:3] for key in ("strides", "ksize"))
            self._make_kernel(name, given[0], node["attr"], {"kind": "pool", "kernel": kernel, "stride": stride})
        elif kind in CONVOLUTIONS:
            self._add_convolution(name, given, node["attr"], is_depthwise="Depthwise" in kind)
        else:
            raise WeightsError(f"{self._source}: holds operation {kind}, which imported networks cannot have yet")

    def _make(self, name: str, given: Sequence[str], operation: dict[str, Any], factor: Fraction = Fraction(1)) -> str:
        """Add an operation; return the name of the value that it makes, whose sides are `factor` of its input's."""
        taken = [self._values[other] for other in given]
        if any(value.padding for value in taken) and "padding" not in operation:
            raise WeightsError(f"{self._source}: {name} takes padded values, which imported networks cannot have yet")
        made = f"v{len(self._operations)}"
        self._operations[made] = operation | {"inputs": [value.name for value in taken], "output": made}
        self._values[name] = _Value(made, taken[0].layout, taken[0].scale * factor)
        self._makers.add(name)
        return made

    def _make_kernel(self, name: str, given: str, attributes: Mapping[str, Any], operation: dict[str, Any]) -> str:
        """Add an operation that slides a kernel over its input, which may still have to be padded."""
        value, lowest = self._values[given], LOWEST if operation["kind"] == "pool" else 0.0
        if value.layout != CHANNELS_LAST:
            raise WeightsError(f"{self._source}: {name} takes channels first, which imported networks cannot have yet")
        if value.padding and (value.pad_value > lowest or (operation["kind"] == "conv" and value.pad_value)):
            raise WeightsError(f"{self._source}: {name} takes an image padded with {value.pad_value}")
        padding = list(value.padding or (0, 0, 0, 0))
        if base64.b64decode(attributes["padding"]["s"]) == b"SAME":
            if any(padding):
                raise WeightsError(f"{self._source}: {name} pads twice, which imported networks cannot have yet")
            rows, columns = map(_same, operation["kernel"], operation["stride"])
            padding = [*columns, *rows]
        factor = Fraction(1, operation["stride"][0])
        return self._make(name, [given], operation | {"padding": padding}, factor)

    def _add_transposition(self, name: str, given: Sequence[str]) -> None:
        layout, before = tuple(int(axis) for axis in self._constants[given[1]]), self._values[given[0]]
        if {layout, before.layout} != {CHANNELS_LAST, CHANNELS_FIRST}:
            raise WeightsError(f"{self._source}: {name} transposes to {layout}, which is not a layout")
        self._values[name] = replace(before, layout=layout)

    def _add_padding(self, name: str, given: Sequence[str]) -> None:
        before, paddings = self._values[given[0]], self._constants[given[1]].tolist()
        rows, columns = (1, 2) if before.layout == CHANNELS_LAST else (2, 3)
        if before.padding or any(any(pair) for axis, pair in enumerate(paddings) if axis not in (rows, columns)):
            raise WeightsError(f"{self._source}: {name} pads twice, or channels, which cannot be imported yet")
        value = float(self._constants[given[2]]) if len(given) > 2 else 0.0
        (top, bottom), (left, right) = paddings[rows], paddings[columns]
        self._values[name] = replace(before, padding=(left, right, top, bottom), pad_value=value)

    def _add_activation(self, activation: str, name: str, given: str, attributes: Mapping[str, Any]) -> None:
        if activation == "leaky_relu" and not np.isclose(attributes["alpha"]["f"], LEAKY_SLOPE):
            raise WeightsError(f"{self._source}: {name} has slope {attributes['alpha']['f']}, not {LEAKY_SLOPE}")
        operation = self._own_operation(given)
        if operation is None or "activation" in operation:
            self._make(name, [given], {"kind": "copy", "activation": activation})
        else:
            operation["activation"] = activation
            self._values[name] = self._values[given]

    def _add_bias(self, name: str, given: str, bias: np.ndarray) -> None:
        operation = self._own_operation(given)
        if operation is None or operation["kind"] != "conv" or "activation" in operation or bias.ndim != 1:
            raise WeightsError(f"{self._source}: {name} adds numbers to what is no convolution of its own")
        self._values[name] = self._values[given]
        self._weights[f"{operation['output']}.bias"] += torch.from_numpy(bias)

    def _own_operation(self, node: str) -> dict[str, Any] | None:
        """Return the operation that makes what a node stands for, if nothing but one other node uses it, else None."""
        if self._values[node].padding:
            return None
        while self._uses[node] == 1 and node in self._nodes:
            if node in self._makers:
                return self._operations[self._values[node].name]
            if not (given := self._images_of(self._nodes[node])):
                return None
            node = given[0]
        return None

    def _add_joint(self, name: str, given: Sequence[str]) -> None:
        axis = int(self._constants[given[-1]]) % 4
        if axis != (3 if self._values[given[0]].layout == CHANNELS_LAST else 1):
            raise WeightsError(f"{self._source}: {name} joins along axis {axis}, which is not that of channels")
        self._make(name, given[:-1], {"kind": "concat"})

    def _add_resizing(self, name: str, given: Sequence[str], attributes: Mapping[str, Any]) -> None:
        if attributes["align_corners"]["b"] or not attributes["half_pixel_centers"]["b"]:
            raise WeightsError(f"{self._source}: {name} resizes in another way than by half pixels")
        if given[1] in self._constants:  # to a number of rows, for an image of the size in the file
            rows = int(self._constants[given[1]][0])
            image = next(node for node in self._nodes.values() if node["op"] == "Placeholder")
            image_rows = int(image["attr"]["shape"]["shape"]["dim"][2]["size"])
            factor = Fraction(rows, image_rows) / self._values[given[0]].scale
        else:  # to its own size, times a number
            factor = Fraction(int(self._constants[self._nodes[given[1]]["input"][1]][0]))
        number = int(factor) if factor.denominator == 1 else float(factor)
        self._make(name, given[:1], {"kind": "resize", "factor": number}, factor)

    def _add_convolution(
        self, name: str, given: Sequence[str], attributes: Mapping[str, Any], *, is_depthwise: bool
    ) -> None:
        weight = self._constants[given[1]]  # (h, w, in, out), or (h, w, channels, multiplier) of a depthwise one
        groups = weight.shape[2] if is_depthwise else 1
        weight = weight.reshape(*weight.shape[:2], weight.shape[2] // groups, -1).transpose(3, 2, 0, 1)
        fused = [base64.b64decode(text).decode() for text in attributes.get("fused_ops", NOTHING)["list"].get("s", [])]
        bias = self._constants[given[2]] if "BiasAdd" in fused else np.zeros(len(weight), np.float32)
        if set(_whole(attributes.get("dilations", {"list": {"i": [1]}}))) != {1}:
            raise WeightsError(f"{self._source}: {name} is dilated, which imported networks cannot have yet")
        operation: dict[str, Any] = {
            "kind": "conv",
            "channels": [weight.shape[1] * groups, len(weight)],
            "kernel": list(weight.shape[2:]),
            "stride": _whole(attributes["strides"])[1:3],
            "groups": groups,
        }
        for text in fused:
            if text != "BiasAdd":
                operation["activation"] = ACTIVATIONS[text]
        made = self._make_kernel(name, given[0], attributes, operation)
        self._weights[f"{made}.weight"] = torch.from_numpy(np.ascontiguousarray(weight))
        self._weights[f"{made}.bias"] = torch.from_numpy(bias.copy())


def _read_constants(manifest: Sequence[Mapping[str, Any]], content: bytes) -> dict[str, np.ndarray]:
    """Return the numbers of a weights' file by name, floats as float32."""
    constants, start = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        dtype = np.dtype(DTYPES[entry.get("quantization", entry)["dtype"]])
        count = int(np.prod(entry["shape"], dtype=np.int64))
        values = np.frombuffer(content, dtype, count, start).reshape(entry["shape"])
        constants[entry["name"]] = values.astype(np.int64 if dtype.kind == "i" else np.float32)
        start += values.nbytes
    if start != len(content):
        raise ValueError(f"its weights take {start} bytes, but {len(content)} are there")
    return constants


def _whole(attribute: Mapping[str, Any]) -> list[int]:
    return [int(number) for number in attribute["list"]["i"]]


def _same(kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's padding before and after a side that is a multiple of the stride."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2
