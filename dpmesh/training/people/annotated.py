"""Joints of crops where annotators of images mark them."""

from torch import Tensor

from dpmesh.training.people.crops import Crops


def as_annotated(crops: Crops) -> Tensor:
    """Return the joints (R, 30, 2) in crop pixels with the hips where annotators mark them: farther out.

    The shares are those of the `coco17` joint set (configs/skeletons.py).
    """
    pelvis, left, right = (crops.joints30_cam[:, joint] for joint in (0, 1, 2))
    joints = crops.joints30_px.clone()
    crop_px = crops.image.shape[-1]
    for place, own, other in ((1, left, right), (2, right, left)):
        hip = 1.1 * own - 0.4 * other + 0.3 * pelvis
        pixels = crops.focal_px[:, None] * hip[:, :2] / hip[:, 2:] + crops.principal_px
        joints[:, place] = (pixels - crops.box_centre_px) * (crop_px / crops.box_px)[:, None] + crop_px / 2
    return joints
