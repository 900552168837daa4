"""Which joints an image shows, by depth."""

from __future__ import annotations

import torch
from torch import Tensor

OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2

# Joints of the 30-set lie inside the body: how far, in metres, the skin before a joint may be while the joint still
# counts as seen. About the limb's half thickness plus loose cloth.
DEPTH_INSIDE_M = (
    *(0.20, 0.17, 0.17, 0.22, 0.11, 0.11, 0.22, 0.09, 0.09, 0.22, 0.08, 0.08),
    *(0.13, 0.14, 0.14, 0.15, 0.13, 0.13, 0.09, 0.09, 0.08, 0.08, 0.07, 0.07),
    *(0.05, 0.05, 0.05, 0.07, 0.07, 0.12),
)


def joint_visibility(
    pixels: Tensor,
    depths: Tensor,
    inside_m: Tensor,
    row: Tensor,
    image_index: Tensor,
    image_rows: Tensor,
    image_depth: Tensor,
    own_depth: Tensor,
    cover: Tensor | None,
    scale: int,
) -> Tensor:
    """Return visibility (R, J) uint8: OUTSIDE, HIDDEN or VISIBLE.

    Args:
        pixels: (R, J, 2) joints in the image; NaN counts as outside.
        depths: (R, J) metres.
        inside_m: (J,) how far inside the body each joint lies, as in `DEPTH_INSIDE_M`.
        row: (R,) name of each person in `image_rows`.
        image_index: (R,) int64.
        image_rows, image_depth: (N, sH, sW) who is seen and how far away, at `scale` subpixels a pixel.
        own_depth: (R, sH, sW) of each person alone.
        cover: (N, H, W) float32, how much an occluder hides, before everybody; None for none.
        scale: subpixels per pixel.
    """
    high, wide = image_rows.shape[1:]
    limit = pixels.new_tensor([wide / scale, high / scale])
    inside = ((pixels >= 0) & (pixels < limit)).all(-1)
    safe = torch.where(inside[..., None], pixels, 0.0)
    column, line = (safe * scale).long().unbind(-1)
    where = image_index[:, None]
    other = image_rows[where, line, column] != row[:, None]
    by_other = other & (image_depth[where, line, column] < depths)
    if cover is not None:
        by_other = by_other | (cover[where, line // scale, column // scale] > 0.5)
    own = torch.arange(len(pixels), device=pixels.device)[:, None]
    by_self = own_depth[own, line, column] < depths - inside_m
    seen = torch.where(by_other | by_self, HIDDEN, VISIBLE)
    return torch.where(inside, seen, OUTSIDE).to(torch.uint8)
