"""The SMPL-format body: its parameters, joint sets, forward kinematics and mesh.

`BodyParams` imports no torch; the other names do, when they are first used.
"""

from typing import TYPE_CHECKING, Any

from configs.skeletons import JOINT_SETS
from dpmesh.body.params import BodyParams

if TYPE_CHECKING:
    from dpmesh.body.kinematics import forward_kinematics
    from dpmesh.body.load import load_body
    from dpmesh.body.model import BodyModel

__all__ = ["BodyModel", "BodyParams", "JOINT_SETS", "forward_kinematics", "load_body"]

_HOMES = {"BodyModel": "model", "forward_kinematics": "kinematics", "load_body": "load"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
