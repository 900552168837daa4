"""The loss of keypoint maps."""

import torch
from torch import Tensor

from dpmesh.network.prompts import heatmaps

_BELL_CELLS = 0.8
_HIDDEN_WEIGHT = 0.4


def map_loss(logits: Tensor, places: Tensor, visible: Tensor) -> Tensor:
    """Return the cross-entropy of maps against a narrow bell round each keypoint inside the crop.

    Args:
        logits: (R, K, 32, 32).
        places: (R, K, 2) in cells.
        visible: (R, K) 0 outside the crop, 1 hidden, 2 visible.
    """
    wanted = heatmaps(places, torch.ones_like(places[..., :1]), _BELL_CELLS).flatten(2)
    wanted = wanted / wanted.sum(-1, keepdim=True).clamp_min(1e-6)
    entropy = -(wanted * logits.float().flatten(2).log_softmax(-1)).sum(-1)
    weight = (visible == 2).float() + _HIDDEN_WEIGHT * (visible == 1)
    return (entropy * weight).sum() / weight.sum().clamp_min(1.0)
