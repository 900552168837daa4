"""An imported network as a device runs it fastest."""

import torch
from torch import Tensor

from configs.number_formats import FORMATS, computing_in
from configs.packed_layers import can_pack
from trackers.imported.graph import GraphNetwork

ROWS_TOGETHER = 4
"""On a CPU. With 8 rows, what BlazePose's first layers make has 32 MiB and more, which glibc maps anew at every call:
40 % of the time went into page faults."""


class ServedNetwork:
    """A network that serves inference alone: on a CPU with packed layers, where torch has them."""

    def __init__(self, network: GraphNetwork, *, device: str, dtype: str) -> None:
        """Lay out the weights of a network, in place.

        Args:
            network: in float32.
            dtype: a key of `configs.number_formats.FORMATS`, inside the network.
        """
        wanted = FORMATS[dtype]
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()
        is_packed = device == "cpu" and can_pack(wanted)
        if is_packed:
            network.pack(wanted)
        self._device = device
        self._computed_in = torch.float32 if is_packed else wanted  # packed layers need nobody to tell them

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name, in float32. pixels: (R, 3, H, W), as the network wants them."""
        with computing_in(self._computed_in, self._device):
            parts = [
                self._network(part.contiguous(memory_format=torch.channels_last))
                for part in pixels.split(ROWS_TOGETHER if self._device == "cpu" else len(pixels))
            ]
        return {name: torch.cat([part[name] for part in parts]).float() for name in parts[0]}
