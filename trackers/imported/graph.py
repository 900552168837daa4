"""A convolutional network as a list of operations: the one form that imported networks are kept and run in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from configs.diffusers_models import ConfigMixin, ModelMixin, register_to_config
from configs.packed_layers import PackedConv2d, can_pack_layer

ACTIVATIONS = {
    "relu": torch.relu_,
    "relu6": lambda values: values.clamp_(0.0, 6.0),
    "leaky_relu": lambda values: F.leaky_relu_(values, LEAKY_SLOPE),
    "sigmoid": torch.sigmoid,
}
LEAKY_SLOPE = 0.1
Operation = Mapping[str, Any]


class GraphNetwork(ModelMixin, ConfigMixin):
    """Runs operations in the order given. Every value has a name; images are (R, C, H, W).

    An operation is a mapping: `kind`, `inputs` (names), `output` (name), and what its kind needs:

    conv     channels [in, out], kernel [h, w], stride [h, w], padding [left, right, top, bottom], groups
    add      the sum of its two inputs
    pool     the largest of kernel [h, w] with stride [h, w], after padding
    concat   the channels of its inputs, one behind the other
    resize   bilinear, by a factor that is whole or a half; corners of pixels are aligned (half-pixel centres)
    pad      zeros around: padding [left, right, top, bottom], and channels [before, behind]
    flatten  (R, C, H, W) to (R, H * W * C), with the channel last, as TensorFlow orders them
    copy     nothing

    and `activation`, what is applied to the result, of `ACTIVATIONS`.
    """

    @register_to_config
    def __init__(self, operations: Sequence[Operation], inputs: Sequence[str], outputs: Mapping[str, str]) -> None:
        """Build with random weights.

        Args:
            inputs: name of the value that `forward` is given.
            outputs: what is returned: a name for users, and that of the value.

        Raises:
            ValueError: an operation is of no known kind, or takes what none before it made.
        """
        super().__init__()
        known = set(inputs)
        for operation in operations:
            missing = set(operation["inputs"]) - known
            if missing:
                raise ValueError(f"operation {operation['output']} takes {sorted(missing)}, which none before it makes")
            if operation["kind"] not in KINDS:
                raise ValueError(f"operation {operation['output']} is of kind {operation['kind']!r}, not of {KINDS}")
            known.add(operation["output"])
        self._operations = [dict(operation) for operation in operations]
        self._last_use = {name: row for row, operation in enumerate(operations) for name in operation["inputs"]}
        self.convolutions = nn.ModuleDict(
            {operation["output"]: _convolution(operation) for operation in operations if operation["kind"] == "conv"}
        )

    def pack(self, dtype: torch.dtype) -> None:
        """Give the convolutions, with their activations, the form for inference on a CPU in a number format.

        The last ones compute in float32: in bfloat16, a place in a crop of 256 pixels would be a whole number of them.
        So do those beside which others make maps: in bfloat16, the many additions behind BlazePose's common features
        moved its points by 0.8 and 1.3 pixels all one way, and its 3D joints by 15 cm; what is before them does
        what noise of 1 to 2 grey levels in the image does.
        """
        exact = self._last_convolutions() | self._convolutions_beside_maps()
        for operation in self._operations:
            name = operation["output"]
            if operation["kind"] == "conv" and can_pack_layer(layer := self.convolutions[name]):
                activation = operation.pop("activation", None) or "none"
                self.convolutions[name] = PackedConv2d(layer, torch.float32 if name in exact else dtype, activation)

    def _last_convolutions(self) -> set[str]:
        """Return the convolutions between which and an output there is no other one."""
        return self._convolutions_before(self.config["outputs"].values(), is_last=True)

    def _convolutions_beside_maps(self) -> set[str]:
        """Return the convolutions that serve flat outputs alone, of a network that also has maps among its outputs."""
        flat = {operation["output"] for operation in self._operations if operation["kind"] == "flatten"}
        outputs = set(self.config["outputs"].values())
        of_maps = self._convolutions_before(outputs - flat)
        return self._convolutions_before(outputs & flat) - of_maps if of_maps else set()

    def _convolutions_before(self, values: Iterable[str], *, is_last: bool = False) -> set[str]:
        """Return the convolutions that values depend on; `is_last`: only those with no other one in between."""
        made_by = {operation["output"]: operation for operation in self._operations}
        found, met, open_values = set[str](), set[str](), list(values)
        while open_values:
            operation = made_by.get(name := open_values.pop())
            if operation is None or name in met:
                continue
            met.add(name)
            is_convolution = operation["kind"] == "conv"
            if is_convolution:
                found.add(name)
            if not (is_convolution and is_last):
                open_values += operation["inputs"]
        return found

    def forward(self, image: Tensor, wanted: Sequence[str] = ()) -> dict[str, Tensor]:
        """Return the outputs by name.

        Args:
            image: (R, C, H, W).
            wanted: names of further values to return, as the features inside the network.
        """
        outputs = {**self.config["outputs"], **{name: name for name in wanted}}
        kept = set(outputs.values())
        values = {self.config["inputs"][0]: image}
        for row, operation in enumerate(self._operations):
            values[operation["output"]] = self._run(operation, [values[name] for name in operation["inputs"]])
            for name in operation["inputs"]:
                if self._last_use[name] == row and name not in kept:
                    values.pop(name, None)
        return {name: values[value] for name, value in outputs.items()}

    def _run(self, operation: Operation, given: list[Tensor]) -> Tensor:
        kind, first = operation["kind"], given[0]
        padding = operation.get("padding", [0, 0, 0, 0])
        if kind == "conv":
            if _is_uneven(padding):
                first = F.pad(first, padding)
            result = _convolve(self.convolutions[operation["output"]], first)
        elif kind == "add":
            result = first + given[1]
        elif kind == "concat":
            result = torch.cat(given, 1)
        elif kind == "pool":
            padded = F.pad(first, padding, value=float("-inf")) if any(padding) else first
            result = F.max_pool2d(padded, operation["kernel"], operation["stride"])
        elif kind == "resize":
            result = F.interpolate(first, scale_factor=operation["factor"], mode="bilinear", align_corners=False)
        elif kind == "flatten":
            result = first.permute(0, 2, 3, 1).flatten(1)
        elif kind == "pad":
            result = F.pad(first, [*padding, *operation["channels"]])
        else:
            result = first.clone()
        activation = operation.get("activation")
        return ACTIVATIONS[activation](result) if activation else result


KINDS = ("conv", "add", "concat", "pool", "resize", "pad", "flatten", "copy")


def _convolution(operation: Operation) -> nn.Conv2d:
    padding = operation.get("padding", [0, 0, 0, 0])
    before, after = operation["channels"]
    return nn.Conv2d(
        before,
        after,
        tuple(operation["kernel"]),
        tuple(operation["stride"]),
        padding=0 if _is_uneven(padding) else (padding[2], padding[0]),
        groups=operation.get("groups", 1),
    )


def _convolve(layer: nn.Module, image: Tensor) -> Tensor:
    """Return a convolution; one of single pixels as a matrix product, which takes half the time on one CPU thread."""
    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.stride == (1, 1) and layer.groups == 1:
        return F.linear(image.permute(0, 2, 3, 1), layer.weight[:, :, 0, 0], layer.bias).permute(0, 3, 1, 2)
    result: Tensor = layer(image)
    return result


def _is_uneven(padding: Sequence[int]) -> bool:
    left, right, top, bottom = padding
    return left != right or top != bottom
