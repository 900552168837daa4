"""Hints without any error, to which tests add one at a time."""

from dpmesh.training.noise.hints import HintNoise

EXACT_HINTS = HintNoise(
    told=(1.0, 1.0, 1.0),
    shared=(0.0, 0.0, 0.0),
    bias=((0.0,) * 3,) * 12,
    common=((0.0,),) * 36,
    own=((0.0,) * 3,) * 12,
    amplitudes=(1.0,),
    visibility_factors=(1.0,) * 5,
    visibility_shares=((1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 1.0)),
)
