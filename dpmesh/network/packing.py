"""Convolutions and linear layers with weights laid out once: for a CPU as oneDNN wants them, or for a GPU.

Plain layers hand oneDNN their weights in row order, and it reorders them at every call: for the 8x8 and 4x4 levels of
the U-Net at batch 1 that takes longer than the convolution. In float32 the packed linear layers also run on oneDNN
instead of MKL, which is 2.5 times slower on an AMD processor. `dpmesh-video bench network` measures both.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dpmesh.network.model import DPMesh


def can_pack(dtype: torch.dtype) -> bool:
    """Return whether this build of torch has the packed layers for a number format."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack(network: DPMesh, dtype: torch.dtype) -> DPMesh:
    """Pack the layers that cost the time, in place, and return the network, which then serves inference alone.

    Args:
        network: on the CPU, in float32, its LoRA layers merged.
        dtype: number format inside the packed layers.
    """
    for part in packed_parts(network):
        _pack_layers(part, dtype)
    return network


def lay_out(network: DPMesh, dtype: torch.dtype) -> DPMesh:
    """Store the same layers as a GPU wants them, in place, and return the network, which then serves inference alone.

    Weights in the number format are read once in place of being converted at every call; tensor cores want the
    channels of convolutions last.

    Args:
        network: in float32, its LoRA layers merged; it is called within `computing_in(dtype, ...)`.
        dtype: number format of the layers.
    """
    for part in packed_parts(network):
        for layer in part.modules():
            if type(layer) is nn.Conv2d:
                layer.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
            elif type(layer) is nn.Linear:
                layer.to(dtype=dtype)
    return network


def packed_parts(network: DPMesh) -> tuple[nn.Module, ...]:
    """Return the parts whose layers are packed."""
    if not network.settings.regressor.has_image:
        return ()
    backbone = network.backbone
    return backbone.latents, backbone.control, backbone.unet, backbone.fusion, network.volume


def _pack_layers(module: nn.Module, dtype: torch.dtype) -> None:
    for name, child in list(module.named_children()):
        if type(child) is nn.Conv2d and child.padding_mode == "zeros" and not isinstance(child.padding, str):
            setattr(module, name, PackedConv2d(child, dtype))
        elif type(child) is nn.Linear:
            setattr(module, name, PackedLinear(child, dtype))
        else:
            _pack_layers(child, dtype)


class _Packed(nn.Module):
    """A layer whose weight is packed at its first call, when the shape of its input is known."""

    def __init__(self, layer: nn.Conv2d | nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype
        self._weight = layer.weight.detach().to(dtype)
        self._bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self._is_packed = False

    @property
    def weight(self) -> Tensor:
        """An empty tensor of the layer's number format: modules ask their layers for it."""
        return torch.empty(0, dtype=self._dtype)


class PackedConv2d(_Packed):
    """A 2D convolution."""

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__(layer, dtype)
        self._geometry: tuple[Any, ...] = (
            list(layer.padding),
            list(layer.stride),
            list(layer.dilation),
            layer.groups,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the convolution of (R, C, H, W), channels last in memory."""
        image = image.to(self._dtype).contiguous(memory_format=torch.channels_last)
        if not self._is_packed:
            shape = list(image.shape)
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *self._geometry, shape)
            self._is_packed = True
        return torch.ops.mkldnn._convolution_pointwise(image, self._weight, self._bias, *self._geometry, "none", [], "")


class PackedLinear(_Packed):
    """A linear layer."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the layer's result (..., O) for (..., I)."""
        rows = tokens.to(self._dtype).reshape(-1, tokens.shape[-1])
        if not self._is_packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, len(rows))
            self._is_packed = True
        mixed = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
        return mixed.view(*tokens.shape[:-1], -1)
