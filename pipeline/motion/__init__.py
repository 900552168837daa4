"""Motion files: one AMASS-style npz per person, at a constant rate, Z up."""

from pipeline.motion.posing import Body, joint_positions, pelvis_of, vertex_positions
from pipeline.motion.read import MotionFile, read_motion
from pipeline.motion.resample import SampledMotion, resample
from pipeline.motion.write import write_motion

__all__ = [
    "Body",
    "MotionFile",
    "SampledMotion",
    "joint_positions",
    "pelvis_of",
    "read_motion",
    "resample",
    "vertex_positions",
    "write_motion",
]
