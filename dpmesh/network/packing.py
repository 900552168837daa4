"""The network with weights laid out once: for a CPU as oneDNN wants them, or for a GPU.

For the 8x8 and 4x4 levels of the U-Net at batch 1, reordering weights at every call takes longer than the convolution.
`dpmesh-video bench network` measures it.
"""

import torch
from torch import nn

from configs.packed_layers import PackedConv2d, PackedLinear, can_pack_layer
from dpmesh.network.model import DPMesh


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
        if can_pack_layer(child):
            setattr(module, name, PackedConv2d(child, dtype))
        elif type(child) is nn.Linear:
            setattr(module, name, PackedLinear(child, dtype))
        else:
            _pack_layers(child, dtype)
