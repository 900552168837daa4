"""Losses of noisy keypoint reasoning (student's features to a frozen teacher's) and of pose tokens.

Source: arXiv 2404.01424, section 3.4; terms from common/base_ssl.py and common/nets/loss.py of
github.com/EternalEvan/DPMesh, which holds no training loop that combines them.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dpmesh.network.model import DPMeshOutput

REASONING_WEIGHT = 0.1
"""Source: arXiv 2404.01424, appendix A."""
RELEASED_FEATURES = ("feature", "feature_2d", "feature_3d")
"""The features that the released losses were made for."""


def reasoning_losses(
    student: DPMeshOutput, teacher: DPMeshOutput, *, is_multi_scale: bool = False
) -> dict[str, Tensor]:
    """Return the weighted losses of a student's features against a teacher's, by name: each a mean over the features.

    Args:
        is_multi_scale: the hierarchical features of the paper, three scales of U-Net features with attention maps, in
            place of what the released losses take.

    Source: arXiv 2404.01424, equation 7.
    """
    pairs = list(zip(*(_features(output, is_multi_scale) for output in (student, teacher)), strict=True))
    contrast = torch.stack([simclr(own, wanted.detach()) for own, wanted in pairs])
    error = torch.stack([feature_error(own, wanted).mean() for own, wanted in pairs])
    return {"nkr_contrast": REASONING_WEIGHT * contrast.mean(), "nkr_error": REASONING_WEIGHT * error.mean()}


def _features(output: DPMeshOutput, is_multi_scale: bool) -> list[Tensor]:
    if is_multi_scale:
        return [torch.cat([part.float() for part in parts], dim=1) for parts in output.scales]
    return [getattr(output, name).float() for name in RELEASED_FEATURES]


def simclr(first: Tensor, second: Tensor) -> Tensor:
    """Return () the NT-Xent loss (temperature 1) of two views (R, ...) of the same rows.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", equation 1.
    """
    rows = len(first)
    views = F.normalize(torch.cat([first.flatten(1), second.flatten(1)]), dim=-1)
    similarity = views @ views.T
    similarity = similarity.masked_fill(torch.eye(2 * rows, dtype=torch.bool, device=views.device), -torch.inf)
    partner = torch.arange(2 * rows, device=views.device).roll(rows)
    return F.cross_entropy(similarity, partner)


def feature_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the squared distance, element by element, of features of the same shape; the teacher gets no gradient."""
    return (student - teacher.detach()).square()
