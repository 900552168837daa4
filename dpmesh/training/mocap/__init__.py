"""Free motion capture as SMPL poses: parsers, retargeting, the pose bank, drawing training poses from it."""

from dpmesh.training.mocap.bank import PoseBank

__all__ = ["PoseBank"]
