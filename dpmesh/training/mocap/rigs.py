"""Which source joint drives which SMPL joint, one table per rig."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Drive:
    """The source of one SMPL joint's global rotation.

    The rotation lies `share` of the way from source joint `first` to `second`. A limb also names the source joints
    at the start and the end of its bone, so that the two rest directions can be brought together; a trunk joint
    takes the rotation as it is.
    """

    first: str
    second: str = ""
    share: float = 0.0
    bone: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Rig:
    """A rig's zero pose, its correspondences and its unit.

    `reference` gives global rotation vectors in radians of joints whose zero pose is not a standing one, facing +Z:
    what the joint turns by to stand so. Joints not named keep their parent's.

    The angles undo what a zero pose hides (radians). `leg_splay` is how far it holds the legs apart, feet rolled with
    them. The others were measured on the rig's own clips: `arm_twist` turns the arm about its bone until the mean
    elbow hinge is that of the T-pose; `sole_pitch` tips the toes down (below 0: up) until the soles of resting feet
    are level; `head_pitch` tips the face down (below 0: up) until people who walk look ahead.
    """

    name: str
    drives: Mapping[str, Drive]
    reference: Mapping[str, tuple[float, float, float]] = field(default_factory=lambda: MappingProxyType({}))
    arm_twist: float = 0.0
    leg_splay: float = 0.0
    sole_pitch: float = 0.0
    head_pitch: float = 0.0
    has_free_elbows: bool = False  # arms follow marker directions only, their twist means nothing

    @property
    def hips(self) -> tuple[str, str]:
        """Source joints at the left and the right hip."""
        return self.drives["left_hip"].first, self.drives["right_hip"].first


def _limb(*names: str) -> list[Drive]:
    return [Drive(first, bone=(first, second)) for first, second in pairwise(names)]


def _rig(
    name: str,
    trunk: Mapping[str, Drive],
    legs: Mapping[str, tuple[str, ...]],
    arms: Mapping[str, tuple[str, ...]],
    collars: Mapping[str, str] = MappingProxyType({}),
    ankles: Mapping[str, str] = MappingProxyType({}),
    **corrections: Any,
) -> Rig:
    """Build a rig: legs are hip, knee and ankle joints, arms shoulder, elbow and wrist joints, from the trunk out.

    `corrections` are the other fields of `Rig`.
    """
    drives = dict(trunk)
    for side in SIDES:
        drives.update(zip((f"{side}_hip", f"{side}_knee"), _limb(*legs[side]), strict=True))
        drives.update(zip((f"{side}_shoulder", f"{side}_elbow"), _limb(*arms[side]), strict=True))
        for part, table in (("collar", collars), ("ankle", ankles)):
            if side in table:
                drives[f"{side}_{part}"] = Drive(table[side])
    return Rig(name, MappingProxyType(drives), **corrections)


CGSPEED = _rig(
    "cgspeed",
    {
        "pelvis": Drive("hip"), "spine1": Drive("hip", "abdomen", 0.5), "spine2": Drive("abdomen", "chest", 0.5),
        "spine3": Drive("chest"), "neck": Drive("neck"), "head": Drive("head"),
    },
    legs={"left": ("lThigh", "lShin", "lFoot"), "right": ("rThigh", "rShin", "rFoot")},
    arms={"left": ("lShldr", "lForeArm", "lHand"), "right": ("rShldr", "rForeArm", "rHand")},
    collars={"left": "lCollar", "right": "rCollar"},
    ankles={"left": "lFoot", "right": "rFoot"},
    arm_twist=-0.5,
)  # fmt: skip

CMU_ASF = _rig(
    "cmu_asf",
    {
        "pelvis": Drive("root"), "spine1": Drive("lowerback"), "spine2": Drive("upperback"),
        "spine3": Drive("thorax"), "neck": Drive("lowerneck", "upperneck", 0.5), "head": Drive("head"),
    },
    legs={"left": ("lfemur", "ltibia", "lfoot"), "right": ("rfemur", "rtibia", "rfoot")},
    arms={"left": ("lhumerus", "lradius", "lwrist"), "right": ("rhumerus", "rradius", "rwrist")},
    collars={"left": "lclavicle", "right": "rclavicle"},
    ankles={"left": "lfoot", "right": "rfoot"},
    arm_twist=-0.51,
    leg_splay=0.349,
    sole_pitch=-0.05,
    head_pitch=-0.26,
)  # fmt: skip

CMU_ASF_BVH = replace(CMU_ASF, name="cmu_asf_bvh", drives={**CMU_ASF.drives, "pelvis": Drive("hip")})

REACTIDLE = _rig(
    "reactidle",
    {
        "pelvis": Drive("pelvis"), "spine1": Drive("pelvis", "spine", 0.5), "spine2": Drive("spine", "spine.001", 0.5),
        "spine3": Drive("spine.001"), "neck": Drive("neck"), "head": Drive("face"),
    },
    legs={
        "left": ("thigh.L", "shin.L", "foot.L"), "right": ("thigh.R", "shin.R", "foot.R"),
    },
    arms={
        "left": ("upper_arm.L", "forearm.L", "forearm.L_end"), "right": ("upper_arm.R", "forearm.R", "forearm.R_end"),
    },
    collars={"left": "shoulder.L", "right": "shoulder.R"},
    ankles={"left": "foot.L", "right": "foot.R"},
    has_free_elbows=True,
)  # fmt: skip

HUMANOID3D = _rig(
    "humanoid3d",
    {
        "pelvis": Drive("root"), "spine1": Drive("root", "chest", 1 / 3), "spine2": Drive("root", "chest", 2 / 3),
        "spine3": Drive("chest"), "neck": Drive("chest", "neck", 0.5), "head": Drive("neck"),
    },
    legs={
        "left": ("left_hip", "left_knee", "left_ankle"), "right": ("right_hip", "right_knee", "right_ankle"),
    },
    arms={
        side: tuple(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist")) for side in SIDES
    },
    ankles={"left": "left_ankle", "right": "right_ankle"},
)  # fmt: skip

# The iClone rig's bones point along their own +Y and the file has no standing pose. Measured over its 39 clips: knee
# and elbow each turn about one fixed axis of the bone above (third singular value under 1% of the first), which fixes
# thigh, calf, upper arm and forearm; the spine takes its mean over upright walking (002_01), a collar its median.
_THIGH = (0.0, 0.0, 3.1416)
_FOOT = (0.0, 1.688, 2.6496)
_LEFT_ARM, _RIGHT_ARM = (0.4216, 0.4216, -1.5294), (0.4216, -0.4216, 1.5294)
ICLONE = _rig(
    "iclone",
    {
        "pelvis": Drive("CC_Base_Hip"), "spine1": Drive("CC_Base_Waist"), "spine2": Drive("CC_Base_Spine01"),
        "spine3": Drive("CC_Base_Spine02"), "neck": Drive("CC_Base_NeckTwist01"), "head": Drive("CC_Base_Head"),
    },
    legs={
        side: tuple(f"CC_Base_{letter}_{part}" for part in ("Thigh", "Calf", "Foot"))
        for side, letter in (("left", "L"), ("right", "R"))
    },
    arms={
        side: tuple(f"CC_Base_{letter}_{part}" for part in ("Upperarm", "Forearm", "Hand"))
        for side, letter in (("left", "L"), ("right", "R"))
    },
    collars={"left": "CC_Base_L_Clavicle", "right": "CC_Base_R_Clavicle"},
    ankles={"left": "CC_Base_L_Foot", "right": "CC_Base_R_Foot"},
    sole_pitch=0.17,
    head_pitch=-0.2,
    reference=MappingProxyType({
        "CC_Base_Hip": (0.0, 0.0, 0.0), "CC_Base_Pelvis": (0.205, 0.0, 0.0),
        "CC_Base_L_Thigh": _THIGH, "CC_Base_R_Thigh": _THIGH, "CC_Base_L_Foot": _FOOT, "CC_Base_R_Foot": _FOOT,
        "CC_Base_Waist": (0.384, 0.0, 0.0), "CC_Base_Spine01": (0.052, 0.0, 0.0),
        "CC_Base_Spine02": (-0.035, 0.0, 0.0), "CC_Base_NeckTwist01": (0.14, 0.0, 0.0),
        "CC_Base_NeckTwist02": (0.14, 0.0, 0.0), "CC_Base_Head": (0.0, 0.0, 0.0),
        "CC_Base_L_Clavicle": (-0.0569, 0.3453, -1.5049), "CC_Base_R_Clavicle": (-0.0569, -0.3453, 1.5049),
        "CC_Base_L_Upperarm": _LEFT_ARM, "CC_Base_R_Upperarm": _RIGHT_ARM,
    }),
)  # fmt: skip
