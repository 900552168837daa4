"""Ultralytics' pose networks with packed layers, for inference on a CPU."""

from typing import Any

import torch
from torch import Tensor, nn

from configs.packed_layers import PackedConv2d, can_pack_layer


def pack_pose(network: nn.Module, dtype: torch.dtype) -> None:
    """Pack the convolutions of a fused network, in place, with the activations behind them.

    What the head makes of the last layers' numbers is computed in float32: in bfloat16, places would be whole pixels.
    """
    head: nn.Module = list(network.model.children())[-1]  # type: ignore[union-attr]
    decoder = getattr(head, "dfl", None)
    plain = {id(module) for module in decoder.modules()} if isinstance(decoder, nn.Module) else set()
    of_head = {id(module) for module in head.modules()}
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if id(layer) in plain or not can_pack_layer(layer):
                continue
            is_block = name == "conv" and hasattr(parent, "act") and not hasattr(parent, "bn")
            if is_block and type(parent.act) is nn.SiLU:
                setattr(parent, name, PackedConv2d(layer, dtype, "silu"))
                parent.act = nn.Identity()
            elif is_block or id(layer) not in of_head:
                setattr(parent, name, PackedConv2d(layer, dtype))
            else:
                setattr(parent, name, nn.Sequential(PackedConv2d(layer, dtype), _Exact()))
    head.register_forward_pre_hook(_in_float32)


class _Exact(nn.Module):
    """Goes on in float32."""

    def forward(self, values: Tensor) -> Tensor:
        """Return the same numbers."""
        return values.float()


def _in_float32(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Let the head place its anchors in the format of its inputs."""
    return ([values.float() for values in given[0]], *given[1:])
