"""The pinhole camera of each person row, and the way between a crop's camera and the full image's.

Axes: x right, y down, z forward, metres. Pixels are those of the full image unless a name says `crop`.
"""

import torch
from torch import Tensor


def project(points: Tensor, focal_px: Tensor, principal_px: Tensor) -> Tensor:
    """Return the pixels (R, K, 2) of camera points (R, K, 3); focal (R,), principal (R, 2).

    A point at depth 0 gives infinities, one behind the camera its mirror image: mask by depth where that can be.
    """
    return focal_px[:, None, None] * points[..., :2] / points[..., 2:] + principal_px[:, None]


def depth_from_scale(scale: Tensor, box_px: Tensor, focal_px: Tensor) -> Tensor:
    """Return the distance of each person from the camera, in metres.

    Args:
        scale: (R,) how many half-crops one metre spans, above 0.
        box_px: (R,) side of the square crop, in pixels of the full image.
        focal_px: (R,) focal length, in the same pixels.

    Source: pinhole, one metre at depth z spans focal_px / z = scale * box_px / 2.
    """
    return 2.0 * focal_px / (box_px * scale)


def translation_from_crop(
    scale: Tensor, offset_m: Tensor, box_centre_px: Tensor, box_px: Tensor, focal_px: Tensor, principal_px: Tensor
) -> Tensor:
    """Return the body's origin (R, 3) in the full image's camera, given the weak-perspective camera of a crop.

    Args:
        scale: (R,) how many half-crops one metre spans, above 0.
        offset_m: (R, 2) metres right and down from the crop's centre to the body's origin, at the body's depth.
        box_centre_px: (R, 2) centre of the square crop.
        box_px: (R,) its side.
        focal_px: (R,), principal_px: (R, 2).

    Source: CLIFF (Li et al. 2022), equation 4: the crop's centre lies (centre - principal) * depth / focal off axis.
    """
    depth = depth_from_scale(scale, box_px, focal_px)
    centre_m = (box_centre_px - principal_px) * (depth / focal_px)[:, None]
    return torch.cat([offset_m + centre_m, depth[:, None]], dim=-1)


def ray_rotation(box_centre_px: Tensor, focal_px: Tensor, principal_px: Tensor) -> Tensor:
    """Return `camera_from_crop` (R, 3, 3): the smallest rotation of the optical axis onto the crop centre's ray.

    A body that a network saw as if the crop's centre were straight ahead stands in the camera as
    `camera_from_crop @ orientation_in_crop`.
    """
    slope = (box_centre_px - principal_px) / focal_px[:, None]
    ray = torch.nn.functional.normalize(torch.cat([slope, torch.ones_like(slope[:, :1])], dim=-1), dim=-1)
    x, y, z = ray.unbind(-1)
    # Rodrigues for the turn of (0, 0, 1) onto the ray: the axis is (-y, x, 0) and z > 0, so 1 + z cannot vanish.
    k = 1.0 / (1.0 + z)
    rows = (1 - x * x * k, -x * y * k, x, -x * y * k, 1 - y * y * k, y, -x, -y, z)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
